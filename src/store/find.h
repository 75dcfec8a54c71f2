/*
 * find.h - finding records by what their names begin with, sorting a million
 * of them, and counting what state they are in.
 *
 * Table record_find has seven words of each record in order: last and first
 * name, account, e-mail and manager, folded, and both dates. It is made from
 * the records, and kept with every change of a record that is found already;
 * but what a large import adds waits for find_catch_up(), which a server calls
 * in the background, so that the import does not pay for it. Meanwhile, and
 * where there are few records anyway, the records themselves are read: slower,
 * never wrong.
 *
 * Memory:  see store.h; a call keeps what it needs on the stack.
 * Errors:  as db.h.
 * Threads: see store.h.
 */
#ifndef NELM_STORE_FIND_H
#define NELM_STORE_FIND_H

#include "store/record_store.h"

/* --- kept in step, by record_store.c and source_store.c ----------------- */

/* Rows of a source before *ret are found. */
enum error_code find_mark(struct db_tx *tx, int64_t source, int64_t *ret,
                          struct error *err) MUST_USE;
/* Rows from `first` to before `end` are found from now on; all before them
 * are. */
enum error_code find_extend(struct db_tx *tx, int64_t source, int64_t first,
                            int64_t end, struct error *err) MUST_USE;
/* The words of records as they are now, in and out. */
enum error_code find_add(struct db_tx *tx, int64_t first_key, int64_t last_key,
                         struct error *err) MUST_USE;
enum error_code find_drop(struct db_tx *tx, int64_t first_key, int64_t last_key,
                          struct error *err) MUST_USE;
/* Before the records of a source are deleted with it. */
enum error_code find_forget(struct db_tx *tx, int64_t source,
                            struct error *err) MUST_USE;

/* Are all records found? */
enum error_code find_all_found(struct db_tx *tx, bool *ret,
                               struct error *err) MUST_USE;
/* Find up to so many more rows. ERR_NOT_FOUND: all are. */
enum error_code find_catch_up(struct db_tx *tx, int64_t rows,
                              struct error *err) MUST_USE;

/* --- finding ------------------------------------------------------------ */

/* Exactly one holds at a time: ended, else not begun, else ending within
 * FIND_SOON_DAYS, else active. */
enum record_state {
    STATE_ANY,
    STATE_ACTIVE,
    STATE_ENDING,
    STATE_FUTURE,
    STATE_ENDED,
    STATE_COUNT
};
#define FIND_SOON_DAYS 30
#define FIND_TEXT_MAX 256 /* bytes; more is not looked at */

enum record_state record_state(const struct record *record, int64_t now_ms);

struct record_search {
    struct str text;         /* empty: any */
    enum record_state state; /* now */
    int64_t now_ms;
};

/* As record_list(), of the records that match; `source_id` is NULL for the
 * visitor. A text matches when each of its words begins one of the five names,
 * or, if no record is found so, when it begins one as a whole; the list has no
 * sorters then and an order of its own. With a state and without sorters the
 * list is sorted by endDate. */
enum error_code find_list(struct db_tx *tx, const struct uuid *manager,
                          const struct list_query *list,
                          const struct record_search *search,
                          struct arena *scratch, record_visit *visit,
                          void *context, struct error *err) MUST_USE;
enum error_code find_count(struct db_tx *tx, const struct uuid *manager,
                           const struct list_query *list,
                           const struct record_search *search,
                           struct arena *scratch, int64_t *ret,
                           struct error *err) MUST_USE;

/* --- counting ----------------------------------------------------------- */

#define TALLY_WEEKS_MAX 104
#define TALLY_MANAGERS_MAX 256
#define TALLY_SOURCES_MAX 256
#define TALLY_NAME 257

struct tally_of {
    char name[TALLY_NAME];
    int64_t source;
    int64_t ending;
};

/* What there is to count about records; all but the first three is output. */
struct record_counts {
    int64_t now_ms;
    int64_t from_ms; /* where the first week begins */
    unsigned weeks;
    int64_t states[STATE_COUNT]; /* STATE_ANY: all of them */
    int64_t before;              /* there at from_ms */
    int64_t starts[TALLY_WEEKS_MAX], ends[TALLY_WEEKS_MAX];
    /* Those who are ending: by manager, by source; in no order. What has no
     * room is left out. */
    struct tally_of managers[TALLY_MANAGERS_MAX], sources[TALLY_SOURCES_MAX];
    size_t manager_count, source_count;
};

enum error_code find_tally(struct db_tx *tx, const struct uuid *manager,
                           const struct filter *filter, struct arena *scratch,
                           struct record_counts *counts,
                           struct error *err) MUST_USE;

#endif

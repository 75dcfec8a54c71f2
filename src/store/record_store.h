/*
 * record_store.h - records and their history.
 *
 * Every write goes through a struct record_writer, which keeps the table, the
 * history and the source's counters in step within the caller's transaction:
 * begin once (it moves the source's revision), write any number of records,
 * finish once.
 *
 * Memory, errors, threads: see store.h.
 */
#ifndef NELM_STORE_RECORD_STORE_H
#define NELM_STORE_RECORD_STORE_H

#include "base/buf.h"
#include "fmt/digest.h"
#include "store/source_store.h"
#include "store/store.h"

#define RECORD_ROW_BITS 36
#define RECORD_SOURCES_MAX (INT64_MAX >> RECORD_ROW_BITS)
#define RECORD_SEGMENT_BITS 10 /* of a key: what is counted together */

/* The keys of a source's records lie in [first, last]. */
static inline int64_t
record_first_key(int64_t source)
{
    return (int64_t)((uint64_t)source << RECORD_ROW_BITS);
}

static inline int64_t
record_last_key(int64_t source)
{
    return record_first_key(source) | ((INT64_C(1) << RECORD_ROW_BITS) - 1);
}

/* The CSV text of the eight built-in columns, without a line end. */
void record_line(struct buf *to, const struct record *record);

struct record_writer {
    struct db_tx *tx;
    int64_t source, now_ms;
    int64_t revision;            /* of all its changes; 0 before the first */
    int64_t first_row, next_row; /* rows it created, end exclusive */
    int64_t found_row;           /* rows before it are in record_find */
    int64_t created, updated, deleted;
    bool many; /* see record_write_many() */
    struct actor actor;
    struct db_query *insert;
    struct buf line, key;
    struct tally made; /* of what was created, for the chain */
};

/* `now_ms` is the time of every change made through the writer, or that of the
 * source's last change where the clock went back behind it. The revision
 * moves at the first change, not before: a writer that changed nothing leaves
 * no trace. A record is changed at most once by one writer, and a transaction
 * has one writer at a time. ERR_NOT_FOUND when there is no such source. */
enum error_code record_write_begin(struct record_writer *writer,
                                   struct db_tx *tx, int64_t source,
                                   int64_t now_ms, const struct actor *actor,
                                   struct error *err) MUST_USE;

/* Many records will be created and nobody needs to know at once whether a name
 * was taken: record_insert() need not wait for the database, and
 * record_write_finish() says ERR_CONFLICT if one was. */
void record_write_many(struct record_writer *writer);

/* A new record at the end; fills key, id and times. A taken account name is
 * ERR_CONFLICT with the text of contract 5.2, and the writer stays usable. */
enum error_code record_insert(struct record_writer *writer,
                              struct record *record,
                              struct error *err) MUST_USE;

/* Write `record` over the one with the same key; sets modified_ms. A taken
 * account name is ERR_CONFLICT, a missing record ERR_NOT_FOUND. */
enum error_code record_update(struct record_writer *writer,
                              struct record *record,
                              struct error *err) MUST_USE;

/* ERR_NOT_FOUND when it is not there. */
enum error_code record_delete(struct record_writer *writer,
                              const struct record *record,
                              struct error *err) MUST_USE;

/* Write the history of what was created and the source's counters, in a
 * transaction that is to be committed only when this is ERR_OK, and free what
 * the writer holds. Call exactly once after a successful
 * begin, also on failure (then its result does not matter). */
enum error_code record_write_finish(struct record_writer *writer,
                                    struct error *err) MUST_USE;

/* Of a row with the columns of record_by_id, for find.c. */
struct record record_row(struct db_query *query, struct arena *arena);

/* ERR_NOT_FOUND when there is none. Account names compare folded. */
enum error_code record_by_id(struct db_tx *tx, const struct uuid *id,
                             struct arena *arena, struct record *ret,
                             struct error *err) MUST_USE;
enum error_code record_by_account(struct db_tx *tx, int64_t source,
                                  struct str account_name, struct arena *arena,
                                  struct record *ret,
                                  struct error *err) MUST_USE;

/* Of several folded names at once: ret[i] is the record of keys[i], and its
 * key is 0 when there is none. */
#define RECORD_ACCOUNTS_MAX 24
enum error_code record_by_accounts(struct db_tx *tx, int64_t source,
                                   const struct str *keys, size_t count,
                                   struct arena *arena, struct record *ret,
                                   struct error *err) MUST_USE;

/* The export's loop: lines of a source in the order of the CSV, keys in
 * [first, last]. */
struct record_lines {
    struct db_query *query;
};
void record_lines_begin(struct record_lines *lines, struct db_tx *tx,
                        int64_t first, int64_t last);
/* ERR_OK, ERR_END or a failure. The texts live until the next call. */
enum error_code record_lines_next(struct record_lines *lines, int64_t *ret_key,
                                  struct str *ret_line, struct str *ret_custom,
                                  struct error *err) MUST_USE;
void record_lines_end(struct record_lines *lines);

/* The same in blocks of so many keys, from number `first` to `last`: one text
 * for all lines of a block, each with `line_end` behind it. Where a row costs
 * a message (db_tx_is_remote()) this takes half the time. Without the custom
 * columns. */
struct record_blocks {
    struct db_query *query;
};
void record_blocks_begin(struct record_blocks *blocks, struct db_tx *tx,
                         int64_t source, int64_t first, int64_t last,
                         int64_t keys, struct str line_end);
/* Blocks without records are left out. The text lives until the next call. */
enum error_code record_blocks_next(struct record_blocks *blocks,
                                   int64_t *ret_number, int64_t *ret_records,
                                   struct str *ret_text,
                                   struct error *err) MUST_USE;
void record_blocks_end(struct record_blocks *blocks);

/* Did a change of records make that revision of the source at that time? It
 * did not, or not in this history, when a backup was restored since. */
enum error_code record_changed_at(struct db_tx *tx, int64_t source,
                                  int64_t revision, int64_t at_ms, bool *ret,
                                  struct error *err) MUST_USE;

/* Which keys changed after a revision? ERR_END when that cannot be told: when
 * record_changed_at() says no, or when other changes than those of records came
 * after. Else `visit` gets ranges of keys, in any order. */
typedef void record_changed_visit(void *context, int64_t first, int64_t last);
enum error_code record_changed(struct db_tx *tx, const struct source *source,
                               int64_t since, int64_t since_ms,
                               record_changed_visit *visit, void *context,
                               struct error *err) MUST_USE;

/* Records of the sources that `manager` manages; NULL: of all sources; the
 * list's filter may name some. Filter and sort fields of contract section 7.
 * Unsorted, the records of one source come in the order of the CSV, and a page
 * costs the same at any offset, but for reading how many are gone from each
 * segment; those of several come in the order of their ids, which is that of
 * their creation. The count reads the counters of the sources. */
typedef bool record_visit(void *context, const struct record *record,
                          const struct uuid *source_id);
enum error_code record_list(struct db_tx *tx, const struct uuid *manager,
                            const struct list_query *list,
                            struct arena *scratch, record_visit *visit,
                            void *context, struct error *err) MUST_USE;
enum error_code record_list_count(struct db_tx *tx, const struct uuid *manager,
                                  const struct list_query *list, int64_t *ret,
                                  struct error *err) MUST_USE;

#endif

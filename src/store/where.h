/*
 * where.h - the one place that builds SQL at run time: filters, sorters and
 * paging of list calls (contract section 7). The text is put together from the
 * fixed pieces of a struct where_list; what a caller sent is bound, or chooses
 * among the pieces by its name.
 *
 * Memory:  bound values live in the arena, which must outlive the query.
 * Errors:  ERR_VALUE naming the parameter, with the field and operator that
 *          the list does not have as the cause.
 * Threads: see store.h.
 */
#ifndef NELM_STORE_WHERE_H
#define NELM_STORE_WHERE_H

#include "fmt/filter.h"
#include "fmt/sorters.h"
#include "store/store.h"

/* A list call after its parameters were parsed. */
struct list_query {
    const struct filter *filter; /* NULL: none */
    struct sorters sorters;
    int64_t limit, offset;
};

/* How the text of a filter becomes a bound value. */
enum where_type {
    WHERE_TEXT,   /* folded; the column holds folded text */
    WHERE_UPPER,  /* an enum: upper-cased */
    WHERE_UUID,   /* an id in either form; another text matches nothing */
    WHERE_SOURCE, /* either id of a source, as its number; the same */
    WHERE_TIME    /* RFC 3339, as milliseconds; another text is an error */
};

/* What `name OP value` means; one row for each operator, or for several that
 * mean the same of one value. With several values (in) one has to match. */
struct where_test {
    const char *name;   /* of the API */
    unsigned operators; /* bits WHERE_OP() */
    enum where_type type;
    const char *sql; /* '@' is the value */
};
#define WHERE_OP(op) (1u << (op))

/* Text sorts by lower(column), or by a column that is folded. */
struct where_sort {
    const char *name;
    const char *sql;
};

/* The fixed pieces of a list. */
struct where_list {
    const char *columns; /* between SELECT and FROM, for rows */
    const char *count;   /* the same for the count */
    const char *from;    /* from there on, with a WHERE and one condition */
    const char *only;    /* one more condition, about an id as $1, for calls
                            that give one */
    const char *order;   /* of a list without sorters, and of ties */
    const struct where_test *tests;
    size_t test_count;
    const struct where_sort *sorts;
    size_t sort_count;
};

/* A cap for the arena of where_rows(). */
#define WHERE_BYTES ((size_t)1024 * 1024)

/* A query of the list's rows, ready to be stepped; *ret is untouched on
 * failure. `only` may be NULL. */
enum error_code where_rows(struct db_tx *tx, const struct where_list *which,
                           const struct list_query *list,
                           const struct uuid *only, struct arena *arena,
                           struct db_query **ret, struct error *err) MUST_USE;

/* How many rows there are without limit and offset. */
enum error_code where_count(struct db_tx *tx, const struct where_list *which,
                            const struct list_query *list,
                            const struct uuid *only, int64_t *ret,
                            struct error *err) MUST_USE;

#endif

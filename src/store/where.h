/*
 * where.h - the one place that builds SQL at run time: filters, sorters and
 * paging of list calls, from fixed tables of columns; values are always
 * bound.
 *
 * Memory:  text and values live in the arena.
 * Errors:  ERR_VALUE naming the field and operator that a list does not have.
 * Threads: safe everywhere.
 */
#ifndef NELM_STORE_WHERE_H
#define NELM_STORE_WHERE_H

#include "fmt/filter.h"
#include "fmt/sorters.h"
#include "store/store.h"

/* How a filter's text becomes a bound value. */
enum where_type {
    WHERE_TEXT,   /* compared folded; the column holds folded text */
    WHERE_UPPER,  /* an enum: upper-cased */
    WHERE_UUID,   /* an id in either form; another text matches nothing */
    WHERE_SOURCE, /* either id of a source; the column holds its number */
    WHERE_TIME
};

/* One field of a list that can be filtered or sorted by. */
struct where_field {
    const char *name;   /* of the API */
    const char *filter; /* SQL to compare, NULL: cannot be filtered by */
    unsigned operators; /* bits 1 << enum filter_op */
    enum where_type type;
    const char *sort; /* SQL to order by, NULL: cannot be sorted by */
};

/* A list call after its parameters were checked. */
struct list_query {
    const struct filter *filter; /* NULL: none */
    struct sorters sorters;
    int64_t limit, offset;
};

struct where_value {
    enum where_type type;
    struct str text;
    struct uuid id;
    int64_t number;
    bool is_text, is_id;
};

/* The text behind "SELECT ... FROM ... WHERE (fixed condition)": " AND (...)",
 * ORDER BY with the tie breakers, LIMIT and OFFSET. Parameters continue at
 * $`first`. */
struct where {
    char *condition; /* "" or " AND (...)" */
    char *order;     /* " ORDER BY ..." */
    struct where_value *values;
    size_t value_count;
};

enum error_code where_build(struct db_tx *tx, const struct list_query *list,
                            const struct where_field *fields,
                            size_t field_count, const char *tie_breakers,
                            int first, struct arena *arena, struct where *ret,
                            struct error *err) MUST_USE;

/* Bind the values at $first.. of a query made with db_query_text(). */
void where_bind(struct db_query *query, const struct where *where, int first);

#endif

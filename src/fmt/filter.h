/*
 * filter.h - filter expressions of list calls: field op value, joined by and,
 * or, not and parentheses (contract section 7).
 *
 * Memory:  the tree and its text live in the caller's arena.
 * Errors:  ERR_VALUE naming "filters", with where and why as the cause.
 * Threads: safe everywhere.
 */
#ifndef NELM_FMT_FILTER_H
#define NELM_FMT_FILTER_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#define FILTER_MAX_NODES 64   /* and nesting; more is an error */
#define FILTER_MAX_VALUES 250 /* of one in or ca */

enum filter_kind { FILTER_AND, FILTER_OR, FILTER_NOT, FILTER_TEST };

enum filter_op {
    OP_EQ,
    OP_NE,
    OP_GT,
    OP_GE,
    OP_LT,
    OP_LE,
    OP_CO, /* contains */
    OP_SW, /* starts with */
    OP_CA, /* contains all */
    OP_IN,
    OP_PR, /* present */
    OP_ISNULL,
    FILTER_OPS
};

struct filter {
    enum filter_kind kind;
    struct filter *left, *right; /* NOT has a left only */
    struct str field;            /* FILTER_TEST: as written */
    enum filter_op op;
    struct str *values; /* unescaped; one, or several for in and ca; none for
                           pr and isnull */
    size_t value_count;
};

/* Operators are lower case only. not binds tighter than and, and tighter than
 * or. Strings stand in double quotes with \" and \\; an unquoted value of
 * letters, digits, '-' and '_' is taken too. The values of in and ca stand in
 * parentheses. */
enum error_code filter_parse(struct str text, struct arena *arena,
                             struct filter **ret, struct error *err) MUST_USE;

/* "eq" and so on. */
const char *filter_op_name(enum filter_op op);

#endif

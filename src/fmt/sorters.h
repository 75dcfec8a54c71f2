/*
 * sorters.h - the sorters parameter: "name,-created" (contract section 7).
 *
 * Memory:  fields are views into the text.
 * Errors:  ERR_VALUE naming "sorters" for an empty field, a repeated one, or
 *          more than SORTERS_MAX.
 * Threads: safe everywhere.
 */
#ifndef NELM_FMT_SORTERS_H
#define NELM_FMT_SORTERS_H

#include "base/error.h"
#include "base/str.h"

#define SORTERS_MAX 8

struct sorter {
    struct str field;
    bool descending;
};

struct sorters {
    struct sorter by[SORTERS_MAX];
    size_t count;
};

enum error_code sorters_parse(struct str text, struct sorters *ret,
                              struct error *err) MUST_USE;

#endif

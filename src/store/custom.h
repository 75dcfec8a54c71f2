/*
 * custom.h - values of a record's custom attributes in one text.
 *
 * The packed form is, for every attribute that has a value, in rising order
 * of its number:
 *
 *     NUMBER ':' LENGTH ':' VALUE      e.g.  "9:8:Auditing10:3:yes"
 *
 * with decimal numbers and LENGTH in bytes of VALUE. Rendering finds values
 * without parsing or allocating, and an attribute's deletion leaves texts
 * behind that nobody finds.
 *
 * Memory:  views into the packed text.
 * Errors:  custom_next() ends at anything malformed.
 * Threads: safe everywhere.
 */
#ifndef NELM_STORE_CUSTOM_H
#define NELM_STORE_CUSTOM_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct custom_value {
    int64_t number; /* schema_attribute.number */
    struct str value;
};

/* Take the first value off *rest. False at the end. */
bool custom_next(struct str *rest, struct custom_value *ret);

/* The value of attribute `number`; `at` is NULL when there is none. */
struct str custom_find(struct str packed, int64_t number);

/* Append a value; numbers must rise. An empty value is left out. */
void custom_add(struct buf *to, int64_t number, struct str value);

#endif

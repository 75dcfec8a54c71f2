/*
 * uuid.h - identifiers (contract 1.4): minted in order of time, accepted as
 * dashed UUID or 32 hex digits in either case.
 *
 * Memory:  values.
 * Errors:  uuid_parse() returns false for anything that is neither form.
 * Threads: safe everywhere. uuid_mint() is strictly increasing within a
 *          process, also when the clock goes back.
 */
#ifndef NELM_BASE_UUID_H
#define NELM_BASE_UUID_H

#include <stdbool.h>

#include "base/str.h"

#define UUID_TEXT 37 /* dashed form with its NUL */
#define UUID_HEX 33  /* 32 digits with their NUL */

struct uuid {
    unsigned char bytes[16];
};

/* A new UUID of version 7 (RFC 9562 section 5.7). */
struct uuid uuid_mint(void);

bool uuid_parse(struct str text, struct uuid *ret);
bool uuid_eq(const struct uuid *a, const struct uuid *b);

/* Lower-case text, NUL-terminated; returns `to`. */
const char *uuid_dashed(const struct uuid *id, char to[UUID_TEXT]);
const char *uuid_hex(const struct uuid *id, char to[UUID_HEX]);

#endif

/*
 * str.h - a piece of text that somebody else owns.
 *
 * Memory:  never owns; lives as long as what it points into. May hold any
 *          byte, NUL included, and is not NUL-terminated unless a function
 *          says so.
 * Errors:  none.
 * Threads: a value; safe everywhere.
 */
#ifndef NELM_BASE_STR_H
#define NELM_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct str {
    const char *at; /* may be NULL when len is 0 */
    size_t len;     /* bytes */
};

/* A literal as a str; `text` must be a string literal. */
#define STR(text) ((struct str){(text), sizeof(text) - 1})

/* For "%.*s" in printf-like calls. */
#define STR_ARG(s) (int)(s).len, (s).at ? (s).at : ""

static inline struct str
str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline struct str
str_n(const char *at, size_t len)
{
    return (struct str){at, len};
}

static inline bool
str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* Compare ignoring the case of ASCII letters. */
static inline bool
str_eq_nocase(struct str a, struct str b)
{
    return a.len == b.len &&
           (a.len == 0 || strncasecmp(a.at, b.at, a.len) == 0);
}

/* Drop ASCII spaces, tabs, CR and LF from both ends. */
struct str str_trim(struct str s);

/* Cut at the first `sep`: returns what stands before it and moves *rest
 * behind it. Without a `sep` returns everything and sets *rest to a str whose
 * `at` is NULL. Call while rest->at is not NULL. */
struct str str_cut(struct str *rest, char sep);

/* Parse a whole decimal number, digits only. False on anything else or on a
 * value above `max`. */
bool str_to_u64(struct str s, unsigned long long max, unsigned long long *ret);

#endif

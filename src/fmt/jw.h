/*
 * jw.h - a JSON writer: text straight into a buffer. (Its names stay clear of
 * jansson's, which the tree reads JSON with.)
 *
 * Commas and quotes are placed by the writer; the caller says what comes
 * next. Text that is not well-formed UTF-8 is written with U+FFFD for every
 * bad byte.
 *
 * Memory:  the caller's buf.
 * Errors:  the buf's sticky `failed`. Unbalanced calls are a bug (assert).
 * Threads: one thread at a time.
 */
#ifndef NELM_FMT_JW_H
#define NELM_FMT_JW_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct jw {
    struct buf *to;
    bool comma; /* the next member or element needs one before it */
    int depth;
};

void jw_init(struct jw *json, struct buf *to);

void jw_object(struct jw *json);
void jw_object_end(struct jw *json);
void jw_array(struct jw *json);
void jw_array_end(struct jw *json);

/* The name of the next member, a literal of plain ASCII letters, and its
 * value. */
void jw_key(struct jw *json, const char *name);
/* A name that comes from outside and may need escapes. */
void jw_key_str(struct jw *json, struct str name);

void jw_str(struct jw *json, struct str text);
void jw_text(struct jw *json, const char *text); /* NULL: null */
void jw_int(struct jw *json, int64_t value);
void jw_bool(struct jw *json, bool value);
void jw_null(struct jw *json);

/* jw_key() and the value in one call. */
void jw_member(struct jw *json, const char *name, struct str text);
void jw_member_text(struct jw *json, const char *name, const char *text);
void jw_member_int(struct jw *json, const char *name, int64_t value);
void jw_member_bool(struct jw *json, const char *name, bool value);

#endif

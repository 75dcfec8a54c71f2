/*
 * json_write.h - JSON text straight into a buffer.
 *
 * Commas and quotes are placed by the writer; the caller says what comes
 * next. Text that is not well-formed UTF-8 is written with U+FFFD for every
 * bad byte.
 *
 * Memory:  the caller's buf.
 * Errors:  the buf's sticky `failed`. Unbalanced calls are a bug (assert).
 * Threads: one thread at a time.
 */
#ifndef NELM_FMT_JSON_WRITE_H
#define NELM_FMT_JSON_WRITE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct json {
    struct buf *to;
    bool comma; /* the next member or element needs one before it */
    int depth;
};

void json_init(struct json *json, struct buf *to);

/* Three names that jansson has too. Their linker names differ, or a program
 * with both could run ours from inside of that library. One source file cannot
 * include both headers. */
void json_object(struct json *json) __asm__("nelm_json_object");
void json_array(struct json *json) __asm__("nelm_json_array");
void json_null(struct json *json) __asm__("nelm_json_null");

void json_object_end(struct json *json);
void json_array_end(struct json *json);

/* The name of the next member, a literal of plain ASCII letters, and its
 * value. */
void json_key(struct json *json, const char *name);
/* A name that comes from outside and may need escapes. */
void json_key_str(struct json *json, struct str name);

void json_str(struct json *json, struct str text);
void json_text(struct json *json, const char *text); /* NULL: null */
void json_int(struct json *json, int64_t value);
void json_bool(struct json *json, bool value);

/* json_key() and the value in one call. */
void json_member(struct json *json, const char *name, struct str text);
void json_member_text(struct json *json, const char *name, const char *text);
void json_member_int(struct json *json, const char *name, int64_t value);
void json_member_bool(struct json *json, const char *name, bool value);

#endif

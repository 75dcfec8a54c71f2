/*
 * json_read.h - JSON text into the library's values.
 *
 * jansson drops what it has no memory for without a word: a character of a
 * text, a member of an object. So it allocates through us, and we know.
 *
 * Memory:  the caller owns the value: json_decref().
 * Errors:  ERR_SYNTAX for anything that is no JSON, duplicate members
 *          included; ERR_UNAVAILABLE without memory.
 * Threads: safe everywhere; what is noted is the thread's own.
 */
#ifndef NELM_FMT_JSON_READ_H
#define NELM_FMT_JSON_READ_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

enum error_code json_read(struct str text, json_t **ret,
                          struct error *err) MUST_USE;

/* How deep arrays and objects of a text lie in each other; of what is no JSON
 * it is never less than a reader would go down. */
size_t json_depth(struct str text);

/* Has the library been without memory since json_begin(), in this thread? Then
 * no value that it made in between can be trusted. */
void json_begin(void);
bool json_ran_out(void);

#endif

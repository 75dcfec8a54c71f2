/*
 * redirect_uri.h - addresses of clients, where a browser is sent back to
 * (RFC 6749 section 3.1.2).
 *
 * Memory:  redirect_uri_origin() is a part of the text.
 * Errors:  redirect_uri_add() lets the buffer fail.
 * Threads: safe everywhere.
 */
#ifndef NELM_FMT_REDIRECT_URI_H
#define NELM_FMT_REDIRECT_URI_H

#include "base/buf.h"
#include "base/str.h"

#define REDIRECT_URI_BYTES 2048

/* May a client have it? An absolute address without a fragment, in the
 * characters of one, and none that a browser would run. The functions below
 * want one that may, or an http(s) URL of ours. */
bool redirect_uri_valid(struct str uri);

/* Scheme and host, or the scheme with its colon alone. */
struct str redirect_uri_origin(struct str uri);

/* The origin as a source of a Content-Security-Policy. What could be taken for
 * more than one host gives way to the scheme, and a scheme that could be taken
 * for something else to "". */
#define REDIRECT_SOURCE 256 /* bytes, with the NUL */
void redirect_uri_source(struct str uri, char to[REDIRECT_SOURCE]);

/* Append a parameter to the address that `to` holds. */
void redirect_uri_add(struct buf *to, const char *name, struct str value);

#endif

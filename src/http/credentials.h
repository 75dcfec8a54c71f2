/*
 * credentials.h - what a request's head says of who sends it.
 *
 * Memory:  a cookie is a part of its header; decoded text is in the arena.
 * Errors:  what is malformed is not there.
 * Threads: safe everywhere.
 */
#ifndef NELM_HTTP_CREDENTIALS_H
#define NELM_HTTP_CREDENTIALS_H

#include "http/message.h"

/* The first cookie of that name whose value has `len` bytes; `at` NULL when
 * there is none. */
struct str http_cookie(const struct http_request *request, struct str name,
                       size_t len);

/* User and password of HTTP Basic (RFC 7617). */
bool http_basic(struct str authorization, struct arena *arena,
                struct str *ret_user, struct str *ret_password);

#endif

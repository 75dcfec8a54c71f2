/*
 * fetch.h - documents of an outside issuer by HTTPS: one GET, with a bound on
 * everything (the only user of libcurl).
 *
 * Redirects are not followed, certificates are verified, and plain HTTP is for
 * hosts that are this machine.
 *
 * Memory:  the caller's buf. fetch_begin() before any thread is there.
 * Errors:  ERR_UNAVAILABLE whose text says why, for an operator.
 * Threads: safe everywhere; blocks, FETCH_MS at most.
 */
#ifndef NELM_AUTH_FETCH_H
#define NELM_AUTH_FETCH_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/error.h"

#define FETCH_CONNECT_MS 3000
#define FETCH_MS 5000
#define FETCH_MAX ((size_t)256 * 1024) /* bytes of a document */

enum error_code fetch_begin(struct error *err) MUST_USE;

/* May that be fetched? An absolute URL with https, or with `plain` also with
 * http to a host that is this machine; without a user. */
bool fetch_allowed(const char *url, bool plain);

/* Append the body to `to`. `authorities`: PEM text; empty: the system's.
 * Whoever sets *stop ends it within a second. */
enum error_code fetch_get(const char *url, struct str authorities,
                          atomic_bool *stop, struct buf *to,
                          struct error *err) MUST_USE;

#endif

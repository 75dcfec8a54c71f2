/*
 * access.h - may this caller make this call? (contract 3 and 4, steps 4, 5)
 *
 * Memory:  none kept.
 * Errors:  ERR_FORBIDDEN; ERR_LATER when the answer needs a remote database
 *          and the thread may not block; else the database's failure.
 * Threads: see call.h.
 */
#ifndef NELM_API_ACCESS_H
#define NELM_API_ACCESS_H

#include "api/call.h"

/* Token kind and scope: looks at the route's row and the token only. */
enum error_code access_token(const struct call *call,
                             struct error *err) MUST_USE;

/* The caller's right; looks at the object in the path only to learn what the
 * caller is to it, so that an unknown id and a forbidden one answer alike. */
enum error_code access_right(struct call *call, struct error *err) MUST_USE;

/* Is there an object for the body that is about to come (contract 4, step 6)?
 * Calls without a body leave that to their handler. ERR_NOT_FOUND. */
enum error_code access_object(struct call *call, struct error *err) MUST_USE;

/* The right of a row with OBJECT_IN_BODY, once the source in the body is
 * known: `source` is its number, 0 when there is no such source or the body
 * names none, which is left to the checks behind this one for callers who
 * are a party somewhere. */
enum error_code access_body(struct call *call, struct db_tx *tx, int64_t source,
                            bool named, struct error *err) MUST_USE;

#endif

/*
 * route_list.h - the table of routes for machines: what the program serves,
 * to be compared with what its documents say.
 *
 * Memory:  writes to the caller's buf.
 * Errors:  the buf's sticky `failed`.
 * Threads: safe everywhere.
 */
#ifndef NELM_API_ROUTE_LIST_H
#define NELM_API_ROUTE_LIST_H

#include "base/buf.h"

/* A JSON array, a route each: method, path, versioned, public, userOnly,
 * takesBody, summary. */
void route_list(struct buf *to);

#endif

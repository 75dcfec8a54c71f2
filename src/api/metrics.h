/*
 * metrics.h - what the program counts, and how it is shown.
 *
 * A request counts a handful of numbers with relaxed atomics; everything else
 * is looked up when somebody asks.
 *
 * Memory:  metrics_new()/metrics_free().
 * Errors:  metrics_new() is NULL without memory; writers have their buf's
 *          sticky `failed`.
 * Threads: safe everywhere.
 */
#ifndef NELM_API_METRICS_H
#define NELM_API_METRICS_H

#include "api/call.h"

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* A call is over. */
void metrics_count(struct metrics *metrics, const struct call *call);

/* Everything as of now. What the database would tell is left out when it
 * cannot be read. */
void metrics_write(const struct call *call, struct buf *to);

/* The page of the manual. */
void metrics_doc(struct buf *to);

#endif

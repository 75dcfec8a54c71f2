/*
 * limiter.h - so many takes per key and window (contract 6). A window starts
 * at the key's first take and is over window_ms later.
 *
 * Memory:  at most max_keys windows, all taken at the start. When every one
 *          is in use the oldest of its shard gives way: a flood of made-up
 *          keys can forget a count, never lock a caller out.
 * Errors:  limiter_new() returns NULL without memory.
 * Threads: safe everywhere; keys are spread over shards with a lock each.
 */
#ifndef NELM_AUTH_LIMITER_H
#define NELM_AUTH_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMITER_KEY_MAX 64 /* bytes; the rest of a longer key is ignored */

struct limiter;

/* `limit` 0: everything is allowed. */
struct limiter *limiter_new(unsigned limit, int64_t window_ms, size_t max_keys);
void limiter_free(struct limiter *limiter);

/* May this key go on? Otherwise *ret_retry_after_s says after how many whole
 * seconds its window is over, at least 1. `now_ms` is clock_mono_ms(). */
bool limiter_take(struct limiter *limiter, const void *key, size_t len,
                  int64_t now_ms, unsigned *ret_retry_after_s);

/* How often limiter_take() said no. */
uint64_t limiter_refused(const struct limiter *limiter);

#endif

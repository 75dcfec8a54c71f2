/*
 * token_cache.h - tokens that were verified, found again by their SHA-256.
 *
 * An entry holds while the clock has not passed its end and the registry's
 * auth_epoch is the one it was verified at. A fixed number of entries in sets
 * of a few: a new one takes the place of the one nearest its end.
 *
 * Memory:  owns its entries, all taken at the start.
 * Errors:  none: not remembered means verified again.
 * Threads: safe everywhere; a lock per group of sets, held for some 50 ns.
 */
#ifndef NELM_AUTH_TOKEN_CACHE_H
#define NELM_AUTH_TOKEN_CACHE_H

#include "auth/principal.h"

#define TOKEN_DIGEST 32

struct token_cache;

/* NULL without memory. */
struct token_cache *token_cache_new(void);
void token_cache_free(struct token_cache *cache);

bool token_cache_get(struct token_cache *cache,
                     const unsigned char digest[TOKEN_DIGEST], int64_t epoch,
                     int64_t now_ms, struct principal *ret);
void token_cache_put(struct token_cache *cache,
                     const unsigned char digest[TOKEN_DIGEST], int64_t epoch,
                     int64_t until_ms, const struct principal *principal);

#endif

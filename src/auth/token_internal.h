/*
 * token_internal.h - what token.c and token_grant.c share, and nobody else.
 *
 * Memory:  a key_set is counted: key_set_unref().
 * Errors:  as db.h.
 * Threads: safe everywhere; a key_set does not change once it is made.
 */
#ifndef NELM_AUTH_TOKEN_INTERNAL_H
#define NELM_AUTH_TOKEN_INTERNAL_H

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>

#include "auth/jwt.h"
#include "auth/token.h"
#include "auth/token_cache.h"

#define KEYS_MAX 16 /* the newest so many; a rotation leaves one behind */

/* The signing keys of one auth_epoch, newest first. */
struct key_set {
    atomic_int refs;
    int64_t epoch;
    size_t count;
    struct service_key {
        struct jwt_key jwt;
        int64_t expires_ms; /* 0: in use */
    } keys[KEYS_MAX];
};

struct token_service {
    struct db *db;
    EVP_MD *sha256; /* fetched once: a look-up costs half as much as a hash */
    struct uuid tenant_id;
    char *tenant_name;
    char *issuer, *audience;
    struct token_cache *cache;
    pthread_mutex_t mutex; /* of `keys`, the pointer */
    struct key_set *keys;  /* NULL before the first use */
};

/* The keys as of this transaction or later. */
enum error_code keys_current(struct token_service *service, struct db_tx *tx,
                             struct key_set **ret, struct error *err) MUST_USE;
void key_set_unref(struct key_set **set);

static inline bool
key_usable(const struct service_key *key, int64_t now_ms)
{
    return key->expires_ms == 0 || key->expires_ms > now_ms;
}

#endif

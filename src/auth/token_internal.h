/*
 * token_internal.h - what token.c and the other token_*.c share, and nobody
 * else.
 *
 * Memory:  a key_set is counted: key_set_unref().
 * Errors:  as db.h.
 * Threads: safe everywhere; a key_set does not change once it is made.
 */
#ifndef NELM_AUTH_TOKEN_INTERNAL_H
#define NELM_AUTH_TOKEN_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "auth/claims.h"
#include "auth/jwt.h"
#include "auth/token.h"
#include "auth/token_cache.h"

#define KEYS_MAX 16 /* that verify at once; a rotation leaves one behind */

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
    struct uuid tenant_id;
    char *tenant_name;
    char *issuer, *audience;
    struct token_cache *cache;
    struct issuer *outside; /* borrowed; NULL: only our own tokens count */
    pthread_mutex_t mutex;  /* of all below */
    struct key_set *keys;   /* NULL before the first use; the pointer */
    struct db_stamp stamp;  /* `epoch` was the registry's then; 0: none yet */
    int64_t epoch;
};

/* The keys as of this transaction or later. */
enum error_code keys_current(struct token_service *service, struct db_tx *tx,
                             struct key_set **ret, struct error *err) MUST_USE;
void key_set_unref(struct key_set **set);

/* Take a token apart and check its signature: then its payload is ours. */
enum error_code token_unpack(const struct key_set *keys, struct str token,
                             int64_t now_ms, struct jwt *ret,
                             const struct service_key **ret_key,
                             struct error *err) MUST_USE;

/* Fill a refusal of the token endpoint; returns ERR_VALUE. */
enum error_code grant_refuse(struct grant_error *refusal, int status,
                             const char *error, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
enum error_code grant_missing(struct grant_error *refusal, const char *name);

/* One code or refresh token on its way to the tokens that it is good for. */
struct redemption {
    struct token_service *service;
    const struct grant_request *request;
    const struct client *client;
    const struct key_set *keys;
    struct arena *arena;
    int64_t now_ms;
    struct identity identity; /* results, as is what they say in `claims` */
    struct claims *claims;    /* of the access token */
    bool has_refresh;
    struct uuid refresh_id; /* jti of the refresh token to make */
};
/* Narrow claims->scopes, those of the family: they may have become too many
 * for its client, and the request may ask for fewer. */
enum error_code grant_scopes(const struct redemption *redemption,
                             struct grant_error *refusal) MUST_USE;

/* ERR_VALUE: refused. Both write to the database. */
enum error_code redeem_code(struct redemption *redemption,
                            struct grant_error *refusal,
                            struct error *err) MUST_USE;
enum error_code redeem_refresh(struct redemption *redemption,
                               struct grant_error *refusal,
                               struct error *err) MUST_USE;

/* What token_revoke() does once the client is known. */
enum error_code revoke_token(struct redemption *redemption, bool *ret_ended,
                             struct grant_error *refusal,
                             struct error *err) MUST_USE;

/* When something that a client gets now and keeps for `seconds` ends. */
static inline int64_t
grant_end_s(const struct client *client, int64_t now_s, int64_t seconds)
{
    int64_t end_s = now_s + seconds;

    return client->expires_ms ? MIN(end_s, client->expires_ms / 1000) : end_s;
}

static inline bool
key_usable(const struct service_key *key, int64_t now_ms)
{
    return key->expires_ms == 0 || key->expires_ms > now_ms;
}

#endif

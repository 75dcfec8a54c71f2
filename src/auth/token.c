#include "auth/token.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/claims.h"
#include "auth/token_internal.h"
#include "base/secret.h"
#include "fmt/digest.h"
#include "store/auth_store.h"
#include "store/identity_store.h"
#include "store/oauth_store.h"

#define ROW_BYTES 65536 /* of a registry, client or identity row */

/* The service. */

static enum error_code
load_registry(struct token_service *service, const char *issuer,
              struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(key_set_unref) struct key_set *keys = NULL;
    struct registry registry;
    struct db_tx *tx;
    char id[UUID_TEXT];
    enum error_code rc;

    arena_init(&arena, ROW_BYTES);
    rc = db_read_begin(service->db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = registry_find(tx, &arena, &registry, err);
    if (rc == ERR_OK)
        rc = keys_current(service, tx, &keys, err);
    db_read_end(tx);
    if (rc != ERR_OK)
        return rc;

    service->tenant_id = registry.id;
    service->tenant_name = strndup(registry.tenant_name.at,
                                   registry.tenant_name.len);
    if (asprintf(&service->audience, "nelm:%s", uuid_dashed(&registry.id, id)) <
        0)
        service->audience = NULL;
    if (issuer == NULL)
        issuer = service->audience;
    service->issuer = issuer ? strdup(issuer) : NULL;
    if (service->tenant_name == NULL || service->audience == NULL ||
        service->issuer == NULL)
        return error_busy(err, "no memory for tokens");
    return ERR_OK;
}

enum error_code
token_service_open(struct db *db, const char *issuer,
                   struct token_service **ret, struct error *err)
{
    struct token_service *service = calloc(1, sizeof(*service));
    enum error_code rc;

    if (service == NULL)
        return error_busy(err, "no memory for tokens");
    pthread_mutex_init(&service->mutex, NULL);
    service->db = db;
    service->cache = token_cache_new();
    if (service->cache == NULL)
        rc = error_busy(err, "no memory for tokens");
    else
        rc = load_registry(service, issuer, err);
    if (rc != ERR_OK) {
        token_service_close(service);
        return rc;
    }
    *ret = service;
    return ERR_OK;
}

void
token_service_trust(struct token_service *service, struct issuer *issuer)
{
    service->outside = issuer;
}

void
token_service_close(struct token_service *service)
{
    if (service == NULL)
        return;
    key_set_unref(&service->keys);
    token_cache_free(service->cache);
    free(service->tenant_name);
    free(service->issuer);
    free(service->audience);
    pthread_mutex_destroy(&service->mutex);
    free(service);
}

void
secret_create(char text[SECRET_TEXT], unsigned char sha256[32])
{
    unsigned char bytes[32];

    secret_random(bytes, sizeof(bytes));
    hex_encode(bytes, sizeof(bytes), text);
    secret_wipe(bytes, sizeof(bytes));
    secret_hash(str_n(text, SECRET_TEXT - 1), sha256);
}

void
secret_hash(struct str text, unsigned char sha256[32])
{
    digest_of(text.len ? text.at : "", text.len, sha256);
}

/* Verification. */

/* RFC 6750 section 2.1; the scheme in any case. */
static bool
bearer(struct str authorization, struct str *ret_token)
{
    struct str rest = str_trim(authorization);
    struct str scheme = str_cut(&rest, ' ');

    *ret_token = str_trim(rest);
    return str_eq_nocase(scheme, STR("bearer")) && ret_token->len > 0;
}

/* Is what the token was issued from still in force? */
static enum error_code
check_family(struct db_tx *tx, const struct principal *principal,
             struct arena *arena, struct error *err)
{
    struct token_family family;
    enum error_code rc;

    if (!principal->has_family)
        return jwt_refuse(err, JWT_REVOKED);
    rc = family_find(tx, &principal->family_id, arena, &family, err);
    if (rc == ERR_NOT_FOUND ||
        (rc == ERR_OK &&
         (!uuid_eq(&family.client_id, &principal->client_id) ||
          !uuid_eq(&family.identity_id, &principal->identity_id))))
        return jwt_refuse(err, JWT_REVOKED);
    return rc;
}

/* Does whoever the token was made for still exist? Sets the levels as they
 * are now, and brings *until_ms forward to the client's end. */
static enum error_code
check_holder(struct db_tx *tx, struct principal *principal, int64_t now_ms,
             int64_t *until_ms, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct client client;
    struct identity identity;
    enum error_code rc;

    arena_init(&arena, ROW_BYTES);
    rc = client_by_id(tx, &principal->client_id, &arena, &client, err);
    if (rc == ERR_NOT_FOUND)
        return jwt_refuse(err, JWT_REVOKED);
    if (rc != ERR_OK)
        return rc;
    if (client.disabled)
        return jwt_refuse(err, JWT_REVOKED);
    if (client.expires_ms != 0)
        *until_ms = MIN(*until_ms, client.expires_ms);
    if (*until_ms <= now_ms)
        return jwt_refuse(err, JWT_REVOKED);
    /* A personal access token speaks for its owner and for nobody else. */
    if (client.has_identity &&
        (!principal->has_identity ||
         !uuid_eq(&client.identity_id, &principal->identity_id)))
        return jwt_refuse(err, JWT_REVOKED);
    if (!principal->has_identity)
        return ERR_OK;
    /* Anybody else speaks for those who let it, until that is revoked. */
    if (!client.has_identity) {
        rc = check_family(tx, principal, &arena, err);
        if (rc != ERR_OK)
            return rc;
    }

    rc = identity_by_id(tx, &principal->identity_id, &arena, &identity, err);
    if (rc == ERR_NOT_FOUND)
        return jwt_refuse(err, JWT_REVOKED);
    if (rc == ERR_OK)
        principal->levels = levels_parse(identity.levels);
    return rc;
}

enum error_code
token_unpack(const struct key_set *keys, struct str token, int64_t now_ms,
             struct jwt *ret, const struct service_key **ret_key,
             struct error *err)
{
    const struct service_key *key = NULL;
    enum error_code rc = jwt_parse(token, ret, err);

    assert(keys != NULL);
    if (rc != ERR_OK)
        return rc;
    for (size_t i = 0; i < keys->count && key == NULL; i++) {
        if (strcmp(keys->keys[i].jwt.kid, ret->kid) == 0)
            key = &keys->keys[i];
    }
    if (key == NULL || !key_usable(key, now_ms))
        return jwt_refuse(err, JWT_FORGED);
    *ret_key = key;
    return jwt_verify(ret, &key->jwt, err);
}

static enum error_code
verify(struct token_service *service, struct db_tx *tx, struct str token,
       int64_t now_ms, struct principal *ret, int64_t *ret_until_ms,
       struct error *err)
{
    CLEANUP(key_set_unref) struct key_set *keys = NULL;
    const struct service_key *key = NULL;
    struct jwt jwt;
    enum error_code rc = keys_current(service, tx, &keys, err);

    if (rc == ERR_OK)
        rc = token_unpack(keys, token, now_ms, &jwt, &key, err);
    if (rc == ERR_OK)
        rc = claims_read(str_n(jwt.payload, jwt.payload_len),
                         str_of(service->issuer), str_of(service->audience),
                         now_ms, ret, err);
    if (rc != ERR_OK)
        return rc;
    assert(key != NULL);
    *ret_until_ms = ret->expires_ms;
    if (key->expires_ms != 0)
        *ret_until_ms = MIN(*ret_until_ms, key->expires_ms);
    return check_holder(tx, ret, now_ms, ret_until_ms, err);
}

/* Tokens of the outside issuer. */

/* Whom the token means. The alias must be the claim to the letter: what is two
 * people to the issuer is never one here. */
static enum error_code
find_subject(struct token_service *service, const struct outside_claims *claims,
             struct principal *ret, int64_t *ret_epoch, struct error *err)
{
    struct str subject = str_n(claims->subject, claims->subject_len);
    CLEANUP(arena_done) struct arena arena;
    struct identity identity;
    struct db_tx *tx;
    enum error_code rc = db_read_begin(service->db, &tx, err);

    if (rc != ERR_OK)
        return rc;
    arena_init(&arena, ROW_BYTES);
    rc = auth_epoch(tx, ret_epoch, err);
    if (rc == ERR_OK)
        rc = identity_by_alias(tx, subject, &arena, &identity, err);
    db_read_end(tx);
    if (rc == ERR_NOT_FOUND ||
        (rc == ERR_OK && !str_eq(identity.alias, subject)))
        return jwt_refuse(err, JWT_STRANGER);
    if (rc != ERR_OK)
        return rc;
    /* Its client is nobody of ours: calls are counted by person. */
    *ret = (struct principal){
        .has_identity = true,
        .identity_id = identity.id,
        .client_id = identity.id,
        .outside = true,
        .levels = issuer_rules(service->outside)->level_count > 0
                      ? claims->levels
                      : levels_parse(identity.levels),
        .scopes = claims->scopes,
        .expires_ms = claims->expires_ms,
    };
    return ERR_OK;
}

static enum error_code
verify_outside(struct token_service *service, const struct outside *token,
               int64_t now_ms, struct issuer_waiter *waiter,
               struct outside_claims *ret, struct error *err)
{
    CLEANUP(jwks_unref) struct jwks *keys = NULL;
    enum error_code rc = issuer_key(service->outside, token, waiter, &keys,
                                    err);

    if (rc == ERR_OK)
        rc = jwk_verify(
            jwks_find(keys, token->kid, token->alg), token->alg,
            token->signed_part,
            str_n((const char *)token->signature, token->signature_len), err);
    if (rc == ERR_OK)
        rc = outside_read(token, issuer_rules(service->outside), now_ms, ret,
                          err);
    return rc;
}

/* Is it a token of the outside issuer, if there is one? */
static enum error_code
open_outside(struct token_service *service, struct str token,
             struct outside *ret, bool *ret_is, struct error *err)
{
    enum error_code rc;

    *ret_is = false;
    if (service->outside == NULL)
        return ERR_OK;
    rc = outside_open(token, issuer_rules(service->outside)->issuer, ret, err);
    if (rc == ERR_NOT_FOUND)
        return ERR_OK;
    *ret_is = rc == ERR_OK;
    return rc;
}

/* No transaction is open while it waits for the issuer. */
static enum error_code
accept_outside(struct token_service *service, const struct outside *token,
               const unsigned char digest[TOKEN_DIGEST], int64_t now_ms,
               struct issuer_waiter *waiter, struct principal *ret,
               struct error *err)
{
    struct outside_claims claims;
    int64_t epoch;
    enum error_code rc = verify_outside(service, token, now_ms, waiter, &claims,
                                        err);

    if (rc == ERR_OK)
        rc = find_subject(service, &claims, ret, &epoch, err);
    if (rc == ERR_OK)
        token_cache_put(service->cache, digest, epoch,
                        MIN(ret->expires_ms, now_ms + ISSUER_TRUST_MS), ret);
    return rc;
}

/* All tokens. */

static void
hash_token(const struct token_memory *memory, struct str token,
           unsigned char digest[TOKEN_DIGEST])
{
    if (memory != NULL && memory->len == token.len &&
        secret_equal(memory->text, token.at, token.len))
        memcpy(digest, memory->sha256, TOKEN_DIGEST);
    else
        digest_of(token.at, token.len, digest);
}

/* Of a token that was accepted. */
static void
keep_token(struct token_memory *memory, struct str token,
           const unsigned char digest[TOKEN_DIGEST])
{
    if (memory == NULL || token.len > sizeof(memory->text) ||
        memcmp(memory->sha256, digest, TOKEN_DIGEST) == 0)
        return;
    memcpy(memory->text, token.at, token.len);
    memcpy(memory->sha256, digest, TOKEN_DIGEST);
    memory->len = token.len;
}

/* The registry's epoch, when nothing was committed since it was read. */
static bool
known_epoch(struct token_service *service, const struct db_stamp *now,
            int64_t *ret)
{
    pthread_mutex_lock(&service->mutex);
    bool known = service->epoch != 0 && db_stamp_eq(&service->stamp, now);

    *ret = service->epoch;
    pthread_mutex_unlock(&service->mutex);
    return known;
}

static void
note_epoch(struct token_service *service, const struct db_stamp *before,
           int64_t epoch)
{
    pthread_mutex_lock(&service->mutex);
    service->stamp = *before;
    service->epoch = epoch;
    pthread_mutex_unlock(&service->mutex);
}

/* The token was verified before. With *ret_found false, *ret_epoch is what to
 * remember it by. */
static enum error_code
recall(struct token_service *service, struct db_tx *tx,
       const unsigned char digest[TOKEN_DIGEST], const struct db_stamp *stamp,
       int64_t now_ms, int64_t *ret_epoch, bool *ret_found,
       struct principal *ret, struct error *err)
{
    enum error_code rc = auth_epoch(tx, ret_epoch, err);

    if (rc != ERR_OK)
        return rc;
    if (stamp != NULL)
        note_epoch(service, stamp, *ret_epoch);
    *ret_found = token_cache_get(service->cache, digest, *ret_epoch, now_ms,
                                 ret);
    return ERR_OK;
}

enum error_code
token_verify(struct token_service *service, struct str authorization,
             struct token_memory *memory, bool may_block,
             struct issuer_waiter *waiter, struct principal *ret,
             struct error *err)
{
    struct outside outside; /* opened with is_outside */
    unsigned char digest[TOKEN_DIGEST];
    struct principal principal;
    struct str token;
    struct db_stamp stamp;
    struct db_tx *tx;
    int64_t epoch, until_ms, now_ms = clock_now_ms();
    bool stamped, found = false, is_outside = false;
    enum error_code rc;

    if (!bearer(authorization, &token))
        return error_set(err, ERR_UNAUTHENTICATED, NULL);
    if (token.len > OUTSIDE_MAX)
        return jwt_refuse(err, JWT_MALFORMED);
    if (!may_block && db_is_remote(service->db))
        return ERR_LATER;
    hash_token(memory, token, digest);

    stamped = db_stamp(service->db, &stamp);
    if (stamped && known_epoch(service, &stamp, &epoch) &&
        token_cache_get(service->cache, digest, epoch, now_ms, ret)) {
        keep_token(memory, token, digest);
        return ERR_OK;
    }
    rc = db_read_begin(service->db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = recall(service, tx, digest, stamped ? &stamp : NULL, now_ms, &epoch,
                &found, &principal, err);
    if (rc == ERR_OK && !found)
        rc = open_outside(service, token, &outside, &is_outside, err);
    if (rc == ERR_OK && !found && !is_outside) {
        rc = verify(service, tx, token, now_ms, &principal, &until_ms, err);
        if (rc == ERR_OK)
            token_cache_put(service->cache, digest, epoch, until_ms,
                            &principal);
    }
    db_read_end(tx);
    /* The issuer's choice of keys may cost a millisecond. */
    if (is_outside) {
        rc = may_block ? accept_outside(service, &outside, digest, now_ms,
                                        waiter, &principal, err)
                       : ERR_LATER;
        outside_done(&outside);
    }
    if (rc == ERR_OK) {
        keep_token(memory, token, digest);
        *ret = principal;
    }
    return rc;
}

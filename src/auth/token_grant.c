/* The token endpoint behind its HTTP: who asks, what for, and the answer. */
#include <stdarg.h>
#include <stdio.h>

#include "auth/claims.h"
#include "auth/token_internal.h"
#include "base/secret.h"
#include "store/auth_store.h"
#include "store/identity_store.h"
#include "store/oauth_store.h"

#define ROW_BYTES 262144       /* of the rows of a grant, read again once */
#define USED_EVERY_MS 86400000 /* last_used is noted once a day */

static const char *const grants[] = {
    "client_credentials",
    "authorization_code",
    "refresh_token",
};
#define CLIENT_CREDENTIALS grants[0]
#define AUTHORIZATION_CODE grants[1]

enum error_code
grant_refuse(struct grant_error *refusal, int status, const char *error,
             const char *fmt, ...)
{
    va_list args;

    refusal->status = status;
    refusal->error = error;
    va_start(args, fmt);
    vsnprintf(refusal->description, sizeof(refusal->description), fmt, args);
    va_end(args);
    return ERR_VALUE;
}

enum error_code
grant_missing(struct grant_error *refusal, const char *name)
{
    return grant_refuse(refusal, 400, "invalid_request",
                        "Missing parameter: %s", name);
}

/* The same for every reason, so that it tells nobody which clients exist. */
static enum error_code
bad_credentials(struct grant_error *refusal)
{
    return grant_refuse(refusal, 401, "invalid_client",
                        "Bad client credentials");
}

/* What can be said without looking anybody up. */
static enum error_code
check_request(const struct grant_request *request, const char **ret_grant,
              struct grant_error *refusal)
{
    const char *grant = NULL;

    if (request->client_id.len == 0 && request->client_secret.len == 0)
        return grant_refuse(refusal, 401, "unauthorized",
                            "Full authentication is required to access this "
                            "resource");
    if (request->grant_type.len == 0)
        return grant_missing(refusal, "grant_type");
    for (size_t i = 0; i < COUNT(grants) && grant == NULL; i++) {
        if (str_eq_nocase(request->grant_type, str_of(grants[i])))
            grant = grants[i];
    }
    if (grant == NULL)
        return grant_refuse(refusal, 400, "unsupported_grant_type",
                            "Unsupported grant type: %.*s",
                            (int)MIN(request->grant_type.len, (size_t)64),
                            request->grant_type.at);
    if (request->client_id.len == 0)
        return grant_missing(refusal, "client_id");
    /* Public clients have no secret, but they have other grants. */
    if (grant == CLIENT_CREDENTIALS && request->client_secret.len == 0)
        return grant_missing(refusal, "client_secret");
    *ret_grant = grant;
    return ERR_OK;
}

/* The same work whether the client is unknown or the secret is wrong. */
static enum error_code
authenticate(struct db_tx *tx, const struct grant_request *request,
             int64_t now_ms, struct arena *arena, struct client *ret,
             struct grant_error *refusal, struct error *err)
{
    struct client client = {.has_secret = true};
    struct registry registry;
    unsigned char digest[32];
    struct uuid id = {{0}};
    bool known = uuid_parse(request->client_id, &id);
    enum error_code rc = client_by_id(tx, &id, arena, &client, err);

    known = known && rc == ERR_OK;
    /* Any row will do, to have read one as well. */
    if (rc == ERR_NOT_FOUND)
        rc = registry_find(tx, arena, &registry, err);
    if (rc != ERR_OK)
        return rc;
    secret_hash(request->client_secret, digest);
    bool right = secret_equal(digest, client.secret_sha256, sizeof(digest)) ||
                 (!client.has_secret && request->client_secret.len == 0);

    if (!known || !right || client.disabled ||
        (client.expires_ms != 0 && client.expires_ms <= now_ms))
        return bad_credentials(refusal);
    *ret = client;
    return ERR_OK;
}

/* The scopes of the token: all that there are, or the part that is asked
 * for. */
static enum error_code
choose_scopes(struct str has, struct str wanted, struct str *ret,
              struct grant_error *refusal)
{
    struct str bad;

    if (scopes_narrow(has, wanted, ret, &bad))
        return ERR_OK;
    return grant_refuse(refusal, 400, "invalid_scope",
                        "Scope is not granted to the client: %.*s",
                        (int)MIN(bad.len, (size_t)64), bad.at);
}

enum error_code
grant_scopes(const struct redemption *redemption, struct grant_error *refusal)
{
    struct claims *claims = redemption->claims;
    struct str granted;
    enum error_code rc = choose_scopes(redemption->client->scopes,
                                       claims->scopes, &granted, refusal);

    if (rc == ERR_OK)
        rc = choose_scopes(claims->scopes, redemption->request->scope,
                           &claims->scopes, refusal);
    return rc;
}

struct use {
    struct uuid client_id;
    int64_t now_ms;
};

static enum error_code
note_use(struct db_tx *tx, void *context, struct error *err)
{
    const struct use *use = context;

    enum error_code rc = oauth_sweep(tx, use->now_ms, err);

    return rc == ERR_OK ? client_used(tx, &use->client_id, use->now_ms, err)
                        : rc;
}

static enum error_code
sign(const struct key_set *keys, const struct claims *claims, struct buf *to,
     struct error *err)
{
    const struct service_key *key = NULL;
    struct buf payload;
    enum error_code rc;

    for (size_t i = 0; i < keys->count && key == NULL; i++) {
        if (keys->keys[i].expires_ms == 0)
            key = &keys->keys[i];
    }
    if (key == NULL)
        return error_internal(err, "no signing key is in use");
    buf_init(&payload, JWT_MAX);
    claims_write(claims, &payload);
    if (payload.failed)
        rc = error_internal(err, "no room for the claims of a token");
    else
        rc = jwt_sign(&key->jwt, buf_view(&payload), to, err);
    buf_done(&payload);
    return rc;
}

/* Sign, and write the answer. */
static enum error_code
issue(const struct redemption *redemption, struct buf *json, struct error *err)
{
    const struct claims *claims = redemption->claims;
    struct claims refresh_claims = *claims;
    struct str refresh_token = {NULL, 0};
    struct buf access, refresh;
    enum error_code rc;

    buf_init(&access, JWT_MAX + 1);
    buf_init(&refresh, JWT_MAX + 1);
    rc = sign(redemption->keys, claims, &access, err);
    if (rc == ERR_OK && redemption->has_refresh) {
        refresh_claims.is_refresh = true;
        refresh_claims.jti = redemption->refresh_id;
        refresh_claims.ati = claims->jti;
        refresh_claims.expires_s = grant_end_s(
            redemption->client, claims->issued_s,
            redemption->client->refresh_seconds);
        rc = sign(redemption->keys, &refresh_claims, &refresh, err);
        refresh_token = buf_view(&refresh);
    }
    if (rc == ERR_OK) {
        claims_answer(claims, buf_view(&access), refresh_token, json);
        if (json->failed)
            rc = error_internal(err, "no room for the token answer");
    }
    buf_done(&access);
    buf_done(&refresh);
    return rc;
}

/* Who asks, and may it? In one read transaction. */
static enum error_code
admit(struct db_tx *tx, const char *grant, struct redemption *redemption,
      struct client *client, struct key_set **ret_keys,
      struct grant_error *refusal, struct error *err)
{
    struct token_service *service = redemption->service;
    struct claims *claims = redemption->claims;
    enum error_code rc = authenticate(tx, redemption->request,
                                      redemption->now_ms, redemption->arena,
                                      client, refusal, err);

    if (rc != ERR_OK)
        return rc;
    if (!list_has(client->grants, grant))
        return grant_refuse(refusal, 401, "unauthorized_client",
                            "Unauthorized grant type: %s", grant);
    if (grant == CLIENT_CREDENTIALS) {
        rc = choose_scopes(client->scopes, redemption->request->scope,
                           &claims->scopes, refusal);
        if (rc == ERR_OK && client->has_identity) {
            rc = identity_by_id(tx, &client->identity_id, redemption->arena,
                                &redemption->identity, err);
            if (rc == ERR_NOT_FOUND)
                rc = bad_credentials(refusal);
            claims->identity = &redemption->identity;
        }
    }
    return rc == ERR_OK ? keys_current(service, tx, ret_keys, err) : rc;
}

enum error_code
token_grant(struct token_service *service, const struct grant_request *request,
            struct buf *json, struct grant_error *refusal, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(key_set_unref) struct key_set *keys = NULL;
    int64_t now_ms = clock_now_ms();
    const char *grant = NULL;
    struct client client = {.kind = CLIENT_API};
    struct claims claims = {
        .issuer = str_of(service->issuer),
        .audience = str_of(service->audience),
        .tenant_name = str_of(service->tenant_name),
        .tenant_id = service->tenant_id,
        .jti = uuid_mint(),
        .issued_s = now_ms / 1000,
    };
    struct redemption redemption = {.service = service,
                                    .request = request,
                                    .client = &client,
                                    .arena = &arena,
                                    .now_ms = now_ms,
                                    .claims = &claims,
                                    .refresh_id = uuid_mint()};
    struct db_tx *tx;
    enum error_code rc = check_request(request, &grant, refusal);

    arena_init(&arena, ROW_BYTES);
    if (rc != ERR_OK)
        return rc;
    rc = db_read_begin(service->db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = admit(tx, grant, &redemption, &client, &keys, refusal, err);
    db_read_end(tx);
    if (rc != ERR_OK)
        return rc;
    redemption.keys = keys;
    claims.client_id = client.id;
    claims.online = client.online;
    claims.expires_s = grant_end_s(&client, claims.issued_s,
                                   client.token_seconds);
    if (grant != CLIENT_CREDENTIALS) {
        rc = grant == AUTHORIZATION_CODE
                 ? redeem_code(&redemption, refusal, err)
                 : redeem_refresh(&redemption, refusal, err);
    }
    if (rc == ERR_OK)
        rc = issue(&redemption, json, err);

    /* A note that could not be taken is no reason to refuse the token. */
    if (rc == ERR_OK && now_ms - client.last_used_ms >= USED_EVERY_MS) {
        struct use use = {.client_id = client.id, .now_ms = now_ms};
        enum error_code ignored UNUSED = db_write(service->db, note_use, &use,
                                                  NULL);
    }
    return rc;
}

enum error_code
token_revoke(struct token_service *service, const struct grant_request *request,
             bool *ret_ended, struct uuid *ret_identity,
             struct grant_error *refusal, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(key_set_unref) struct key_set *keys = NULL;
    struct client client = {.kind = CLIENT_API};
    struct redemption redemption = {.service = service,
                                    .request = request,
                                    .client = &client,
                                    .arena = &arena,
                                    .now_ms = clock_now_ms()};
    struct db_tx *tx;
    enum error_code rc;

    arena_init(&arena, ROW_BYTES);
    rc = db_read_begin(service->db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = authenticate(tx, request, redemption.now_ms, &arena, &client, refusal,
                      err);
    if (rc == ERR_OK)
        rc = keys_current(service, tx, &keys, err);
    db_read_end(tx);
    if (rc != ERR_OK)
        return rc;
    redemption.keys = keys;
    rc = revoke_token(&redemption, ret_ended, refusal, err);
    *ret_identity = redemption.identity.id;
    return rc;
}

/* The token endpoint behind its HTTP: who asks, what for, and the answer. */
#include <stdarg.h>
#include <stdio.h>

#include "auth/claims.h"
#include "auth/token_internal.h"
#include "base/secret.h"
#include "store/auth_store.h"
#include "store/identity_store.h"

#define ROW_BYTES 65536        /* of a client and an identity row */
#define SCOPES_MAX 2048        /* bytes; more would make too long a token */
#define USED_EVERY_MS 86400000 /* last_used is noted once a day */

static const char *const grants[] = {
    "client_credentials",
    "authorization_code",
    "refresh_token",
};
#define CLIENT_CREDENTIALS grants[0]

static enum error_code PRINTF_LIKE(4, 5)
    refuse(struct grant_error *refusal, int status, const char *error,
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

static enum error_code
missing(struct grant_error *refusal, const char *name)
{
    return refuse(refusal, 400, "invalid_request", "Missing parameter: %s",
                  name);
}

/* The same for every reason, so that it tells nobody which clients exist. */
static enum error_code
bad_credentials(struct grant_error *refusal)
{
    return refuse(refusal, 401, "invalid_client", "Bad client credentials");
}

/* What can be said without looking anybody up. */
static enum error_code
check_request(const struct grant_request *request, const char **ret_grant,
              struct grant_error *refusal)
{
    const char *grant = NULL;

    if (request->client_id.len == 0 && request->client_secret.len == 0)
        return refuse(refusal, 401, "unauthorized",
                      "Full authentication is required to access this "
                      "resource");
    if (request->grant_type.len == 0)
        return missing(refusal, "grant_type");
    for (size_t i = 0; i < COUNT(grants) && grant == NULL; i++) {
        if (str_eq_nocase(request->grant_type, str_of(grants[i])))
            grant = grants[i];
    }
    if (grant == NULL)
        return refuse(refusal, 400, "unsupported_grant_type",
                      "Unsupported grant type: %.*s",
                      (int)MIN(request->grant_type.len, (size_t)64),
                      request->grant_type.at);
    if (request->client_id.len == 0)
        return missing(refusal, "client_id");
    /* Public clients have no secret, but they have other grants. */
    if (grant == CLIENT_CREDENTIALS && request->client_secret.len == 0)
        return missing(refusal, "client_secret");
    *ret_grant = grant;
    return ERR_OK;
}

/* The same work whether the client is unknown or the secret is wrong. */
static enum error_code
authenticate(struct token_service *service, struct db_tx *tx,
             const struct grant_request *request, int64_t now_ms,
             struct arena *arena, struct client *ret,
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
    if (EVP_Digest(request->client_secret.len ? request->client_secret.at : "",
                   request->client_secret.len, digest, NULL, service->sha256,
                   NULL) != 1)
        return error_internal(err, "cannot hash a secret");
    bool right = secret_equal(digest, client.secret_sha256, sizeof(digest)) ||
                 (!client.has_secret && request->client_secret.len == 0);

    if (!known || !right ||
        (client.expires_ms != 0 && client.expires_ms <= now_ms))
        return bad_credentials(refusal);
    *ret = client;
    return ERR_OK;
}

static bool
list_has(struct str list, const char *name)
{
    struct str word;

    while (list_next(&list, &word)) {
        if (str_eq_nocase(word, str_of(name)))
            return true;
    }
    return false;
}

/* RFC 6749 appendix A.4. */
static bool
scope_wellformed(struct str scope)
{
    for (size_t i = 0; i < scope.len; i++) {
        unsigned char c = (unsigned char)scope.at[i];

        if (c < 0x21 || c > 0x7e || c == '"' || c == '\\')
            return false;
    }
    return true;
}

/* The scopes of the token: all of the client's, or the part that it asks
 * for. */
static enum error_code
choose_scopes(struct str has, struct str wanted, struct str *ret,
              struct grant_error *refusal)
{
    bool any = has.at == NULL || list_has(has, "sp:scopes:all");
    struct str rest = wanted, scope;
    bool narrowed = false;

    if (wanted.len > SCOPES_MAX)
        return refuse(refusal, 400, "invalid_scope",
                      "Scope is longer than %d bytes", SCOPES_MAX);
    while (list_next(&rest, &scope)) {
        struct str granted = has, word;
        bool allowed = any && scope_wellformed(scope);

        while (!allowed && list_next(&granted, &word))
            allowed = str_eq(word, scope);
        if (!allowed)
            return refuse(refusal, 400, "invalid_scope",
                          "Scope is not granted to the client: %.*s",
                          (int)MIN(scope.len, (size_t)64), scope.at);
        narrowed = true;
    }
    if (narrowed)
        *ret = str_trim(wanted);
    else
        *ret = has.at != NULL ? has : STR("sp:scopes:all");
    return ERR_OK;
}

struct use {
    struct uuid client_id;
    int64_t now_ms;
};

static enum error_code
note_use(struct db_tx *tx, void *context, struct error *err)
{
    const struct use *use = context;

    return client_used(tx, &use->client_id, use->now_ms, err);
}

/* Sign, and write the answer. */
static enum error_code
issue(const struct key_set *keys, int64_t now_ms, const struct claims *claims,
      struct buf *json, struct error *err)
{
    const struct service_key *key = NULL;
    struct buf payload, token;
    enum error_code rc;

    for (size_t i = 0; i < keys->count && key == NULL; i++) {
        if (key_usable(&keys->keys[i], now_ms))
            key = &keys->keys[i];
    }
    if (key == NULL)
        return error_internal(err, "no signing key is in use");
    buf_init(&payload, JWT_MAX);
    buf_init(&token, JWT_MAX + 1);
    claims_write(claims, &payload);
    if (payload.failed)
        rc = error_internal(err, "no room for the claims of a token");
    else
        rc = jwt_sign(&key->jwt, buf_view(&payload), &token, err);
    if (rc == ERR_OK) {
        claims_answer(claims, buf_view(&token), json);
        if (json->failed)
            rc = error_internal(err, "no room for the token answer");
    }
    buf_done(&payload);
    buf_done(&token);
    return rc;
}

/* Everything but noting the use, in one read transaction. */
static enum error_code
grant_in(struct token_service *service, struct db_tx *tx, const char *grant,
         const struct grant_request *request, int64_t now_ms,
         struct arena *arena, struct client *ret_client, struct buf *json,
         struct grant_error *refusal, struct error *err)
{
    CLEANUP(key_set_unref) struct key_set *keys = NULL;
    struct identity identity;
    struct claims claims = {
        .issuer = str_of(service->issuer),
        .audience = str_of(service->audience),
        .tenant_name = str_of(service->tenant_name),
        .tenant_id = service->tenant_id,
        .jti = uuid_mint(),
        .issued_s = now_ms / 1000,
    };
    struct client *client = ret_client;
    enum error_code rc = authenticate(service, tx, request, now_ms, arena,
                                      client, refusal, err);

    if (rc != ERR_OK)
        return rc;
    if (grant != CLIENT_CREDENTIALS || !list_has(client->grants, grant))
        return refuse(refusal, 401, "unauthorized_client",
                      "Unauthorized grant type: %s", grant);
    rc = choose_scopes(client->scopes, request->scope, &claims.scopes, refusal);
    if (rc == ERR_OK && client->has_identity) {
        rc = identity_by_id(tx, &client->identity_id, arena, &identity, err);
        if (rc == ERR_NOT_FOUND)
            rc = bad_credentials(refusal);
        claims.identity = &identity;
    }
    if (rc == ERR_OK)
        rc = keys_current(service, tx, &keys, err);
    if (rc != ERR_OK)
        return rc;
    claims.client_id = client->id;
    claims.expires_s = claims.issued_s + client->token_seconds;
    if (client->expires_ms != 0)
        claims.expires_s = MIN(claims.expires_s, client->expires_ms / 1000);
    return issue(keys, now_ms, &claims, json, err);
}

enum error_code
token_grant(struct token_service *service, const struct grant_request *request,
            struct buf *json, struct grant_error *refusal, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    int64_t now_ms = clock_now_ms();
    const char *grant = NULL;
    struct client client;
    struct db_tx *tx;
    enum error_code rc = check_request(request, &grant, refusal);

    arena_init(&arena, ROW_BYTES);
    if (rc != ERR_OK)
        return rc;
    rc = db_read_begin(service->db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = grant_in(service, tx, grant, request, now_ms, &arena, &client, json,
                  refusal, err);
    db_read_end(tx);

    /* A note that could not be taken is no reason to refuse the token. */
    if (rc == ERR_OK && now_ms - client.last_used_ms >= USED_EVERY_MS) {
        struct use use = {.client_id = client.id, .now_ms = now_ms};
        enum error_code ignored UNUSED = db_write(service->db, note_use, &use,
                                                  NULL);
    }
    return rc;
}

#include "auth/authorize.h"

#include "auth/pkce.h"
#include "auth/signin.h"
#include "auth/token_internal.h"
#include "base/secret.h"
#include "store/audit_store.h"
#include "store/auth_store.h"
#include "store/oauth_store.h"

#define CONSOLE_TOKEN_SECONDS 900
#define CONSOLE_REFRESH_SECONDS SESSION_SECONDS

/* "nelm" ... "consol", a version 8 UUID (RFC 9562 section 5.8). */
const struct uuid authorize_console_id = {{0x6e, 0x65, 0x6c, 0x6d, 0x00, 0x00,
                                           0x80, 0x00, 0x80, 0x00, 0x63, 0x6f,
                                           0x6e, 0x73, 0x6f, 0x6c}};

static enum error_code
create_console(struct db_tx *tx, void *context, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct client console = {
        .id = authorize_console_id,
        .kind = CLIENT_API,
        .name = STR("Console"),
        .grants = STR(GRANT_AUTHORIZATION_CODE " " GRANT_REFRESH_TOKEN),
        .redirect_uris = STR(""),
        .description = STR("The pages at / of this server"),
        .token_seconds = CONSOLE_TOKEN_SECONDS,
        .refresh_seconds = CONSOLE_REFRESH_SECONDS,
    };
    struct client found;
    enum error_code rc;

    (void)context;
    arena_init(&arena, (size_t)64 * 1024);
    rc = client_by_id(tx, &console.id, &arena, &found, err);
    return rc == ERR_NOT_FOUND ? client_insert(tx, &console, err) : rc;
}

enum error_code
authorize_console_create(struct db *db, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct client found;
    struct db_tx *tx;
    enum error_code rc = db_read_begin(db, &tx, err);

    if (rc != ERR_OK)
        return rc;
    arena_init(&arena, (size_t)64 * 1024);
    rc = client_by_id(tx, &authorize_console_id, &arena, &found, err);
    db_read_end(tx);
    if (rc != ERR_NOT_FOUND)
        return rc;
    rc = db_write(db, create_console, NULL, err);
    return rc == ERR_CONFLICT ? ERR_OK : rc; /* another node was faster */
}

static bool
is_console(const struct client *client)
{
    return uuid_eq(&client->id, &authorize_console_id);
}

/* Exactly one of the client's own (RFC 9700 section 2.1). */
static bool
is_registered(const struct client *client,
              const struct authorize_request *request)
{
    struct str uri = request->redirect_uri;
    struct str rest = client->redirect_uris;

    if (is_console(client) && uri.len > 0 &&
        (str_eq(uri, request->console[0]) || str_eq(uri, request->console[1])))
        return true;
    while (uri.len > 0 && rest.at != NULL) {
        if (str_eq(str_cut(&rest, '\n'), uri))
            return true;
    }
    return false;
}

/* What is told to the client. */
static enum error_code
check(const struct authorize_request *request, struct authorization *to,
      struct grant_error *refusal)
{
    struct str bad;

    if (request->response_type.len == 0)
        return grant_refuse(refusal, 302, "invalid_request",
                            "Missing parameter: response_type");
    if (!str_eq(request->response_type, STR("code")))
        return grant_refuse(refusal, 302, "unsupported_response_type",
                            "The response type must be code");
    if (!list_has(to->client.grants, GRANT_AUTHORIZATION_CODE))
        return grant_refuse(refusal, 302, "unauthorized_client",
                            "Unauthorized grant type: authorization_code");
    if (request->challenge.len == 0 && !to->client.has_secret)
        return grant_refuse(refusal, 302, "invalid_request",
                            "Missing parameter: code_challenge");
    if (request->challenge.len > 0 &&
        !str_eq(request->challenge_method, STR("S256")))
        return grant_refuse(refusal, 302, "invalid_request",
                            "code_challenge_method must be S256");
    if (request->challenge.len > 0 && !pkce_is_challenge(request->challenge))
        return grant_refuse(refusal, 302, "invalid_request",
                            "code_challenge is no SHA-256 in base64url");
    if (!scopes_narrow(to->client.scopes, request->scope, &to->scopes, &bad))
        return grant_refuse(refusal, 302, "invalid_scope",
                            "A scope is not granted to the client");
    if (request->challenge.len > 0)
        to->challenge = request->challenge;
    return ERR_OK;
}

enum error_code
authorize_check(struct db_tx *tx, const struct authorize_request *request,
                struct arena *arena, struct authorization *ret,
                struct grant_error *refusal, struct error *err)
{
    struct authorization to = {.redirect_uri = request->redirect_uri};
    struct client *client = &to.client;
    struct uuid id;
    enum error_code rc;

    if (!uuid_parse(request->client_id, &id))
        return error_set(err, ERR_NOT_FOUND, NULL);
    rc = client_by_id(tx, &id, arena, client, err);
    if (rc != ERR_OK)
        return rc;
    if (client->disabled ||
        (client->expires_ms != 0 && client->expires_ms <= clock_now_ms()) ||
        !is_registered(client, request))
        return error_set(err, ERR_NOT_FOUND, NULL);
    rc = check(request, &to, refusal);
    *ret = to;
    return rc;
}

enum error_code
authorize_agreed(struct db_tx *tx, const struct authorization *authorization,
                 const struct uuid *identity, struct arena *arena, bool *ret,
                 struct error *err)
{
    struct str granted, chosen, bad;
    enum error_code rc;

    *ret = is_console(&authorization->client);
    if (*ret)
        return ERR_OK;
    rc = consent_find(tx, identity, &authorization->client.id, arena, &granted,
                      err);

    *ret = rc == ERR_OK &&
           scopes_narrow(granted, authorization->scopes, &chosen, &bad);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

struct decision {
    const struct authorization *on;
    const struct uuid *identity, *request_id;
    bool agrees;
    struct auth_code code;
};

static enum error_code
note(struct db_tx *tx, const struct decision *decision, const char *event,
     struct error *err)
{
    const struct audit_event entry = {
        .event = event,
        .actor = {.known = true,
                  .id = *decision->identity,
                  .has_request = true,
                  .request_id = *decision->request_id},
        .has_object = true,
        .object_id = decision->on->client.id,
    };

    return audit_add(tx, &entry, err);
}

static enum error_code
allow(struct db_tx *tx, void *context, struct error *err)
{
    const struct decision *decision = context;
    enum error_code rc = ERR_OK;

    if (decision->agrees) {
        rc = consent_put(tx, decision->identity, &decision->on->client.id,
                         decision->on->scopes, decision->code.created_ms, err);
        if (rc == ERR_OK)
            rc = note(tx, decision, "OAUTH_CONSENT_GIVEN", err);
    }
    if (rc == ERR_OK)
        rc = code_insert(tx, &decision->code, err);
    return rc == ERR_OK ? note(tx, decision, "OAUTH_CODE_ISSUED", err) : rc;
}

enum error_code
authorize_code(struct db *db, const struct authorization *authorization,
               const struct uuid *identity, bool agrees,
               const struct uuid *request_id, char code[SECRET_TEXT],
               struct error *err)
{
    int64_t now_ms = clock_now_ms();
    struct decision decision = {
        .on = authorization,
        .identity = identity,
        .request_id = request_id,
        .agrees = agrees,
        .code = {.client_id = authorization->client.id,
                 .identity_id = *identity,
                 .redirect_uri = authorization->redirect_uri,
                 .scopes = authorization->scopes,
                 .challenge = authorization->challenge,
                 .family_id = uuid_mint(),
                 .created_ms = now_ms,
                 .expires_ms = now_ms + CODE_SECONDS * 1000},
    };

    secret_create(code, decision.code.hash);
    return db_write(db, allow, &decision, err);
}

static enum error_code
deny(struct db_tx *tx, void *context, struct error *err)
{
    return note(tx, context, "OAUTH_CONSENT_REFUSED", err);
}

enum error_code
authorize_refused(struct db *db, const struct authorization *authorization,
                  const struct uuid *identity, const struct uuid *request_id,
                  struct error *err)
{
    struct decision decision = {
        .on = authorization, .identity = identity, .request_id = request_id};

    return db_write(db, deny, &decision, err);
}

#include "auth/token.h"

#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/jwt.h"
#include "auth/token_internal.h"
#include "base/secret.h"
#include "db/migrate.h"
#include "store/auth_store.h"
#include "store/identity_store.h"
#include "store/open.h"

#define NOW_MS INT64_C(1700000000500)
#define DAY_MS INT64_C(86400000)

/* A database of its own for every test: one identity with a personal access
 * token, and an API client. */
struct world {
    char dir[32], url[64];
    struct db *db;
    struct token_service *service;
    struct uuid identity;
    struct client pat, api;
    char pat_id[UUID_TEXT], api_id[UUID_TEXT];
    char pat_secret[SECRET_TEXT], api_secret[SECRET_TEXT];
    struct token_memory memory; /* of expect() */
};

static enum error_code
add_client(struct db_tx *tx, struct client *client, char secret[SECRET_TEXT],
           char id[UUID_TEXT], struct error *err)
{
    client->has_secret = true;
    secret_create(secret, client->secret_sha256);
    enum error_code rc = client_insert(tx, client, err);

    uuid_dashed(&client->id, id);
    return rc;
}

static enum error_code
fill(struct db_tx *tx, void *context, struct error *err)
{
    struct world *world = context;
    struct registry registry = {.tenant_name = STR("acme")};
    struct identity identity = {
        .alias = STR("alice"),
        .name = STR("Alice"),
        .email = STR("alice@example.com"),
        .levels = STR("SOURCE_SUBADMIN HELPDESK"),
    };
    enum error_code rc = registry_insert(tx, &registry, err);

    if (rc == ERR_OK)
        rc = token_key_create(tx, err);
    if (rc == ERR_OK)
        rc = identity_insert(tx, &identity, err);
    if (rc != ERR_OK)
        return rc;
    world->identity = identity.id;
    world->pat = (struct client){
        .kind = CLIENT_PAT,
        .name = STR("pat"),
        .has_identity = true,
        .identity_id = identity.id,
        .grants = STR(GRANT_CLIENT_CREDENTIALS),
        .redirect_uris = STR(""),
        .token_seconds = 43200,
    };
    world->api = (struct client){
        .kind = CLIENT_API,
        .name = STR("api"),
        .scopes = STR("idn:nelm:read idn:accounts:read"),
        .grants = STR(GRANT_CLIENT_CREDENTIALS " REFRESH_TOKEN"),
        .redirect_uris = STR(""),
        .token_seconds = 749,
    };
    rc = add_client(tx, &world->pat, world->pat_secret, world->pat_id, err);
    if (rc == ERR_OK)
        rc = add_client(tx, &world->api, world->api_secret, world->api_id, err);
    return rc;
}

static int
setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    int from;

    snprintf(world->dir, sizeof(world->dir), "/tmp/nelm-token-XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    snprintf(world->url, sizeof(world->url), "sqlite:%s/db", world->dir);
    clock_set_for_test(NOW_MS);
    assert_int_equal(store_open(world->url, true, &world->db, NULL), ERR_OK);
    assert_int_equal(migrate_run(world->db, NULL, &from, NULL), ERR_OK);
    assert_int_equal(db_write(world->db, fill, world, NULL), ERR_OK);
    assert_int_equal(token_service_open(world->db, NULL, &world->service, NULL),
                     ERR_OK);
    *state = world;
    return 0;
}

static int
teardown(void **state)
{
    struct world *world = *state;
    static const char *const files[] = {"db", "db-wal", "db-shm"};
    char path[64];

    token_service_close(world->service);
    db_close(world->db);
    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", world->dir, files[i]);
        unlink(path);
    }
    rmdir(world->dir);
    free(world);
    return 0;
}

/* As another program on the same file does it. */
static void
run_sql(const struct world *world, const char *sql)
{
    sqlite3 *handle;
    char *text = NULL;

    assert_int_equal(sqlite3_open(world->url + strlen("sqlite:"), &handle),
                     SQLITE_OK);
    sqlite3_busy_timeout(handle, 5000);
    if (sqlite3_exec(handle, sql, NULL, NULL, &text) != SQLITE_OK)
        fail_msg("%s: %s", sql, text);
    sqlite3_close(handle);
}

static struct grant_request
credentials(const char *id, const char *secret)
{
    return (struct grant_request){.grant_type = STR("client_credentials"),
                                  .client_id = str_of(id),
                                  .client_secret = str_of(secret)};
}

/* The answer to a request that must succeed; "Bearer TOKEN" too. */
static json_t *
granted(struct world *world, struct grant_request request, struct buf *header)
{
    struct grant_error refusal;
    struct error err = ERROR_INIT;
    struct buf json;

    buf_init(&json, 65536);
    enum error_code rc = token_grant(world->service, &request, &json, &refusal,
                                     &err);

    if (rc == ERR_VALUE)
        fail_msg("%s: %s", refusal.error, refusal.description);
    if (rc != ERR_OK)
        fail_msg("%s %s", err.text, err.detail);
    json_t *answer = json_loadb(json.data, json.len, JSON_REJECT_DUPLICATES,
                                NULL);

    assert_non_null(answer);
    buf_done(&json);
    buf_init(header, 65536);
    buf_printf(header, "Bearer %s",
               json_string_value(json_object_get(answer, "access_token")));
    return answer;
}

static void
get_token(struct world *world, const char *id, const char *secret,
          struct buf *header)
{
    json_decref(granted(world, credentials(id, secret), header));
}

/* `want` NULL: accepted. */
static struct principal
expect(struct world *world, struct str header, const char *want)
{
    struct principal principal = {.has_identity = false};
    struct error err = ERROR_INIT;
    enum error_code rc = token_verify(world->service, header, &world->memory,
                                      false, NULL, &principal, &err);

    if (want == NULL) {
        if (rc != ERR_OK)
            fail_msg("%s %s", error_text(&err), err.detail);
    } else {
        assert_int_equal(rc, ERR_UNAUTHENTICATED);
        assert_string_equal(error_text(&err), want);
    }
    return principal;
}

#define REVOKED "JWT validation failed: JWT is revoked"
#define EXPIRED "JWT validation failed: JWT is expired"
#define FORGED "JWT validation failed: signature is invalid"
#define MALFORMED "JWT validation failed: JWT is malformed"
#define REQUIRED "JWT is required"

/* Refusals of the token endpoint. */

static void
the_token_endpoint_says_why_not(void **state)
{
    struct world *world = *state;
    const char *pat = world->pat_id, *secret = world->pat_secret;
    const char *api = world->api_id, *api_secret = world->api_secret;
    const struct {
        const char *grant, *id, *secret, *scope;
        int status;
        const char *error, *description;
    } refusals[] = {
        {NULL, NULL, NULL, NULL, 401, "unauthorized",
         "Full authentication is required to access this resource"},
        {"client_credentials", NULL, NULL, NULL, 401, "unauthorized",
         "Full authentication is required to access this resource"},
        {"client_credentials", "", "", NULL, 401, "unauthorized",
         "Full authentication is required to access this resource"},
        {NULL, pat, secret, NULL, 400, "invalid_request",
         "Missing parameter: grant_type"},
        {"client_credentials", NULL, secret, NULL, 400, "invalid_request",
         "Missing parameter: client_id"},
        {"client_credentials", pat, NULL, NULL, 400, "invalid_request",
         "Missing parameter: client_secret"},
        {"password", pat, secret, NULL, 400, "unsupported_grant_type",
         "Unsupported grant type: password"},
        {"client_credentials", pat, "x", NULL, 401, "invalid_client",
         "Bad client credentials"},
        {"client_credentials", pat, api_secret, NULL, 401, "invalid_client",
         "Bad client credentials"},
        {"client_credentials", "nobody", secret, NULL, 401, "invalid_client",
         "Bad client credentials"},
        {"client_credentials", "00000000-0000-0000-0000-000000000000", secret,
         NULL, 401, "invalid_client", "Bad client credentials"},
        {"authorization_code", pat, "x", NULL, 401, "invalid_client",
         "Bad client credentials"},
        {"authorization_code", pat, NULL, NULL, 401, "invalid_client",
         "Bad client credentials"},
        {"authorization_code", pat, secret, NULL, 401, "unauthorized_client",
         "Unauthorized grant type: authorization_code"},
        {"REFRESH_TOKEN", pat, secret, NULL, 401, "unauthorized_client",
         "Unauthorized grant type: refresh_token"},
        {"REFRESH_TOKEN", api, api_secret, NULL, 400, "invalid_request",
         "Missing parameter: refresh_token"},
        {"client_credentials", api, api_secret, "idn:nelm:manage", 400,
         "invalid_scope",
         "Scope is not granted to the client: idn:nelm:manage"},
        {"client_credentials", api, api_secret, "idn:nelm:read sp:scopes:all",
         400, "invalid_scope",
         "Scope is not granted to the client: sp:scopes:all"},
        {"client_credentials", pat, secret, "a\"b", 400, "invalid_scope",
         "Scope is not granted to the client: a\"b"},
    };

    for (size_t i = 0; i < COUNT(refusals); i++) {
        struct grant_request request = {
            .grant_type = str_of(refusals[i].grant),
            .client_id = str_of(refusals[i].id),
            .client_secret = str_of(refusals[i].secret),
            .scope = str_of(refusals[i].scope),
        };
        struct grant_error refusal;
        struct buf json;

        buf_init(&json, 65536);
        print_message("%zu %s\n", i, refusals[i].error);
        assert_int_equal(
            token_grant(world->service, &request, &json, &refusal, NULL),
            ERR_VALUE);
        assert_int_equal(refusal.status, refusals[i].status);
        assert_string_equal(refusal.error, refusals[i].error);
        assert_string_equal(refusal.description, refusals[i].description);
        assert_int_equal(json.len, 0);
        buf_done(&json);
    }
}

static void
a_long_unknown_grant_or_scope_is_cut_in_the_answer(void **state)
{
    struct world *world = *state;
    struct grant_request request = credentials(world->pat_id,
                                               world->pat_secret);
    static char much[4096];
    struct grant_error refusal;
    struct buf json;

    memset(much, 'x', sizeof(much));
    buf_init(&json, 65536);
    request.scope = str_n(much, sizeof(much));
    assert_int_equal(
        token_grant(world->service, &request, &json, &refusal, NULL),
        ERR_VALUE);
    assert_string_equal(refusal.error, "invalid_scope");
    request.grant_type = str_n(much, sizeof(much));
    assert_int_equal(
        token_grant(world->service, &request, &json, &refusal, NULL),
        ERR_VALUE);
    assert_string_equal(refusal.error, "unsupported_grant_type");
    assert_true(strlen(refusal.description) < 100);
    buf_done(&json);
}

/* Tokens. */

static const char *
text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static json_t *
payload_of(const struct buf *header)
{
    struct str rest = str_of(header->data);
    char payload[JWT_MAX];
    size_t len;

    str_cut(&rest, '.');
    assert_true(base64url_decode(str_cut(&rest, '.'), payload, &len));
    json_t *claims = json_loadb(payload, len, JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(claims);
    return claims;
}

/* Members that the answer and the token share. */
static void
check_common(const json_t *object)
{
    struct uuid id;

    assert_true(uuid_parse(str_of(text_of(object, "tenant_id")), &id));
    assert_true(uuid_parse(str_of(text_of(object, "jti")), &id));
    assert_true(json_is_false(json_object_get(object, "internal")));
    assert_true(json_is_false(json_object_get(object, "strong_auth")));
    assert_true(
        json_is_false(json_object_get(object, "strong_auth_supported")));
    assert_true(json_is_true(json_object_get(object, "enabled")));
    assert_string_equal(text_of(object, "org"), "acme");
    assert_string_equal(text_of(object, "pod"), "local");
    assert_string_equal(text_of(object, "accessType"), "OFFLINE");
}

static void
a_personal_access_token_speaks_for_its_owner(void **state)
{
    struct world *world = *state;
    struct buf header;
    json_t *answer = granted(
        world, credentials(world->pat_id, world->pat_secret), &header);
    json_t *claims = payload_of(&header);
    char hex[UUID_HEX];

    uuid_hex(&world->identity, hex);
    check_common(answer);
    assert_string_equal(text_of(answer, "token_type"), "bearer");
    assert_string_equal(text_of(answer, "scope"), "sp:scopes:all");
    assert_string_equal(text_of(answer, "identity_id"), hex);
    assert_string_equal(text_of(answer, "user_id"), "1");
    assert_string_equal(text_of(answer, "user_name"), "alice");
    assert_int_equal(json_integer_value(json_object_get(answer, "expires_in")),
                     43200);
    assert_null(json_object_get(answer, "refresh_token"));

    check_common(claims);
    assert_string_equal(text_of(claims, "jti"), text_of(answer, "jti"));
    assert_string_equal(text_of(claims, "identity_id"), hex);
    assert_string_equal(text_of(claims, "client_id"), world->pat_id);
    assert_string_equal(text_of(claims, "iss"), text_of(claims, "aud"));
    assert_string_equal(json_string_value(json_array_get(
                            json_object_get(claims, "authorities"), 1)),
                        "HELPDESK");
    assert_int_equal(json_integer_value(json_object_get(claims, "iat")),
                     NOW_MS / 1000);
    assert_int_equal(json_integer_value(json_object_get(claims, "exp")),
                     NOW_MS / 1000 + 43200);
    json_decref(claims);
    json_decref(answer);

    struct principal principal = expect(world, buf_view(&header), NULL);

    assert_true(principal.has_identity);
    assert_true(uuid_eq(&principal.identity_id, &world->identity));
    assert_true(uuid_eq(&principal.client_id, &world->pat.id));
    assert_int_equal(principal.levels, LEVEL_SOURCE_SUBADMIN | LEVEL_OTHER);
    assert_int_equal(principal.scopes, SCOPE_ALL);
    assert_int_equal(principal.expires_ms, (NOW_MS / 1000 + 43200) * 1000);
    buf_done(&header);
}

static void
an_api_client_speaks_for_nobody(void **state)
{
    struct world *world = *state;
    struct buf header;
    json_t *answer = granted(
        world, credentials(world->api_id, world->api_secret), &header);

    check_common(answer);
    assert_string_equal(text_of(answer, "scope"),
                        "idn:nelm:read idn:accounts:read");
    assert_int_equal(json_integer_value(json_object_get(answer, "expires_in")),
                     749);
    assert_null(json_object_get(answer, "identity_id"));
    assert_null(json_object_get(answer, "user_id"));
    assert_null(json_object_get(answer, "user_name"));
    json_decref(answer);

    struct principal principal = expect(world, buf_view(&header), NULL);

    assert_false(principal.has_identity);
    assert_int_equal(principal.levels, 0);
    assert_int_equal(principal.scopes, SCOPE_NELM_READ);
    buf_done(&header);
}

static void
the_client_may_be_named_in_any_spelling(void **state)
{
    struct world *world = *state;
    char hex[UUID_HEX];
    struct buf header;
    struct grant_request request = credentials(uuid_hex(&world->pat.id, hex),
                                               world->pat_secret);

    request.grant_type = STR("CLIENT_Credentials");
    request.scope = STR("");
    json_decref(granted(world, request, &header));
    expect(world, buf_view(&header), NULL);
    buf_done(&header);
}

static void
a_requested_scope_narrows_the_token(void **state)
{
    struct world *world = *state;
    struct grant_request request = credentials(world->pat_id,
                                               world->pat_secret);
    struct buf header;

    request.scope = STR(" idn:nelm:read sp:scopes:default ");
    json_t *answer = granted(world, request, &header);

    assert_string_equal(text_of(answer, "scope"),
                        "idn:nelm:read sp:scopes:default");
    json_decref(answer);
    assert_int_equal(expect(world, buf_view(&header), NULL).scopes,
                     SCOPE_NELM_READ | SCOPE_DEFAULT);
    buf_done(&header);
}

static void
the_authorization_header_is_read_as_the_standard_says(void **state)
{
    static const struct {
        const char *format, *want;
        bool whole; /* followed by the token */
    } headers[] = {
        {"Bearer ", NULL, true},           {"bearer ", NULL, true},
        {"BEARER   ", NULL, true},         {"", REQUIRED, false},
        {"Bearer", REQUIRED, false},       {"Bearer ", REQUIRED, false},
        {"Basic ", REQUIRED, true},        {"", REQUIRED, true},
        {"Bearer:", REQUIRED, true},       {"Bearer Bearer ", MALFORMED, true},
        {"Bearer x", MALFORMED, true},     {"Bearer \"", MALFORMED, true},
        {"Bearer null", MALFORMED, false},
    };
    struct world *world = *state;
    struct buf token;

    get_token(world, world->pat_id, world->pat_secret, &token);
    expect(world, (struct str){NULL, 0}, REQUIRED);
    for (size_t i = 0; i < COUNT(headers); i++) {
        char header[JWT_MAX];
        int len = snprintf(header, sizeof(header), "%s%s", headers[i].format,
                           headers[i].whole ? token.data + 7 : "");

        print_message("%s\n", headers[i].format);
        expect(world, str_n(header, (size_t)len), headers[i].want);
    }
    buf_done(&token);
}

static void
a_token_that_is_too_long_is_malformed(void **state)
{
    static char header[100000];

    static const char scheme[7] = "Bearer ";

    memset(header, 'e', sizeof(header));
    memcpy(header, scheme, sizeof(scheme));
    expect(*state, str_n(header, sizeof(header)), MALFORMED);
    expect(*state, str_n(header, 7 + JWT_MAX + 1), MALFORMED);
}

static void
a_token_ends_on_time_also_when_remembered(void **state)
{
    struct world *world = *state;
    struct buf header;

    get_token(world, world->api_id, world->api_secret, &header);
    clock_set_for_test((NOW_MS / 1000 + 749) * 1000 - 1);
    expect(world, buf_view(&header), NULL);
    expect(world, buf_view(&header), NULL);
    clock_set_for_test((NOW_MS / 1000 + 749) * 1000);
    expect(world, buf_view(&header), EXPIRED);
    buf_done(&header);
}

static void
a_changed_token_is_refused_after_the_good_one_was_remembered(void **state)
{
    struct world *world = *state;
    struct buf header;

    get_token(world, world->pat_id, world->pat_secret, &header);
    expect(world, buf_view(&header), NULL);
    for (size_t i = 7; i < header.len; i += 11) {
        struct principal principal;

        header.data[i] ^= 1;
        assert_int_equal(token_verify(world->service, buf_view(&header), NULL,
                                      true, NULL, &principal, NULL),
                         ERR_UNAUTHENTICATED);
        header.data[i] ^= 1;
    }
    expect(world, buf_view(&header), NULL);
    buf_done(&header);
}

static void
a_token_of_another_registry_or_issuer_is_refused(void **state)
{
    struct world *world = *state, *other;
    struct token_service *ours = world->service;
    struct buf header, foreign;

    setup((void **)&other);
    get_token(other, other->pat_id, other->pat_secret, &foreign);
    expect(world, buf_view(&foreign), FORGED);
    buf_done(&foreign);
    teardown((void **)&other);

    get_token(world, world->pat_id, world->pat_secret, &header);
    assert_int_equal(token_service_open(world->db, "https://nelm.example",
                                        &world->service, NULL),
                     ERR_OK);
    expect(world, buf_view(&header), MALFORMED);
    buf_done(&header);
    get_token(world, world->pat_id, world->pat_secret, &header);
    expect(world, buf_view(&header), NULL);
    token_service_close(world->service);
    world->service = ours;
    expect(world, buf_view(&header), MALFORMED);
    buf_done(&header);
}

/* Revocation. */

static enum error_code
delete_pat(struct db_tx *tx, void *context, struct error *err)
{
    struct world *world = context;

    return client_delete(tx, CLIENT_PAT, &world->pat.id, err);
}

static enum error_code
delete_identity(struct db_tx *tx, void *context, struct error *err)
{
    struct world *world = context;

    return identity_delete(tx, &world->identity, err);
}

static void
deletion_revokes_at_once(void **state)
{
    db_work *const deletions[] = {delete_pat, delete_identity};

    for (size_t i = 0; i < COUNT(deletions); i++) {
        struct world *world = *state;
        struct buf pat, api;

        get_token(world, world->pat_id, world->pat_secret, &pat);
        get_token(world, world->api_id, world->api_secret, &api);
        expect(world, buf_view(&pat), NULL);
        expect(world, buf_view(&api), NULL);
        assert_int_equal(db_write(world->db, deletions[i], world, NULL),
                         ERR_OK);
        expect(world, buf_view(&pat), REVOKED);
        expect(world, buf_view(&api), NULL); /* nobody else's */

        struct grant_request request = credentials(world->pat_id,
                                                   world->pat_secret);
        struct grant_error refusal;

        assert_int_equal(
            token_grant(world->service, &request, &pat, &refusal, NULL),
            ERR_VALUE);
        assert_string_equal(refusal.error, "invalid_client");
        buf_done(&pat);
        buf_done(&api);
        teardown(state);
        setup(state);
    }
}

static void
a_connection_keeps_the_last_token_that_was_accepted(void **state)
{
    struct world *world = *state;
    struct token_memory *memory = &world->memory, before;
    struct buf pat, api;

    get_token(world, world->pat_id, world->pat_secret, &pat);
    get_token(world, world->api_id, world->api_secret, &api);
    struct str token = str_n(pat.data + 7, pat.len - 7); /* "Bearer " */

    for (int turn = 0; turn < 3; turn++) {
        assert_true(expect(world, buf_view(&pat), NULL).has_identity);
        assert_int_equal(memory->len, token.len);
        assert_memory_equal(memory->text, token.at, token.len);
        assert_false(expect(world, buf_view(&api), NULL).has_identity);
        assert_true(expect(world, buf_view(&pat), NULL).has_identity);
    }
    /* As long, and different in one bit. */
    before = *memory;
    pat.data[pat.len - 9] ^= 1;
    expect(world, buf_view(&pat), FORGED);
    pat.data[pat.len - 9] ^= 1;
    assert_memory_equal(&before, memory, sizeof(before));
    /* What it says of a token that nobody has verified is worth nothing. */
    memory->sha256[0] ^= 1;
    memory->text[token.len - 9] ^= 1;
    pat.data[pat.len - 9] ^= 1;
    expect(world, buf_view(&pat), FORGED);
    buf_done(&pat);
    buf_done(&api);
}

static void
what_another_program_changes_counts_at_once(void **state)
{
    struct world *world = *state;
    struct buf header;

    get_token(world, world->pat_id, world->pat_secret, &header);
    assert_int_equal(expect(world, buf_view(&header), NULL).levels,
                     LEVEL_SOURCE_SUBADMIN | LEVEL_OTHER);
    run_sql(world, "BEGIN; UPDATE identity SET levels = 'ORG_ADMIN';"
                   "UPDATE registry SET auth_epoch = auth_epoch + 1; COMMIT");
    assert_int_equal(expect(world, buf_view(&header), NULL).levels,
                     LEVEL_ORG_ADMIN);
    run_sql(world, "BEGIN; DELETE FROM client;"
                   "UPDATE registry SET auth_epoch = auth_epoch + 1; COMMIT");
    expect(world, buf_view(&header), REVOKED);
    buf_done(&header);
}

static void
an_expired_client_gets_no_token_and_its_tokens_end(void **state)
{
    struct world *world = *state;
    struct grant_request request = credentials(world->pat_id,
                                               world->pat_secret);
    struct grant_error refusal;
    struct buf early, late;
    char sql[200];

    get_token(world, world->pat_id, world->pat_secret, &early);
    snprintf(sql, sizeof(sql),
             "BEGIN; UPDATE client SET expires_ms = %lld;"
             "UPDATE registry SET auth_epoch = auth_epoch + 1; COMMIT",
             (long long)NOW_MS + 60000);
    run_sql(world, sql);

    json_t *answer = granted(world, request, &late);

    assert_int_equal(json_integer_value(json_object_get(answer, "expires_in")),
                     60);
    json_decref(answer);
    expect(world, buf_view(&early), NULL);
    expect(world, buf_view(&late), NULL);
    clock_set_for_test(NOW_MS + 60000);
    expect(world, buf_view(&early), REVOKED);
    expect(world, buf_view(&late), EXPIRED);
    assert_int_equal(
        token_grant(world->service, &request, &late, &refusal, NULL),
        ERR_VALUE);
    assert_string_equal(refusal.error, "invalid_client");
    assert_string_equal(refusal.description, "Bad client credentials");
    buf_done(&early);
    buf_done(&late);
}

static void
a_token_cannot_change_its_owner(void **state)
{
    struct world *world = *state;
    struct buf pat, api;

    get_token(world, world->pat_id, world->pat_secret, &pat);
    get_token(world, world->api_id, world->api_secret, &api);
    expect(world, buf_view(&pat), NULL);
    expect(world, buf_view(&api), NULL);
    run_sql(world,
            "BEGIN; UPDATE client SET kind = 'PAT',"
            "identity_id = (SELECT id FROM identity) WHERE kind = 'API';"
            "INSERT INTO identity SELECT zeroblob(16), 9, 'b', 'b', name,"
            "name_key, email, email_key, NULL, 'ORG_ADMIN', NULL, created_ms,"
            "modified_ms FROM identity;"
            "UPDATE client SET identity_id = zeroblob(16) WHERE name = 'pat';"
            "UPDATE registry SET auth_epoch = auth_epoch + 1; COMMIT");
    expect(world, buf_view(&pat), REVOKED);
    expect(world, buf_view(&api), REVOKED);
    buf_done(&pat);
    buf_done(&api);
}

static void
a_public_client_has_no_secret_to_guess(void **state)
{
    struct world *world = *state;
    const struct {
        const char *grant, *secret, *error;
    } tries[] = {
        {"client_credentials", world->api_secret, "invalid_client"},
        {"authorization_code", world->api_secret, "invalid_client"},
        {"authorization_code", NULL, "unauthorized_client"},
    };

    run_sql(world, "UPDATE client SET secret_sha256 = NULL");
    for (size_t i = 0; i < COUNT(tries); i++) {
        struct grant_request request = {
            .grant_type = str_of(tries[i].grant),
            .client_id = str_of(world->api_id),
            .client_secret = str_of(tries[i].secret),
        };
        struct grant_error refusal;
        struct buf json;

        buf_init(&json, 65536);
        assert_int_equal(
            token_grant(world->service, &request, &json, &refusal, NULL),
            ERR_VALUE);
        assert_string_equal(refusal.error, tries[i].error);
        buf_done(&json);
    }
}

/* Keys. */

static enum error_code
add_key(struct db_tx *tx, void *context, struct error *err)
{
    (void)context;
    return token_key_create(tx, err);
}

static json_t *
jwks(struct world *world)
{
    struct buf json;

    buf_init(&json, 65536);
    token_jwks(world->service, &json);
    json_t *document = json_loadb(json.data, json.len, JSON_REJECT_DUPLICATES,
                                  NULL);

    assert_non_null(document);
    buf_done(&json);
    return document;
}

static void
check_kid(const struct buf *header, const json_t *document, size_t index)
{
    const json_t *jwk = json_array_get(json_object_get(document, "keys"),
                                       index);
    struct str rest = str_of(header->data + 7);
    struct jwt jwt;

    assert_int_equal(jwt_parse(rest, &jwt, NULL), ERR_OK);
    assert_string_equal(text_of(jwk, "kid"), jwt.kid);
    assert_string_equal(text_of(jwk, "kty"), "EC");
    assert_string_equal(text_of(jwk, "crv"), "P-256");
    assert_string_equal(text_of(jwk, "alg"), "ES256");
    assert_string_equal(text_of(jwk, "use"), "sig");
    assert_int_equal(strlen(text_of(jwk, "x")), 43);
    assert_int_equal(strlen(text_of(jwk, "y")), 43);
    assert_int_equal(json_object_size(jwk), 7);
}

static void
keys_rotate_without_a_restart(void **state)
{
    struct world *world = *state;
    struct buf before, after;
    json_t *document = jwks(world);
    char sql[200];

    get_token(world, world->pat_id, world->pat_secret, &before);
    assert_int_equal(json_array_size(json_object_get(document, "keys")), 1);
    check_kid(&before, document, 0);
    json_decref(document);

    clock_set_for_test(NOW_MS + 1000);
    assert_int_equal(db_write(world->db, add_key, NULL, NULL), ERR_OK);
    get_token(world, world->pat_id, world->pat_secret, &after);
    document = jwks(world);
    assert_int_equal(json_array_size(json_object_get(document, "keys")), 2);
    check_kid(&after, document, 0); /* the newest signs */
    check_kid(&before, document, 1);
    json_decref(document);
    expect(world, buf_view(&before), NULL);
    expect(world, buf_view(&after), NULL);

    /* The older key runs out; nobody moves the epoch when it does. */
    snprintf(sql, sizeof(sql),
             "BEGIN; UPDATE signing_key SET expires_ms = %lld"
             " WHERE created_ms = %lld;"
             "UPDATE registry SET auth_epoch = auth_epoch + 1; COMMIT",
             (long long)NOW_MS + 60000, (long long)NOW_MS);
    run_sql(world, sql);
    expect(world, buf_view(&before), NULL);
    clock_set_for_test(NOW_MS + 60000);
    expect(world, buf_view(&before), FORGED);
    expect(world, buf_view(&after), NULL);
    document = jwks(world);
    assert_int_equal(json_array_size(json_object_get(document, "keys")), 1);
    json_decref(document);
    buf_done(&before);
    buf_done(&after);
}

static enum error_code
rotate_keys(struct db_tx *tx, void *context, struct error *err)
{
    const bool *revoke = context;

    return token_key_rotate(tx, *revoke, err);
}

static size_t
count_jwks(struct world *world)
{
    json_t *document = jwks(world);
    size_t count = json_array_size(json_object_get(document, "keys"));

    json_decref(document);
    return count;
}

#define DAY_LATER (NOW_MS + DAY_MS)

static void
an_old_key_verifies_until_its_last_token_ends(void **state)
{
    struct world *world = *state;
    struct buf before, after;
    bool revoke = false;
    json_t *document;

    /* No refresh token of this client outlives an access token. */
    run_sql(world, "UPDATE client SET refresh_seconds = 60");
    get_token(world, world->pat_id, world->pat_secret, &before);
    /* The clock of whoever rotates is an hour behind. */
    clock_set_for_test(NOW_MS - 3600000);
    assert_int_equal(db_write(world->db, rotate_keys, &revoke, NULL), ERR_OK);
    clock_set_for_test(NOW_MS + 1);
    get_token(world, world->pat_id, world->pat_secret, &after);
    document = jwks(world);
    check_kid(&before, document, 0);
    check_kid(&after, document, 1); /* signed by what is in use */
    json_decref(document);
    expect(world, buf_view(&before), NULL);
    expect(world, buf_view(&after), NULL);
    buf_done(&after);

    clock_set_for_test(NOW_MS + 43199000);
    get_token(world, world->api_id, world->api_secret, &after);
    assert_int_equal(count_jwks(world), 1);
    expect(world, buf_view(&after), NULL);
    buf_done(&before);
    buf_done(&after);
}

static void
a_retired_key_outlives_every_refresh_token(void **state)
{
    struct world *world = *state;
    bool revoke = false;

    run_sql(world, "UPDATE client SET refresh_seconds = 86400");
    assert_int_equal(db_write(world->db, rotate_keys, &revoke, NULL), ERR_OK);
    clock_set_for_test(DAY_LATER);
    assert_int_equal(count_jwks(world), 2);
    clock_set_for_test(DAY_LATER + 300000);
    assert_int_equal(count_jwks(world), 1);
}

static bool
count_row(void *context, const struct signing_key *row)
{
    (void)row;
    ++*(size_t *)context;
    return true;
}

static void
a_swept_key_leaves_nothing_behind(void **state)
{
    struct world *world = *state;
    bool revoke = false;
    struct buf header;
    struct db_tx *tx;
    size_t rows = 0;

    assert_int_equal(db_write(world->db, rotate_keys, &revoke, NULL), ERR_OK);
    clock_set_for_test(DAY_LATER + 300000);
    /* A grant notes the use of its client and sweeps on the way. */
    get_token(world, world->pat_id, world->pat_secret, &header);
    assert_int_equal(db_read_begin(world->db, &tx, NULL), ERR_OK);
    assert_int_equal(signing_key_each(tx, count_row, &rows, NULL), ERR_OK);
    db_read_end(tx);
    assert_int_equal(rows, 1);
    buf_done(&header);
}

static void
revoked_keys_verify_nothing(void **state)
{
    struct world *world = *state;
    struct buf before, after;
    bool revoke = true;

    get_token(world, world->pat_id, world->pat_secret, &before);
    expect(world, buf_view(&before), NULL);
    assert_int_equal(db_write(world->db, rotate_keys, &revoke, NULL), ERR_OK);
    expect(world, buf_view(&before), FORGED);
    get_token(world, world->pat_id, world->pat_secret, &after);
    expect(world, buf_view(&after), NULL);
    assert_int_equal(count_jwks(world), 1);
    buf_done(&before);
    buf_done(&after);
}

static void
no_key_is_forgotten_while_it_verifies(void **state)
{
    struct world *world = *state;
    struct error err = ERROR_INIT;
    bool revoke = false;

    for (int i = 1; i < KEYS_MAX; i++)
        assert_int_equal(db_write(world->db, rotate_keys, &revoke, NULL),
                         ERR_OK);
    assert_int_equal(count_jwks(world), KEYS_MAX);
    assert_int_equal(db_write(world->db, rotate_keys, &revoke, &err),
                     ERR_CONFLICT);
    assert_non_null(strstr(err.text, "16 keys"));
    assert_int_equal(count_jwks(world), KEYS_MAX);
    clock_set_for_test(DAY_LATER + 300000);
    assert_int_equal(db_write(world->db, rotate_keys, &revoke, NULL), ERR_OK);
    assert_int_equal(count_jwks(world), 2);
}

static void
without_a_key_nothing_is_signed(void **state)
{
    struct world *world = *state;
    struct grant_request request = credentials(world->pat_id,
                                               world->pat_secret);
    struct grant_error refusal;
    struct buf json;

    buf_init(&json, 65536);
    run_sql(world, "BEGIN; DELETE FROM signing_key;"
                   "UPDATE registry SET auth_epoch = auth_epoch + 1; COMMIT");
    assert_int_equal(
        token_grant(world->service, &request, &json, &refusal, NULL),
        ERR_INTERNAL);
    assert_int_equal(json.len, 0);
    buf_done(&json);
}

/* The database. */

static void
a_failing_database_is_not_a_refusal(void **state)
{
    struct world *world = *state;
    struct grant_request request = credentials(world->pat_id,
                                               world->pat_secret);
    struct principal principal;
    struct grant_error refusal;
    struct buf header, json;

    buf_init(&json, 65536);
    get_token(world, world->pat_id, world->pat_secret, &header);
    run_sql(world, "PRAGMA foreign_keys = OFF; ALTER TABLE client RENAME TO x");
    assert_int_equal(token_verify(world->service, buf_view(&header), NULL, true,
                                  NULL, &principal, NULL),
                     ERR_INTERNAL);
    assert_int_equal(
        token_grant(world->service, &request, &json, &refusal, NULL),
        ERR_INTERNAL);
    run_sql(world, "ALTER TABLE x RENAME TO client");
    expect(world, buf_view(&header), NULL);
    run_sql(world, "ALTER TABLE registry RENAME TO y");
    assert_int_equal(token_verify(world->service, buf_view(&header), NULL, true,
                                  NULL, &principal, NULL),
                     ERR_INTERNAL);
    json_decref(jwks(world)); /* the last known */
    buf_done(&header);
    buf_done(&json);
}

static void
last_use_is_noted_once_a_day(void **state)
{
    static const struct {
        int64_t at_ms, noted_ms;
    } uses[] = {
        {NOW_MS, NOW_MS},
        {NOW_MS + DAY_MS - 1, NOW_MS},
        {NOW_MS + DAY_MS, NOW_MS + DAY_MS},
        {NOW_MS + DAY_MS + 1, NOW_MS + DAY_MS},
    };
    struct world *world = *state;

    for (size_t i = 0; i < COUNT(uses); i++) {
        CLEANUP(arena_done) struct arena arena;
        struct client client;
        struct db_tx *tx;
        struct buf header;

        clock_set_for_test(uses[i].at_ms);
        get_token(world, world->pat_id, world->pat_secret, &header);
        buf_done(&header);
        arena_init(&arena, 65536);
        assert_int_equal(db_read_begin(world->db, &tx, NULL), ERR_OK);
        assert_int_equal(
            client_by_id(tx, &world->pat.id, &arena, &client, NULL), ERR_OK);
        db_read_end(tx);
        assert_int_equal(client.last_used_ms, uses[i].noted_ms);
    }
}

/* Threads. */

struct crowd {
    struct world *world;
    struct str pat, api;
    bool deleted; /* the client of `pat`, before the threads began */
    atomic_int wrong;
};

static enum error_code
move_epoch(struct db_tx *tx, void *context, struct error *err)
{
    (void)context;
    return auth_epoch_move(tx, err);
}

/* Tokens of two clients and a forged one, while keys come and the epoch
 * moves. */
static void *
knock(void *context)
{
    struct crowd *crowd = context;
    struct world *world = crowd->world;

    for (int i = 0; i < 400; i++) {
        struct principal user, application;
        enum error_code rc = token_verify(world->service, crowd->pat, NULL,
                                          false, NULL, &user, NULL);
        bool right = crowd->deleted ? rc == ERR_UNAUTHENTICATED
                                    : rc == ERR_OK && uuid_eq(&user.client_id,
                                                              &world->pat.id);

        rc = token_verify(world->service, crowd->api, NULL, false, NULL,
                          &application, NULL);
        right = right && rc == ERR_OK &&
                uuid_eq(&application.client_id, &world->api.id);
        rc = token_verify(world->service,
                          str_n(crowd->api.at, crowd->api.len - 2), NULL, false,
                          NULL, &application, NULL);
        if (!right || rc != ERR_UNAUTHENTICATED)
            atomic_fetch_add(&crowd->wrong, 1);
    }
    return NULL;
}

static void
threads_agree_on_who_is_there(void **state)
{
    struct world *world = *state;
    struct buf pat, api;
    struct crowd crowd = {.world = world};
    pthread_t threads[4];

    get_token(world, world->pat_id, world->pat_secret, &pat);
    get_token(world, world->api_id, world->api_secret, &api);
    crowd.pat = buf_view(&pat);
    crowd.api = buf_view(&api);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(threads); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, knock, &crowd),
                             0);
        for (int i = 0; i < 30; i++) {
            db_work *work = i % 10 == 9 ? rotate_keys : move_epoch;
            bool revoke = false;

            assert_int_equal(db_write(world->db, work, &revoke, NULL), ERR_OK);
        }
        for (size_t i = 0; i < COUNT(threads); i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(crowd.wrong, 0);
        if (round == 0)
            assert_int_equal(db_write(world->db, delete_pat, world, NULL),
                             ERR_OK);
        crowd.deleted = true;
    }
    buf_done(&pat);
    buf_done(&api);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_token_endpoint_says_why_not),
        TEST(a_long_unknown_grant_or_scope_is_cut_in_the_answer),
        TEST(a_personal_access_token_speaks_for_its_owner),
        TEST(an_api_client_speaks_for_nobody),
        TEST(the_client_may_be_named_in_any_spelling),
        TEST(a_requested_scope_narrows_the_token),
        TEST(the_authorization_header_is_read_as_the_standard_says),
        TEST(a_token_that_is_too_long_is_malformed),
        TEST(a_token_ends_on_time_also_when_remembered),
        TEST(a_changed_token_is_refused_after_the_good_one_was_remembered),
        TEST(a_token_of_another_registry_or_issuer_is_refused),
        TEST(deletion_revokes_at_once),
        TEST(a_connection_keeps_the_last_token_that_was_accepted),
        TEST(what_another_program_changes_counts_at_once),
        TEST(an_expired_client_gets_no_token_and_its_tokens_end),
        TEST(a_token_cannot_change_its_owner),
        TEST(a_public_client_has_no_secret_to_guess),
        TEST(keys_rotate_without_a_restart),
        TEST(an_old_key_verifies_until_its_last_token_ends),
        TEST(a_retired_key_outlives_every_refresh_token),
        TEST(a_swept_key_leaves_nothing_behind),
        TEST(revoked_keys_verify_nothing),
        TEST(no_key_is_forgotten_while_it_verifies),
        TEST(without_a_key_nothing_is_signed),
        TEST(a_failing_database_is_not_a_refusal),
        TEST(last_use_is_noted_once_a_day),
        TEST(threads_agree_on_who_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

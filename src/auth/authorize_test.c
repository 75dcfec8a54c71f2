#include "auth/authorize.h"

#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "db/migrate.h"
#include "db/scratch.h"
#include "store/auth_store.h"
#include "store/identity_store.h"
#include "store/open.h"

#define NOW_MS INT64_C(1700000000500)
#define BACK "https://app.example.com/back"

/* The pair of RFC 7636 appendix B. */
#define VERIFIER "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define CHALLENGE "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

struct world {
    struct scratch scratch;
    struct db *db;
    struct token_service *service;
    struct arena arena;
    struct uuid alice, request_id;
    struct client app, secretive;
    char app_id[UUID_TEXT], secretive_id[UUID_TEXT], secret[SECRET_TEXT];
    struct authorization authorization; /* of the last check */
    struct grant_error refusal;
};

static enum error_code
fill(struct db_tx *tx, void *context, struct error *err)
{
    struct world *world = context;
    struct registry registry = {.tenant_name = STR("acme")};
    struct identity alice = {.alias = STR("alice"),
                             .name = STR("Alice"),
                             .email = STR("a@example.com")};
    enum error_code rc = registry_insert(tx, &registry, err);

    world->app = (struct client){
        .kind = CLIENT_API,
        .name = STR("app"),
        .grants = STR("AUTHORIZATION_CODE REFRESH_TOKEN"),
        .scopes = STR("idn:nelm:read idn:nelm:manage"),
        .redirect_uris = STR(BACK "\nmyapp:/back"),
        .token_seconds = 60,
        .refresh_seconds = 600,
    };
    world->secretive = world->app;
    world->secretive.has_secret = true;
    secret_create(world->secret, world->secretive.secret_sha256);
    if (rc == ERR_OK)
        rc = token_key_create(tx, err);
    if (rc == ERR_OK)
        rc = identity_insert(tx, &alice, err);
    if (rc == ERR_OK)
        rc = client_insert(tx, &world->app, err);
    if (rc == ERR_OK)
        rc = client_insert(tx, &world->secretive, err);
    world->alice = alice.id;
    uuid_dashed(&world->app.id, world->app_id);
    uuid_dashed(&world->secretive.id, world->secretive_id);
    return rc;
}

static int
setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    world->scratch = scratch_make();
    world->request_id = uuid_mint();
    arena_init(&world->arena, (size_t)1 << 20);
    clock_set_for_test(NOW_MS);
    assert_int_equal(store_open(world->scratch.url, true, &world->db, NULL),
                     ERR_OK);
    assert_int_equal(migrate_run(world->db, NULL, NULL, NULL), ERR_OK);
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

    token_service_close(world->service);
    db_close(world->db);
    scratch_done(&world->scratch);
    arena_done(&world->arena);
    clock_set_for_test(-1);
    free(world);
    return 0;
}

static enum error_code
check(struct world *world, const struct authorize_request *request)
{
    struct db_tx *tx;
    enum error_code rc;

    assert_int_equal(db_read_begin(world->db, &tx, NULL), ERR_OK);
    rc = authorize_check(tx, request, &world->arena, &world->authorization,
                         &world->refusal, NULL);
    db_read_end(tx);
    return rc;
}

static struct authorize_request
good(const struct world *world)
{
    return (struct authorize_request){.client_id = str_of(world->app_id),
                                      .redirect_uri = STR(BACK),
                                      .response_type = STR("code"),
                                      .challenge = STR(CHALLENGE),
                                      .challenge_method = STR("S256")};
}

static enum error_code
run_update(struct db_tx *tx, void *context, struct error *err)
{
    return client_update(tx, context, err);
}

static void
update(struct world *world, struct client client)
{
    assert_int_equal(db_write(world->db, run_update, &client, NULL), ERR_OK);
}

static void
disable(struct world *world)
{
    struct client client = world->app;

    client.disabled = true;
    update(world, client);
}

static void
only_its_own_redirects_are_used(void **state)
{
    static const char *const uris[] = {
        NULL,
        "",
        "https://app.example.com/back/",
        "https://app.example.com/bac",
        "https://app.example.com/BACK",
        "https://app.example.com/back?x",
        "https://app.example.com/back\nmyapp:/back",
        "myapp:",
    };
    struct world *world = *state;
    struct authorize_request request = good(world);

    assert_int_equal(check(world, &request), ERR_OK);
    request.redirect_uri = STR("myapp:/back");
    assert_int_equal(check(world, &request), ERR_OK);
    for (size_t i = 0; i < COUNT(uris); i++) {
        request.redirect_uri = str_of(uris[i]);
        assert_int_equal(check(world, &request), ERR_NOT_FOUND);
    }
    request = good(world);
    request.client_id = str_of("01a20a1d-4f40-796d-9925-d693d2078a58");
    assert_int_equal(check(world, &request), ERR_NOT_FOUND);
    request = good(world);
    disable(world);
    assert_int_equal(check(world, &request), ERR_NOT_FOUND);
}

static void
other_faults_are_the_clients_to_know(void **state)
{
    struct world *world = *state;
    const struct {
        size_t at;
        const char *value, *error;
    } faults[] = {
#define FIELD(name) offsetof(struct authorize_request, name)
        {FIELD(response_type), NULL, "invalid_request"},
        {FIELD(response_type), "token", "unsupported_response_type"},
        {FIELD(response_type), "code token", "unsupported_response_type"},
        {FIELD(challenge), NULL, "invalid_request"},
        {FIELD(challenge), "", "invalid_request"},
        {FIELD(challenge), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c",
         "invalid_request"},
        {FIELD(challenge), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM",
         "invalid_request"},
        {FIELD(challenge_method), NULL, "invalid_request"},
        {FIELD(challenge_method), "plain", "invalid_request"},
        {FIELD(challenge_method), "s256", "invalid_request"},
        {FIELD(scope), "sp:scopes:all", "invalid_scope"},
        {FIELD(scope), "idn:nelm:read x", "invalid_scope"},
#undef FIELD
    };

    for (size_t i = 0; i < COUNT(faults); i++) {
        struct authorize_request request = good(world);
        struct str value = str_of(faults[i].value);

        memcpy((char *)&request + faults[i].at, &value, sizeof(value));
        assert_int_equal(check(world, &request), ERR_VALUE);
        assert_string_equal(world->refusal.error, faults[i].error);
    }
    struct authorize_request request = good(world);
    struct client client = world->app;

    client.grants = STR("REFRESH_TOKEN");
    update(world, client);
    assert_int_equal(check(world, &request), ERR_VALUE);
    assert_string_equal(world->refusal.error, "unauthorized_client");
}

static void
a_client_with_a_secret_may_do_without_a_challenge(void **state)
{
    struct world *world = *state;
    struct authorize_request request = good(world);

    request.client_id = str_of(world->secretive_id);
    request.challenge = request.challenge_method = (struct str){NULL, 0};
    assert_int_equal(check(world, &request), ERR_OK);
    assert_null(world->authorization.challenge.at);
}

static bool
agreed(struct world *world, const char *scope)
{
    struct authorize_request request = good(world);
    struct db_tx *tx;
    bool ret;

    request.scope = str_of(scope);
    assert_int_equal(check(world, &request), ERR_OK);
    assert_int_equal(db_read_begin(world->db, &tx, NULL), ERR_OK);
    assert_int_equal(authorize_agreed(tx, &world->authorization, &world->alice,
                                      &world->arena, &ret, NULL),
                     ERR_OK);
    db_read_end(tx);
    return ret;
}

static void
get_code(struct world *world, const char *scope, bool agrees,
         char code[SECRET_TEXT])
{
    struct authorize_request request = good(world);

    request.scope = str_of(scope);
    assert_int_equal(check(world, &request), ERR_OK);
    assert_int_equal(authorize_code(world->db, &world->authorization,
                                    &world->alice, agrees, &world->request_id,
                                    code, NULL),
                     ERR_OK);
}

static void
what_was_agreed_to_is_remembered(void **state)
{
    struct world *world = *state;
    char code[SECRET_TEXT];

    assert_false(agreed(world, NULL));
    get_code(world, "idn:nelm:read", false, code);
    assert_false(agreed(world, "idn:nelm:read"));
    get_code(world, "idn:nelm:read", true, code);
    assert_true(agreed(world, "idn:nelm:read"));
    assert_false(agreed(world, "idn:nelm:read idn:nelm:manage"));
    assert_false(agreed(world, NULL));
    get_code(world, NULL, true, code);
    assert_true(agreed(world, NULL));
    assert_true(agreed(world, "idn:nelm:manage"));
}

/* --- codes and refresh tokens ----------------------------------------------
 */

/* The answer, or NULL and a refusal. */
static json_t *
grant(struct world *world, const struct grant_request *request)
{
    struct buf json;
    json_t *answer = NULL;
    enum error_code rc;

    buf_init(&json, 65536);
    rc = token_grant(world->service, request, &json, &world->refusal, NULL);
    if (rc == ERR_OK)
        answer = json_loadb(json.data, json.len, JSON_REJECT_DUPLICATES, NULL);
    else
        assert_int_equal(rc, ERR_VALUE);
    buf_done(&json);
    return answer;
}

static json_t *
redeem(struct world *world, const char *code)
{
    const struct grant_request request = {
        .grant_type = STR("authorization_code"),
        .client_id = str_of(world->app_id),
        .code = str_of(code),
        .redirect_uri = STR(BACK),
        .code_verifier = STR(VERIFIER),
    };

    return grant(world, &request);
}

static const char *
member(const json_t *answer, const char *name)
{
    return json_string_value(json_object_get(answer, name));
}

static json_t *
renew(struct world *world, const json_t *answer, const char *scope)
{
    const struct grant_request request = {
        .grant_type = STR("refresh_token"),
        .client_id = str_of(world->app_id),
        .refresh_token = str_of(member(answer, "refresh_token")),
        .scope = str_of(scope),
    };

    return grant(world, &request);
}

static void
refused(struct world *world, json_t *answer, const char *error,
        const char *text)
{
    assert_null(answer);
    assert_string_equal(world->refusal.error, error);
    if (strstr(world->refusal.description, text) == NULL)
        fail_msg("%s", world->refusal.description);
}

static enum error_code
verify(struct world *world, const json_t *answer)
{
    struct principal principal;
    char header[8300];

    snprintf(header, sizeof(header), "Bearer %s",
             member(answer, "access_token"));
    return token_verify(world->service, str_of(header), NULL, true, NULL,
                        &principal, NULL);
}

static json_t *
first_tokens(struct world *world)
{
    char code[SECRET_TEXT];
    json_t *answer;

    get_code(world, NULL, true, code);
    answer = redeem(world, code);
    assert_non_null(answer);
    return answer;
}

static void
a_code_ends_after_five_minutes(void **state)
{
    struct world *world = *state;
    char early[SECRET_TEXT], late[SECRET_TEXT];
    json_t *answer;

    get_code(world, NULL, true, early);
    get_code(world, NULL, true, late);
    clock_set_for_test(NOW_MS + 299999);
    answer = redeem(world, early);
    assert_non_null(answer);
    json_decref(answer);
    clock_set_for_test(NOW_MS + 300000);
    refused(world, redeem(world, late), "invalid_grant", "expired");
    /* And is used up by that. */
    clock_set_for_test(NOW_MS);
    refused(world, redeem(world, late), "invalid_grant", "already used");
}

static void
a_code_that_comes_again_late_still_revokes(void **state)
{
    struct world *world = *state;
    char code[SECRET_TEXT];
    json_t *answer;

    get_code(world, NULL, true, code);
    answer = redeem(world, code);
    for (int i = 0; i < 20; i++) { /* refreshes keep it alive, and sweep */
        clock_set_for_test(NOW_MS + i * INT64_C(590000));
        json_t *next = renew(world, answer, NULL);

        assert_non_null(next);
        json_decref(answer);
        answer = next;
    }
    assert_int_equal(verify(world, answer), ERR_OK);
    refused(world, redeem(world, code), "invalid_grant", "already used");
    assert_int_equal(verify(world, answer), ERR_UNAUTHENTICATED);
    json_decref(answer);
}

static void
a_refresh_token_ends_with_its_time(void **state)
{
    struct world *world = *state;
    json_t *early = first_tokens(world), *late = first_tokens(world), *next;
    int64_t second = NOW_MS / 1000 * 1000;

    assert_int_equal(json_integer_value(json_object_get(early, "expires_in")),
                     60);
    clock_set_for_test(second + 599999);
    next = renew(world, early, NULL);
    assert_non_null(next);
    clock_set_for_test(second + 600000);
    refused(world, renew(world, late, NULL), "invalid_grant", "expired");
    json_decref(next);
    json_decref(early);
    json_decref(late);
}

static void
fewer_scopes_of_the_client_count_at_the_next_refresh(void **state)
{
    struct world *world = *state;
    json_t *answer = first_tokens(world), *less;
    struct client client = world->app;

    client.scopes = STR("idn:nelm:read");
    update(world, client);
    refused(world, renew(world, answer, NULL), "invalid_scope",
            "idn:nelm:manage");
    refused(world, renew(world, answer, "idn:nelm:manage"), "invalid_scope",
            "idn:nelm:manage");
    /* The refusals did not use it up. */
    update(world, world->app);
    less = renew(world, answer, "idn:nelm:read");
    assert_string_equal(member(less, "scope"), "idn:nelm:read");
    json_decref(less);
    json_decref(answer);
}

static void
a_client_that_is_switched_off_gets_and_keeps_nothing(void **state)
{
    struct world *world = *state;
    json_t *answer = first_tokens(world);

    assert_int_equal(verify(world, answer), ERR_OK);
    disable(world);
    assert_int_equal(verify(world, answer), ERR_UNAUTHENTICATED);
    refused(world, renew(world, answer, NULL), "invalid_client", "Bad client");
    json_decref(answer);
}

/* --- many at once ------------------------------------------------------------
 */

struct racer {
    pthread_t thread;
    struct world world; /* a copy: for its own refusal */
    const json_t *answer;
    json_t *got;
};

static void *
race(void *context)
{
    struct racer *racer = context;

    racer->got = renew(&racer->world, racer->answer, NULL);
    return NULL;
}

static void
of_many_refreshes_with_one_token_at_most_one_works(void **state)
{
    struct world *world = *state;
    json_t *answer = first_tokens(world);
    static struct racer racers[8];
    unsigned won = 0;

    for (size_t i = 0; i < COUNT(racers); i++) {
        racers[i].world = *world;
        racers[i].answer = answer;
        assert_int_equal(
            pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < COUNT(racers); i++)
        pthread_join(racers[i].thread, NULL);
    for (size_t i = 0; i < COUNT(racers); i++) {
        won += racers[i].got != NULL;
        /* The others, who came after it, gave it away. */
        if (racers[i].got != NULL)
            refused(world, renew(world, racers[i].got, NULL), "invalid_grant",
                    "revoked");
        json_decref(racers[i].got);
    }
    assert_int_equal(won, 1);
    assert_int_equal(verify(world, answer), ERR_UNAUTHENTICATED);
    json_decref(answer);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(only_its_own_redirects_are_used),
        TEST(other_faults_are_the_clients_to_know),
        TEST(a_client_with_a_secret_may_do_without_a_challenge),
        TEST(what_was_agreed_to_is_remembered),
        TEST(a_code_ends_after_five_minutes),
        TEST(a_code_that_comes_again_late_still_revokes),
        TEST(a_refresh_token_ends_with_its_time),
        TEST(fewer_scopes_of_the_client_count_at_the_next_refresh),
        TEST(a_client_that_is_switched_off_gets_and_keeps_nothing),
        TEST(of_many_refreshes_with_one_token_at_most_one_works),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tokens of an outside issuer, from the header of a request to the caller. */
#include <pthread.h>

#include "auth/outside_fixture.h"

#include "auth/jwt.h"
#include "auth/token.h"
#include "store/auth_store.h"
#include "store/fixture.h"
#include "store/identity_store.h"

#define NOW_MS INT64_C(1700000000500)
#define ISSUER "https://id.example"
#define ASK_MS 20

/* What the issuer publishes now. */
static struct {
    pthread_mutex_t lock;
    EVP_PKEY *pkey;
    const char *kid;
} remote = {.lock = PTHREAD_MUTEX_INITIALIZER};

static enum error_code
answer(const char *url, struct str authorities UNUSED, atomic_bool *stop UNUSED,
       struct buf *to, struct error *err UNUSED)
{
    char more[64];

    if (strcmp(url, ISSUER "/keys") != 0) {
        buf_text(to, "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"" ISSUER
                     "/keys\"}");
        return ERR_OK;
    }
    pthread_mutex_lock(&remote.lock);
    snprintf(more, sizeof(more), "\"kid\":\"%s\"", remote.kid);
    char *jwk = fixture_jwk(remote.pkey, more);

    pthread_mutex_unlock(&remote.lock);
    buf_printf(to, "{\"keys\":[%s]}", jwk);
    free(jwk);
    return ERR_OK;
}

static void
publish(EVP_PKEY *pkey, const char *kid)
{
    pthread_mutex_lock(&remote.lock);
    remote.pkey = pkey;
    remote.kid = kid;
    pthread_mutex_unlock(&remote.lock);
}

struct world {
    struct fixture fixture;
    struct token_service *service;
    struct issuer *issuer;
    struct identity ann;
    EVP_PKEY *first, *second;
};

static enum error_code
fill(struct db_tx *tx, void *context, struct error *err)
{
    struct world *world = context;
    struct registry registry = {.tenant_name = STR("acme")};
    enum error_code rc = registry_insert(tx, &registry, err);

    world->ann = (struct identity){.alias = STR("Ann"),
                                   .name = STR("Ann"),
                                   .email = STR("ann@example.com"),
                                   .levels = STR("SOURCE_SUBADMIN")};
    if (rc == ERR_OK)
        rc = token_key_create(tx, err);
    if (rc == ERR_OK)
        rc = identity_insert(tx, &world->ann, err);
    return rc;
}

static enum error_code
delete_ann(struct db_tx *tx, void *context, struct error *err)
{
    struct world *world = context;

    return identity_delete(tx, &world->ann.id, err);
}

static void
world_init(struct world *world, const char *levels)
{
    struct issuer_options options = {
        .rules = {.issuer = STR(ISSUER),
                  .audience = STR("nelm"),
                  .subject_claim = STR("sub"),
                  .levels_claim = STR("groups")},
        .refresh_ms = 3600000,
        .away_ms = 3600000,
        .ask_ms = ASK_MS,
        .stale_ms = 3600000,
        .get = answer,
    };
    const char *wrong;

    clock_set_for_test(NOW_MS);
    fixture_init(&world->fixture);
    fixture_write(&world->fixture, fill, world);
    world->first = EVP_EC_gen("P-256");
    world->second = EVP_EC_gen("P-256");
    publish(world->first, "first");
    assert_true(outside_levels_parse(str_of(levels), &options.rules, &wrong));
    assert_int_equal(
        token_service_open(world->fixture.db, NULL, &world->service, NULL),
        ERR_OK);
    assert_int_equal(issuer_start(&options, &world->issuer, NULL), ERR_OK);
    token_service_trust(world->service, world->issuer);
}

static void
world_done(struct world *world)
{
    issuer_stop(world->issuer);
    token_service_close(world->service);
    issuer_free(world->issuer);
    EVP_PKEY_free(world->first);
    EVP_PKEY_free(world->second);
    fixture_done(&world->fixture);
}

/* NULL when the token is good, else the reason. */
static const char *
outcome(struct world *world, const char *token, struct principal *ret)
{
    static struct error err;
    struct fixture_caller caller;
    enum error_code rc;
    char *header = NULL;

    assert_true(asprintf(&header, "Bearer %s", token) > 0);
    do {
        err = ERROR_INIT;
        fixture_ask(&caller);
        rc = token_verify(world->service, str_of(header), NULL, true,
                          &caller.waiter, ret, &err);
        assert_true(rc == ERR_LATER || !caller.waiter.queued);
        if (caller.waiter.queued)
            fixture_wait(&caller);
    } while (rc == ERR_LATER);
    free(header);
    if (rc == ERR_OK)
        return NULL;
    return err.text[0] ? err.text + strlen("JWT validation failed: ")
                       : error_name(rc);
}

#define CLAIMS                                                    \
    "\"iss\":\"" ISSUER "\",\"aud\":\"nelm\",\"exp\":1700003600," \
    "\"scope\":\"idn:nelm:read\",\"groups\":[\"admins\"]"

static char *
token_of(EVP_PKEY *pkey, const char *kid, const char *subject)
{
    char header[128], payload[512];

    snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"kid\":\"%s\"}", kid);
    snprintf(payload, sizeof(payload), "{" CLAIMS ",\"sub\":\"%s\"}", subject);
    return fixture_token(pkey, "ES256", header, payload);
}

static void
a_token_speaks_for_the_identity_that_it_names(void **state UNUSED)
{
    CLEANUP(world_done) struct world world;
    struct principal who;

    world_init(&world, "");
    char *token = token_of(world.first, "first", "Ann");

    assert_null(outcome(&world, token, &who));
    assert_true(who.has_identity && uuid_eq(&who.identity_id, &world.ann.id));
    assert_int_equal(who.levels, LEVEL_SOURCE_SUBADMIN);
    assert_int_equal(who.scopes, SCOPE_NELM_READ);
    assert_int_equal(who.expires_ms, INT64_C(1700003600000));
    fixture_write(&world.fixture, delete_ann, &world);
    assert_string_equal(outcome(&world, token, &who), JWT_STRANGER);
    free(token);
}

static void
a_map_of_levels_takes_the_place_of_the_identitys(void **state UNUSED)
{
    CLEANUP(world_done) struct world world;
    struct principal who;

    world_init(&world, "admins=ORG_ADMIN,staff=SOURCE_ADMIN");
    char *token = token_of(world.first, "first", "Ann");

    assert_null(outcome(&world, token, &who));
    assert_int_equal(who.levels, LEVEL_ORG_ADMIN);
    free(token);
}

static void
nobody_else_gets_in(void **state UNUSED)
{
    CLEANUP(world_done) struct world world;
    struct principal who;

    world_init(&world, "");
    const struct {
        EVP_PKEY *pkey;
        const char *kid, *subject, *want;
    } rows[] = {
        {world.first, "first", "Bob", JWT_STRANGER},
        {world.first, "first", "ann", JWT_STRANGER},
        {world.second, "first", "Ann", JWT_FORGED},
        {world.first, "second", "Ann", JWT_FORGED},
        {NULL, "first", "Ann", JWT_FORGED},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char *token = token_of(rows[i].pkey, rows[i].kid, rows[i].subject);
        const char *got = outcome(&world, token, &who);

        if (got == NULL || strcmp(got, rows[i].want) != 0)
            fail_msg("row %zu: %s", i, got ? got : "good");
        free(token);
    }
}

static void
what_was_verified_counts_for_a_minute(void **state UNUSED)
{
    CLEANUP(world_done) struct world world;
    struct principal who;

    world_init(&world, "");
    char *old = token_of(world.first, "first", "Ann");
    char *new = token_of(world.second, "second", "Ann");

    assert_null(outcome(&world, old, &who));
    publish(world.second, "second");
    fixture_pause(ASK_MS + 5);
    assert_null(outcome(&world, new, &who)); /* so the keys were fetched */
    clock_set_for_test(NOW_MS + ISSUER_TRUST_MS - 1);
    assert_null(outcome(&world, old, &who));
    clock_set_for_test(NOW_MS + ISSUER_TRUST_MS);
    assert_string_equal(outcome(&world, old, &who), JWT_FORGED);
    assert_null(outcome(&world, new, &who));
    clock_set_for_test(INT64_C(1700003600000));
    assert_string_equal(outcome(&world, new, &who), JWT_EXPIRED);
    free(old);
    free(new);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_speaks_for_the_identity_that_it_names),
        cmocka_unit_test(a_map_of_levels_takes_the_place_of_the_identitys),
        cmocka_unit_test(nobody_else_gets_in),
        cmocka_unit_test(what_was_verified_counts_for_a_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

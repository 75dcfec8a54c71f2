#include "auth/issuer.h"

#include <pthread.h>

#include "auth/fetch.h"
#include "auth/jwt.h"
#include "auth/outside_fixture.h"

#define ISSUER "https://id.example"
#define KEYS_URL ISSUER "/keys?for=all"

/* The issuer's side: what it answers now. */
static struct {
    pthread_mutex_t lock;
    const char *configuration, *kid; /* kid NULL: it is down */
    bool slow;
    int asked; /* for its configuration */
    char why[2048];
} remote = {.lock = PTHREAD_MUTEX_INITIALIZER};

static EVP_PKEY *p256;

static const char right_configuration[] = "{\"issuer\":\"" ISSUER
                                          "\",\"jwks_uri\":\"" KEYS_URL "\"}";

static enum error_code
answer(const char *url, struct str authorities UNUSED, atomic_bool *stop,
       struct buf *to, struct error *err)
{
    pthread_mutex_lock(&remote.lock);
    bool slow = remote.slow, keys = strcmp(url, KEYS_URL) == 0;
    enum error_code rc = ERR_OK;

    if (!keys) {
        assert_string_equal(url, ISSUER "/.well-known/openid-configuration");
        remote.asked++;
        buf_text(to, remote.configuration);
    } else if (remote.kid == NULL) {
        rc = error_set(err, ERR_UNAVAILABLE, "nobody answers");
    } else {
        char kid[64];

        snprintf(kid, sizeof(kid), "\"kid\":\"%s\"", remote.kid);
        char *jwk = fixture_jwk(p256, kid);

        buf_printf(to, "{\"keys\":[%s]}", jwk);
        free(jwk);
    }
    pthread_mutex_unlock(&remote.lock);
    while (slow && !atomic_load(stop)) {
        fixture_pause(1);
        pthread_mutex_lock(&remote.lock);
        slow = remote.slow;
        pthread_mutex_unlock(&remote.lock);
    }
    return rc;
}

static void
note_report(void *context UNUSED, size_t keys, const struct error *err)
{
    pthread_mutex_lock(&remote.lock);
    assert_true((keys == 0) == (err->code != ERR_OK));
    snprintf(remote.why, sizeof(remote.why), "%s", error_text(err));
    pthread_mutex_unlock(&remote.lock);
}

static void
set_remote(const char *configuration, const char *kid, bool slow)
{
    pthread_mutex_lock(&remote.lock);
    remote.configuration = configuration;
    remote.kid = kid;
    remote.slow = slow;
    pthread_mutex_unlock(&remote.lock);
}

static int
times_asked(void)
{
    pthread_mutex_lock(&remote.lock);
    int asked = remote.asked;

    pthread_mutex_unlock(&remote.lock);
    return asked;
}

static struct issuer *
start(int64_t ask_ms, int64_t stale_ms)
{
    const struct issuer_options options = {
        .rules = {.issuer = STR(ISSUER)},
        .refresh_ms = 3600000,
        .away_ms = 3600000,
        .ask_ms = ask_ms,
        .stale_ms = stale_ms,
        .get = answer,
        .report = note_report,
    };
    struct issuer *issuer = NULL;

    remote.asked = 0;
    remote.why[0] = '\0';
    assert_int_equal(issuer_start(&options, &issuer, NULL), ERR_OK);
    return issuer;
}

static enum error_code
ask_once(struct issuer *issuer, const char *kid, struct fixture_caller *caller)
{
    struct outside token = {.alg = jwk_alg_find("ES256"), .kid = str_of(kid)};
    CLEANUP(jwks_unref) struct jwks *keys = NULL;

    fixture_ask(caller);
    enum error_code rc = issuer_key(issuer, &token, &caller->waiter, &keys,
                                    NULL);

    assert_true(caller->waiter.queued == (rc == ERR_LATER));
    if (rc == ERR_OK)
        assert_non_null(jwks_find(keys, token.kid, token.alg));
    return rc;
}

/* As a call does it: wait when told to, then ask again. */
static enum error_code
get_key(struct issuer *issuer, const char *kid)
{
    struct fixture_caller caller;
    enum error_code rc;

    while ((rc = ask_once(issuer, kid, &caller)) == ERR_LATER)
        fixture_wait(&caller);
    return rc;
}

static int
setup(void **state UNUSED)
{
    p256 = EVP_EC_gen("P-256");
    return p256 ? 0 : -1;
}

static int
teardown(void **state UNUSED)
{
    EVP_PKEY_free(p256);
    return 0;
}

static void
keys_come_and_go_with_the_issuer(void **state UNUSED)
{
    set_remote(right_configuration, "one", false);
    struct issuer *issuer = start(0, 3600000);

    assert_int_equal(get_key(issuer, "one"), ERR_OK);
    assert_int_equal(times_asked(), 1);
    set_remote(right_configuration, "two", false);
    assert_int_equal(get_key(issuer, "one"), ERR_OK); /* as far as we know */
    assert_int_equal(times_asked(), 1);
    assert_int_equal(get_key(issuer, "two"), ERR_OK);
    assert_int_equal(times_asked(), 2);
    assert_int_equal(counted(&issuer_stats(issuer)->fetches), 2);
    assert_int_equal(counted(&issuer_stats(issuer)->failures), 0);
    assert_int_equal(counted(&issuer_stats(issuer)->keys), 1);
    issuer_free(issuer);
}

static void
made_up_keys_do_not_make_us_ask(void **state UNUSED)
{
    set_remote(right_configuration, "one", false);
    struct issuer *issuer = start(3600000, 3600000);
    struct fixture_caller caller;

    assert_int_equal(get_key(issuer, "one"), ERR_OK);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(ask_once(issuer, "made-up", &caller),
                         ERR_UNAUTHENTICATED);
    assert_int_equal(get_key(issuer, "one"), ERR_OK);
    assert_int_equal(times_asked(), 1);
    issuer_free(issuer);
}

static void
old_keys_are_used_while_it_is_away_and_not_for_ever(void **state UNUSED)
{
    set_remote(right_configuration, "one", false);
    struct issuer *issuer = start(0, 400);

    assert_int_equal(get_key(issuer, "one"), ERR_OK);
    set_remote(right_configuration, NULL, false);

    struct fixture_caller caller;

    assert_int_equal(ask_once(issuer, "two", &caller), ERR_LATER);
    fixture_wait(&caller);
    assert_string_equal(remote.why, "nobody answers");
    assert_int_equal(get_key(issuer, "one"), ERR_OK);
    fixture_pause(450);
    assert_int_equal(ask_once(issuer, "one", &caller), ERR_LATER);
    fixture_wait(&caller);
    assert_true(counted(&issuer_stats(issuer)->failures) >= 2);
    issuer_free(issuer);
}

static void
what_cannot_be_found_out_is_not_the_callers_fault(void **state UNUSED)
{
    set_remote(right_configuration, NULL, false);
    struct issuer *issuer = start(3600000, 3600000);

    assert_int_equal(get_key(issuer, "one"), ERR_UNAVAILABLE);
    assert_int_equal(get_key(issuer, "one"), ERR_UNAVAILABLE);
    assert_int_equal(times_asked(), 1);
    issuer_free(issuer);
}

static void
all_who_wait_are_woken_by_one_fetch(void **state UNUSED)
{
    static struct fixture_caller callers[100];

    set_remote(right_configuration, "one", true);
    struct issuer *issuer = start(3600000, 3600000);

    for (size_t i = 0; i < COUNT(callers); i++)
        assert_int_equal(ask_once(issuer, "one", &callers[i]), ERR_LATER);
    set_remote(right_configuration, "one", false);
    for (size_t i = 0; i < COUNT(callers); i++)
        fixture_wait(&callers[i]);
    assert_int_equal(get_key(issuer, "one"), ERR_OK);
    assert_int_equal(times_asked(), 1);
    issuer_free(issuer);
}

static void
stopping_does_not_wait_for_it(void **state UNUSED)
{
    struct fixture_caller caller;

    set_remote(right_configuration, "one", true);
    struct issuer *issuer = start(0, 3600000);

    assert_int_equal(ask_once(issuer, "one", &caller), ERR_LATER);
    issuer_stop(issuer);
    assert_false(atomic_load(&caller.woken));
    assert_int_equal(ask_once(issuer, "one", &caller), ERR_UNAVAILABLE);
    issuer_free(issuer);
}

static void
what_it_publishes_must_be_its_own_and_by_https(void **state UNUSED)
{
    static const struct {
        const char *configuration, *why;
    } rows[] = {
        {"{\"issuer\":\"https://evil.example\",\"jwks_uri\":\"" KEYS_URL "\"}",
         "the configuration is of the issuer \"https://evil.example\", not of "
         "\"" ISSUER "\""},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"http://127.0.0.1/keys\"}",
         "the issuer's keys are at \"http://127.0.0.1/keys\", which is not "
         "https"},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"file:///etc/keys\"}",
         "the issuer's keys are at \"file:///etc/keys\", which is not https"},
        {"{", "the issuer's configuration is no JSON object"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        set_remote(rows[i].configuration, "one", false);
        struct issuer *issuer = start(3600000, 3600000);

        assert_int_equal(get_key(issuer, "one"), ERR_UNAVAILABLE);
        assert_string_equal(remote.why, rows[i].why);
        issuer_free(issuer);
    }
}

static void
plain_http_is_for_this_machine(void **state UNUSED)
{
    static const struct {
        const char *url;
        bool good;
    } rows[] = {
        {"https://id.example", true},
        {"https://id.example/", true},
        {"https://id.example:8443/realms/x", true},
        {"http://127.0.0.1:4593/api/oidc", true},
        {"http://localhost:4593", true},
        {"http://[::1]:80/", true},
        {"http://id.example", false},
        {"http://10.0.0.1", false},
        {"http://127.0.0.1.example", false},
        {"http://localhost.example", false},
        {"http://127.0.0.1@id.example", false},
        {"https://user@id.example", false},
        {"https://id.example?x", false},
        {"https://id.example#x", false},
        {"HTTPS://id.example", false},
        {"ftp://id.example", false},
        {"file:///etc/passwd", false},
        {"https://", false},
        {"https:id.example", false},
        {"id.example", false},
        {"https://id example", false},
        {"", false},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        if (issuer_url_good(rows[i].url) != rows[i].good)
            fail_msg("%s is %s", rows[i].url, rows[i].good ? "bad" : "good");
    assert_false(fetch_allowed("http://localhost/", false));
    assert_true(fetch_allowed("https://id.example/keys?x=1", false));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_and_go_with_the_issuer),
        cmocka_unit_test(made_up_keys_do_not_make_us_ask),
        cmocka_unit_test(old_keys_are_used_while_it_is_away_and_not_for_ever),
        cmocka_unit_test(what_cannot_be_found_out_is_not_the_callers_fault),
        cmocka_unit_test(all_who_wait_are_woken_by_one_fetch),
        cmocka_unit_test(stopping_does_not_wait_for_it),
        cmocka_unit_test(what_it_publishes_must_be_its_own_and_by_https),
        cmocka_unit_test(plain_http_is_for_this_machine),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

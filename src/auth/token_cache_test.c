#include "auth/token_cache.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Digests that all fall into one set. */
static void
digest_of(unsigned n, unsigned char to[TOKEN_DIGEST])
{
    memset(to, 0, TOKEN_DIGEST);
    memcpy(to + 8, &n, sizeof(n));
}

static void
put(struct token_cache *cache, unsigned n, int64_t epoch, int64_t until_ms)
{
    unsigned char digest[TOKEN_DIGEST];
    struct principal principal = {.scopes = n, .expires_ms = until_ms};

    digest_of(n, digest);
    token_cache_put(cache, digest, epoch, until_ms, &principal);
}

static bool
has(struct token_cache *cache, unsigned n, int64_t epoch, int64_t now_ms)
{
    unsigned char digest[TOKEN_DIGEST];
    struct principal principal;

    digest_of(n, digest);
    if (!token_cache_get(cache, digest, epoch, now_ms, &principal))
        return false;
    assert_int_equal(principal.scopes, n);
    return true;
}

static void
an_entry_holds_for_its_epoch_and_until_its_end(void **state)
{
    struct token_cache *cache = token_cache_new();

    (void)state;
    assert_false(has(cache, 0, 0, 0)); /* free entries match nothing */
    put(cache, 1, 7, 1000);
    assert_true(has(cache, 1, 7, 0));
    assert_true(has(cache, 1, 7, 999));
    assert_false(has(cache, 1, 7, 1000));
    assert_false(has(cache, 1, 6, 0));
    assert_false(has(cache, 1, 8, 0));
    assert_false(has(cache, 2, 7, 0));
    put(cache, 1, 8, 2000); /* verified again */
    assert_true(has(cache, 1, 8, 1000));
    token_cache_free(cache);
}

static void
a_full_set_gives_up_the_stale_and_then_the_soonest(void **state)
{
    struct token_cache *cache = token_cache_new();

    (void)state;
    for (unsigned n = 1; n <= 4; n++)
        put(cache, n, 7, 1000 + n);
    put(cache, 5, 7, 3000);
    assert_false(has(cache, 1, 7, 0));
    for (unsigned n = 2; n <= 5; n++)
        assert_true(has(cache, n, 7, 0));
    put(cache, 3, 8, 100); /* the epoch moves: one entry is fresh */
    for (unsigned n = 6; n <= 8; n++)
        put(cache, n, 8, 50);
    assert_true(has(cache, 3, 8, 0)); /* three stale ones went first */
    for (unsigned n = 6; n <= 8; n++)
        assert_true(has(cache, n, 8, 0));
    token_cache_free(cache);
}

struct crowd {
    struct token_cache *cache;
    unsigned seed;
};

/* The answer must always be that of the token asked for. */
static void *
use(void *context)
{
    struct crowd *crowd = context;

    for (unsigned i = 0; i < 50000; i++) {
        unsigned n = 1 + (i * 7 + crowd->seed) % 9;

        if (!has(crowd->cache, n, i / 1000, 0))
            put(crowd->cache, n, i / 1000, 10 + n);
    }
    return NULL;
}

static void
threads_never_see_half_an_entry(void **state)
{
    struct token_cache *cache = token_cache_new();
    struct crowd crowds[4];
    pthread_t threads[COUNT(crowds)];

    (void)state;
    for (unsigned i = 0; i < COUNT(crowds); i++) {
        crowds[i] = (struct crowd){.cache = cache, .seed = i};
        assert_int_equal(pthread_create(&threads[i], NULL, use, &crowds[i]), 0);
    }
    for (size_t i = 0; i < COUNT(crowds); i++)
        pthread_join(threads[i], NULL);
    token_cache_free(cache);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_holds_for_its_epoch_and_until_its_end),
        cmocka_unit_test(a_full_set_gives_up_the_stale_and_then_the_soonest),
        cmocka_unit_test(threads_never_see_half_an_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

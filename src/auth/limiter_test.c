#include "auth/limiter.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"

static bool
take(struct limiter *limiter, const char *key, int64_t now_ms,
     unsigned *ret_retry_s)
{
    return limiter_take(limiter, key, strlen(key), now_ms, ret_retry_s);
}

/* limit 3 in 10 s */
static const struct {
    const char *key;
    int64_t now_ms;
    unsigned retry_s; /* 0: allowed */
} steps[] =
    {
        {"a", 5000, 0},    {"a", 5001, 0},    {"b", 6000, 0},
        {"a", 14000, 0},   {"a", 14000, 1},   {"a", 14001, 1},
        {"a", 14999, 1},   {"b", 14999, 0},   {"b", 14999, 0},
        {"b", 14999, 2},   {"a", 15000, 0}, /* a new window, at this take */
        {"b", 15999, 1},   {"a", 20000, 0},   {"a", 24000, 0},
        {"a", 24000, 1},   {"b", 24001, 0},   {"a", 25000, 0},
        {"c", 100000, 0},  {"c", 100000, 0},  {"c", 100000, 0},
        {"c", 100000, 10}, {"c", 100001, 10}, {"c", 101000, 9},
};

static void
a_window_starts_with_the_first_take(void **state)
{
    struct limiter *limiter = limiter_new(3, 10000, 1024);

    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++) {
        unsigned retry_s = 0;
        bool allowed = take(limiter, steps[i].key, steps[i].now_ms, &retry_s);

        print_message("%s at %d\n", steps[i].key, (int)steps[i].now_ms);
        assert_int_equal(allowed, steps[i].retry_s == 0);
        assert_int_equal(retry_s, steps[i].retry_s);
    }
    limiter_free(limiter);
}

static void
no_limit_allows_everything(void **state)
{
    struct limiter *limiter = limiter_new(0, 10000, 16);
    unsigned retry_s;

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_true(take(limiter, "a", 0, &retry_s));
    limiter_free(limiter);
}

static void
keys_are_bytes_and_end_at_their_maximum(void **state)
{
    struct limiter *limiter = limiter_new(1, 10000, 1024);
    char key[LIMITER_KEY_MAX + 2] = "";
    unsigned retry_s;

    (void)state;
    assert_true(limiter_take(limiter, key, 0, 0, &retry_s));
    assert_true(limiter_take(limiter, key, 1, 0, &retry_s));
    assert_true(limiter_take(limiter, key, 2, 0, &retry_s));
    assert_false(limiter_take(limiter, key, 2, 0, &retry_s));
    key[1] = 1;
    assert_true(limiter_take(limiter, key, 2, 0, &retry_s));
    assert_true(limiter_take(limiter, key, sizeof(key), 0, &retry_s));
    key[LIMITER_KEY_MAX] = 1; /* beyond */
    assert_false(limiter_take(limiter, key, sizeof(key), 0, &retry_s));
    key[LIMITER_KEY_MAX - 1] = 1;
    assert_true(limiter_take(limiter, key, sizeof(key), 0, &retry_s));
    limiter_free(limiter);
}

static void
a_flood_of_keys_locks_nobody_out_and_counts_go_on(void **state)
{
    struct limiter *limiter = limiter_new(2, 10000, 256);
    char key[32];
    unsigned retry_s;

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100000; i++) {
            snprintf(key, sizeof(key), "flood %d", i);
            assert_true(take(limiter, key, round * 10000 + i / 10, &retry_s));
        }
    }
    assert_true(take(limiter, "x", 30000, &retry_s));
    assert_true(take(limiter, "x", 30000, &retry_s));
    assert_false(take(limiter, "x", 30000, &retry_s));
    limiter_free(limiter);
}

static void
many_keys_are_counted_apart(void **state)
{
    struct limiter *limiter = limiter_new(5, 1000, 65536);
    char key[32];
    unsigned retry_s;

    (void)state;
    for (int64_t now = 0; now < 5000; now += 1000) {
        for (int n = 0; n < 6; n++) {
            for (int i = 0; i < 2000; i++) {
                snprintf(key, sizeof(key), "key %d", i);
                assert_int_equal(take(limiter, key, now + n, &retry_s), n < 5);
            }
        }
    }
    limiter_free(limiter);
}

struct crowd {
    struct limiter *limiter;
    atomic_int allowed[4];
};

static void *
push(void *context)
{
    struct crowd *crowd = context;
    unsigned retry_s;

    for (int i = 0; i < 20000; i++) {
        char key = (char)('a' + i % 4);

        if (limiter_take(crowd->limiter, &key, 1, 1000 + i % 3, &retry_s))
            atomic_fetch_add(&crowd->allowed[i % 4], 1);
    }
    return NULL;
}

static void
a_crowd_gets_exactly_the_limit(void **state)
{
    struct crowd crowd = {.limiter = limiter_new(1000, 10000, 64)};
    pthread_t threads[8];

    (void)state;
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, push, &crowd), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < COUNT(crowd.allowed); i++)
        assert_int_equal(crowd.allowed[i], 1000);
    limiter_free(crowd.limiter);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_starts_with_the_first_take),
        cmocka_unit_test(no_limit_allows_everything),
        cmocka_unit_test(keys_are_bytes_and_end_at_their_maximum),
        cmocka_unit_test(a_flood_of_keys_locks_nobody_out_and_counts_go_on),
        cmocka_unit_test(many_keys_are_counted_apart),
        cmocka_unit_test(a_crowd_gets_exactly_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

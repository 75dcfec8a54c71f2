#include "base/uuid.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"

static void
ids_are_of_version_7_and_of_now(void **state)
{
    (void)state;
    struct uuid id = uuid_mint();
    uint64_t ms = 0;

    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id.bytes[i];
    assert_int_equal(id.bytes[6] >> 4, 7);
    assert_int_equal(id.bytes[8] >> 6, 2);
    assert_in_range(ms / 1000, (uintmax_t)time(NULL) - 2,
                    (uintmax_t)time(NULL) + 2);
}

static void
ids_only_go_up(void **state)
{
    (void)state;
    struct uuid last = uuid_mint();

    for (int i = 0; i < 200000; i++) {
        struct uuid id = uuid_mint();

        assert_true(memcmp(&last, &id, sizeof(id)) < 0);
        last = id;
    }
}

#define EACH 20000

static void *
mint_many(void *to)
{
    struct uuid *ids = to;

    for (size_t i = 0; i < EACH; i++)
        ids[i] = uuid_mint();
    return NULL;
}

static int
compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

static void
threads_never_share_a_tick(void **state)
{
    static struct uuid ids[4 * EACH];
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, mint_many, ids + i * EACH), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    qsort(ids, COUNT(ids), sizeof(ids[0]), compare);
    for (size_t i = 1; i < COUNT(ids); i++)
        assert_memory_not_equal(&ids[i - 1], &ids[i], 8);
}

static const struct {
    const char *text, *dashed;
} texts[] = {
    {"ac110005-7156-1150-8171-5b292e3e0084",
     "ac110005-7156-1150-8171-5b292e3e0084"},
    {"AC110005-7156-1150-8171-5B292E3E0084",
     "ac110005-7156-1150-8171-5b292e3e0084"},
    {"2c91808568c529c60168cca6f90c1313",
     "2c918085-68c5-29c6-0168-cca6f90c1313"},
    {"2C91808568C529C60168CCA6F90C1313",
     "2c918085-68c5-29c6-0168-cca6f90c1313"},
    {"", NULL},
    {"me", NULL},
    {"2c91808568c529c60168cca6f90c131", NULL},
    {"2c91808568c529c60168cca6f90c13133", NULL},
    {"2c91808568c529c60168cca6f90c131g", NULL},
    {"ac110005-7156-1150-8171-5b292e3e008", NULL},
    {"ac110005-7156-1150-8171-5b292e3e0084 ", NULL},
    {"ac1100057-156-1150-8171-5b292e3e0084", NULL},
    {"ac110005-7156-1150-81715b-292e3e0084", NULL},
    {"ac110005-7156-1150-8171+5b292e3e0084", NULL},
    {"-c110005-7156-1150-8171-5b292e3e0084", NULL},
    {"{ac110005-7156-1150-8171-5b292e3e0084}", NULL},
};

static void
both_spellings_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        char dashed[UUID_TEXT], hex[UUID_HEX];
        struct uuid id, again;

        print_message("%s\n", texts[i].text);
        assert_int_equal(uuid_parse(str_of(texts[i].text), &id),
                         texts[i].dashed != NULL);
        if (texts[i].dashed == NULL)
            continue;
        assert_string_equal(uuid_dashed(&id, dashed), texts[i].dashed);
        assert_int_equal(strlen(uuid_hex(&id, hex)), 32);
        assert_true(uuid_parse(str_of(hex), &again));
        assert_true(uuid_eq(&id, &again));
        again.bytes[15] ^= 1;
        assert_false(uuid_eq(&id, &again));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_of_version_7_and_of_now),
        cmocka_unit_test(ids_only_go_up),
        cmocka_unit_test(threads_never_share_a_tick),
        cmocka_unit_test(both_spellings_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

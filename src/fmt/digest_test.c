#include "fmt/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/secret.h"

static void
finish(struct tally *tally, char hex[65])
{
    unsigned char hash[32];

    tally_finish(tally, hash);
    hex_encode(hash, sizeof(hash), hex);
}

/* printf 'i\1\0\0\0\0\0\0\0s\2\0\0\0\0\0\0\0abn\0\0\0\0\0\0\0\0' | sha256sum */
static void
tally_is_the_digest_of_kinds_lengths_and_values(void **state)
{
    struct tally tally;
    char hex[65];

    (void)state;
    tally_begin(&tally);
    tally_int(&tally, 1);
    tally_str(&tally, STR("ab"));
    tally_null(&tally);
    finish(&tally, hex);
    assert_string_equal(hex, "cf48bbe7490e8faf9db6c7bb981df543"
                             "64b67f6d8c4b55ac8810f3f52bc9ed70");
}

static void
tally_tells_values_apart(void **state)
{
    static const struct {
        const char *one, *two;
    } rows[] = {{"ab", "c"}, {"a", "bc"},   {"abc", ""},
                {"", "abc"}, {NULL, "abc"}, {"abc", NULL}};
    char hex[COUNT(rows)][65];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tally tally;

        tally_begin(&tally);
        rows[i].one ? tally_str(&tally, str_of(rows[i].one))
                    : tally_null(&tally);
        rows[i].two ? tally_str(&tally, str_of(rows[i].two))
                    : tally_null(&tally);
        finish(&tally, hex[i]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(hex[i], hex[j]);
    }
}

/* However values fall on the ends of blocks. */
static void
tally_takes_texts_of_any_length(void **state)
{
    unsigned char *bytes = calloc(1, 3 * 4096 + 27), hash[32];
    size_t at = 0;
    struct tally tally;
    char hex[65], want[65];

    (void)state;
    tally_begin(&tally);
    for (int i = 1; i <= 3; i++) {
        size_t len = (size_t)i * 2048 - 15;

        bytes[at] = 's';
        bytes[at + 1] = (unsigned char)len;
        bytes[at + 2] = (unsigned char)(len >> 8);
        memset(bytes + at + 9, 'x', len);
        tally_str(&tally, str_n((const char *)bytes + at + 9, len));
        at += 9 + len;
    }
    finish(&tally, hex);
    digest_of(bytes, at, hash);
    hex_encode(hash, sizeof(hash), want);
    assert_string_equal(hex, want);
    free(bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tally_is_the_digest_of_kinds_lengths_and_values),
        cmocka_unit_test(tally_tells_values_apart),
        cmocka_unit_test(tally_takes_texts_of_any_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

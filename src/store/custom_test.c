#include "store/custom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/compiler.h"

static const struct {
    const char *label;
    struct {
        int64_t number;
        const char *value;
    } values[3];
    const char *want;
} packings[] = {
    {"one", {{9, "Auditing"}}, "9:8:Auditing"},
    {"two", {{9, "Auditing"}, {10, "yes"}}, "9:8:Auditing10:3:yes"},
    {"empty value is left out", {{9, ""}, {11, "x"}}, "11:1:x"},
    {"value like a packing", {{9, "10:1:x"}, {10, ":"}}, "9:6:10:1:x10:1::"},
    {"bytes, not characters", {{12, "\xc3\xa9"}}, "12:2:\xc3\xa9"},
};

static void
custom_add_packs_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(packings); i++) {
        CLEANUP(buf_done) struct buf packed;

        print_message("%s\n", packings[i].label);
        buf_init(&packed, 1000);
        for (size_t j = 0; j < COUNT(packings[i].values) &&
                           packings[i].values[j].value != NULL;
             j++)
            custom_add(&packed, packings[i].values[j].number,
                       str_of(packings[i].values[j].value));
        assert_string_equal(packed.data, packings[i].want);
    }
}

static void
custom_next_ends_at_anything_malformed(void **state)
{
    static const char *const malformed[] = {
        "",
        "9",
        "9:",
        "9:1",
        "9:1:",
        "9:2:x",
        ":1:x",
        "9::x",
        "x:1:y",
        "-9:1:x",
        "9:-1:x",
        "9:1x:y",
        " 9:1:x",
        "9:99999999999999999999:x",
        "99999999999999999999:1:x",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(malformed); i++) {
        struct str rest = str_of(malformed[i]);
        struct custom_value value;

        print_message("\"%.*s\"\n", STR_ARG(rest));
        assert_false(custom_next(&rest, &value));
        assert_null(rest.at);
        assert_null(custom_find(str_of(malformed[i]), 9).at);
    }
}

/* Any values of any bytes come back as they went in. */
static void
custom_values_survive_packing(void **state)
{
    srand(20200405);
    (void)state;
    for (int round = 0; round < 2000; round++) {
        CLEANUP(buf_done) struct buf packed;
        struct str values[10];
        char bytes[10][40];
        int64_t number[10], next = 9;

        buf_init(&packed, 1 << 20);
        for (int i = 0; i < 10; i++) {
            next += 1 + rand() % 3;
            number[i] = next;
            values[i] = str_n(bytes[i], (size_t)(rand() % 40));
            for (size_t j = 0; j < values[i].len; j++)
                bytes[i][j] = "0123456789:\n,\"\0x"[rand() % 16];
            custom_add(&packed, number[i], values[i]);
        }
        struct str rest = buf_view(&packed);
        struct custom_value value;

        for (int i = 0; i < 10; i++) {
            struct str found = custom_find(buf_view(&packed), number[i]);

            assert_true(str_eq(found, values[i]));
            assert_null(custom_find(buf_view(&packed), number[i] + 100).at);
            if (values[i].len == 0) {
                assert_null(found.at);
                continue;
            }
            assert_true(custom_next(&rest, &value));
            assert_int_equal(value.number, number[i]);
            assert_true(str_eq(value.value, values[i]));
        }
        assert_false(custom_next(&rest, &value));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(custom_add_packs_values),
        cmocka_unit_test(custom_next_ends_at_anything_malformed),
        cmocka_unit_test(custom_values_survive_packing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"

static void
equality_is_of_bytes(void **state)
{
    (void)state;
    assert_true(str_eq(STR("a\0b"), STR("a\0b")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_false(str_eq(STR("a"), STR("ab")));
    assert_true(str_eq(STR(""), str_n(NULL, 0)));
    assert_true(str_eq(str_of(NULL), STR("")));
    assert_true(str_eq_nocase(STR("Content-TYPE"), STR("content-type")));
    assert_false(str_eq_nocase(STR("content_type"), STR("content-type")));
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    assert_true(str_eq_nocase(STR(""), str_n(NULL, 0)));
}

static const struct {
    const char *text, *want;
} trims[] = {
    {"", ""},       {" \t\r\n", ""}, {"a", "a"}, {" a b\t\r\n", "a b"},
    {"\va", "\va"},
};

static void
blanks_go_from_both_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(trims); i++)
        assert_true(
            str_eq(str_trim(str_of(trims[i].text)), str_of(trims[i].want)));
}

static const struct {
    const char *text;
    size_t count;
    const char *parts[4];
} cuts[] = {
    {"a,b,c", 3, {"a", "b", "c"}},
    {"a", 1, {"a"}},
    {"", 1, {""}},
    {",", 2, {"", ""}},
    {"a,,b,", 4, {"a", "", "b", ""}},
};

static void
cutting_gives_every_part(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cuts); i++) {
        struct str rest = str_of(cuts[i].text);
        size_t count = 0;

        while (rest.at != NULL) {
            struct str part = str_cut(&rest, ',');

            assert_true(count < cuts[i].count);
            assert_true(str_eq(part, str_of(cuts[i].parts[count++])));
        }
        assert_int_equal(count, cuts[i].count);
    }
}

static const struct {
    const char *text;
    unsigned long long max;
    bool ok;
    unsigned long long want;
} numbers[] = {
    {"0", 10, true, 0},
    {"007", 10, true, 7},
    {"10", 10, true, 10},
    {"11", 10, false, 0},
    {"3", 2, false, 0},
    {"0", 0, true, 0},
    {"1", 0, false, 0},
    {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
    {"18446744073709551616", UINT64_MAX, false, 0},
    {"99999999999999999999999", UINT64_MAX, false, 0},
    {"", 10, false, 0},
    {"+1", 10, false, 0},
    {"-1", 10, false, 0},
    {" 1", 10, false, 0},
    {"1 ", 10, false, 0},
    {"0x1", 10, false, 0},
    {"1.0", 10, false, 0},
};

static void
numbers_are_digits_up_to_a_maximum(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        unsigned long long got = 42;

        print_message("%s\n", numbers[i].text);
        assert_int_equal(
            str_to_u64(str_of(numbers[i].text), numbers[i].max, &got),
            numbers[i].ok);
        assert_true(got == (numbers[i].ok ? numbers[i].want : 42));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_is_of_bytes),
        cmocka_unit_test(blanks_go_from_both_ends),
        cmocka_unit_test(cutting_gives_every_part),
        cmocka_unit_test(numbers_are_digits_up_to_a_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

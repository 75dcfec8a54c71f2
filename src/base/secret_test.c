#include "base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"

static const struct {
    const char *bytes, *base64, *base64url;
} coded[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xbf", "+/+/", "-_-_"},
};

static void
base64_goes_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(coded); i++) {
        size_t len = strlen(coded[i].bytes), got;
        char text[32], bytes[32];

        assert_int_equal(base64_encode(coded[i].bytes, len, text),
                         strlen(coded[i].base64));
        assert_string_equal(text, coded[i].base64);
        assert_true(base64_decode(str_of(text), bytes, &got));
        assert_int_equal(got, len);
        assert_memory_equal(bytes, coded[i].bytes, len);

        assert_int_equal(base64url_encode(coded[i].bytes, len, text),
                         strlen(coded[i].base64url));
        assert_string_equal(text, coded[i].base64url);
        assert_true(base64url_decode(str_of(text), bytes, &got));
        assert_int_equal(got, len);
        assert_memory_equal(bytes, coded[i].bytes, len);
    }
}

static void
base64_has_room_for_every_length(void **state)
{
    unsigned char from[100], back[102];
    char text[BASE64_SIZE(100)];
    size_t got;

    (void)state;
    secret_random(from, sizeof(from));
    for (size_t len = 0; len <= sizeof(from); len++) {
        assert_int_equal(base64_encode(from, len, text) + 1, BASE64_SIZE(len));
        assert_true(base64_decode(str_of(text), back, &got));
        assert_int_equal(got, len);
        assert_memory_equal(from, back, len);
    }
}

static const struct {
    const char *label, *text;
    bool standard, url;
} strict[] = {
    {"padding missing", "Zg", false, true},
    {"padding short", "Zg=", false, false},
    {"padding in the URL form", "Zg==", true, false},
    {"padding too long", "Z===", false, false},
    {"padding alone", "====", false, false},
    {"padding twice", "Zg==Zg==", false, false},
    {"padding inside", "Zg==Zm9v", false, false},
    {"stray bits of one byte", "Zh==", false, false},
    {"stray bits of one byte", "Zh", false, false},
    {"stray bits of two bytes", "Zm9=", false, false},
    {"stray bits of two bytes", "Zm9", false, false},
    {"one digit too many", "Zm9vY", false, false},
    {"space", "Zm 9", false, false},
    {"line end", "Zm9v\n", false, false},
    {"standard digits", "+/+/", true, false},
    {"URL digits", "-_-_", false, true},
    {"not ASCII", "Zm\xc3\xb6", false, false},
};

static void
base64_is_strict(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(strict); i++) {
        char bytes[32];
        size_t got = 99;

        print_message("%s\n", strict[i].label);
        assert_int_equal(base64_decode(str_of(strict[i].text), bytes, &got),
                         strict[i].standard);
        assert_int_equal(base64url_decode(str_of(strict[i].text), bytes, &got),
                         strict[i].url);
        if (!strict[i].standard && !strict[i].url)
            assert_int_equal(got, 99);
    }
}

static void
hex_takes_both_cases_and_the_exact_length(void **state)
{
    unsigned char bytes[3];
    char text[7];

    (void)state;
    hex_encode("\x00\xab\xff", 3, text);
    assert_string_equal(text, "00abff");
    assert_true(hex_decode(STR("00aBfF"), bytes, 3));
    assert_memory_equal(bytes, "\x00\xab\xff", 3);
    assert_true(hex_decode(STR(""), bytes, 0));
    assert_false(hex_decode(STR("00abf"), bytes, 3));
    assert_false(hex_decode(STR("00abf"), bytes, 2));
    assert_false(hex_decode(STR("00abff0"), bytes, 3));
    assert_false(hex_decode(STR("00abfg"), bytes, 3));
    assert_false(hex_decode(STR("00ab f"), bytes, 3));
    assert_false(hex_decode(STR("00ab@f"), bytes, 3));
    assert_false(hex_decode(STR("00ab\x10"
                                "f"),
                            bytes, 3));
}

static void
comparison_sees_every_bit(void **state)
{
    unsigned char a[32], b[32];

    (void)state;
    secret_random(a, sizeof(a));
    memcpy(b, a, sizeof(a));
    assert_true(secret_equal(a, b, sizeof(a)));
    for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
        b[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_false(secret_equal(a, b, sizeof(a)));
        b[bit / 8] = a[bit / 8];
    }
    assert_true(secret_equal(a, b, 0));
}

static void
random_bytes_differ_and_wiped_ones_do_not(void **state)
{
    unsigned char a[64] = {0}, b[64] = {0}, zero[64] = {0};

    (void)state;
    secret_random(a, sizeof(a));
    secret_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a + 48, zero, 16);
    secret_wipe(a, sizeof(a));
    assert_memory_equal(a, zero, sizeof(a));
    secret_wipe(NULL, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_goes_both_ways),
        cmocka_unit_test(base64_has_room_for_every_length),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(hex_takes_both_cases_and_the_exact_length),
        cmocka_unit_test(comparison_sees_every_bit),
        cmocka_unit_test(random_bytes_differ_and_wiped_ones_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

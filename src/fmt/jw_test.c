#include "fmt/jw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void
commas_stand_between_values_only(void **state)
{
    struct jw json;
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    jw_init(&json, &buf);
    jw_array(&json);
    jw_object(&json);
    jw_member(&json, "a", STR("x"));
    jw_member_text(&json, "b", "y");
    jw_member_text(&json, "c", NULL);
    jw_member_int(&json, "d", -5);
    jw_member_bool(&json, "e", true);
    jw_key(&json, "f");
    jw_array(&json);
    jw_array_end(&json);
    jw_key(&json, "g");
    jw_object(&json);
    jw_object_end(&json);
    jw_key_str(&json, STR("h\"\n"));
    jw_array(&json);
    jw_int(&json, 1);
    jw_null(&json);
    jw_bool(&json, false);
    jw_text(&json, "z");
    jw_array(&json);
    jw_array_end(&json);
    jw_array_end(&json);
    jw_object_end(&json);
    jw_object(&json);
    jw_object_end(&json);
    jw_array_end(&json);
    assert_int_equal(json.depth, 0);
    assert_string_equal(
        buf.data,
        "[{\"a\":\"x\",\"b\":\"y\",\"c\":null,\"d\":-5,\"e\":true,"
        "\"f\":[],\"g\":{},\"h\\\"\\n\":[1,null,false,\"z\",[]]},{}]");
    buf_done(&buf);
}

#define BAD "\xef\xbf\xbd"

/* STR() is no constant to a strict compiler. */
#define BYTES(text)              \
    {                            \
        (text), sizeof(text) - 1 \
    }

static const struct {
    const char *label;
    struct str text;
    const char *want;
} strings[] = {
    {"empty", BYTES(""), "\"\""},
    {"plain", BYTES("a/b'<&>"), "\"a/b'<&>\""},
    {"long and plain", BYTES("more than two words of eight bytes"),
     "\"more than two words of eight bytes\""},
    {"quote and backslash", BYTES("\"\\"), "\"\\\"\\\\\""},
    {"named controls", BYTES("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
    {"other controls", BYTES("\1\x1f"), "\"\\u0001\\u001f\""},
    {"NUL", BYTES("a\0b"), "\"a\\u0000b\""},
    {"delete is no control of JSON", BYTES("\x7f"), "\"\x7f\""},
    {"escape behind eight", BYTES("12345678\n12345678"),
     "\"12345678\\n12345678\""},
    {"other scripts", BYTES("J\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x98\x80"),
     "\"J\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x98\x80\""},
    {"bad byte", BYTES("J\xf6rg"), "\"J" BAD "rg\""},
    {"every bad byte", BYTES("\xed\xa0\x80"), "\"" BAD BAD BAD "\""},
    {"cut at the end", BYTES("abc\xe2\x82"), "\"abc" BAD BAD "\""},
    {"bad among good", BYTES("\xc3\xb6\xff\xc3\xb6\n"),
     "\"\xc3\xb6" BAD "\xc3\xb6\\n\""},
};

static void
strings_are_escaped_and_well_formed(void **state)
{
    struct jw json;
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    for (size_t i = 0; i < COUNT(strings); i++) {
        print_message("%s\n", strings[i].label);
        buf_clear(&buf);
        jw_init(&json, &buf);
        jw_str(&json, strings[i].text);
        assert_string_equal(buf.data, strings[i].want);
    }
    buf_done(&buf);
}

static void
integers_keep_every_digit(void **state)
{
    struct jw json;
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    jw_init(&json, &buf);
    jw_array(&json);
    jw_int(&json, INT64_MIN);
    jw_int(&json, 0);
    jw_int(&json, INT64_MAX);
    jw_array_end(&json);
    assert_string_equal(buf.data,
                        "[-9223372036854775808,0,9223372036854775807]");
    buf_done(&buf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_stand_between_values_only),
        cmocka_unit_test(strings_are_escaped_and_well_formed),
        cmocka_unit_test(integers_keep_every_digit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

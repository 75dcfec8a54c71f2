#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"

static const struct {
    const char *label, *text;
    bool valid;
    size_t length;
} texts[] = {
    {"empty", "", true, 0},
    {"ASCII", "plain text, longer than eight bytes", true, 35},
    {"two bytes", "J\xc3\xb6rg", true, 4},
    {"three bytes", "\xe2\x82\xac", true, 1},
    {"four bytes", "\xf0\x9f\x98\x80!", true, 2},
    {"first and last of two", "\xc2\x80\xdf\xbf", true, 2},
    {"first and last of three", "\xe0\xa0\x80\xef\xbf\xbf", true, 2},
    {"before and behind the surrogates", "\xed\x9f\xbf\xee\x80\x80", true, 2},
    {"first and last of four", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", true, 2},
    {"lone continuation", "\x80", false, 0},
    {"overlong in two", "\xc0\xaf", false, 0},
    {"overlong in two", "\xc1\xbf", false, 0},
    {"overlong in three", "\xe0\x9f\xbf", false, 0},
    {"overlong in four", "\xf0\x8f\xbf\xbf", false, 0},
    {"high surrogate", "\xed\xa0\x80", false, 0},
    {"low surrogate", "\xed\xbf\xbf", false, 0},
    {"above the last", "\xf4\x90\x80\x80", false, 0},
    {"five bytes", "\xf8\x88\x80\x80\x80", false, 0},
    {"never a byte", "\xff", false, 0},
    {"cut in two", "abcdefgh\xc3", false, 0},
    {"cut in three", "\xe2\x82", false, 0},
    {"cut in four", "\xf0\x9f\x98", false, 0},
    {"cut by ASCII",
     "\xe2\x82"
     "a",
     false, 0},
    {"Latin-1", "J\xf6rg Smith", false, 0},
    {"bad behind eight", "abcdefgh\x80", false, 0},
    {"bad in the eighth",
     "abcdefg\x80"
     "abcdefgh",
     false, 0},
};

static void
only_well_formed_text_is_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct str text = str_of(texts[i].text);

        print_message("%s\n", texts[i].label);
        assert_int_equal(utf8_valid(text), texts[i].valid);
        if (texts[i].valid)
            assert_int_equal(utf8_length(text), texts[i].length);
    }
    assert_true(utf8_valid(STR("a\0b")));
    assert_true(utf8_valid(str_n(NULL, 0)));
}

static void
decoding_gives_the_code_point(void **state)
{
    uint32_t point = 0;

    (void)state;
    assert_int_equal(utf8_decode(STR("A\xff"), &point), 1);
    assert_int_equal(point, 'A');
    assert_int_equal(utf8_decode(STR("\xc3\xb6rg"), &point), 2);
    assert_int_equal(point, 0xf6);
    assert_int_equal(utf8_decode(STR("\xe2\x82\xac"), &point), 3);
    assert_int_equal(point, 0x20ac);
    assert_int_equal(utf8_decode(STR("\xf4\x8f\xbf\xbf"), &point), 4);
    assert_int_equal(point, 0x10ffff);
    assert_int_equal(utf8_decode(STR(""), &point), 0);
    assert_int_equal(utf8_decode(str_n("\xc3\xb6", 1), &point), 0);
    assert_int_equal(point, 0x10ffff);
}

static const struct {
    const char *text;
    bool control;
} controls[] = {
    {"plain", false},
    {"a\tb", true},
    {"a\nb", true},
    {"\x1f", true},
    {"\x7f", true},
    {"\xc2\x80", true},
    {"ends with \xc2\x9f", true},
    {"\xc2\xa0", false},
    {"\xc3\x80", false},
    {"\xe2\x80\xa8", false},
    {"", false},
};

static void
controls_are_seen_in_both_blocks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(controls); i++)
        assert_int_equal(utf8_has_control(str_of(controls[i].text)),
                         controls[i].control);
    assert_true(utf8_has_control(STR("a\0b")));
}

static const struct {
    const char *text, *want;
} defused[] = {
    {"plain\n\xc3\xa9\xe2\x82\xac", "plain\n\xc3\xa9\xe2\x82\xac"},
    {"a\tb\r\x1b[2J\x7f", "a?b??[2J?"},
    {"\xc2\x9b"
     "2J\xc2\xa0",
     "??2J\xc2\xa0"},
    {"\xff\xc3 \xe2\x82", "?? ??"},
    {"", ""},
};

static void
what_a_terminal_would_obey_is_defused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(defused); i++) {
        char text[32];

        snprintf(text, sizeof(text), "%s", defused[i].text);
        utf8_defuse(text, strlen(text));
        assert_string_equal(text, defused[i].want);
    }
}

static const struct {
    const char *text, *want;
} trims[] = {
    {"", ""},
    {"plain", "plain"},
    {" \t\n\v\f\r x \r", "x"},
    {"   ", ""},
    {"\xc2\xa0\xe2\x80\x80x y\xe2\x80\x8a\xe3\x80\x80", "x y"},
    {"\xe2\x80\xa8x\xe2\x80\xa9", "x"},
    {"\xe2\x80\xafx\xe2\x81\x9f", "x"},
    {"\xef\xbb\xbfx\xef\xbb\xbf", "x"},
    {"\xe2\x80\x8bx\xe2\x80\x8b", "\xe2\x80\x8bx\xe2\x80\x8b"},
    {"\xc2\x85x", "\xc2\x85x"},
    {"\xc3\xa0", "\xc3\xa0"},
    {" \xa0", "\xa0"},
    {"\xa0 ", "\xa0"},
    {"\x80\x80\x80\x80\x80 ", "\x80\x80\x80\x80\x80"},
};

static void
white_space_goes_from_both_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(trims); i++) {
        struct str got = utf8_trim(str_of(trims[i].text));

        print_message("%zu\n", i);
        assert_true(str_eq(got, str_of(trims[i].want)));
    }
}

static const struct {
    const char *text, *want;
} folds[] = {
    {"", ""},
    {"Jon.SMITH-09@[`{", "jon.smith-09@[`{"},
    {"\xc3\x84RGER", "\xc3\xa4rger"},
    {"\xce\xa3\xce\x9f\xce\xa6\xce\x9f\xce\xa3",
     "\xcf\x83\xce\xbf\xcf\x86\xce\xbf\xcf\x83"},
    {"\xd0\x98\xd0\x92\xd0\x90\xd0\x9d", "\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd"},
    /* One that grows, one that shrinks, one of four bytes. */
    {"\xc8\xba", "\xe2\xb1\xa5"},
    {"\xe2\x84\xaa", "k"},
    {"\xf0\x90\x90\x80", "\xf0\x90\x90\xa8"},
    {"stra\xc3\x9f"
     "e",
     "stra\xc3\x9f"
     "e"},
    {"A\xff\xc3"
     "B\xe2\x82",
     "a\xff\xc3"
     "b\xe2\x82"},
};

static void
folding_is_simple_lower_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(folds); i++) {
        char got[3 * 64 + 1];

        print_message("%s\n", folds[i].text);
        assert_int_equal(utf8_fold(str_of(folds[i].text), got),
                         strlen(folds[i].want));
        assert_string_equal(got, folds[i].want);
    }
}

/* Every code point stays within its share of the room and folds once only. */
static void
folding_keeps_to_its_room(void **state)
{
    (void)state;
    for (uint32_t point = 0x80; point <= 0x10ffff; point++) {
        char from[4], once[13], twice[40];
        size_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        uint32_t rest = point;

        if (point >= 0xd800 && point <= 0xdfff)
            continue;
        for (size_t i = len - 1; i > 0; i--, rest >>= 6)
            from[i] = (char)(0x80 | (rest & 0x3f));
        from[0] = (char)((0xf00 >> len & 0xff) | rest);
        size_t got = utf8_fold(str_n(from, len), once);

        assert_in_range(got, 1, 3 * len);
        assert_true(utf8_valid(str_n(once, got)));
        assert_int_equal(utf8_fold(str_n(once, got), twice), got);
        assert_memory_equal(once, twice, got);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_well_formed_text_is_valid),
        cmocka_unit_test(decoding_gives_the_code_point),
        cmocka_unit_test(controls_are_seen_in_both_blocks),
        cmocka_unit_test(what_a_terminal_would_obey_is_defused),
        cmocka_unit_test(white_space_goes_from_both_ends),
        cmocka_unit_test(folding_is_simple_lower_case),
        cmocka_unit_test(folding_keeps_to_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

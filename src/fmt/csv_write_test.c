#include "fmt/csv_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *label, *field, *plain, *guarded;
} fields[] = {
    {"empty", "", "", ""},
    {"plain", "Smith", "Smith", "Smith"},
    {"long and plain", "a text of more than two words of eight bytes",
     "a text of more than two words of eight bytes",
     "a text of more than two words of eight bytes"},
    {"comma", "Smith, Jo", "\"Smith, Jo\"", "\"Smith, Jo\""},
    {"quote", "a \"b\"", "\"a \"\"b\"\"\"", "\"a \"\"b\"\"\""},
    {"only a quote", "\"", "\"\"\"\"", "\"\"\"\""},
    {"LF", "a\nb", "\"a\nb\"", "\"a\nb\""},
    {"CR", "a\rb", "\"a\rb\"", "\"a\rb\""},
    {"leading space", " a", "\" a\"", "\" a\""},
    {"trailing space", "a ", "\"a \"", "\"a \""},
    {"space inside", "a b", "a b", "a b"},
    {"tab inside", "a\tb", "a\tb", "a\tb"},
    {"apostrophe inside", "O'Neil", "O'Neil", "O'Neil"},
    {"other scripts", "J\xc3\xb6rg", "J\xc3\xb6rg", "J\xc3\xb6rg"},
    {"formula", "=1+1", "=1+1", "'=1+1"},
    {"phone", "+49 89", "+49 89", "'+49 89"},
    {"minus", "-1", "-1", "'-1"},
    {"at", "@x", "@x", "'@x"},
    {"tab", "\tx", "\tx", "'\tx"},
    {"CR in front", "\rx", "\"\rx\"", "\"'\rx\""},
    {"apostrophe", "'x", "'x", "''x"},
    {"formula with a comma", "=A(1,2)", "\"=A(1,2)\"", "\"'=A(1,2)\""},
};

static void
fields_are_quoted_only_when_they_must(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    for (size_t i = 0; i < COUNT(fields); i++) {
        struct str field = str_of(fields[i].field);

        print_message("%s\n", fields[i].label);
        buf_clear(&buf);
        csv_field(&buf, field, false);
        assert_string_equal(buf.data, fields[i].plain);
        assert_int_equal(csv_needs_quotes(field),
                         strcmp(fields[i].field, fields[i].plain) != 0);
        buf_clear(&buf);
        csv_field(&buf, field, true);
        assert_string_equal(buf.data, fields[i].guarded);
    }
    buf_done(&buf);
}

static void
every_place_of_every_length_is_seen(void **state)
{
    char text[40];

    (void)state;
    for (size_t len = 0; len <= sizeof(text); len++) {
        memset(text, 'a', len);
        assert_false(csv_needs_quotes(str_n(text, len)));
        for (size_t at = 0; at < len; at++)
            for (int c = 0; c < 256; c++) {
                bool edge = at == 0 || at == len - 1;

                text[at] = (char)c;
                assert_int_equal(csv_needs_quotes(str_n(text, len)),
                                 c == ',' || c == '"' || c == '\r' ||
                                     c == '\n' || (c == ' ' && edge));
                text[at] = 'a';
            }
    }
}

static void
nul_is_just_a_byte(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    csv_field(&buf, STR("\0a,"), true);
    assert_true(str_eq(buf_view(&buf), STR("\"\0a,\"")));
    buf_done(&buf);
}

static void
full_buffer_is_said_once(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 4);
    csv_field(&buf, STR("a,b"), false);
    assert_true(buf.failed);
    buf_done(&buf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_quoted_only_when_they_must),
        cmocka_unit_test(every_place_of_every_length_is_seen),
        cmocka_unit_test(nul_is_just_a_byte),
        cmocka_unit_test(full_buffer_is_said_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "core/row_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct table table = {
    .name = "t",
    .keys = 1,
    .column = {{"i", COLUMN_INT}, {"t", COLUMN_TEXT}, {"b", COLUMN_BLOB}}};

#define N            \
    {                \
        .null = true \
    }
#define T(text)                             \
    {                                       \
        .bytes = { text, sizeof(text) - 1 } \
    }

static const struct {
    const char *label, *line;
    struct cell row[TABLE_COLUMNS_MAX];
} rows[] = {
    {"plain", "7\tab\t\\\\x00ff\n", {{.number = 7}, T("ab"), T("\0\xff")}},
    {"NULL is not empty", "\\N\t\\N\t\\N\n", {N, N, N}},
    {"empty is not NULL", "0\t\t\\\\x\n", {{.number = 0}, T(""), T("")}},
    {"what needs a backslash",
     "-1\ta\\\\b\\tc\\nd\\re\t\\\\x0a\n",
     {{.number = -1}, T("a\\b\tc\nd\re"), T("\n")}},
    {"a text that looks like NULL",
     "1\t\\\\N\t\\N\n",
     {{.number = 1}, T("\\N"), N}},
    {"the largest numbers",
     "-9223372036854775808\tx\t\\N\n",
     {{.number = INT64_MIN}, T("x"), N}},
};

static void
rows_are_written_and_read_as_copy_has_them(void **state)
{
    CLEANUP(buf_done) struct buf text;

    (void)state;
    buf_init(&text, 1000);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct cell row[TABLE_COLUMNS_MAX] = {{.null = false}};
        char *at;

        print_message("%s\n", rows[i].label);
        buf_clear(&text);
        row_text_add(&text, &table, rows[i].row);
        assert_string_equal(text.data, rows[i].line);
        at = text.data;
        assert_true(row_text_read(&at, text.data + text.len, &table, row));
        assert_ptr_equal(at, text.data + text.len);
        for (size_t j = 0; j < 3; j++) {
            assert_int_equal(row[j].null, rows[i].row[j].null);
            assert_true(row[j].number == rows[i].row[j].number);
            assert_true(str_eq(row[j].bytes, rows[i].row[j].bytes));
        }
    }
}

static void
other_lines_are_refused(void **state)
{
    static const char *const lines[] = {
        "",
        "7\tab\t\\N",
        "7\tab\n",
        "7\tab\t\\N\tx\n",
        "x\tab\t\\N\n",
        "7x\tab\t\\N\n",
        "\tab\t\\N\n",
        "7\ta\\b\t\\N\n",
        "7\ta\\\t\\N\n",
        "7\tab\tff\n",
        "7\tab\t\\\\xf\n",
        "7\tab\t\\\\xfg\n",
        "123456789012345678901234\tab\t\\N\n",
        "9223372036854775808\tab\t\\N\n",
        "-9223372036854775809\tab\t\\N\n",
        " 7\tab\t\\N\n",
        "+7\tab\t\\N\n",
        "-\tab\t\\N\n",
        "--7\tab\t\\N\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct cell row[TABLE_COLUMNS_MAX];
        char text[100];
        char *at = text;

        memcpy(text, lines[i], strlen(lines[i]) + 1);
        if (row_text_read(&at, text + strlen(text), &table, row))
            fail_msg("%s", lines[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_written_and_read_as_copy_has_them),
        cmocka_unit_test(other_lines_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

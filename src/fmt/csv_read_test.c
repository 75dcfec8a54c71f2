#include "fmt/csv_read.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "fmt/csv_write.h"

/* Rows as text: the line, then every field in brackets, or the problem. */
static void
put_rows(struct csv_reader *reader, struct buf *to)
{
    const struct csv_row *row;

    while (csv_read_next(reader, &row) == ERR_OK) {
        buf_printf(to, "%ju", (uintmax_t)row->line);
        for (size_t i = 0; i < row->fields; i++) {
            buf_char(to, '[');
            buf_str(to, row->field[i]);
            buf_char(to, ']');
        }
        if (row->problem != NULL)
            buf_printf(to, " %s", row->problem);
        buf_char(to, ';');
    }
}

static void
read_in_pieces(struct str bytes, size_t piece, size_t max, struct buf *to)
{
    struct csv_reader *reader = csv_read_new(max);

    assert_non_null(reader);
    buf_clear(to);
    while (bytes.len > 0) {
        size_t len = MIN(piece, bytes.len);
        char *copy = malloc(len);

        /* Bytes of their own, so that a sanitizer sees who reads too far or
         * too late. */
        memcpy(copy, bytes.at, len);
        csv_read_feed(reader, copy, len);
        put_rows(reader, to);
        free(copy);
        bytes = str_n(bytes.at + len, bytes.len - len);
    }
    csv_read_feed(reader, NULL, 0);
    put_rows(reader, to);
    csv_read_done(reader);
}

#define MAX_ROW_BYTES 40

#define NOT_CLOSED " a quoted field is not closed;"
#define TEXT_BEHIND " text follows a closing quote;"
#define TOO_LONG " the row is too long;"
#define HAS_NUL " the row contains a NUL byte;"
#define NOT_UTF8 " the row is not well-formed UTF-8;"

#define TEN "0123456789"

/* STR() is no constant to a strict compiler. */
#define BYTES(text)              \
    {                            \
        (text), sizeof(text) - 1 \
    }

static const struct {
    const char *label;
    struct str text;
    const char *want;
} cases[] = {
    {"nothing", BYTES(""), ""},
    {"one row", BYTES("a,b,c\n"), "1[a][b][c];"},
    {"last line without an end", BYTES("a\nb,c"), "1[a];2[b][c];"},
    {"CRLF", BYTES("a,b\r\nc,d\r\n"), "1[a][b];2[c][d];"},
    {"lone CR is data", BYTES("a\rb,\rc\n"), "1[a\rb][\rc];"},
    {"CR at the very end is data", BYTES("a\r"), "1[a\r];"},
    {"only one CR of two", BYTES("a\r\r\n"), "1[a\r];"},
    {"empty fields", BYTES(",\n,,\n"), "1[][];2[][][];"},
    {"blank lines", BYTES("\n\na\n\r\n\n  \nb\n\n"), "3[a];7[b];"},
    {"only blank lines", BYTES("\n \r\n\n"), ""},
    {"lone CR without an end is no blank line", BYTES("\r"), "1[\r];"},
    {"quoted empty field is no blank line", BYTES("\"\"\n"), "1[];"},
    {"spaces around", BYTES(" a , b c ,  \n"), "1[a][b c][];"},
    {"spaces before a CRLF", BYTES("a,b  \r\n"), "1[a][b];"},
    {"other blanks are data", BYTES("\ta\t,b\n"), "1[\ta\t][b];"},
    {"quoted", BYTES("\"a,b\",\"c\"\n"), "1[a,b][c];"},
    {"spaces in quotes", BYTES(" \" a \" ,\"  \"\n"), "1[ a ][  ];"},
    {"pairs of quotes", BYTES("\"a \"\"b\"\"\",\"\"\"\",\"\"\"\"\"\"\n"),
     "1[a \"b\"][\"][\"\"];"},
    {"line ends in quotes", BYTES("\"a\nb\r\nc\",d\ne\n"),
     "1[a\nb\r\nc][d];4[e];"},
    {"quote in an unquoted field", BYTES("a\"b,c\"\"\n"), "1[a\"b][c\"\"];"},
    {"quoted last field without a line end", BYTES("a,\"b\""), "1[a][b];"},
    {"quoted field before a CRLF", BYTES("\"a\"\r\nb\r\n"), "1[a];2[b];"},
    {"ends with a comma", BYTES("a,"), "1[a][];"},

    {"byte order mark",
     BYTES("\xef\xbb\xbf"
           "a,b\n"),
     "1[a][b];"},
    {"byte order mark and quote", BYTES("\xef\xbb\xbf\"a,b\"\n"), "1[a,b];"},
    {"only a byte order mark", BYTES("\xef\xbb\xbf"), ""},
    {"byte order mark and blank lines", BYTES("\xef\xbb\xbf\r\n\n"), ""},
    {"only the first one is a mark",
     BYTES("\xef\xbb\xbf\xef\xbb\xbf"
           "a\n"),
     "1[\xef\xbb\xbf"
     "a];"},
    {"mark behind the beginning",
     BYTES("a\n\xef\xbb\xbf"
           "b\n"),
     "1[a];2[\xef\xbb\xbf"
     "b];"},
    {"almost a mark",
     BYTES("\xef\xbb\xbe"
           "a\n"),
     "1[\xef\xbb\xbe"
     "a];"},
    {"two thirds of a mark", BYTES("\xef\xbb"), "1" NOT_UTF8},
    {"two thirds of a mark and quotes", BYTES("\xef\xbb\"a,b\"\nc\n"),
     "1" NOT_UTF8 "2[c];"},

    {"text behind a quote", BYTES("\"a\"b,c\nd\n"), "1" TEXT_BEHIND "2[d];"},
    {"quote behind a quote", BYTES("\"a\" \"b\",c\nd\n"),
     "1" TEXT_BEHIND "2[d];"},
    {"CR behind a quote", BYTES("\"a\"\r,b\nc\n"), "1" TEXT_BEHIND "2[c];"},
    {"quote again later", BYTES("\"a\"b\",c\nd\n"), "1" TEXT_BEHIND "2[d];"},
    {"quoted field behind a bad one", BYTES("\"a\"b,\"c\nd\"\ne\n"),
     "1" TEXT_BEHIND "3[e];"},
    {"not closed", BYTES("a\nb,\"c\nd\n"), "1[a];2" NOT_CLOSED},
    {"not closed, nothing behind", BYTES("\""), "1" NOT_CLOSED},
    {"not closed and too long", BYTES("\"" TEN TEN TEN TEN TEN "\n"),
     "1" NOT_CLOSED},
    {"NUL", BYTES("a\0b\nc\n"), "1" HAS_NUL "2[c];"},
    {"NUL in quotes", BYTES("\"a\n\0\"\nc\n"), "1" HAS_NUL "3[c];"},
    {"malformed UTF-8", BYTES("J\xf6rg,Smith\nb\n"), "1" NOT_UTF8 "2[b];"},
    {"character cut by a comma", BYTES("a\xc3,\xb6\nb\n"),
     "1" NOT_UTF8 "2[b];"},
    {"other scripts", BYTES("J\xc3\xb6rg,\xe2\x82\xac,\xf0\x9f\x98\x80\n"),
     "1[J\xc3\xb6rg][\xe2\x82\xac][\xf0\x9f\x98\x80];"},

    {"as long as it may be", BYTES(TEN TEN TEN TEN "\nb\n"),
     "1[" TEN TEN TEN TEN "];2[b];"},
    {"the line end does not count", BYTES(TEN TEN TEN TEN "\r\nb\r\n"),
     "1[" TEN TEN TEN TEN "];2[b];"},
    {"too long by one", BYTES(TEN TEN TEN TEN ".\nb\n"), "1" TOO_LONG "2[b];"},
    {"too long by one with CRLF", BYTES(TEN TEN TEN TEN ".\r\nb\n"),
     "1" TOO_LONG "2[b];"},
    {"too long without a line end", BYTES(TEN TEN TEN TEN TEN), "1" TOO_LONG},
    {"too long over several lines",
     BYTES("\"" TEN "\n" TEN "\n" TEN "\n" TEN "\n\",\"" TEN "\n" TEN
           "\"\nb\n"),
     "1" TOO_LONG "7[b];"},
    {"two too long",
     BYTES(TEN TEN TEN TEN TEN "\n" TEN TEN TEN TEN TEN "\nb\n"),
     "1" TOO_LONG "2" TOO_LONG "3[b];"},
};

static void
rows_are_the_same_in_pieces_of_any_size(void **state)
{
    struct buf got;

    (void)state;
    buf_init(&got, 1 << 20);
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t piece = 1; piece <= MAX(cases[i].text.len, (size_t)1);
             piece++) {
            read_in_pieces(cases[i].text, piece, MAX_ROW_BYTES, &got);
            buf_text(&got, "");
            if (strcmp(got.data, cases[i].want) != 0)
                print_error("%s, %zu bytes at a time\n", cases[i].label, piece);
            assert_string_equal(got.data, cases[i].want);
        }
    buf_done(&got);
}

static void
fields_have_a_limit(void **state)
{
    struct csv_reader *reader = csv_read_new(1000);
    const struct csv_row *row;
    char text[200];

    (void)state;
    memset(text, ',', sizeof(text));
    text[CSV_MAX_FIELDS - 1] = '\n';
    text[2 * CSV_MAX_FIELDS] = '\n';
    memcpy(text + 2 * CSV_MAX_FIELDS + 1, "a,b\n", 5);
    csv_read_feed(reader, text, strlen(text));

    assert_int_equal(csv_read_next(reader, &row), ERR_OK);
    assert_null(row->problem);
    assert_int_equal(row->fields, CSV_MAX_FIELDS);
    assert_int_equal(csv_read_next(reader, &row), ERR_OK);
    assert_string_equal(row->problem, "the row has too many fields");
    assert_int_equal(row->fields, 0);
    assert_int_equal(csv_read_next(reader, &row), ERR_OK);
    assert_int_equal(row->line, 3);
    assert_int_equal(row->fields, 2);
    csv_read_done(reader);
}

static void
whole_rows_are_not_copied(void **state)
{
    static const char text[] = "a,\"b\",\"c\"\"\"\nd,e";
    struct csv_reader *reader = csv_read_new(1000);
    const struct csv_row *row;

    (void)state;
    csv_read_feed(reader, text, strlen(text));
    assert_int_equal(csv_read_next(reader, &row), ERR_OK);
    assert_ptr_equal(row->field[0].at, text);
    assert_ptr_equal(row->field[1].at, text + 3);
    assert_true(str_eq(row->field[2], STR("c\"")));
    assert_int_equal(csv_read_next(reader, &row), ERR_END);
    csv_read_done(reader);
}

static void
end_of_input_is_final(void **state)
{
    struct csv_reader *reader = csv_read_new(1000);
    const struct csv_row *row;

    (void)state;
    assert_int_equal(csv_read_next(reader, &row), ERR_END);
    csv_read_feed(reader, "a", 1);
    assert_int_equal(csv_read_next(reader, &row), ERR_END);
    assert_int_equal(csv_read_next(reader, &row), ERR_END);
    csv_read_feed(reader, NULL, 0);
    assert_int_equal(csv_read_next(reader, &row), ERR_OK);
    assert_int_equal(csv_read_next(reader, &row), ERR_END);
    assert_int_equal(csv_read_next(reader, &row), ERR_END);
    csv_read_done(reader);
    csv_read_done(NULL);
}

/* A number below `limit` from a small generator that is the same everywhere. */
static uint32_t
pick(uint64_t *seed, uint32_t limit)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(*seed >> 33) % limit;
}

/* A field of up to 20 parts, most of which make trouble. */
static void
random_field(uint64_t *seed, struct buf *to)
{
    static const char *const parts[] = {
        "a",
        "Smith",
        ",",
        "\"",
        "\"\"",
        " ",
        "  ",
        "\n",
        "\r",
        "\r\n",
        "\t",
        "\xc3\xb6",
        "\xe2\x82\xac",
        "\xf0\x9f\x98\x80",
        "=1+1",
        "'",
        "007",
    };

    buf_clear(to);
    for (uint32_t count = pick(seed, 20); count > 0; count--)
        buf_text(to, parts[pick(seed, COUNT(parts))]);
}

static void
what_was_written_is_read_again(void **state)
{
    struct buf csv, want, got, field;

    (void)state;
    buf_init(&csv, 1 << 20);
    buf_init(&want, 1 << 20);
    buf_init(&got, 1 << 20);
    buf_init(&field, 1000);
    for (uint64_t round = 0; round < 300; round++) {
        uint64_t seed = round;
        uintmax_t line = 1;

        buf_clear(&csv);
        buf_clear(&want);
        for (int row = 0; row < 30; row++) {
            /* One empty field alone would be a blank line. */
            uint32_t fields = 2 + pick(&seed, 12);

            buf_printf(&want, "%ju", line++);
            for (uint32_t i = 0; i < fields; i++) {
                random_field(&seed, &field);
                if (i > 0)
                    buf_char(&csv, ',');
                csv_field(&csv, buf_view(&field), false);
                buf_char(&want, '[');
                buf_str(&want, buf_view(&field));
                buf_char(&want, ']');
                for (size_t c = 0; c < field.len; c++)
                    line += field.data[c] == '\n';
            }
            buf_text(&csv, round % 2 ? "\r\n" : "\n");
            buf_char(&want, ';');
        }
        read_in_pieces(buf_view(&csv), 1 + pick(&seed, 400), 1 << 16, &got);
        if (!str_eq(buf_view(&got), buf_view(&want)))
            print_error("round %ju\n", (uintmax_t)round);
        assert_string_equal(got.data, want.data);
    }
    buf_done(&csv);
    buf_done(&want);
    buf_done(&got);
    buf_done(&field);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_the_same_in_pieces_of_any_size),
        cmocka_unit_test(fields_have_a_limit),
        cmocka_unit_test(whole_rows_are_not_copied),
        cmocka_unit_test(end_of_input_is_final),
        cmocka_unit_test(what_was_written_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

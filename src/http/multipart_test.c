#include "http/multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

/* What was read, as a text to compare: "[name|filename|type]data;". */
static void
add(struct buf *out, struct str text)
{
    if (text.at == NULL)
        buf_char(out, '-');
    buf_str(out, text);
}

static enum error_code
on_begin(void *context, const struct multipart_part *part, struct error *err)
{
    struct buf *out = context;

    if (str_eq(part->name, STR("forbidden")))
        return error_set(err, ERR_FORBIDDEN, NULL);
    buf_char(out, '[');
    add(out, part->name);
    buf_char(out, '|');
    add(out, part->filename);
    buf_char(out, '|');
    add(out, part->content_type);
    buf_char(out, ']');
    return ERR_OK;
}

static enum error_code
on_data(void *context, const char *bytes, size_t len, struct error *err)
{
    (void)err;
    buf_add(context, bytes, len);
    return ERR_OK;
}

static enum error_code
on_end(void *context, struct error *err)
{
    (void)err;
    buf_char(context, ';');
    return ERR_OK;
}

/* Feed `text` in two pieces, the second one byte at a time when `slowly`. */
static enum error_code
read_form(struct str text, size_t split, bool slowly, struct buf *out)
{
    struct multipart_callbacks callbacks = {out, on_begin, on_data, on_end};
    struct multipart *m = multipart_new("b0und", &callbacks);
    struct error err = ERROR_INIT;
    enum error_code rc;

    buf_init(out, 1 << 20);
    buf_text(out, "");
    rc = multipart_feed(m, text.at, split, &err);
    for (size_t i = split; rc == ERR_OK && i < text.len;) {
        size_t piece = slowly ? 1 : text.len - i;

        rc = multipart_feed(m, text.at + i, piece, &err);
        i += piece;
    }
    if (rc == ERR_OK)
        rc = multipart_end(m, &err);
    multipart_free(m);
    return rc;
}

#define CD "Content-Disposition: form-data; "

static const struct {
    const char *label, *text;
    const char *want; /* NULL: refused */
} forms[] = {
    {"one field", "--b0und\r\n" CD "name=\"a\"\r\n\r\nvalue\r\n--b0und--\r\n",
     "[a|-|-]value;"},
    {"no line end at the end",
     "--b0und\r\n" CD "name=\"a\"\r\n\r\nvalue\r\n--b0und--", "[a|-|-]value;"},
    {"file",
     "--b0und\r\n" CD "name=\"data\"; filename=\"x.csv\"\r\n"
     "Content-Type: text/csv; charset=utf-8\r\n\r\n1,2\r\n3,4\r\n"
     "\r\n--b0und--\r\n",
     "[data|x.csv|text/csv; charset=utf-8]1,2\r\n3,4\r\n;"},
    {"two parts",
     "--b0und\r\n" CD "name=a\r\n\r\n1\r\n--b0und\r\n" CD
     "name=b\r\n\r\n2\r\n--b0und--\r\n",
     "[a|-|-]1;[b|-|-]2;"},
    {"unquoted name", "--b0und\r\n" CD "name=data\r\n\r\nx\r\n--b0und--\r\n",
     "[data|-|-]x;"},
    {"names of headers in any case",
     "--b0und\r\ncontent-disposition:form-data;NAME=a\r\nCONTENT-TYPE:t/x\r\n"
     "\r\nx\r\n--b0und--\r\n",
     "[a|-|t/x]x;"},
    {"LF in heads and around boundaries",
     "--b0und\n" CD "name=a\n\nx\ny\n--b0und--\n", "[a|-|-]x\ny;"},
    {"preamble and epilogue",
     "hello\r\n--b0undx\r\n--b0und\r\n" CD
     "name=a\r\n\r\nx\r\n--b0und--\r\nbye\r\n--b0und\r\n",
     "[a|-|-]x;"},
    {"empty value", "--b0und\r\n" CD "name=a\r\n\r\n\r\n--b0und--\r\n",
     "[a|-|-];"},
    {"no line for an empty value",
     "--b0und\r\n" CD "name=a\r\n\r\n--b0und--\r\n", "[a|-|-];"},
    {"no head", "--b0und\r\n\r\nx\r\n--b0und--\r\n", "[-|-|-]x;"},
    {"blanks behind a boundary",
     "--b0und \t \r\n" CD "name=a\r\n\r\nx\r\n--b0und--  \r\n", "[a|-|-]x;"},
    {"what only resembles a boundary",
     "--b0und\r\n" CD "name=a\r\n\r\n\r\n--b0un\r\n-\r\r\n--b0undy\r\n--b0und -"
     "\r\n--b0und-\r\n--b0und--\r\n",
     "[a|-|-]\r\n--b0un\r\n-\r\r\n--b0undy\r\n--b0und -\r\n--b0und-;"},
    {"CR at the end of a value",
     "--b0und\r\n" CD "name=a\r\n\r\nx\r\r\n--b0und--", "[a|-|-]x\r;"},
    {"quotes and paths",
     "--b0und\r\n" CD "name=\"a;b\\\"c\"; filename=\"C:\\dir\\x.csv\"\r\n\r\nx"
     "\r\n--b0und--",
     "[a;b\"c|C:\\dir\\x.csv|-]x;"},
    {"no part at all", "--b0und--\r\n", ""},
    {"not closed", "--b0und\r\n" CD "name=a\r\n\r\nx\r\n--b0und\r\n", NULL},
    {"cut in the data", "--b0und\r\n" CD "name=a\r\n\r\nx", NULL},
    {"cut in the head", "--b0und\r\nContent-Dispo", NULL},
    {"another boundary", "--other\r\n\r\nx\r\n--other--\r\n", NULL},
    {"empty", "", NULL},
};

static void
every_split_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(forms); i++) {
        struct str text = str_of(forms[i].text);

        print_message("%s\n", forms[i].label);
        for (size_t split = 0; split <= text.len; split++)
            for (int slowly = 0; slowly < 2; slowly++) {
                struct buf out;

                assert_int_equal(read_form(text, split, slowly, &out),
                                 forms[i].want ? ERR_OK : ERR_SYNTAX);
                if (forms[i].want != NULL)
                    assert_true(str_eq(buf_view(&out), str_of(forms[i].want)));
                buf_done(&out);
            }
    }
}

static void
an_error_of_a_callback_stops_the_reading(void **state)
{
    struct buf out;

    (void)state;
    assert_int_equal(read_form(STR("--b0und\r\n" CD
                                   "name=forbidden\r\n\r\nx\r\n--b0und--\r\n"),
                               0, false, &out),
                     ERR_FORBIDDEN);
    buf_done(&out);
}

static void
heads_have_a_limit_and_data_has_none(void **state)
{
    const size_t size = 300000;
    char *text = malloc(size);
    struct buf out;
    size_t len = 0;

    (void)state;
    memset(text, 'x', size);
    memcpy(text, "--b0und\r\n", 9);
    assert_int_equal(read_form(str_n(text, size), 100, false, &out),
                     ERR_SYNTAX);
    buf_done(&out);

    memcpy(text, "--b0und\r\n\r\n", 11);
    memcpy(text + size - 11, "\r\n--b0und--", 11);
    for (size_t i = 100; i < size - 100; i += 7)
        text[i] = i % 2 ? '\r' : '\n';
    for (size_t split = 0; split < size; split += 4099, len++) {
        assert_int_equal(read_form(str_n(text, size), split, false, &out),
                         ERR_OK);
        assert_int_equal(out.len, size - 22 + 8);
        buf_done(&out);
    }
    assert_true(len > 10);
    free(text);
}

static const struct {
    const char *type, *want;
} boundaries[] = {
    {"multipart/form-data; boundary=abc", "abc"},
    {"Multipart/Form-Data;charset=utf-8;BOUNDARY=\"a b;c\"", "a b;c"},
    {"multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
     "----WebKitFormBoundary7MA4YWxkTrZu0gW"},
    {"multipart/form-data; boundary=abc ; x=y", "abc"},
    {"multipart/form-data", NULL},
    {"multipart/form-data; boundary=", NULL},
    {"multipart/form-data; boundary=\"\"", NULL},
    {"multipart/form-data; boundary=\"a \"", NULL},
    {"multipart/form-data; boundary=a\x01", NULL},
    {"multipart/mixed; boundary=abc", NULL},
    {"text/csv", NULL},
    {"multipart/form-data; boundary="
     "0123456789012345678901234567890123456789012345678901234567890123456789",
     "0123456789012345678901234567890123456789012345678901234567890123456789"},
    {"multipart/form-data; boundary="
     "01234567890123456789012345678901234567890123456789012345678901234567890",
     NULL},
};

static void
boundaries_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(boundaries); i++) {
        char got[71];

        print_message("%s\n", boundaries[i].type);
        assert_int_equal(multipart_boundary(str_of(boundaries[i].type), got),
                         boundaries[i].want != NULL);
        if (boundaries[i].want != NULL)
            assert_string_equal(got, boundaries[i].want);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_gives_the_same),
        cmocka_unit_test(an_error_of_a_callback_stops_the_reading),
        cmocka_unit_test(heads_have_a_limit_and_data_has_none),
        cmocka_unit_test(boundaries_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "http/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define H(name, value)               \
    {                                \
        {name, sizeof(name) - 1},    \
        {                            \
            value, sizeof(value) - 1 \
        }                            \
    }
#define HOST H("Host", "a")

struct head_case {
    const char *label, *method, *target, *version;
    struct http_field headers[4];
    bool ok, has_body;
    uint64_t length;
};

static const struct head_case heads[] = {
    {"plain", "GET", "/", "HTTP/1.1", {HOST}, true, false, 0},
    {"length",
     "POST",
     "/",
     "HTTP/1.1",
     {HOST, H("content-length", "12")},
     true,
     true,
     12},
    {"length 0",
     "POST",
     "/",
     "HTTP/1.1",
     {HOST, H("Content-Length", "0")},
     true,
     false,
     0},
    {"chunked",
     "POST",
     "/",
     "HTTP/1.1",
     {HOST, H("Transfer-Encoding", "Chunked")},
     true,
     true,
     UINT64_MAX},
    {"1.0 without Host", "GET", "/", "HTTP/1.0", {{{0}, {0}}}, true, false, 0},
    {"empty Host", "GET", "/", "HTTP/1.1", {H("Host", "")}, true, false, 0},
    {"port", "GET", "/", "HTTP/1.1", {H("Host", "[::1]:80")}, true, false, 0},
    {"UTF-8",
     "GET",
     "/\xc3\xa9",
     "HTTP/1.1",
     {HOST, H("X", "\xc3\xa9\ty")},
     true,
     false,
     0},
    {"two lengths",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, H("Content-Length", "1"), H("Content-Length", "2")},
     false,
     0,
     0},
    {"equal lengths",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, H("Content-Length", "1"), H("Content-Length", "1")},
     false,
     0,
     0},
    {"list of lengths",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, H("Content-Length", "1, 1")},
     false,
     0,
     0},
    {"length and chunked",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, H("Content-Length", "1"), H("Transfer-Encoding", "chunked")},
     false,
     0,
     0},
    {"+5",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, H("Content-Length", "+5")},
     false,
     0,
     0},
    {"-5",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, H("Content-Length", "-5")},
     false,
     0,
     0},
    {"empty length",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, H("Content-Length", "")},
     false,
     0,
     0},
    {"length over 64 bits",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, H("Content-Length", "18446744073709551616")},
     false,
     0,
     0},
    {"blank before the colon",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, H("X ", "1")},
     false,
     0,
     0},
    {"empty name", "GET", "/", "HTTP/1.1", {HOST, H("", "1")}, false, 0, 0},
    {"no Host", "GET", "/", "HTTP/1.1", {{{0}, {0}}}, false, 0, 0},
    {"two Hosts", "GET", "/", "HTTP/1.1", {HOST, HOST}, false, 0, 0},
    {"list of Hosts", "GET", "/", "HTTP/1.1", {H("Host", "a, b")}, false, 0, 0},
    {"NUL", "GET", "/", "HTTP/1.1", {HOST, H("X", "a\0b")}, false, 0, 0},
    {"bare CR", "GET", "/", "HTTP/1.1", {HOST, H("X", "a\rb")}, false, 0, 0},
    {"LF", "GET", "/", "HTTP/1.1", {HOST, H("X", "a\nb")}, false, 0, 0},
    {"9.1", "GET", "/", "HTTP/9.1", {HOST}, false, 0, 0},
    {"1.2", "GET", "/", "HTTP/1.2", {HOST}, false, 0, 0},
    {"no version", "GET", "/", "", {HOST}, false, 0, 0},
    {"gzip",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, H("Transfer-Encoding", "gzip")},
     false,
     0,
     0},
    {"gzip, chunked",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, H("Transfer-Encoding", "gzip, chunked")},
     false,
     0,
     0},
    {"chunked twice",
     "GET",
     "/",
     "HTTP/1.1",
     {HOST, H("Transfer-Encoding", "chunked"),
      H("Transfer-Encoding", "chunked")},
     false,
     0,
     0},
    {"chunked with 1.0",
     "GET",
     "/",
     "HTTP/1.0",
     {HOST, H("Transfer-Encoding", "chunked")},
     false,
     0,
     0},
    {"method", "G(T", "/", "HTTP/1.1", {HOST}, false, 0, 0},
    {"blank in the target", "GET", "/a b", "HTTP/1.1", {HOST}, false, 0, 0},
    {"fragment", "GET", "/a#b", "HTTP/1.1", {HOST}, false, 0, 0},
    {"empty target", "GET", "", "HTTP/1.1", {HOST}, false, 0, 0},
};

static void
ambiguous_heads_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(heads); i++) {
        const struct head_case *c = &heads[i];
        struct http_field headers[4];
        struct http_request request = {.method_text = str_of(c->method),
                                       .target = str_of(c->target),
                                       .headers = headers};
        struct error err = ERROR_INIT;

        print_message("%s\n", c->label);
        memcpy(headers, c->headers, sizeof(headers));
        while (request.header_count < COUNT(headers) &&
               headers[request.header_count].name.at != NULL)
            request.header_count++;
        enum error_code rc = http_check_head(&request, str_of(c->version),
                                             &err);

        assert_int_equal(rc, c->ok ? ERR_OK : ERR_SYNTAX);
        if (rc != ERR_OK) {
            assert_string_not_equal(err.cause, "");
            continue;
        }
        assert_int_equal(request.has_body, c->has_body);
        assert_true(request.body_length == c->length);
    }
}

static const struct {
    const char *target, *path, *form; /* path NULL: refused */
    bool bad;
} targets[] = {
    {"/a/b", "/a/b", "", false},
    {"/a?", "/a", "", false},
    {"/a?x=1&y=2", "/a", "x=1;y=2;", false},
    {"/a?x", "/a", "x=;", false},
    {"/a?x=&=v&&x=1", "/a", "x=;=v;x=1;", false},
    {"/a?f=id+eq+%22a%22&g=a=b", "/a", "f=id eq \"a\";g=a=b;", false},
    {"/a?u=%C3%A9", "/a", "u=\xc3\xa9;", false},
    {"/a?u=%c3", "/a", "u=%c3;", true},
    {"/a?u=%zz&v=%4", "/a", "u=%zz;v=%4;", true},
    {"/a?u=%00", "/a", "u=%00;", true},
    {"/a?b?c", "/a", "b?c=;", false},
    {"http://host/p?q=1", "/p", "q=1;", false},
    {"HTTPS://host:1/", "/", "", false},
    {"http://host", "/", "", false},
    {"http://host?q=1", "/", "q=1;", false},
    {"*", "*", "", false},
    {"http://a@host/x", NULL, NULL, false},
    {"http:///x", NULL, NULL, false},
    {"host:443", NULL, NULL, false},
    {"ftp://host/", NULL, NULL, false},
    {"http:/x", NULL, NULL, false},
    {"http:", NULL, NULL, false},
    {"a", NULL, NULL, false},
    {"?x", NULL, NULL, false},
};

static void
targets_become_a_path_and_a_query(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(targets); i++) {
        struct http_request request = {.target = str_of(targets[i].target)};
        struct error err = ERROR_INIT;
        struct arena arena;
        char *form;

        print_message("%s\n", targets[i].target);
        arena_init(&arena, 65536);
        enum error_code rc = http_parse_target(&request, &arena, &err);

        assert_int_equal(rc, targets[i].path ? ERR_OK : ERR_SYNTAX);
        if (rc == ERR_OK) {
            bool absolute = strstr(targets[i].target, "://") != NULL;

            assert_int_equal(request.host.len > 0, absolute);
            form = arena_strdup(&arena, "");
            for (size_t j = 0; j < request.query_count; j++)
                form = arena_printf(&arena, "%s%.*s=%.*s;", form,
                                    STR_ARG(request.query[j].name),
                                    STR_ARG(request.query[j].value));
            assert_string_equal(form, targets[i].form);
            assert_true(str_eq(request.path, str_of(targets[i].path)));
            assert_int_equal(request.query_bad, targets[i].bad);
        }
        arena_done(&arena);
    }
}

static void
too_many_fields_are_refused(void **state)
{
    struct http_field *fields;
    struct arena arena;
    char text[2 * 257];
    size_t count;
    bool bad;

    (void)state;
    arena_init(&arena, 65536);
    memset(text, 'a', sizeof(text));
    for (size_t i = 1; i < sizeof(text); i += 2)
        text[i] = '&';
    assert_true(
        http_form_parse(str_n(text, 2 * 256), &arena, &fields, &count, &bad));
    assert_int_equal(count, 256);
    assert_false(
        http_form_parse(str_n(text, 2 * 257), &arena, &fields, &count, &bad));
    arena_done(&arena);
}

static const struct {
    const char *raw, *want; /* NULL: refused */
} segments[] = {
    {"abc", "abc"},         {"a%20b", "a b"}, {"a+b", "a+b"}, {"%2F", "/"},
    {"%c3%a9", "\xc3\xa9"}, {"%c3", NULL},    {"%0", NULL},   {"%", NULL},
    {"%00", NULL},          {"\xff", NULL},   {"", ""},
};

static void
segments_are_percent_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(segments); i++) {
        struct arena arena;
        struct str got;

        print_message("%s\n", segments[i].raw);
        arena_init(&arena, 4096);
        assert_int_equal(
            http_decode_segment(str_of(segments[i].raw), &arena, &got),
            segments[i].want != NULL);
        if (segments[i].want != NULL)
            assert_true(str_eq(got, str_of(segments[i].want)));
        arena_done(&arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ambiguous_heads_are_refused),
        cmocka_unit_test(targets_become_a_path_and_a_query),
        cmocka_unit_test(too_many_fields_are_refused),
        cmocka_unit_test(segments_are_percent_decoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

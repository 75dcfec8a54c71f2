#include "fmt/redirect_uri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"

static const struct {
    const char *uri, *origin, *source;
} good[] = {
    {"https://app.example/cb", "https://app.example", "https://app.example"},
    {"https://app.example:8443?x=1", "https://app.example:8443",
     "https://app.example:8443"},
    {"http://127.0.0.1", "http://127.0.0.1", "http://127.0.0.1"},
    {"http://[::1]:80/", "http://[::1]:80", "http:"},
    {"https://*.example/cb", "https://*.example", "https:"},
    {"https://a;b/cb", "https://a;b", "https:"},
    {"https://user@app.example/", "https://user@app.example", "https:"},
    {"com.example.app:/cb", "com.example.app:", "com.example.app:"},
    {"a+b-1:x", "a+b-1:", "a+b-1:"},
};

static void
redirect_uri_says_where_it_leads(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct str uri = str_of(good[i].uri);
        char source[REDIRECT_SOURCE];

        print_message("%s\n", good[i].uri);
        assert_true(redirect_uri_valid(uri));
        assert_true(str_eq(redirect_uri_origin(uri), str_of(good[i].origin)));
        redirect_uri_source(uri, source);
        assert_string_equal(source, good[i].source);
    }
}

static void
redirect_uri_refuses_what_a_browser_would_run(void **state)
{
    static const char *const bad[] = {
        "",
        "https",
        "https:",
        ":x",
        "/cb",
        "//app.example",
        "1a:x",
        "a_b:x",
        "a b:x",
        "https://a/#x",
        "https://a/ b",
        "https://a/\"",
        "https://a\\",
        "javascript:x()",
        "JavaScript:x()",
        "data:text/html,x",
        "file:///x",
        "https://\xc3\xa4/",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        print_message("%s\n", bad[i]);
        assert_false(redirect_uri_valid(str_of(bad[i])));
    }
}

static void
redirect_uri_source_has_room_for_no_long_name(void **state)
{
    char uri[400] = "https://", source[REDIRECT_SOURCE];

    (void)state;
    memset(uri + 8, 'a', 300);
    redirect_uri_source(str_of(uri), source);
    assert_string_equal(source, "https:");
    memset(uri, 'a', 300);
    uri[300] = ':';
    redirect_uri_source(str_of(uri), source);
    assert_string_equal(source, "");
}

static void
redirect_uri_add_encodes(void **state)
{
    CLEANUP(buf_done) struct buf uri;

    (void)state;
    buf_init(&uri, 1000);
    buf_text(&uri, "https://app.example/cb");
    redirect_uri_add(&uri, "code", STR("a-b._~1"));
    redirect_uri_add(&uri, "state", STR("x&y=z \0%"));
    buf_char(&uri, '\0');
    assert_string_equal(
        uri.data,
        "https://app.example/cb?code=a-b._~1&state=x%26y%3Dz%20%00%25");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redirect_uri_says_where_it_leads),
        cmocka_unit_test(redirect_uri_refuses_what_a_browser_would_run),
        cmocka_unit_test(redirect_uri_source_has_room_for_no_long_name),
        cmocka_unit_test(redirect_uri_add_encodes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

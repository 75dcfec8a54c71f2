#include "http/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { LIST, ONE, REMOVE, DOWNLOAD, SUMMARY, ANY, ROOT };

static void
add_all(struct router *router)
{
    router_init(router);
    assert_true(router_add(router, HTTP_GET, "/things/{id}", ONE));
    assert_true(router_add(router, HTTP_DELETE, "/things/{id}", REMOVE));
    assert_true(router_add(router, HTTP_GET | HTTP_POST, "/things", LIST));
    assert_true(
        router_add(router, HTTP_GET, "/things/{id}/people/download", DOWNLOAD));
    assert_true(router_add(router, HTTP_GET, "/things/summary", SUMMARY));
    assert_true(router_add(router, HTTP_PUT, "/{a}/{b}/{c}", ANY));
    assert_true(router_add(router, HTTP_GET, "/", ROOT));
}

static const struct {
    enum http_method method;
    const char *path;
    enum router_result want;
    size_t index;
    unsigned allowed;
    const char *captures;
} paths[] = {
    {HTTP_GET, "/things", ROUTER_FOUND, LIST, 0, ""},
    {HTTP_HEAD, "/things", ROUTER_FOUND, LIST, 0, ""},
    {HTTP_POST, "/things", ROUTER_FOUND, LIST, 0, ""},
    {HTTP_GET, "//things//", ROUTER_FOUND, LIST, 0, ""},
    {HTTP_GET, "/", ROUTER_FOUND, ROOT, 0, ""},
    {HTTP_GET, "", ROUTER_FOUND, ROOT, 0, ""},
    {HTTP_GET, "/th%69ngs", ROUTER_FOUND, LIST, 0, ""},
    {HTTP_GET, "/Things", ROUTER_NO_PATH, 0, 0, ""},
    {HTTP_GET, "/thing", ROUTER_NO_PATH, 0, 0, ""},
    {HTTP_GET, "/thingsx", ROUTER_NO_PATH, 0, 0, ""},
    {HTTP_GET, "/things%", ROUTER_NO_PATH, 0, 0, ""},
    {HTTP_GET, "/things%2F1", ROUTER_NO_PATH, 0, 0, ""},
    {HTTP_GET, "/things/a%2Fb", ROUTER_FOUND, ONE, 0, "id=a%2Fb;"},
    {HTTP_DELETE, "/things/7", ROUTER_FOUND, REMOVE, 0, "id=7;"},
    {HTTP_GET, "/things/summary", ROUTER_FOUND, SUMMARY, 0, ""},
    {HTTP_DELETE, "/things/summary", ROUTER_FOUND, REMOVE, 0, "id=summary;"},
    {HTTP_GET, "/things/7/people/download/", ROUTER_FOUND, DOWNLOAD, 0,
     "id=7;"},
    {HTTP_PUT, "/x/y/z", ROUTER_FOUND, ANY, 0, "a=x;b=y;c=z;"},
    {HTTP_PUT, "/things", ROUTER_NO_METHOD, 0, HTTP_GET | HTTP_HEAD | HTTP_POST,
     ""},
    {HTTP_PATCH, "/things/7", ROUTER_NO_METHOD, 0,
     HTTP_GET | HTTP_HEAD | HTTP_DELETE, ""},
    {HTTP_OTHER, "/x/y/z", ROUTER_NO_METHOD, 0, HTTP_PUT, ""},
    {HTTP_GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13", ROUTER_NO_PATH, 0, 0, ""},
    {HTTP_OPTIONS, "*", ROUTER_NO_PATH, 0, 0, ""},
};

static void
paths_find_their_row(void **state)
{
    static struct router router;

    (void)state;
    add_all(&router);
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct router_match match;
        char captures[128] = "";

        print_message("%s\n", paths[i].path);
        assert_int_equal(router_match(&router, paths[i].method,
                                      str_of(paths[i].path), &match),
                         paths[i].want);
        if (paths[i].want == ROUTER_NO_METHOD)
            assert_int_equal(match.allowed, paths[i].allowed);
        if (paths[i].want != ROUTER_FOUND)
            continue;
        assert_int_equal(match.index, paths[i].index);
        for (size_t j = 0, at = 0; j < match.capture_count; j++)
            at += (size_t)snprintf(
                captures + at, sizeof(captures) - at, "%.*s=%.*s;",
                (int)match.captures[j].name.len, match.captures[j].name.at,
                (int)match.captures[j].value.len, match.captures[j].value.at);
        assert_string_equal(captures, paths[i].captures);
    }
}

static void
what_does_not_fit_is_refused(void **state)
{
    static struct router router;

    (void)state;
    router_init(&router);
    assert_false(router_add(&router, HTTP_GET, "/{a}/{b}/{c}/{d}/{e}", 0));
    assert_false(
        router_add(&router, HTTP_GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13", 0));
    for (size_t i = 0; i < ROUTER_MAX_ROUTES; i++)
        assert_true(router_add(&router, HTTP_GET, "/a", i));
    assert_false(router_add(&router, HTTP_GET, "/a", 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_their_row),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

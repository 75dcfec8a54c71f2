#include "http/message.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void
headers_and_parameters_are_found_by_name(void **state)
{
    struct http_field headers[] = {
        {STR("Accept"), STR("one")},
        {STR("X-Two"), STR("first")},
        {STR("x-two"), STR("second")},
    };
    struct http_field query[] = {
        {STR("limit"), STR("")},
        {STR("Limit"), STR("5")},
    };
    struct http_request request = {.headers = headers,
                                   .header_count = COUNT(headers),
                                   .query = query,
                                   .query_count = COUNT(query)};

    (void)state;
    assert_true(str_eq(http_header(&request, "ACCEPT"), STR("one")));
    assert_true(str_eq(http_header(&request, "X-Two"), STR("first")));
    assert_null(http_header(&request, "X").at);
    assert_non_null(http_query(&request, "limit").at);
    assert_int_equal(http_query(&request, "limit").len, 0);
    assert_true(str_eq(http_query(&request, "Limit"), STR("5")));
    assert_null(http_query(&request, "offset").at);
}

static void
media_types_ignore_case_and_parameters(void **state)
{
    (void)state;
    assert_true(http_media_is(STR("text/csv"), "text/csv"));
    assert_true(http_media_is(STR(" Text/CSV ; charset=utf-8"), "text/csv"));
    assert_false(http_media_is(STR("text/csv2"), "text/csv"));
    assert_false(http_media_is(STR(""), "text/csv"));
    assert_false(http_media_is((struct str){NULL, 0}, "text/csv"));
}

static void
response_headers_are_replaced_and_cleaned(void **state)
{
    struct http_response response;
    struct arena arena;
    char name[HTTP_MAX_RESPONSE_HEADERS + 1][8];

    (void)state;
    arena_init(&arena, 65536);
    http_response_init(&response, &arena);
    http_response_body(&response, 200, "text/plain", STR("hello"));
    http_response_header(&response, "X-A", STR("1"));
    http_response_header(&response, "x-a", STR("2\r\nEvil: 3\0z"));
    http_response_headerf(&response, "X-B", "%d%%", 50);
    assert_int_equal(response.header_count, 3);
    assert_string_equal(response.headers[1].value.at, "2  Evil: 3 z");
    assert_string_equal(response.headers[2].value.at, "50%");
    assert_false(arena.failed);

    http_response_reset(&response);
    assert_int_equal(response.status, 0);
    for (size_t i = 0; i <= HTTP_MAX_RESPONSE_HEADERS; i++) {
        assert_false(arena.failed);
        snprintf(name[i], sizeof(name[i]), "N%zu", i);
        http_response_header(&response, name[i], STR("v"));
    }
    assert_true(arena.failed);
    http_response_done(&response);
    arena_done(&arena);
}

static void
a_response_owns_its_file(void **state)
{
    struct http_response response;
    struct arena arena;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    arena_init(&arena, 65536);
    http_response_init(&response, &arena);
    http_response_file(&response, 200, "text/csv", fd, 0, 10);
    assert_int_equal(response.fd, fd);
    http_response_reset(&response);
    assert_int_equal(response.fd, -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    http_response_done(&response);
    arena_done(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_and_parameters_are_found_by_name),
        cmocka_unit_test(media_types_ignore_case_and_parameters),
        cmocka_unit_test(response_headers_are_replaced_and_cleaned),
        cmocka_unit_test(a_response_owns_its_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

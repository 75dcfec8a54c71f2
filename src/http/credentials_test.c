#include "http/credentials.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/compiler.h"

static const struct {
    const char *cookie, *want;
} cookies[] = {
    {"a=1234", "1234"},
    {"b=9999; a=1234", "1234"},
    {"b=9999;\ta =1234;", "1234"},
    {"a=12345; a=1234", "1234"},
    {"a=1234; a=5678", "1234"},
    {"a=1=34", "1=34"},
    {"aa=1234; A=1234; a; =1234", NULL},
    {"", NULL},
};

static void
cookie_is_found_by_name_and_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cookies); i++) {
        struct http_field headers[] = {
            {STR("Accept"), STR("a=0000")},
            {STR("cookie"), str_of(cookies[i].cookie)},
        };
        struct http_request request = {.headers = headers,
                                       .header_count = COUNT(headers)};

        print_message("%s\n", cookies[i].cookie);
        assert_true(str_eq(http_cookie(&request, STR("a"), 4),
                           str_of(cookies[i].want)));
    }
}

static const struct {
    const char *header, *user, *password;
} basics[] = {
    {"Basic am9lOnNlY3JldA==", "joe", "secret"},
    {"basic   am9lOmE6Yg== ", "joe", "a:b"},
    {"Basic Og==", "", ""},
    {"Basic am9l", NULL, NULL},
    {"Basic am9lOnNlY3JldA", NULL, NULL},
    {"Basic", NULL, NULL},
    {"Bearer am9lOnNlY3JldA==", NULL, NULL},
    {"", NULL, NULL},
};

static void
basic_is_user_and_password(void **state)
{
    CLEANUP(arena_done) struct arena arena;

    (void)state;
    arena_init(&arena, 1000);
    for (size_t i = 0; i < COUNT(basics); i++) {
        struct str user, password;

        print_message("%s\n", basics[i].header);
        bool found = http_basic(str_of(basics[i].header), &arena, &user,
                                &password);

        assert_int_equal(found, basics[i].user != NULL);
        if (!found)
            continue;
        assert_true(str_eq(user, str_of(basics[i].user)));
        assert_true(str_eq(password, str_of(basics[i].password)));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cookie_is_found_by_name_and_length),
        cmocka_unit_test(basic_is_user_and_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"

static const struct {
    const char *word, *want;
} words[] = {
    {"listen", "listen"},
    {"lisetn", "listen"},
    {"rate-limt", "rate-limit"},
    {"tls-kye", "tls-key"},
    {"ratelimit", "rate-limit"},
    {"quack", NULL},
    {"", NULL},
    {"a-word-that-is-longer-than-any-name-here", NULL},
};

static void
near_finds_the_name_that_was_meant(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(words); i++) {
        struct near near;

        near_init(&near, str_of(words[i].word));
        near_offer(&near, "tls-cert");
        near_offer(&near, "tls-key");
        near_offer(&near, "listen");
        near_offer(&near, "rate-limit");
        print_message("%s\n", words[i].word);
        if (words[i].want == NULL)
            assert_null(near.best);
        else
            assert_string_equal(near.best, words[i].want);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_finds_the_name_that_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

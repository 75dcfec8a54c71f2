#include "fmt/sorters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

static const struct {
    const char *text;
    const char *fields; /* "+name -created ", or the cause of the refusal */
    bool refused;
} cases[] = {
    {"name", "+name ", false},
    {"-created", "-created ", false},
    {"name,-created", "+name -created ", false},
    {" name , -created ", "+name -created ", false},
    {"--x", "--x ", false}, /* a field that no list has */
    {"Name,name", "+Name +name ", false},
    {"a,b,c,d,e,f,g,h", "+a +b +c +d +e +f +g +h ", false},
    {"a,b,c,d,e,f,g,h,i", "more than 8 fields", true},
    {"", "a field is empty", true},
    {"-", "a field is empty", true},
    {",", "a field is empty", true},
    {"name,", "a field is empty", true},
    {",name", "a field is empty", true},
    {"name,,created", "a field is empty", true},
    {"name,name", "the field \"name\" is there twice", true},
    {"name,-name", "the field \"name\" is there twice", true},
};

static void
sorters_are_fields_with_directions(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        CLEANUP(buf_done) struct buf got;
        struct sorters sorters = {.count = 99};
        struct error err = ERROR_INIT;
        enum error_code rc = sorters_parse(str_of(cases[i].text), &sorters,
                                           &err);

        if (cases[i].refused) {
            assert_int_equal(rc, ERR_VALUE);
            assert_int_equal(sorters.count, 99);
            assert_string_equal(err.text, "Value of \"sorters\" is empty or "
                                          "contains invalid data.");
            assert_string_equal(err.cause, cases[i].fields);
            got = (struct buf){.max = 0};
            continue;
        }
        assert_int_equal(rc, ERR_OK);
        buf_init(&got, 1000);
        for (size_t j = 0; j < sorters.count; j++) {
            buf_char(&got, sorters.by[j].descending ? '-' : '+');
            buf_str(&got, sorters.by[j].field);
            buf_char(&got, ' ');
        }
        assert_string_equal(got.data, cases[i].fields);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorters_are_fields_with_directions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"

static void
every_code_can_be_answered(void **state)
{
    (void)state;
    for (int code = ERR_OK + 1; code < ERR_CODES; code++) {
        const char *name = error_name((enum error_code)code);
        int status = error_status((enum error_code)code);

        assert_non_null(name);
        print_message("%s\n", name);
        assert_in_range(status, 400, 599);
        assert_true(strlen(error_detail_code((enum error_code)code)) > 0);
        assert_non_null(error_default_text((enum error_code)code));
        for (const char *at = name; *at != '\0'; at++)
            assert_true(isalpha((unsigned char)*at) || *at == '_');
    }
}

static void
setting_replaces_all_of_the_error(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(error_internal(&err, "detail %d", 1), ERR_INTERNAL);
    assert_string_equal(err.detail, "detail 1");
    assert_string_equal(error_text(&err), error_default_text(ERR_INTERNAL));

    assert_int_equal(error_set(&err, ERR_VALUE, "no \"%s\"", "x"), ERR_VALUE);
    assert_int_equal(err.code, ERR_VALUE);
    assert_string_equal(error_text(&err), "no \"x\"");
    assert_string_equal(err.detail, "");

    assert_int_equal(error_cause(&err, ERR_CONTENT, "why"), ERR_CONTENT);
    assert_string_equal(err.cause, "why");
    assert_string_equal(error_text(&err), error_default_text(ERR_CONTENT));

    error_set(&err, ERR_NOT_FOUND, NULL);
    assert_string_equal(err.cause, "");
    assert_string_equal(error_text(&err), error_default_text(ERR_NOT_FOUND));

    assert_int_equal(error_busy(&err, "locked"), ERR_UNAVAILABLE);
    assert_string_equal(err.detail, "locked");
}

static void
failed_system_call_says_why(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    errno = ENOENT;
    assert_int_equal(error_errno(&err, "open %s", "x"), ERR_INTERNAL);
    assert_string_equal(err.detail, "open x: No such file or directory");
    assert_string_equal(err.text, "");
}

static void
error_may_be_nobodys(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, ERR_RATE, "x"), ERR_RATE);
    assert_int_equal(error_cause(NULL, ERR_RATE, "x"), ERR_RATE);
    assert_int_equal(error_internal(NULL, "x"), ERR_INTERNAL);
    assert_int_equal(error_errno(NULL, "x"), ERR_INTERNAL);
    assert_int_equal(error_busy(NULL, "x"), ERR_UNAVAILABLE);
}

/* A text of two-byte characters, cut at every place relative to them. */
static void
long_text_is_cut_between_characters(void **state)
{
    char text[4096];

    (void)state;
    for (size_t shift = 0; shift < 8; shift++) {
        struct error err = ERROR_INIT;
        size_t at = shift;

        memset(text, 'a', shift);
        for (; at + 4 < sizeof(text); at += 4)
            memcpy(text + at, "\xf0\x9f\x98\x80", 4);
        text[at] = '\0';
        error_set(&err, ERR_VALUE, "%s", text);

        size_t len = strlen(err.text);

        assert_true(utf8_valid(str_of(err.text)));
        assert_in_range(len, sizeof(err.text) - 5, sizeof(err.text) - 1);
        assert_memory_equal(err.text, text, len);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_can_be_answered),
        cmocka_unit_test(setting_replaces_all_of_the_error),
        cmocka_unit_test(failed_system_call_says_why),
        cmocka_unit_test(error_may_be_nobodys),
        cmocka_unit_test(long_text_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

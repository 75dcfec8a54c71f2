#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void
additions_join_and_end_with_nul(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    buf_text(&buf, "a");
    buf_char(&buf, 'b');
    buf_str(&buf, STR("cd"));
    buf_str(&buf, str_n(NULL, 0));
    buf_add(&buf, "e\0f", 3);
    buf_printf(&buf, "%03d", 7);
    assert_int_equal(buf.len, 10);
    assert_memory_equal(buf.data, "abcde\0f007", 11);
    assert_true(str_eq(buf_view(&buf), STR("abcde\0f007")));

    buf_clear(&buf);
    assert_string_equal(buf.data, "");
    assert_int_equal(buf.len, 0);
    buf_done(&buf);
}

static void
text_grows_to_the_maximum_and_no_further(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    for (size_t i = 0; i < 1000; i++)
        buf_char(&buf, (char)('a' + i % 26));
    assert_false(buf.failed);
    assert_int_equal(strlen(buf.data), 1000);

    buf_char(&buf, 'x');
    assert_true(buf.failed);
    buf_str(&buf, STR(""));
    buf_printf(&buf, "y");
    assert_null(buf_reserve(&buf, 0));
    assert_int_equal(buf.len, 1000);

    buf_clear(&buf);
    assert_false(buf.failed);
    buf_text(&buf, "z");
    assert_string_equal(buf.data, "z");
    buf_done(&buf);
}

static void
addition_over_the_maximum_adds_nothing(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 4);
    buf_text(&buf, "ab");
    buf_printf(&buf, "%s", "cde");
    assert_true(buf.failed);
    assert_string_equal(buf.data, "ab");
    buf_done(&buf);
}

static void
formatted_text_may_need_to_grow(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 5000);
    buf_printf(&buf, "%*d", 255, 1);
    buf_printf(&buf, "%*d", 4000, 2);
    assert_false(buf.failed);
    assert_int_equal(strlen(buf.data), 4255);
    assert_int_equal(buf.data[254], '1');
    assert_int_equal(buf.data[4254], '2');
    buf_done(&buf);
}

static void
reserved_room_is_the_callers(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 5000);
    buf_text(&buf, "ab");
    memset(buf_reserve(&buf, 4998), 'c', 4998);
    buf.len += 4998;
    assert_int_equal(buf_view(&buf).len, 5000);
    assert_null(buf_reserve(&buf, 1));
    assert_true(buf.failed);
    buf_done(&buf);
}

static void
empty_buffer_has_an_end_too(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    assert_int_equal(buf_view(&buf).len, 0);
    buf_str(&buf, STR(""));
    assert_string_equal(buf.data, "");
    assert_false(buf.failed);
    buf_done(&buf);
    buf_done(&buf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(additions_join_and_end_with_nul),
        cmocka_unit_test(text_grows_to_the_maximum_and_no_further),
        cmocka_unit_test(addition_over_the_maximum_adds_nothing),
        cmocka_unit_test(formatted_text_may_need_to_grow),
        cmocka_unit_test(reserved_room_is_the_callers),
        cmocka_unit_test(empty_buffer_has_an_end_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

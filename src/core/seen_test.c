#include "core/seen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct report {
    size_t calls;
    uint64_t line_sum, first_sum;
};

static void
note(void *context, uint64_t line, uint64_t first_line)
{
    struct report *report = context;

    assert_true(first_line < line);
    report->calls++;
    report->line_sum += line;
    report->first_sum += first_line;
}

/* `count` names, then the first `again` of them once more. */
static struct report
run(uint32_t slots, uint64_t count, uint64_t again)
{
    struct report report = {0};
    struct seen *seen = seen_new(slots, note, &report);
    struct error err = ERROR_INIT;
    char name[32];

    assert_non_null(seen);
    for (uint64_t i = 0; i < count + again; i++) {
        snprintf(name, sizeof(name), "name %llu",
                 (unsigned long long)(i % count));
        assert_int_equal(seen_add(seen, str_of(name), i + 1, &err), ERR_OK);
    }
    assert_int_equal(seen_finish(seen, &err), ERR_OK);
    seen_free(seen);
    return report;
}

static void
finds_names_that_came_before_whatever_the_table_holds(void **state)
{
    static const struct {
        uint32_t slots;
        uint64_t count, again;
    } cases[] = {
        {8, 1, 0},          {8, 1, 1},       {8, 5, 5},
        {8, 6, 6},          {8, 100, 100},   {64, 10000, 0},
        {64, 10000, 10000}, {64, 10000, 77}, {4096, 100000, 4000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t count = cases[i].count, again = cases[i].again;
        struct report report = run(cases[i].slots, count, again);
        uint64_t first_sum = again * (again + 1) / 2;

        assert_int_equal(report.calls, again);
        assert_int_equal(report.first_sum, first_sum);
        assert_int_equal(report.line_sum, first_sum + again * count);
    }
}

static void
names_the_first_line_for_every_repetition(void **state)
{
    struct report report = {0};
    struct seen *seen = seen_new(8, note, &report);
    struct error err = ERROR_INIT;

    (void)state;
    for (uint64_t line = 7; line <= 10; line++)
        assert_int_equal(seen_add(seen, STR("same"), line, &err), ERR_OK);
    assert_int_equal(report.calls, 3);
    assert_int_equal(report.first_sum, 3 * 7);
    seen_free(seen);
}

static void
says_so_when_the_temporary_file_cannot_be_made(void **state)
{
    struct report report = {0};
    struct seen *seen = seen_new(8, note, &report);
    struct error err = ERROR_INIT;
    enum error_code rc = ERR_OK;
    char name[2] = "a";

    (void)state;
    setenv("TMPDIR", "/nonexistent", 1);
    for (uint64_t line = 1; rc == ERR_OK && line <= 20; line++, name[0]++)
        rc = seen_add(seen, str_of(name), line, &err);
    unsetenv("TMPDIR");
    assert_int_equal(rc, ERR_UNAVAILABLE);
    seen_free(seen);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_names_that_came_before_whatever_the_table_holds),
        cmocka_unit_test(names_the_first_line_for_every_repetition),
        cmocka_unit_test(says_so_when_the_temporary_file_cannot_be_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

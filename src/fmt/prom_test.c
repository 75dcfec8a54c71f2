#include "fmt/prom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void
values_and_labels_are_written(void **state)
{
    CLEANUP(buf_done) struct buf text, labels;

    (void)state;
    buf_init(&text, 65536);
    buf_init(&labels, 1024);
    prom_head(&text, "a_total", "counter", "One\\two\nthree.");
    prom_value(&text, "a_total", "", 12345678901);
    prom_label(&labels, "route", STR("/x/{id}"));
    prom_label(&labels, "odd", STR("a\"b\\c\nd"));
    prom_seconds(&text, "a_total", labels.data, 1000002);
    assert_string_equal(text.data,
                        "# HELP a_total One\\\\two\\nthree.\n"
                        "# TYPE a_total counter\n"
                        "a_total 12345678901\n"
                        "a_total{route=\"/x/{id}\",odd=\"a\\\"b\\\\c\\nd\"} "
                        "1.000002\n");
}

static void
times_fall_into_buckets(void **state)
{
    static const int64_t times_us[] = {-5,      0,         500,      501,
                                       1000000, 119999999, 120000001};
    CLEANUP(buf_done) struct buf text;
    struct histogram histogram = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(times_us); i++)
        histogram_add(&histogram, times_us[i]);
    buf_init(&text, 65536);
    prom_histogram(&text, "t", "a=\"b\"", &histogram);
    assert_non_null(strstr(text.data, "t_bucket{a=\"b\",le=\"0.0005\"} 3\n"));
    assert_non_null(strstr(text.data, "t_bucket{a=\"b\",le=\"0.001\"} 4\n"));
    assert_non_null(strstr(text.data, "t_bucket{a=\"b\",le=\"1\"} 5\n"));
    assert_non_null(strstr(text.data, "t_bucket{a=\"b\",le=\"120\"} 6\n"));
    assert_non_null(strstr(text.data, "t_bucket{a=\"b\",le=\"+Inf\"} 7\n"));
    assert_non_null(strstr(text.data, "t_sum{a=\"b\"} 241.001001\n"));
    assert_non_null(strstr(text.data, "t_count{a=\"b\"} 7\n"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_labels_are_written),
        cmocka_unit_test(times_fall_into_buckets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/clock.h"

#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"

static const struct {
    const char *text, *csv, *json, *utc, *date;
} good[] = {
    {"2020-04-05T08:00:00-10:00", "2020-04-05T08:00:00-10:00",
     "2020-04-05T08:00:00.000-10:00", "2020-04-05T18:00:00.000Z", "2020-04-05"},
    {"2019-08-23T18:52:59.162Z", "2019-08-23T18:52:59.162Z",
     "2019-08-23T18:52:59.162Z", "2019-08-23T18:52:59.162Z", "2019-08-23"},
    {"2020-03-24T00:00:00-05:00", "2020-03-24T00:00:00-05:00",
     "2020-03-24T00:00:00.000-05:00", "2020-03-24T05:00:00.000Z", "2020-03-24"},
    {"2020-03-24", "2020-03-24T00:00:00Z", "2020-03-24T00:00:00.000Z",
     "2020-03-24T00:00:00.000Z", "2020-03-24"},
    {"2020-04-05T08:00Z", "2020-04-05T08:00:00Z", "2020-04-05T08:00:00.000Z",
     "2020-04-05T08:00:00.000Z", "2020-04-05"},
    {"2020-04-05T08:00", "2020-04-05T08:00:00Z", "2020-04-05T08:00:00.000Z",
     "2020-04-05T08:00:00.000Z", "2020-04-05"},
    {"2020-04-05T08:01:02", "2020-04-05T08:01:02Z", "2020-04-05T08:01:02.000Z",
     "2020-04-05T08:01:02.000Z", "2020-04-05"},
    {"2020-04-05t08:01:02z", "2020-04-05T08:01:02Z", "2020-04-05T08:01:02.000Z",
     "2020-04-05T08:01:02.000Z", "2020-04-05"},
    {"2020-04-05T08:00+05:45", "2020-04-05T08:00:00+05:45",
     "2020-04-05T08:00:00.000+05:45", "2020-04-05T02:15:00.000Z", "2020-04-05"},
    {"2020-04-05T08:00:00+00:00", "2020-04-05T08:00:00Z",
     "2020-04-05T08:00:00.000Z", "2020-04-05T08:00:00.000Z", "2020-04-05"},
    {"2020-04-05T08:00:00-00:00", "2020-04-05T08:00:00Z",
     "2020-04-05T08:00:00.000Z", "2020-04-05T08:00:00.000Z", "2020-04-05"},
    {"2020-01-01T00:30:00+01:00", "2020-01-01T00:30:00+01:00",
     "2020-01-01T00:30:00.000+01:00", "2019-12-31T23:30:00.000Z", "2020-01-01"},
    {"2020-01-01T12:00:00-23:59", "2020-01-01T12:00:00-23:59",
     "2020-01-01T12:00:00.000-23:59", "2020-01-02T11:59:00.000Z", "2020-01-01"},
    {"2020-01-01T00:00:00.1Z", "2020-01-01T00:00:00.100Z",
     "2020-01-01T00:00:00.100Z", "2020-01-01T00:00:00.100Z", "2020-01-01"},
    {"2020-01-01T00:00:00.0009999Z", "2020-01-01T00:00:00Z",
     "2020-01-01T00:00:00.000Z", "2020-01-01T00:00:00.000Z", "2020-01-01"},
    {"2020-01-01T00:00:00.123999999999Z", "2020-01-01T00:00:00.123Z",
     "2020-01-01T00:00:00.123Z", "2020-01-01T00:00:00.123Z", "2020-01-01"},
    {"2020-02-29", "2020-02-29T00:00:00Z", "2020-02-29T00:00:00.000Z",
     "2020-02-29T00:00:00.000Z", "2020-02-29"},
    {"2000-02-29", "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z",
     "2000-02-29T00:00:00.000Z", "2000-02-29"},
    {"1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z",
     "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z", "1969-12-31"},
    {"1900-01-01T00:00:00+23:59", "1900-01-01T00:00:00+23:59",
     "1900-01-01T00:00:00.000+23:59", "1899-12-31T00:01:00.000Z", "1900-01-01"},
    {"9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z",
     "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z", "9999-12-31"},
    /* The year 10000 in UTC has no text of four digits. */
    {"9999-12-31T23:59:59-10:00", "9999-12-31T23:59:59-10:00",
     "9999-12-31T23:59:59.000-10:00", "9999-12-31T23:59:59.999Z", "9999-12-31"},
};

static void
dates_come_out_as_they_stand_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        char text[MOMENT_TEXT];
        struct moment m;

        print_message("%s\n", good[i].text);
        assert_true(moment_parse(str_of(good[i].text), &m));
        assert_int_equal(moment_csv(m, text), strlen(good[i].csv));
        assert_string_equal(text, good[i].csv);
        assert_int_equal(moment_json(m, text), strlen(good[i].json));
        assert_string_equal(text, good[i].json);
        assert_int_equal(moment_utc(m.ms, text), strlen(good[i].utc));
        assert_string_equal(text, good[i].utc);
        assert_int_equal(moment_date(m, text), strlen(good[i].date));
        assert_string_equal(text, good[i].date);
    }
}

static const char *const bad[] = {
    "",
    "x",
    "2020",
    "2020-04",
    "2020-4-5",
    "20200405",
    "2020-13-01",
    "2020-00-01",
    "2020-01-00",
    "2020-01-32",
    "2020-04-31",
    "2021-02-29",
    "1900-02-29",
    "2100-02-29",
    "1899-12-31",
    "0000-01-01",
    "10000-01-01",
    "-2020-01-01",
    "2020-04-05Z",
    "2020-04-05T",
    "2020-04-05T08",
    "2020-04-05T08Z",
    "2020-04-05T24:00Z",
    "2020-04-05T08:60Z",
    "2020-04-05T8:00Z",
    "2020-04-05T08:00:60Z",
    "2020-04-05T08:00:5Z",
    "2020-04-05T08:00:00.Z",
    "2020-04-05T08:00:00.",
    "2020-04-05T08:00:00,5Z",
    "2020-04-05T08:00.5Z",
    "2020-04-05T08:00:00+24:00",
    "2020-04-05T08:00:00+01:60",
    "2020-04-05T08:00:00+0100",
    "2020-04-05T08:00:00+01",
    "2020-04-05T08:00:00+",
    "2020-04-05T08:00:00Zx",
    "2020-04-05T08:00:00Z ",
    " 2020-04-05",
    "2020-04-05 08:00:00Z",
    "2020/04/05",
    "05.04.2020",
    "2020-04-05T08:00:00[UTC]",
    "\xd9\xa2\xd9\xa0\xd9\xa2\xd9\xa0-01-01",
};

static void
anything_else_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct moment m = {.ms = 42, .offset_min = 7};

        print_message("%s\n", bad[i]);
        assert_false(moment_parse(str_of(bad[i]), &m));
        assert_int_equal(m.ms, 42);
        assert_int_equal(m.offset_min, 7);
    }
    struct moment m;

    assert_false(moment_parse(STR("2020-04-05\0"), &m));
    assert_false(moment_parse(str_n(NULL, 0), &m));
}

static void
every_day_agrees_with_the_c_library(void **state)
{
    char got[MOMENT_TEXT], want[MOMENT_TEXT];

    (void)state;
    for (int64_t day = -25567; day < 2932897; day++) {
        time_t seconds = (time_t)(day * 86400 + (day + 25567) * 7919 % 86400);
        struct tm tm;
        struct moment m;
        int64_t again;

        gmtime_r(&seconds, &tm);
        strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%SZ", &tm);
        moment_csv((struct moment){.ms = seconds * 1000}, got);
        assert_string_equal(got, want);
        assert_true(moment_parse(str_of(got), &m));
        assert_int_equal(m.ms, seconds * 1000);

        strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        assert_int_equal(moment_http(seconds * 1000, got), 29);
        assert_string_equal(got, want);
        assert_true(http_date_parse(str_of(got), &again));
        assert_int_equal(again, seconds);
    }
}

static void
impossible_instants_stay_within_the_text(void **state)
{
    static const int64_t far[] = {INT64_MIN, INT64_MAX, INT64_MIN / 2};
    char text[MOMENT_TEXT];

    (void)state;
    for (size_t i = 0; i < COUNT(far); i++)
        for (int offset = INT16_MIN; offset <= INT16_MAX; offset += 13107) {
            struct moment m = {far[i], (int16_t)offset};

            assert_in_range(moment_csv(m, text), 20, MOMENT_TEXT - 1);
            assert_in_range(moment_json(m, text), 24, MOMENT_TEXT - 1);
            assert_int_equal(moment_date(m, text), 10);
            assert_int_equal(moment_http(m.ms, text), 29);
        }
}

static const struct {
    const char *text;
    bool ok;
    int64_t want;
} http_dates[] = {
    {"Sun, 06 Nov 1994 08:49:37 GMT", true, 784111777},
    {"Sunday, 06-Nov-94 08:49:37 GMT", true, 784111777},
    {"Sun Nov  6 08:49:37 1994", true, 784111777},
    {"Wed Nov 16 08:49:37 1994", true, 784975777},
    {"Thu, 01 Jan 1970 00:00:00 GMT", true, 0},
    {"Sat, 31 Dec 2016 23:59:60 GMT", true, 1483228799},
    /* 1 January 2024 is today here: 74 is 50 years ahead, 75 is more. */
    {"Monday, 01-Jan-74 00:00:00 GMT", true, 3281990400},
    {"Wednesday, 01-Jan-75 00:00:00 GMT", true, 157766400},
    {"", false, 0},
    {"0", false, 0},
    {"sun, 06 Nov 1994 08:49:37 GMT", false, 0},
    {"Sun, 06 nov 1994 08:49:37 GMT", false, 0},
    {"Sun, 6 Nov 1994 08:49:37 GMT", false, 0},
    {"Sun, 06 Nov 94 08:49:37 GMT", false, 0},
    {"Sun, 06-Nov-94 08:49:37 GMT", false, 0},
    {"Sunday, 06 Nov 1994 08:49:37 GMT", false, 0},
    {"Sun, 06 Nov 1994 08:49:37", false, 0},
    {"Sun, 06 Nov 1994 08:49:37 UTC", false, 0},
    {"Sun, 06 Nov 1994 08:49:37 GMT ", false, 0},
    {"Sun, 06 Nov 1994 24:49:37 GMT", false, 0},
    {"Sun, 06 Nov 1994 08:49:61 GMT", false, 0},
    {"Sun, 31 Nov 1994 08:49:37 GMT", false, 0},
    {"Sun, 00 Nov 1994 08:49:37 GMT", false, 0},
    {"Sun, 06 Nov 0000 08:49:37 GMT", false, 0},
    {"Sun Nov 6 08:49:37 1994", false, 0},
    {"Sunday Nov  6 08:49:37 1994", false, 0},
    {"1994-11-06T08:49:37Z", false, 0},
};

static void
http_dates_have_three_forms(void **state)
{
    (void)state;
    clock_set_for_test(1704067200000);
    for (size_t i = 0; i < COUNT(http_dates); i++) {
        int64_t got = -1;

        print_message("%s\n", http_dates[i].text);
        assert_int_equal(http_date_parse(str_of(http_dates[i].text), &got),
                         http_dates[i].ok);
        assert_int_equal(got, http_dates[i].ok ? http_dates[i].want : -1);
    }
    clock_set_for_test(-1);
}

static void
clock_can_be_stopped(void **state)
{
    (void)state;
    clock_set_for_test(12345);
    assert_int_equal(clock_now_ms(), 12345);
    clock_set_for_test(-1);
    assert_true(clock_now_ms() / 1000 - time(NULL) <= 1);
    assert_true(clock_now_ms() > 1704067200000);

    int64_t before = clock_mono_ms();

    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    assert_true(clock_mono_ms() > before);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_come_out_as_they_stand_for),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(every_day_agrees_with_the_c_library),
        cmocka_unit_test(impossible_instants_stay_within_the_text),
        cmocka_unit_test(http_dates_have_three_forms),
        cmocka_unit_test(clock_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

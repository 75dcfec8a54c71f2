#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

#include "base/compiler.h"

#define DAY_S 86400
#define DAY_MS INT64_C(86400000)

/* The ends of the years 0000 and 9999. */
#define FIRST_MS (INT64_C(-719528) * DAY_MS)
#define LAST_MS (INT64_C(2932897) * DAY_MS - 1)

static _Atomic int64_t test_now_ms = -1;

static int64_t
read_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_now_ms(void)
{
    int64_t fixed = atomic_load_explicit(&test_now_ms, memory_order_relaxed);

    return fixed >= 0 ? fixed : read_ms(CLOCK_REALTIME);
}

int64_t
clock_mono_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

int64_t
clock_mono_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void
clock_set_for_test(int64_t now_ms)
{
    atomic_store(&test_now_ms, now_ms);
}

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar. The
 * year is counted from March, so that the leap day is its last one: then the
 * months before month m have (153 m + 2) / 5 days. */
static int64_t
days_of(int year, int month, int day)
{
    int y = month > 2 ? year : year - 1;
    int m = month > 2 ? month - 3 : month + 9;

    return INT64_C(365) * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 +
           day - 1 - 719468;
}

struct date {
    unsigned year, month, day;
};

/* The reverse, for days from 0000-01-01 on. */
static struct date
date_of(int64_t days)
{
    /* Shifted by one era of 400 years, 146097 days, so that the first two
     * months of year 0 are not negative either. */
    uint32_t n = (uint32_t)(days + 719468 + 146097);
    uint32_t era = n / 146097, in_era = n % 146097;
    uint32_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) /
                 365;
    uint32_t in_year = in_era - (365 * y + y / 4 - y / 100);
    uint32_t m = (5 * in_year + 2) / 153;

    return (struct date){
        .year = era * 400 + y - 400 + (m >= 10),
        .month = m < 10 ? m + 3 : m - 9,
        .day = in_year - (153 * m + 2) / 5 + 1,
    };
}

static int
month_days(int year, int month)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leap);
}

/* Take `count` digits from the front. -1 when they are not there. */
static int
take_digits(struct str *text, size_t count)
{
    int value = 0;

    if (text->len < count)
        return -1;
    for (size_t i = 0; i < count; i++) {
        unsigned digit = (unsigned)(unsigned char)text->at[i] - '0';

        if (digit > 9)
            return -1;
        value = value * 10 + (int)digit;
    }
    *text = str_n(text->at + count, text->len - count);
    return value;
}

static bool
take_text(struct str *text, struct str want)
{
    if (text->len < want.len || memcmp(text->at, want.at, want.len) != 0)
        return false;
    *text = str_n(text->at + want.len, text->len - want.len);
    return true;
}

static bool
take_char(struct str *text, char c)
{
    return take_text(text, str_n(&c, 1));
}

/* Z, z, +HH:MM or -HH:MM, as minutes. */
static bool
take_offset(struct str *text, int *ret)
{
    if (take_char(text, 'Z') || take_char(text, 'z')) {
        *ret = 0;
        return true;
    }
    int sign = take_char(text, '-') ? -1 : 1;

    if (sign > 0 && !take_char(text, '+'))
        return false;
    int hours = take_digits(text, 2);

    if (hours < 0 || hours > 23 || !take_char(text, ':'))
        return false;
    int minutes = take_digits(text, 2);

    if (minutes < 0 || minutes > 59)
        return false;
    *ret = sign * (hours * 60 + minutes);
    return true;
}

/* The digits behind the point; those beyond the third are checked only. */
static bool
take_fraction(struct str *text, int *ret_ms)
{
    int ms = 0, digit, scale = 100;

    if (text->len == 0 || (digit = take_digits(text, 1)) < 0)
        return false;
    do {
        ms += digit * scale;
        scale /= 10;
    } while ((digit = take_digits(text, 1)) >= 0);
    *ret_ms = ms;
    return true;
}

bool
moment_parse(struct str text, struct moment *ret)
{
    int hour = 0, minute = 0, second = 0, ms = 0, offset = 0;
    int year = take_digits(&text, 4);

    if (year < 1900 || !take_char(&text, '-'))
        return false;
    int month = take_digits(&text, 2);

    if (month < 1 || month > 12 || !take_char(&text, '-'))
        return false;
    int day = take_digits(&text, 2);

    if (day < 1 || day > month_days(year, month))
        return false;

    if (text.len > 0) {
        if (!take_char(&text, 'T') && !take_char(&text, 't'))
            return false;
        hour = take_digits(&text, 2);
        if (hour < 0 || hour > 23 || !take_char(&text, ':'))
            return false;
        minute = take_digits(&text, 2);
        if (minute < 0 || minute > 59)
            return false;
        if (take_char(&text, ':')) {
            second = take_digits(&text, 2);
            if (second < 0 || second > 59)
                return false;
            if (take_char(&text, '.') && !take_fraction(&text, &ms))
                return false;
        }
        if (text.len > 0 && (!take_offset(&text, &offset) || text.len > 0))
            return false;
    }
    int minutes = hour * 60 + minute - offset;

    *ret = (struct moment){
        .ms = days_of(year, month, day) * DAY_MS + minutes * INT64_C(60000) +
              second * 1000 + ms,
        .offset_min = (int16_t)offset,
    };
    return true;
}

static char *
put_two(char *to, unsigned value)
{
    to[0] = (char)('0' + value / 10);
    to[1] = (char)('0' + value % 10);
    return to + 2;
}

static char *
put_date(char *to, struct date date)
{
    to = put_two(to, date.year / 100);
    to = put_two(to, date.year % 100);
    *to++ = '-';
    to = put_two(to, date.month);
    *to++ = '-';
    return put_two(to, date.day);
}

static char *
put_time(char *to, unsigned second)
{
    to = put_two(to, second / 3600);
    *to++ = ':';
    to = put_two(to, second / 60 % 60);
    *to++ = ':';
    return put_two(to, second % 60);
}

/* What a calendar and a clock on the wall show, as milliseconds since 1970. */
static int64_t
wall_ms(int64_t ms, int offset_min)
{
    /* Room for the largest offset keeps the sum from overflowing. */
    ms = MAX(MIN(ms, LAST_MS + DAY_MS), FIRST_MS - DAY_MS);
    ms += offset_min * INT64_C(60000);
    return MAX(MIN(ms, LAST_MS), FIRST_MS);
}

/* Days since 1970, rounded down; the rest of the day in *ret_ms. */
static int64_t
split_day(int64_t ms, unsigned *ret_ms)
{
    int64_t days = (ms - FIRST_MS) / DAY_MS;

    *ret_ms = (unsigned)((ms - FIRST_MS) % DAY_MS);
    return days + FIRST_MS / DAY_MS;
}

static size_t
put_moment(struct moment m, bool always_ms, char *start)
{
    unsigned in_day, offset;
    int64_t days = split_day(wall_ms(m.ms, m.offset_min), &in_day);
    char *to = put_date(start, date_of(days));

    *to++ = 'T';
    to = put_time(to, in_day / 1000);
    if (always_ms || in_day % 1000 != 0) {
        *to++ = '.';
        *to++ = (char)('0' + in_day % 1000 / 100);
        to = put_two(to, in_day % 100);
    }
    if (m.offset_min == 0) {
        *to++ = 'Z';
    } else {
        offset = (unsigned)(m.offset_min < 0 ? -m.offset_min : m.offset_min);
        *to++ = m.offset_min < 0 ? '-' : '+';
        to = put_two(to, offset / 60 % 24);
        *to++ = ':';
        to = put_two(to, offset % 60);
    }
    *to = '\0';
    return (size_t)(to - start);
}

size_t
moment_csv(struct moment m, char to[MOMENT_TEXT])
{
    return put_moment(m, false, to);
}

size_t
moment_json(struct moment m, char to[MOMENT_TEXT])
{
    return put_moment(m, true, to);
}

size_t
moment_utc(int64_t ms, char to[MOMENT_TEXT])
{
    return put_moment((struct moment){.ms = ms}, true, to);
}

size_t
moment_date(struct moment m, char start[MOMENT_TEXT])
{
    unsigned in_day;
    int64_t days = split_day(wall_ms(m.ms, m.offset_min), &in_day);
    char *to = put_date(start, date_of(days));

    *to = '\0';
    return (size_t)(to - start);
}

/* Monday first, as the days since 1970-01-01, a Thursday, are counted. */
static const char day_names[7][10] = {"Monday",   "Tuesday", "Wednesday",
                                      "Thursday", "Friday",  "Saturday",
                                      "Sunday"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr",
                                        "May", "Jun", "Jul", "Aug",
                                        "Sep", "Oct", "Nov", "Dec"};

size_t
moment_http(int64_t ms, char start[MOMENT_TEXT])
{
    unsigned in_day;
    int64_t days = split_day(wall_ms(ms, 0), &in_day);
    struct date date = date_of(days);
    char *to = start;

    to = mempcpy(to, day_names[(days - FIRST_MS / DAY_MS + 5) % 7], 3);
    to = mempcpy(to, ", ", 2);
    to = put_two(to, date.day);
    *to++ = ' ';
    to = mempcpy(to, month_names[date.month - 1], 3);
    *to++ = ' ';
    to = put_two(to, date.year / 100);
    to = put_two(to, date.year % 100);
    *to++ = ' ';
    to = put_time(to, in_day / 1000);
    to = mempcpy(to, " GMT", 5);
    return (size_t)(to - start) - 1;
}

/* The names of an HTTP date keep their case (RFC 9110 5.6.7). */
static int
take_month(struct str *text)
{
    for (int i = 0; i < 12; i++)
        if (take_text(text, str_n(month_names[i], 3)))
            return i + 1;
    return -1;
}

/* HH:MM:SS as seconds. RFC 9110 lets :60 through; it is read as :59, since such
 * a date is only ever compared. */
static int
take_time(struct str *text)
{
    int hour = take_digits(text, 2);
    int minute = take_char(text, ':') ? take_digits(text, 2) : -1;
    int second = take_char(text, ':') ? take_digits(text, 2) : -1;

    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
        second > 60)
        return -1;
    return hour * 3600 + minute * 60 + MIN(second, 59);
}

/* A year of two digits that seems more than 50 years ahead is one of the last
 * century (RFC 9110 5.6.7). */
static int
whole_year(int two_digits)
{
    char now[MOMENT_TEXT];

    if (two_digits < 0)
        return -1;
    moment_utc(clock_now_ms(), now);
    struct str text = str_n(now, 4);
    int this_year = take_digits(&text, 4);
    int year = this_year - this_year % 100 + two_digits;

    return year > this_year + 50 ? year - 100 : year;
}

bool
http_date_parse(struct str text, int64_t *ret_s)
{
    int year = -1, month = -1, day = -1, time = -1;
    struct str name = str_n(text.at, 0);

    while (name.len < text.len && text.at[name.len] != ',' &&
           text.at[name.len] != ' ')
        name.len++;
    text = str_n(text.at + name.len, text.len - name.len);

    bool is_short = false, is_long = false;

    for (size_t i = 0; i < COUNT(day_names); i++) {
        is_short = is_short || str_eq(name, str_n(day_names[i], 3));
        is_long = is_long || str_eq(name, str_of(day_names[i]));
    }
    if (is_short && take_text(&text, STR(", "))) {
        day = take_digits(&text, 2);
        month = take_char(&text, ' ') ? take_month(&text) : -1;
        year = take_char(&text, ' ') ? take_digits(&text, 4) : -1;
        time = take_char(&text, ' ') ? take_time(&text) : -1;
        if (!take_text(&text, STR(" GMT")))
            return false;
    } else if (is_long && take_text(&text, STR(", "))) {
        day = take_digits(&text, 2);
        month = take_char(&text, '-') ? take_month(&text) : -1;
        year = take_char(&text, '-') ? whole_year(take_digits(&text, 2)) : -1;
        time = take_char(&text, ' ') ? take_time(&text) : -1;
        if (!take_text(&text, STR(" GMT")))
            return false;
    } else if (is_short && take_char(&text, ' ')) {
        month = take_month(&text);
        if (!take_char(&text, ' '))
            return false;
        day = take_digits(&text, take_char(&text, ' ') ? 1 : 2);
        time = take_char(&text, ' ') ? take_time(&text) : -1;
        year = take_char(&text, ' ') ? take_digits(&text, 4) : -1;
    }
    if (text.len > 0 || year < 1 || month < 0 || day < 1 || time < 0 ||
        day > month_days(year, month))
        return false;
    *ret_s = days_of(year, month, day) * DAY_S + time;
    return true;
}

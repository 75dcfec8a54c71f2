/*
 * clock.h - what time it is, and RFC 3339 text (contract 1.3).
 *
 * Memory:  none.
 * Errors:  parsing returns false and leaves its output alone.
 * Threads: safe everywhere; clock_set_for_test() only before threads start.
 */
#ifndef NELM_BASE_CLOCK_H
#define NELM_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Milliseconds since 1970-01-01T00:00:00Z. */
int64_t clock_now_ms(void);

/* Milliseconds and microseconds of a clock that never goes back; for durations
 * only. */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);

/* Make clock_now_ms() answer `now_ms`; negative: the real clock again. */
void clock_set_for_test(int64_t now_ms);

/* An instant and the offset in which somebody wrote it. */
struct moment {
    int64_t ms;         /* since 1970, UTC */
    int16_t offset_min; /* minutes east of UTC, 0 for Z */
};

#define MOMENT_TEXT 32 /* enough for any format below with its NUL */

/* Contract 1.3: RFC 3339 with Z or an offset, seconds and fraction optional,
 * no zone read as UTC, or a bare date. Years 1900-9999; the fraction is cut
 * to milliseconds. Offsets up to 23:59. False for anything else, a leap second
 * (:60) included: no instant of ours could give it back. */
bool moment_parse(struct str text, struct moment *ret);

/* Each writes a NUL-terminated text and returns its length. An instant outside
 * of the years 0000-9999 is written as the nearest one inside.
 * csv:  2020-04-05T08:00:00-10:00, .mmm only when not zero
 * json: 2019-08-23T18:52:59.162Z in the stored offset, always .mmm
 * utc:  json for an instant without an offset
 * date: 2020-03-24 as the writer's calendar showed it
 * http: Sun, 06 Nov 1994 08:49:37 GMT (RFC 9110 5.6.7) */
size_t moment_csv(struct moment m, char to[MOMENT_TEXT]);
size_t moment_json(struct moment m, char to[MOMENT_TEXT]);
size_t moment_utc(int64_t ms, char to[MOMENT_TEXT]);
size_t moment_date(struct moment m, char to[MOMENT_TEXT]);
size_t moment_http(int64_t ms, char to[MOMENT_TEXT]);

/* All three forms of an HTTP date; seconds since 1970. */
bool http_date_parse(struct str text, int64_t *ret_s);

#endif

/* Dates: what was accepted must come out again as it stands for. */
#include <string.h>

#include "base/clock.h"
#include "fuzz.h"

static void
check_same(struct moment want, const char *text, size_t len)
{
    struct moment again;

    FUZZ_CHECK(len < MOMENT_TEXT && strlen(text) == len);
    FUZZ_CHECK(moment_parse(str_n(text, len), &again));
    FUZZ_CHECK(again.ms == want.ms && again.offset_min == want.offset_min);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    struct moment m, any = {0};
    int64_t seconds, again;
    char to[MOMENT_TEXT];

    if (moment_parse(text, &m)) {
        check_same(m, to, moment_csv(m, to));
        check_same(m, to, moment_json(m, to));
        FUZZ_CHECK(moment_date(m, to) == 10 && memcmp(to, data, 10) == 0);
    }
    if (http_date_parse(text, &seconds)) {
        FUZZ_CHECK(moment_http(seconds * 1000, to) == 29);
        FUZZ_CHECK(http_date_parse(str_of(to), &again) && again == seconds);
    }

    /* Any bits whatever, as a damaged database might hand them over. */
    memcpy(&any.ms, data, size < sizeof(any.ms) ? size : sizeof(any.ms));
    if (size >= 10)
        memcpy(&any.offset_min, data + 8, 2);
    FUZZ_CHECK(moment_csv(any, to) < MOMENT_TEXT);
    FUZZ_CHECK(moment_json(any, to) < MOMENT_TEXT);
    FUZZ_CHECK(moment_date(any, to) == 10);
    FUZZ_CHECK(moment_utc(any.ms, to) == 24);
    FUZZ_CHECK(moment_http(any.ms, to) == 29);
    return 0;
}

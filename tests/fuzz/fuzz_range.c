/* The length of a file in two bytes, then the header's text, which also serves
 * as every other header of a condition, and of a choice. What stands before or
 * behind a text counts for what it says, whatever the text is. */
#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
#include "http/range.h"

#define TAG "\"tag\""

/* One or two headers of that name. */
static int
condition(unsigned method, const char *name, const char *one, struct str two)
{
    struct http_field headers[] = {{str_of(name), str_of(one)},
                                   {str_of(name), two}};
    const struct http_request request = {
        .method = method, .headers = headers, .header_count = 2};

    return http_condition(&request, TAG, 0);
}

static void
check_tags(struct str text)
{
    CLEANUP(buf_done) struct buf list;
    bool any = str_eq(str_trim(text), STR("*"));

    FUZZ_CHECK(condition(HTTP_GET, "If-None-Match", TAG, text) == 304);
    FUZZ_CHECK(condition(HTTP_PUT, "If-None-Match", "W/" TAG, text) == 412);
    FUZZ_CHECK(condition(HTTP_PUT, "If-Match", "\"x\", " TAG, text) == 0);
    buf_init(&list, text.len + 40);
    buf_text(&list, "\"x\",,W/" TAG ", ");
    buf_str(&list, text);
    FUZZ_CHECK(etag_matches(buf_view(&list), TAG));
    /* A weak one does not make a change happen. */
    FUZZ_CHECK(any || condition(HTTP_PUT, "If-Match", "W/" TAG, text) ==
                          condition(HTTP_PUT, "If-Match", "", text));
}

static void
check_choices(struct str text)
{
    CLEANUP(buf_done) struct buf list;
    struct str tag = http_language(text), again;

    buf_init(&list, text.len + 80);
    buf_str(&list, text);
    buf_text(&list, ",gzip;q=0,x-gzip;q=0,zstd;q=0");
    FUZZ_CHECK(http_coding_pick(buf_view(&list)) == CODING_IDENTITY);
    buf_text(&list, ",gzip ; x=1; q = 1.000");
    FUZZ_CHECK(http_coding_pick(buf_view(&list)) == CODING_GZIP);
    buf_text(&list, ",ZSTD");
    FUZZ_CHECK(http_coding_pick(buf_view(&list)) == CODING_ZSTD);
    again = http_language(buf_view(&list));
    FUZZ_CHECK(tag.len > 0 && tag.len <= 35 && str_eq(tag, again));
    for (size_t i = 0; i < tag.len; i++)
        FUZZ_CHECK(strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
                          "YZ0123456789-",
                          tag.at[i]) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"If-Match", "If-None-Match",
                                        "If-Modified-Since",
                                        "If-Unmodified-Since", "If-Range"};
    uint64_t first = 0, length = 0;

    if (size < 2)
        return 0;
    uint64_t of = (uint64_t)(data[0] << 8 | data[1]);
    struct str text = str_n((const char *)data + 2, size - 2);

    if (range_parse(text, of, &first, &length) == RANGE_PART)
        FUZZ_CHECK(length > 0 && first < of && length <= of - first);
    enum http_coding coding = http_coding_pick(text);

    FUZZ_CHECK(coding < CODINGS);
    for (size_t i = 0; i < COUNT(names); i++) {
        struct http_field header = {str_of(names[i]), text};
        struct http_request request = {
            .method = HTTP_GET, .headers = &header, .header_count = 1};
        int status = http_condition(&request, TAG, of);

        FUZZ_CHECK(status == 0 || status == 304 || status == 412);
        if (i == 1)
            FUZZ_CHECK((status == 304) == etag_matches(text, TAG));
        http_if_range(&request, TAG);
    }
    check_tags(text);
    check_choices(text);
    return 0;
}

/* The length of a file in two bytes, then the header's text, which also serves
 * as every other header of a condition. */
#include "fuzz.h"
#include "http/range.h"

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
        int status = http_condition(&request, "\"tag\"", of);

        FUZZ_CHECK(status == 0 || status == 304 || status == 412);
        if (i == 1)
            FUZZ_CHECK((status == 304) == etag_matches(text, "\"tag\""));
        http_if_range(&request, "\"tag\"");
    }
    return 0;
}

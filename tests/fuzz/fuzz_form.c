/* A query or form, and the same text as a segment of a path. */
#include "base/utf8.h"
#include "fuzz.h"
#include "http/check.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n(size ? (const char *)data : "", size);
    struct http_field *fields;
    struct arena arena;
    struct str segment;
    size_t count;
    bool bad;

    arena_init(&arena, 1 << 20);
    if (http_form_parse(text, &arena, &fields, &count, &bad)) {
        FUZZ_CHECK(count <= 256);
        for (size_t i = 0; i < count; i++) {
            FUZZ_CHECK(fields[i].name.at != NULL && fields[i].value.at != NULL);
            FUZZ_CHECK(fields[i].name.len + fields[i].value.len <= size);
            FUZZ_CHECK(bad || (utf8_valid(fields[i].name) &&
                               utf8_valid(fields[i].value)));
        }
    }
    if (http_decode_segment(text, &arena, &segment)) {
        FUZZ_CHECK(segment.len <= size && utf8_valid(segment));
        FUZZ_CHECK(segment.len == 0 ||
                   memchr(segment.at, '\0', segment.len) == NULL);
    }
    arena_done(&arena);
    return 0;
}

/* A query or form, and the same text as a segment of a path. What was decoded,
 * encoded again, is the same. */
#include "base/buf.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "http/check.h"

static void
put(struct buf *to, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        buf_printf(to, "%%%02x", (unsigned char)text.at[i]);
}

static void
check_fields(const struct http_field *fields, size_t count, struct arena *arena)
{
    CLEANUP(buf_done) struct buf text;
    struct http_field *again;
    size_t again_count;
    bool bad;

    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < count; i++) {
        put(&text, fields[i].name);
        buf_char(&text, '=');
        put(&text, fields[i].value);
        buf_char(&text, '&');
    }
    if (text.failed ||
        !http_form_parse(buf_view(&text), arena, &again, &again_count, &bad)) {
        FUZZ_CHECK(text.failed || arena->failed);
        return;
    }
    FUZZ_CHECK(!bad && again_count == count);
    for (size_t i = 0; i < count; i++)
        FUZZ_CHECK(str_eq(again[i].name, fields[i].name) &&
                   str_eq(again[i].value, fields[i].value));
}

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
        if (!bad)
            check_fields(fields, count, &arena);
    }
    if (http_decode_segment(text, &arena, &segment)) {
        FUZZ_CHECK(segment.len <= size && utf8_valid(segment));
        FUZZ_CHECK(segment.len == 0 ||
                   memchr(segment.at, '\0', segment.len) == NULL);
    }
    arena_done(&arena);
    return 0;
}

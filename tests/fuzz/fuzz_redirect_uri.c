/* Addresses of clients, a line each, then text that goes back with the last of
 * them. What is added to an address comes out of its query again; what goes
 * into a Content-Security-Policy is one source, and the address's own. */
#include <string.h>

#include "base/utf8.h"
#include "fmt/redirect_uri.h"
#include "fuzz.h"
#include "http/check.h"

static bool
begins_with(struct str text, struct str with)
{
    return text.len >= with.len && str_eq(str_n(text.at, with.len), with);
}

/* Such as a query can bring. */
static bool
is_text(struct str value)
{
    return utf8_valid(value) &&
           (value.len == 0 || memchr(value.at, '\0', value.len) == NULL);
}

static void
check_source(struct str uri)
{
    struct str origin = redirect_uri_origin(uri);
    char source[REDIRECT_SOURCE];

    FUZZ_CHECK(origin.len > 0 && begins_with(uri, origin));
    redirect_uri_source(uri, source);
    FUZZ_CHECK(strpbrk(source, " ;,'\"*\\<>@[]{}\t\r\n") == NULL);
    FUZZ_CHECK(begins_with(uri, str_of(source)));
    FUZZ_CHECK(source[0] == '\0' || strchr(source, ':') != NULL);
}

static void
check_add(struct str uri, struct str value)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf text;
    struct http_field *fields;
    struct str query;
    size_t count;
    bool bad;

    arena_init(&arena, 1 << 20);
    buf_init(&text, 1 << 20);
    buf_str(&text, uri);
    redirect_uri_add(&text, "code", STR("c"));
    redirect_uri_add(&text, "state", value);
    FUZZ_CHECK(!text.failed && begins_with(buf_view(&text), uri));
    FUZZ_CHECK(text.len > REDIRECT_URI_BYTES ||
               redirect_uri_valid(buf_view(&text)));
    query = buf_view(&text);
    (void)str_cut(&query, '?');
    if (!http_form_parse(query, &arena, &fields, &count, &bad))
        return; /* it has too many of its own */
    FUZZ_CHECK(count >= 2);
    FUZZ_CHECK(str_eq(fields[count - 2].name, STR("code")) &&
               str_eq(fields[count - 2].value, STR("c")));
    FUZZ_CHECK(str_eq(fields[count - 1].name, STR("state")) &&
               str_eq(fields[count - 1].value, value));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_n((const char *)data, size), last = {NULL, 0};

    while (rest.at != NULL) {
        struct str uri = str_cut(&rest, '\n');

        if (redirect_uri_valid(uri)) {
            check_source(uri);
            last = uri;
        } else if (last.at != NULL && is_text(uri)) {
            check_add(last, uri);
        }
    }
    return 0;
}

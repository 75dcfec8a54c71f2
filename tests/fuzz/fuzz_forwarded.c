/* One header per line: 'F' Forwarded, 'f' X-Forwarded-For, 'p' -Proto, 'h'
 * -Host; then its value. Whatever the client writes left of what a trusted
 * proxy added changes nothing. */
#include "fuzz.h"
#include "http/forwarded.h"

#define HEADERS 8

static struct str
name_of(char c)
{
    switch (c) {
    case 'F':
        return STR("Forwarded");
    case 'p':
        return STR("X-Forwarded-Proto");
    case 'h':
        return STR("X-Forwarded-Host");
    default:
        return STR("X-Forwarded-For");
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_done) struct arena arena;
    struct http_field headers[HEADERS + 1];
    struct http_request request = {.headers = headers, .host = STR("inner")};
    struct str rest = str_n((const char *)data, size);
    struct net_address us, them;
    struct nets trusted;

    arena_init(&arena, 1 << 20);
    FUZZ_CHECK(nets_parse(STR("10.0.0.0/8"), &trusted));
    FUZZ_CHECK(net_parse(STR("10.0.0.1"), &us));
    FUZZ_CHECK(net_parse(STR("192.0.2.1"), &them));
    while (rest.at != NULL && request.header_count < HEADERS) {
        struct str line = str_cut(&rest, '\n');

        if (line.len > 0)
            headers[request.header_count++] = (struct http_field){
                name_of(line.at[0]), str_n(line.at + 1, line.len - 1)};
    }
    request.peer = us;
    (void)!http_forwarded(&request, &trusted, &arena, NULL);
    FUZZ_CHECK(request.host.len > 0);

    headers[request.header_count++] = (struct http_field){
        STR("X-Forwarded-For"), STR("192.0.2.1, 10.0.0.7")};
    request.peer = us;
    if (http_forwarded(&request, &trusted, &arena, NULL) == ERR_OK)
        FUZZ_CHECK(memcmp(&request.peer, &them, sizeof(them)) == 0);
    return 0;
}

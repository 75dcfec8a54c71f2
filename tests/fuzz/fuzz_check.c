/* A request head in lines: method, target, version, then "name:value". */
#include "fuzz.h"
#include "http/check.h"
#include "http/router.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_n(size ? (const char *)data : "", size);
    struct http_field headers[32];
    struct http_request request = {.headers = headers};
    struct router_match match;
    static struct router router;
    struct arena arena;
    struct error err;
    size_t hosts = 0, lengths = 0, codings = 0;

    request.method_text = str_cut(&rest, '\n');
    request.target = str_cut(&rest, '\n');
    struct str version = str_cut(&rest, '\n');

    while (rest.at != NULL && request.header_count < COUNT(headers)) {
        struct str value = str_cut(&rest, '\n');
        struct str name = str_cut(&value, ':');

        if (value.at == NULL)
            value = STR("");
        headers[request.header_count++] = (struct http_field){name, value};
    }
    arena_init(&arena, 1 << 20);
    if (http_check_head(&request, version, &err) == ERR_OK) {
        for (size_t i = 0; i < request.header_count; i++) {
            struct http_field *field = &request.headers[i];

            hosts += str_eq_nocase(field->name, STR("host"));
            lengths += str_eq_nocase(field->name, STR("content-length"));
            codings += str_eq_nocase(field->name, STR("transfer-encoding"));
            FUZZ_CHECK(field->name.len > 0);
            FUZZ_CHECK(
                field->value.len == 0 ||
                (memchr(field->value.at, '\r', field->value.len) == NULL &&
                 memchr(field->value.at, '\0', field->value.len) == NULL));
        }
        FUZZ_CHECK(hosts <= 1 && lengths + codings <= 1);
        FUZZ_CHECK((codings == 1) == (request.body_length == UINT64_MAX));
    }
    if (http_parse_target(&request, &arena, &err) == ERR_OK) {
        FUZZ_CHECK(request.path.len > 0);
        FUZZ_CHECK(request.query_count <= 256);
        router_init(&router);
        FUZZ_CHECK(router_add(&router, HTTP_GET, "/a/{id}", 1) &&
                   router_add(&router, HTTP_POST, "/a/b", 2) &&
                   router_add(&router, HTTP_PUT, "/{x}/{y}/c", 3));
        enum router_result result = router_match(&router, HTTP_GET,
                                                 request.path, &match);

        FUZZ_CHECK(result != ROUTER_FOUND || match.capture_count == 1);
    }
    arena_done(&arena);
    return 0;
}

/* Cookie headers and Authorization, a line each. A cookie is found whatever
 * else stands around it; what Basic decodes has one text only. */
#include <string.h>

#include "base/buf.h"
#include "base/secret.h"
#include "fuzz.h"
#include "http/credentials.h"

#define NAME STR("k")
#define LEN 4

static struct str
cookie_in(struct str header)
{
    struct http_field field = {STR("Cookie"), header};
    const struct http_request request = {.headers = &field, .header_count = 1};

    return http_cookie(&request, NAME, LEN);
}

static void
check_cookie(struct str line)
{
    struct str found = cookie_in(line);
    CLEANUP(buf_done) struct buf more;

    FUZZ_CHECK(found.at == NULL ||
               (found.len == LEN && found.at > line.at && found.at[-1] == '=' &&
                found.at + LEN <= line.at + line.len &&
                memchr(found.at, ';', LEN) == NULL));
    buf_init(&more, line.len + 100);
    buf_text(&more, "a=1234; kk=1234; k=12345; ");
    buf_str(&more, line);
    FUZZ_CHECK(str_eq(cookie_in(buf_view(&more)), found));
    buf_text(&more, ";k=abcd");
    FUZZ_CHECK(str_eq(cookie_in(buf_view(&more)),
                      found.at != NULL ? found : STR("abcd")));
}

static void
check_basic(struct str line)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf pair, header;
    struct str user, password, again_user, again_password;

    arena_init(&arena, 1 << 20);
    buf_init(&pair, 1 << 20);
    buf_init(&header, 1 << 20);
    if (!http_basic(line, &arena, &user, &password)) {
        user = line;
        password = str_cut(&user, ':');
    }
    if (user.len > 0 && memchr(user.at, ':', user.len) != NULL)
        return;
    buf_str(&pair, user);
    buf_char(&pair, ':');
    buf_str(&pair, password);
    buf_text(&header, "BASIC ");
    char *to = buf_reserve(&header, BASE64_SIZE(pair.len));

    FUZZ_CHECK(to != NULL && !pair.failed);
    header.len += base64_encode(pair.data, pair.len, to);
    FUZZ_CHECK(
        http_basic(buf_view(&header), &arena, &again_user, &again_password));
    FUZZ_CHECK(str_eq(user, again_user) && str_eq(password, again_password));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_n((const char *)data, size);

    while (rest.at != NULL) {
        struct str line = str_cut(&rest, '\n');

        check_cookie(line);
        check_basic(line);
    }
    return 0;
}

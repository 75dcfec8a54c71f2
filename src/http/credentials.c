#include "http/credentials.h"

#include "base/secret.h"

struct str
http_cookie(const struct http_request *request, struct str name, size_t len)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct str rest = request->headers[i].value;

        if (!str_eq_nocase(request->headers[i].name, STR("Cookie")))
            continue;
        while (rest.at != NULL) {
            struct str value = str_cut(&rest, ';');

            if (str_eq(str_trim(str_cut(&value, '=')), name) &&
                value.len == len)
                return value;
        }
    }
    return (struct str){NULL, 0};
}

bool
http_basic(struct str authorization, struct arena *arena, struct str *ret_user,
           struct str *ret_password)
{
    struct str rest = authorization;
    struct str scheme = str_cut(&rest, ' ');
    size_t len;

    if (rest.at == NULL || !str_eq_nocase(scheme, STR("Basic")))
        return false;
    rest = str_trim(rest);
    char *pair = arena_alloc(arena, rest.len + 3);

    if (pair == NULL || !base64_decode(rest, pair, &len))
        return false;
    struct str password = str_n(pair, len);
    struct str user = str_cut(&password, ':');

    if (password.at == NULL)
        return false;
    *ret_user = user;
    *ret_password = password;
    return true;
}

#include "fmt/redirect_uri.h"

#include <stdio.h>

#include "base/compiler.h"

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_one_of(char c, const char *characters)
{
    return c != '\0' && strchr(characters, c) != NULL;
}

static bool
is_scheme(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_letter(text.at[i]) &&
            (i == 0 || !(is_digit(text.at[i]) || is_one_of(text.at[i], "+-."))))
            return false;
    return text.len > 0;
}

bool
redirect_uri_valid(struct str uri)
{
    static const char *const never[] = {"javascript", "data", "vbscript",
                                        "blob",       "file", "about"};
    struct str rest = uri;
    struct str scheme = str_cut(&rest, ':');

    if (rest.len == 0 || uri.len > REDIRECT_URI_BYTES || !is_scheme(scheme))
        return false;
    for (size_t i = 0; i < uri.len; i++)
        if (uri.at[i] <= ' ' || uri.at[i] >= 0x7f ||
            is_one_of(uri.at[i], "\"#<>\\^`{|}"))
            return false;
    for (size_t i = 0; i < COUNT(never); i++)
        if (str_eq_nocase(scheme, str_of(never[i])))
            return false;
    return true;
}

struct str
redirect_uri_origin(struct str uri)
{
    struct str rest = uri;
    size_t scheme = str_cut(&rest, ':').len;
    size_t at = scheme + 3;

    if (rest.len < 2 || memcmp(rest.at, "//", 2) != 0)
        return str_n(uri.at, scheme + 1);
    while (at < uri.len && !is_one_of(uri.at[at], "/?#"))
        at++;
    return str_n(uri.at, at);
}

void
redirect_uri_source(struct str uri, char to[REDIRECT_SOURCE])
{
    struct str from = redirect_uri_origin(uri), rest = uri;
    size_t scheme = str_cut(&rest, ':').len + 1;

    for (size_t i = scheme + 2; i < from.len; i++)
        if (!is_letter(from.at[i]) && !is_digit(from.at[i]) &&
            !is_one_of(from.at[i], "-.:"))
            from.len = scheme;
    if (from.len >= REDIRECT_SOURCE)
        from.len = scheme;
    if (scheme >= REDIRECT_SOURCE || !is_scheme(str_n(uri.at, scheme - 1)))
        from.len = 0;
    snprintf(to, REDIRECT_SOURCE, "%.*s", STR_ARG(from));
}

/* RFC 3986: unreserved characters as they are, the rest percent-encoded. */
static void
add_encoded(struct buf *to, struct str text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        if (is_letter(c) || is_digit(c) || is_one_of(c, "-._~")) {
            buf_char(to, c);
        } else {
            buf_char(to, '%');
            buf_char(to, digits[(unsigned char)c >> 4]);
            buf_char(to, digits[(unsigned char)c & 15]);
        }
    }
}

void
redirect_uri_add(struct buf *to, const char *name, struct str value)
{
    bool first = to->len == 0 || memchr(to->data, '?', to->len) == NULL;

    buf_char(to, first ? '?' : '&');
    buf_text(to, name);
    buf_char(to, '=');
    add_encoded(to, value);
}

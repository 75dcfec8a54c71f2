#include "http/check.h"

#include "base/secret.h"
#include "base/utf8.h"

/* A character of a token (RFC 9110 5.6.2). */
static bool
is_token_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           c == '-' || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
is_token(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_token_char((unsigned char)text.at[i]))
            return false;
    return text.len > 0;
}

/* Field content: no control character but the tab. Without a way out of the
 * loop the compiler looks at 16 bytes or more at a time. */
static bool
is_value(struct str text)
{
    unsigned char bad = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];

        bad |= (unsigned char)((c < 0x20) & (c != '\t')) |
               (unsigned char)(c == 0x7f);
    }
    return bad == 0;
}

/* No blank, no control character; bytes above ASCII are tolerated, as sloppy
 * clients send them, and judged as UTF-8 where they are decoded. */
static bool
is_target(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];

        if (c <= 0x20 || c == 0x7f || c == '#')
            return false;
    }
    return text.len > 0;
}

bool
http_is_host(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr(" \t,/\\?#@\"<>", text.at[i]) != NULL)
            return false;
    return true;
}

static MUST_USE enum error_code
refuse(struct error *err, const char *reason)
{
    return error_cause(err, ERR_SYNTAX, "%s", reason);
}

enum error_code
http_check_head(struct http_request *request, struct str version,
                struct error *err)
{
    bool old = str_eq(version, STR("HTTP/1.0"));
    bool coded = false, sized = false;
    unsigned long long length = 0;
    size_t hosts = 0;

    if (!old && !str_eq(version, STR("HTTP/1.1")))
        return refuse(err, "unknown version of HTTP");
    if (!is_token(request->method_text))
        return refuse(err, "malformed method");
    if (!is_target(request->target))
        return refuse(err, "malformed request target");
    for (size_t i = 0; i < request->header_count; i++) {
        struct http_field *field = &request->headers[i];

        if (!is_token(field->name))
            return refuse(err, "malformed header name");
        if (!is_value(field->value))
            return refuse(err, "malformed header value");
        if (str_eq_nocase(field->name, STR("Host"))) {
            hosts++;
            request->host = str_trim(field->value);
            if (!http_is_host(request->host))
                return refuse(err, "malformed Host");
        } else if (str_eq_nocase(field->name, STR("Content-Length"))) {
            /* Equal ones are legal to accept, and nobody sends them but to
             * see who reads which. */
            if (sized)
                return refuse(err, "more than one Content-Length");
            sized = true;
            if (!str_to_u64(field->value, UINT64_MAX - 1, &length))
                return refuse(err, "malformed Content-Length");
        } else if (str_eq_nocase(field->name, STR("Transfer-Encoding"))) {
            if (coded || !str_eq_nocase(field->value, STR("chunked")))
                return refuse(err, "unknown Transfer-Encoding");
            coded = true;
        }
        field->value = str_trim(field->value);
    }
    if (hosts > 1 || (hosts == 0 && !old))
        return refuse(err, "not exactly one Host");
    if (coded && (sized || old))
        return refuse(err, "ambiguous length of the body");
    request->has_body = coded || length > 0;
    request->body_length = coded ? UINT64_MAX : length;
    return ERR_OK;
}

enum error_code
http_parse_target(struct http_request *request, struct arena *arena,
                  struct error *err)
{
    struct str query = request->target;
    struct str path = str_cut(&query, '?');

    if (path.len > 0 && path.at[0] != '/' && !str_eq(path, STR("*"))) {
        const char *colon = memchr(path.at, ':', path.len);

        if (colon == NULL)
            return refuse(err, "malformed request target");
        size_t scheme = (size_t)(colon - path.at);

        if (!str_eq_nocase(str_n(path.at, scheme), STR("http")) &&
            !str_eq_nocase(str_n(path.at, scheme), STR("https")))
            return refuse(err, "malformed request target");
        if (path.len < scheme + 3 || memcmp(colon, "://", 3) != 0)
            return refuse(err, "malformed request target");
        size_t skip = scheme + 3;

        while (skip < path.len && path.at[skip] != '/')
            skip++;
        /* It counts, whatever Host says (RFC 9112 section 3.2.2). */
        request->host = str_n(path.at + scheme + 3, skip - scheme - 3);
        if (request->host.len == 0 || !http_is_host(request->host))
            return refuse(err, "malformed host in the request target");
        path = skip < path.len ? str_n(path.at + skip, path.len - skip)
                               : STR("/");
    }
    if (path.len == 0)
        return refuse(err, "malformed request target");
    request->path = path;
    if (!http_form_parse(query, arena, &request->query, &request->query_count,
                         &request->query_bad))
        return refuse(err, "too many query parameters");
    return ERR_OK;
}

/* Percent-decode `text` to `to`, which has room for it; false for malformed
 * escapes, NUL and what is not UTF-8. */
static bool
decode(struct str text, bool plus_is_space, char *to, size_t *ret_len)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        if (c == '%') {
            if (text.len - i < 3 ||
                !hex_decode(str_n(text.at + i + 1, 2), &c, 1))
                return false;
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0')
            return false;
        to[len++] = c;
    }
    *ret_len = len;
    return utf8_valid(str_n(to, len));
}

/* One name or value of a form; what cannot be decoded stays as it is. */
static struct str
form_text(struct str text, struct arena *arena, bool *ret_bad)
{
    char *to = arena_alloc(arena, text.len + 1);
    size_t len;

    if (to == NULL)
        return STR("");
    if (!decode(text, true, to, &len)) {
        *ret_bad = true;
        memcpy(to, text.at, text.len);
        len = text.len;
    }
    to[len] = '\0';
    return str_n(to, len);
}

#define MAX_FIELDS 256

bool
http_form_parse(struct str text, struct arena *arena, struct http_field **ret,
                size_t *ret_count, bool *ret_bad)
{
    size_t count = 0;

    for (struct str rest = text; rest.at != NULL;)
        count += str_cut(&rest, '&').len > 0;
    if (count > MAX_FIELDS)
        return false;
    *ret = NULL;
    *ret_count = 0;
    *ret_bad = false;
    if (count == 0)
        return true;
    *ret = arena_alloc(arena, count * sizeof(**ret));
    if (*ret == NULL)
        return false;
    for (struct str rest = text; rest.at != NULL;) {
        struct str value = str_cut(&rest, '&');

        if (value.len == 0)
            continue;
        struct str name = str_cut(&value, '=');

        (*ret)[(*ret_count)++] = (struct http_field){
            form_text(name, arena, ret_bad), form_text(value, arena, ret_bad)};
    }
    return !arena->failed;
}

bool
http_decode_segment(struct str segment, struct arena *arena, struct str *ret)
{
    char *to = arena_alloc(arena, segment.len + 1);
    size_t len;

    if (to == NULL || !decode(segment, false, to, &len))
        return false;
    to[len] = '\0';
    *ret = str_n(to, len);
    return true;
}

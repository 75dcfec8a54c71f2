#include "http/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

struct str
http_header(const struct http_request *request, const char *name)
{
    struct str want = str_of(name);

    for (size_t i = 0; i < request->header_count; i++)
        if (str_eq_nocase(request->headers[i].name, want))
            return request->headers[i].value;
    return (struct str){NULL, 0};
}

struct str
http_query(const struct http_request *request, const char *name)
{
    struct str want = str_of(name);

    for (size_t i = 0; i < request->query_count; i++)
        if (str_eq(request->query[i].name, want))
            return request->query[i].value;
    return (struct str){NULL, 0};
}

bool
http_media_is(struct str content_type, const char *type)
{
    struct str rest = content_type;

    return str_eq_nocase(str_trim(str_cut(&rest, ';')), str_of(type));
}

struct str
http_parameter(struct str *rest, struct str *ret_name)
{
    const struct str all = *rest;
    bool quoted = false;
    size_t end = 0;

    for (; end < all.len; end++) {
        char c = all.at[end];

        if (quoted && c == '\\' && end + 1 < all.len)
            end++;
        else if (c == '"')
            quoted = !quoted;
        else if (c == ';' && !quoted)
            break;
    }
    *rest = end < all.len ? str_n(all.at + end + 1, all.len - end - 1)
                          : (struct str){NULL, 0};
    struct str value = str_n(all.at, end);

    *ret_name = str_trim(str_cut(&value, '='));
    return str_trim(value);
}

struct str
http_unquote(struct str value, char *to)
{
    size_t len = 0;

    if (value.len < 2 || value.at[0] != '"' || value.at[value.len - 1] != '"')
        return value;
    for (size_t i = 1; i < value.len - 1; i++) {
        if (value.at[i] == '\\' && i + 1 < value.len - 1 &&
            (value.at[i + 1] == '"' || value.at[i + 1] == '\\'))
            i++;
        to[len++] = value.at[i];
    }
    return str_n(to, len);
}

bool
http_charset_is_utf8(struct str content_type)
{
    struct str rest = content_type, name;
    char text[8];

    (void)str_cut(&rest, ';');
    while (rest.at != NULL) {
        struct str value = http_parameter(&rest, &name);

        if (!str_eq_nocase(name, STR("charset")))
            continue;
        if (value.len > sizeof(text))
            return false;
        value = http_unquote(value, text);
        return str_eq_nocase(value, STR("utf-8")) ||
               str_eq_nocase(value, STR("utf8"));
    }
    return true;
}

struct str
http_language(struct str accept_language)
{
    struct str tag = str_cut(&accept_language, ',');

    tag = str_trim(str_cut(&tag, ';'));
    if (tag.len == 0 || tag.len > 35)
        return STR("und");
    for (size_t i = 0; i < tag.len; i++) {
        char c = tag.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c >= '0' && c <= '9') || c == '-'))
            return STR("und");
    }
    return tag;
}

void
http_response_init(struct http_response *response, struct arena *arena)
{
    /* Not the header table: its entries mean nothing above header_count, and
     * clearing half a KiB would be a cost of every request. */
    response->arena = arena;
    response->status = 0;
    response->header_count = 0;
    response->body = STR("");
    response->fd = -1;
    response->offset = response->length = 0;
    response->close = false;
}

void
http_response_done(struct http_response *response)
{
    if (response->fd >= 0)
        close(response->fd);
    response->fd = -1;
}

void
http_response_reset(struct http_response *response)
{
    http_response_done(response);
    http_response_init(response, response->arena);
}

/* The place of a header, new when there is none of that name. */
static struct http_field *
header_slot(struct http_response *response, struct str name)
{
    for (size_t i = 0; i < response->header_count; i++)
        if (str_eq_nocase(response->headers[i].name, name))
            return &response->headers[i];
    if (response->header_count == HTTP_MAX_RESPONSE_HEADERS) {
        response->arena->failed = true;
        return NULL;
    }
    return &response->headers[response->header_count++];
}

static void
set_header(struct http_response *response, const char *name, char *value)
{
    if (value == NULL)
        return;
    struct http_field *slot = header_slot(response, str_of(name));

    if (slot != NULL)
        *slot = (struct http_field){str_of(name), str_of(value)};
}

void
http_response_header(struct http_response *response, const char *name,
                     struct str value)
{
    char *copy = arena_alloc(response->arena, value.len + 1);

    if (copy == NULL)
        return;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];

        copy[i] = c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
    }
    copy[value.len] = '\0';
    set_header(response, name, copy);
}

void
http_response_headerf(struct http_response *response, const char *name,
                      const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);

    va_end(args);
    if (len < 0 || (size_t)len >= sizeof(text))
        response->arena->failed = true;
    else
        http_response_header(response, name, str_n(text, (size_t)len));
}

void
http_response_body(struct http_response *response, int status,
                   const char *content_type, struct str body)
{
    http_response_empty(response, status);
    http_response_header(response, "Content-Type", str_of(content_type));
    response->body = body;
}

void
http_response_file(struct http_response *response, int status,
                   const char *content_type, int fd, uint64_t offset,
                   uint64_t length)
{
    http_response_empty(response, status);
    http_response_header(response, "Content-Type", str_of(content_type));
    response->fd = fd;
    response->offset = offset;
    response->length = length;
}

void
http_response_empty(struct http_response *response, int status)
{
    http_response_done(response);
    response->status = status;
    response->body = STR("");
}

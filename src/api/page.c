#include "api/page.h"

#include <assert.h>
#include <stdio.h>

#include "api/pages.h" /* made by tools/embed.c */

#define PAGE_BYTES ((size_t)256 * 1024)
#define MARK_MAX 64 /* bytes of what stands between braces */

static void
escape(struct str text, struct buf *to)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.at[i]) {
        case '&':
            buf_text(to, "&amp;");
            break;
        case '<':
            buf_text(to, "&lt;");
            break;
        case '>':
            buf_text(to, "&gt;");
            break;
        case '"':
            buf_text(to, "&quot;");
            break;
        case '\'':
            buf_text(to, "&#39;");
            break;
        default:
            buf_char(to, text.at[i]);
        }
    }
}

static struct str
value_of(const struct page_value *values, struct str name)
{
    for (; values->name != NULL; values++)
        if (str_eq(str_of(values->name), name))
            return values->text;
    return STR("");
}

/* Where `mark` begins in `text`; NULL when it does not. */
static const char *
find(struct str text, const char *mark)
{
    return text.len ? memmem(text.at, text.len, mark, strlen(mark)) : NULL;
}

static struct str
after(struct str text, const char *at)
{
    return str_n(at, (size_t)(text.at + text.len - at));
}

/* `line` is what {{.}} says. Sections do not nest. */
static void
render(struct str text, const struct page_value *values, struct str line,
       struct buf *to)
{
    const char *open;

    while ((open = find(text, "{{")) != NULL) {
        buf_add(to, text.at, (size_t)(open - text.at));
        text = after(text, open + 2);
        const char *close = find(text, "}}");

        assert(close != NULL && close - text.at < MARK_MAX);
        struct str name = str_n(text.at, (size_t)(close - text.at));

        text = after(text, close + 2);
        if (str_eq(name, STR("."))) {
            escape(line, to);
        } else if (name.at[0] == '{') {
            buf_str(to, value_of(values, str_n(name.at + 1, name.len - 1)));
            text = after(text, text.at + 1);
        } else if (name.at[0] == '#') {
            char end[MARK_MAX + 8];
            struct str rest = value_of(values,
                                       str_n(name.at + 1, name.len - 1));

            snprintf(end, sizeof(end), "{{/%.*s}}", (int)name.len - 1,
                     name.at + 1);
            close = find(text, end);
            assert(close != NULL);
            struct str body = str_n(text.at, (size_t)(close - text.at));

            while (rest.len > 0)
                render(body, values, str_cut(&rest, '\n'), to);
            text = after(text, close + strlen(end));
        } else {
            escape(value_of(values, name), to);
        }
    }
    buf_str(to, text);
}

void
page_render(struct str template_text, const struct page_value *values,
            struct buf *to)
{
    render(template_text, values, STR(""), to);
}

static struct str
file(const char *name)
{
    for (size_t i = 0; i < COUNT(pages); i++)
        if (strcmp(pages[i].name, name) == 0)
            return str_n(pages[i].data, pages[i].size);
    assert(false);
    return STR("");
}

static void
security_headers(struct http_response *response, const char *form_action)
{
    http_response_headerf(response, "Content-Security-Policy",
                          "default-src 'none'; style-src 'self'; "
                          "form-action 'self'%s%s; frame-ancestors 'none'; "
                          "base-uri 'none'",
                          form_action[0] ? " " : "", form_action);
    http_response_header(response, "X-Frame-Options", STR("DENY"));
    http_response_header(response, "Referrer-Policy", STR("no-referrer"));
    http_response_header(response, "Cross-Origin-Opener-Policy",
                         STR("same-origin"));
    http_response_header(response, "Cache-Control", STR("no-store"));
}

enum error_code
page_answer(struct call *call, int status, const char *name, const char *title,
            const struct page_value *values, const char *form_action,
            struct error *err)
{
    struct http_response *response = &call->exchange->response;
    CLEANUP(buf_done) struct buf content;
    CLEANUP(buf_done) struct buf whole;
    char path[32];

    buf_init(&content, PAGE_BYTES);
    buf_init(&whole, PAGE_BYTES);
    snprintf(path, sizeof(path), "%s.html", name);
    page_render(file(path), values, &content);
    const struct page_value frame[] = {
        {"title", str_of(title)},
        {"org", call->api->registry.tenant_name},
        {"content", buf_view(&content)},
        {NULL, STR("")},
    };

    page_render(file("page.html"), frame, &whole);
    struct str copy = arena_str(&call->exchange->arena, buf_view(&whole));

    if (content.failed || whole.failed || copy.at == NULL)
        return error_internal(err, "no room for a page");
    http_response_body(response, status, "text/html; charset=utf-8", copy);
    security_headers(response, form_action);
    return ERR_OK;
}

void
page_style(struct call *call)
{
    struct http_response *response = &call->exchange->response;

    http_response_body(response, 200, "text/css; charset=utf-8",
                       file("style.css"));
    http_response_header(response, "Cache-Control",
                         STR("public, max-age=3600"));
}

/*
 * console_api.c - the console in web/console: static files, made ready for
 * every coding when the program is built. What it does it does through the
 * public API, as any client.
 */
#include "api/call.h"

#include <stdio.h>

#include "api/console_files.h" /* made by tools/embed.c */
#include "http/range.h"

#define PAGE "index.html"

static const char *
media_type(const char *name)
{
    static const char *const types[][2] = {
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".html", "text/html; charset=utf-8"},
    };
    const char *end = strrchr(name, '.');

    for (size_t i = 0; i < COUNT(types); i++)
        if (end != NULL && strcmp(end, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

/* 200 or 304. The version names the bytes of all files. */
static void
answer(struct call *call, size_t index, struct str cache_control)
{
    const struct http_request *request = &call->exchange->request;
    struct http_response *response = &call->exchange->response;
    static const struct {
        const char *name, *tag;
    } codings[CODINGS] = {[CODING_IDENTITY] = {NULL, ""},
                          [CODING_GZIP] = {"gzip", "-gzip"},
                          [CODING_ZSTD] = {"zstd", "-zstd"}};
    enum http_coding coding = http_coding_pick(
        http_header(request, "Accept-Encoding"));
    char etag[48];

    snprintf(etag, sizeof(etag), "\"%s%s\"", console_version,
             codings[coding].tag);
    if (etag_matches(http_header(request, "If-None-Match"), etag)) {
        http_response_empty(response, 304);
    } else {
        http_response_body(response, 200, media_type(console[index].name),
                           str_n(console[index].forms[coding].data,
                                 console[index].forms[coding].size));
        if (codings[coding].name != NULL)
            http_response_header(response, "Content-Encoding",
                                 str_of(codings[coding].name));
    }
    http_response_header(response, "ETag", str_of(etag));
    http_response_header(response, "Vary", STR("Accept-Encoding"));
    http_response_header(response, "Cache-Control", cache_control);
    http_response_header(response, "Cross-Origin-Resource-Policy",
                         STR("same-origin"));
}

static bool
find(struct str name, size_t *ret)
{
    for (size_t i = 0; i < COUNT(console); i++)
        if (str_eq(name, str_of(console[i].name))) {
            *ret = i;
            return true;
        }
    return false;
}

/* The page may load nothing but what is ours, and has no script of its own. */
enum error_code
console_api_page(struct call *call, struct error *err)
{
    struct http_response *response = &call->exchange->response;
    size_t index;

    if (!find(STR(PAGE), &index))
        return error_internal(err, "the console has no page");
    answer(call, index, STR("no-cache"));
    http_response_header(
        response, "Content-Security-Policy",
        STR("default-src 'none'; script-src 'self'; style-src 'self'; "
            "img-src 'self'; connect-src 'self'; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'; "
            "require-trusted-types-for 'script'; trusted-types 'none'"));
    http_response_header(response, "X-Frame-Options", STR("DENY"));
    http_response_header(response, "Referrer-Policy", STR("no-referrer"));
    http_response_header(response, "Cross-Origin-Opener-Policy",
                         STR("same-origin"));
    http_response_header(response, "Permissions-Policy",
                         STR("camera=(), geolocation=(), microphone=()"));
    return ERR_OK;
}

/* A page of another version asks while servers are replaced one by one: it
 * gets what there is, and must not keep it. */
enum error_code
console_api_file(struct call *call, struct error *err)
{
    size_t index;

    if (!find(call->params[1].value, &index) ||
        strcmp(console[index].name, PAGE) == 0)
        return error_set(err, ERR_NOT_FOUND, NULL);
    answer(call, index,
           str_eq(call->params[0].value, STR(console_version))
               ? STR("public, max-age=31536000, immutable")
               : STR("no-store"));
    return ERR_OK;
}

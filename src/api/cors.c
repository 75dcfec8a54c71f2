#include "api/cors.h"

#define ALLOWED_HEADERS                                                 \
    "Authorization, Content-Type, Accept-Language, If-Match, "          \
    "If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range, " \
    "Range, Idempotency-Key"
#define EXPOSED_HEADERS                                                   \
    "Retry-After,X-Total-Count,SLPT-Request-ID,Content-Disposition,Date," \
    "ETag,Repr-Digest,Content-Range,Accept-Ranges,Location,WWW-Authenticate"
#define MAX_AGE_S "600"

/* The request's origin when it is on the list; else `at` is NULL. */
static struct str
allowed_origin(const struct call *call)
{
    struct str rest = str_of(call->api->options.cors_origins);
    struct str origin = http_header(&call->exchange->request, "Origin");

    while (origin.len > 0 && rest.len > 0)
        if (str_eq(origin, str_trim(str_cut(&rest, ','))))
            return origin;
    return (struct str){NULL, 0};
}

/* Answers differ by origin, whoever asks. */
static void
vary(struct http_response *response)
{
    struct str old = {NULL, 0};

    for (size_t i = 0; i < response->header_count; i++)
        if (str_eq_nocase(response->headers[i].name, STR("Vary")))
            old = response->headers[i].value;
    http_response_headerf(response, "Vary", "%.*s%sOrigin", STR_ARG(old),
                          old.len > 0 ? ", " : "");
}

bool
cors_preflight(struct call *call, unsigned methods)
{
    const struct http_request *request = &call->exchange->request;
    struct http_response *response = &call->exchange->response;

    if (request->method != HTTP_OPTIONS ||
        http_header(request, "Access-Control-Request-Method").at == NULL ||
        allowed_origin(call).at == NULL)
        return false;
    http_response_empty(response, 204);
    call_methods(response, "Access-Control-Allow-Methods", methods);
    http_response_header(response, "Access-Control-Allow-Headers",
                         STR(ALLOWED_HEADERS));
    http_response_header(response, "Access-Control-Max-Age", STR(MAX_AGE_S));
    return true;
}

void
cors_finish(struct call *call)
{
    struct http_response *response = &call->exchange->response;

    if (call->api->options.cors_origins == NULL)
        return;
    struct str origin = allowed_origin(call);

    vary(response);
    if (origin.at == NULL)
        return;
    http_response_header(response, "Access-Control-Allow-Origin", origin);
    http_response_header(response, "Access-Control-Expose-Headers",
                         STR(EXPOSED_HEADERS));
}

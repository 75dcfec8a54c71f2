/* api.c - dispatch: match, authenticate, count, authorize, run, log. */
#include "api/api.h"

#include <inttypes.h>
#include <stdlib.h>

#include "api/access.h"
#include "api/call.h"
#include "api/cors.h"
#include "api/metrics.h"
#include "auth/authorize.h"
#include "base/log.h"
#include "store/mark_cache.h"

/* Where no body is expected, so much of one is read and dropped. */
#define IGNORED_BODY_BYTES ((size_t)64 * 1024)

/* First path segments that name a version of the API; all mean the same. */
static const struct str versions[] = {
    {"v3", 2}, {"v2024", 5}, {"v2025", 5}, {"v2026", 5}, {"beta", 4},
};

static struct call *
call_of(struct http_exchange *exchange)
{
    struct call *call = exchange->user;

    if (call->api == NULL) {
        call->api = http_exchange_context(exchange);
        call->exchange = exchange;
        call->id = uuid_mint();
    }
    return call;
}

/* Take the first segment off a path that begins with '/'. */
static struct str
first_segment(struct str path, struct str *rest)
{
    while (path.len > 0 && path.at[0] == '/')
        path = str_n(path.at + 1, path.len - 1);
    const char *slash = path.len ? memchr(path.at, '/', path.len) : NULL;
    size_t len = slash ? (size_t)(slash - path.at) : path.len;

    *rest = str_n(path.at + len, path.len - len);
    return str_n(path.at, len);
}

/* Which family is called, and the path as the table writes it (contract 1.1).
 * "/v3/RESOURCE/..." and "/RESOURCE/v1/..." both become "/RESOURCE/...". */
static bool
versioned_path(struct call *call, struct str *ret)
{
    struct str path = call->exchange->request.path, rest, after;
    struct str first = first_segment(path, &rest);

    for (size_t i = 0; i < COUNT(versions); i++)
        if (str_eq(first, versions[i])) {
            call->family = versions[i];
            *ret = rest;
            return true;
        }
    if (!str_eq(first_segment(rest, &after), STR("v1")))
        return false;
    call->family = STR("v1");
    *ret = str_of(arena_printf(&call->exchange->arena, "/%.*s%.*s",
                               STR_ARG(first), STR_ARG(after)));
    return true;
}

static enum error_code
find_route(struct call *call, struct error *err)
{
    const struct router *router = &call->api->root;
    struct str path = call->exchange->request.path;
    struct router_match match;

    if (versioned_path(call, &path))
        router = &call->api->versioned;
    switch (
        router_match(router, call->exchange->request.method, path, &match)) {
    case ROUTER_FOUND:
        call->route = &api_routes[match.index];
        call->exchange->secret = call->route->secret;
        memcpy(call->params, match.captures, sizeof(call->params));
        return ERR_OK;
    case ROUTER_NO_METHOD:
        call->allowed = match.allowed;
        if (cors_preflight(call, match.allowed))
            return ERR_END;
        return error_set(err, ERR_METHOD, NULL);
    default:
        return error_set(err, ERR_NOT_FOUND, NULL);
    }
}

/* Does the token come in a form? Then the checks wait for the body. */
static bool
awaits_token(const struct call *call)
{
    return call->route->token_in_form && call->form_token.at == NULL &&
           http_header(&call->exchange->request, "Authorization").at == NULL;
}

/* As if it were a header's (RFC 6750 section 2.2); empty when there is none. */
static enum error_code
read_form_token(struct call *call, struct error *err)
{
    const struct http_request *request = &call->exchange->request;
    struct arena *arena = &call->exchange->arena;
    struct http_field *fields = NULL;
    size_t count = 0;
    bool bad = false;

    if (http_media_is(http_header(request, "Content-Type"),
                      "application/x-www-form-urlencoded") &&
        (!http_form_parse(request->body, arena, &fields, &count, &bad) || bad))
        return error_set(err, ERR_SYNTAX, NULL);
    call->form_token = STR("");
    for (size_t i = 0; i < count; i++)
        if (str_eq(fields[i].name, STR("access_token")))
            call->form_token = str_of(
                arena_printf(arena, "Bearer %.*s", STR_ARG(fields[i].value)));
    return ERR_OK;
}

static void
wake_call(struct issuer_waiter *waiter)
{
    struct call *call = (struct call *)((char *)waiter -
                                        offsetof(struct call, key_waiter));

    http_wake(call->exchange);
}

/* The one bearer token of the request; two would be believed in part. */
static enum error_code
authenticate(struct call *call, struct error *err)
{
    const struct http_request *request = &call->exchange->request;
    unsigned count = 0;
    enum error_code rc;

    for (size_t i = 0; i < request->header_count; i++)
        count += str_eq_nocase(request->headers[i].name, STR("Authorization"));
    if (count > 1)
        return error_set(err, ERR_UNAUTHENTICATED,
                         "JWT validation failed: JWT is malformed");
    call->key_waiter = (struct issuer_waiter){.wake = wake_call};
    rc = token_verify(call->api->options.tokens,
                      call->form_token.at != NULL
                          ? call->form_token
                          : http_header(request, "Authorization"),
                      call->exchange->kept, call->exchange->may_block,
                      &call->key_waiter, &call->principal, err);
    call->waits = rc == ERR_LATER && call->key_waiter.queued;
    call->known = rc == ERR_OK;
    return rc;
}

/* One budget per client and API version (contract 6). The console is one
 * client for everybody; there it is one per person. */
static enum error_code
count_request(struct call *call, struct error *err)
{
    const struct principal *who = &call->principal;
    char key[sizeof(struct uuid) + 8];
    size_t len = sizeof(struct uuid) + call->family.len;

    memcpy(key,
           uuid_eq(&who->client_id, &authorize_console_id) ? &who->identity_id
                                                           : &who->client_id,
           sizeof(struct uuid));
    memcpy(key + sizeof(struct uuid), call->family.at, call->family.len);
    if (limiter_take(call->api->options.requests, key, len, clock_mono_ms(),
                     &call->retry_after))
        return ERR_OK;
    return error_set(err, ERR_RATE, NULL);
}

/* The checks of contract section 4 in their order. Each is done once: when
 * one says ERR_LATER, the next round goes on with it. ERR_END: it was
 * answered. */
static enum error_code
admit(struct call *call, struct error *err)
{
    enum error_code rc = ERR_OK;

    if (call->stage == CALL_NEW) {
        rc = find_route(call, err);
        if (rc != ERR_OK)
            return rc;
        call->stage = call->route->access == ACCESS_PUBLIC ? CALL_ADMITTED
                                                           : CALL_ROUTED;
        if (awaits_token(call))
            return ERR_OK;
    }
    if (call->stage == CALL_ROUTED) {
        rc = authenticate(call, err);
        if (rc != ERR_OK)
            return rc;
        rc = count_request(call, err);
        if (rc == ERR_OK)
            rc = access_token(call, err);
        if (rc != ERR_OK)
            return rc;
        call->stage = CALL_KNOWN;
    }
    if (call->stage == CALL_KNOWN) {
        rc = access_right(call, err);
        if (rc == ERR_OK)
            rc = access_object(call, err);
        if (rc == ERR_OK)
            call->stage = CALL_ADMITTED;
    }
    return rc;
}

/* Answer for a finished step, or say how it goes on. */
static enum http_next
settle(struct call *call, enum error_code rc, const struct error *err)
{
    if (rc == ERR_OK)
        return HTTP_ANSWER;
    if (rc == ERR_LATER) {
        bool waits = call->waits;

        call->waits = false;
        return waits ? HTTP_WAIT : HTTP_WORKER;
    }
    if (err->detail[0]) {
        char id[UUID_HEX], detail[sizeof(err->detail) * 2];

        log_line(error_status(rc) == 500 ? LOG_ERROR : LOG_WARN, "fault",
                 "id=%s error=%s detail=%s", uuid_hex(&call->id, id),
                 error_name(rc),
                 log_quote(str_of(err->detail), detail, sizeof(detail)));
    }
    call_fail(call, err);
    if (rc == ERR_METHOD)
        call_methods(&call->exchange->response, "Allow", call->allowed);
    return HTTP_ANSWER;
}

/* Asked while a worker waits for the database. */
static bool
is_gone(void *context)
{
    const struct call *call = context;

    return http_exchange_gone(call->exchange, call->for_others);
}

static enum http_next
on_run(struct http_exchange *exchange)
{
    struct call *call = call_of(exchange);
    struct error err = ERROR_INIT;

    if (!call->route->may_be_quick && !exchange->may_block)
        return HTTP_WORKER;
    enum error_code rc = ERR_OK;

    if (exchange->may_block)
        db_give_up_when(is_gone, call);
    if (awaits_token(call))
        rc = read_form_token(call, &err);
    if (rc == ERR_OK)
        rc = admit(call, &err);
    if (rc == ERR_OK)
        rc = call->route->handler(call, &err);
    db_give_up_when(NULL, NULL);

    if (rc == ERR_OK && call->undecided)
        rc = error_internal(&err, "route %s never asked access_body()",
                            call->route->path);
    return settle(call, rc, &err);
}

static enum http_next
on_head(struct http_exchange *exchange)
{
    struct call *call = call_of(exchange);
    struct error err = ERROR_INIT;
    enum error_code rc = admit(call, &err);

    if (rc == ERR_END)
        return HTTP_ANSWER;
    if (rc == ERR_OK && call->route->begin != NULL)
        rc = call->route->begin(call, &err);
    if (rc != ERR_OK)
        return settle(call, rc, &err);
    if (exchange->take == NULL)
        exchange->max_body = MAX(call->route->max_body == JSON_BODY
                                     ? call->api->options.max_json_bytes
                                     : call->route->max_body,
                                 IGNORED_BODY_BYTES);
    return HTTP_BODY;
}

static void
on_refuse(struct http_exchange *exchange, const struct error *err)
{
    call_fail(call_of(exchange), err);
}

static bool
has_header(const struct http_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++)
        if (str_eq_nocase(response->headers[i].name, str_of(name)))
            return true;
    return false;
}

/* What every answer carries (contract 1.2, docs/manual/http.md). */
static void
on_finish(struct http_exchange *exchange)
{
    struct http_response *response = &exchange->response;
    struct call *call = call_of(exchange);
    char id[UUID_HEX];

    http_response_header(response, "SLPT-Request-ID",
                         str_of(uuid_hex(&call->id, id)));
    if (!has_header(response, "Cache-Control"))
        http_response_header(response, "Cache-Control",
                             STR("no-cache, no-store, must-revalidate"));
    http_response_header(response, "X-Robots-Tag", STR("noindex"));
    http_response_header(response, "X-Content-Type-Options", STR("nosniff"));
    /* An answer is data, whatever a browser would like to see in it. */
    if (response->status != 304 && response->status != 204 &&
        !has_header(response, "Content-Security-Policy"))
        http_response_header(response, "Content-Security-Policy",
                             STR("default-src 'none'; frame-ancestors 'none'"));
    if (exchange->request.tls && call->api->options.hsts[0] != '\0')
        http_response_header(response, "Strict-Transport-Security",
                             str_of(call->api->options.hsts));
    cors_finish(call);
}

/* One line per request: ids and numbers, nothing personal. */
static void
on_done(struct http_exchange *exchange)
{
    struct call *call = call_of(exchange);
    const struct principal *who = &call->principal;
    char id[UUID_HEX], client[UUID_HEX], identity[UUID_HEX];

    upload_free(call);
    metrics_count(call->api->metrics, call);
    if (log_on(LOG_INFO))
        log_line(LOG_INFO, "request",
                 "id=%s method=%s family=%.*s route=%s status=%d bytes=%" PRIu64
                 " us=%" PRId64 " client=%s identity=%s complete=%s",
                 uuid_hex(&call->id, id),
                 call_method_name(exchange->request.method),
                 STR_ARG(call->family), call->route ? call->route->path : "-",
                 exchange->response.status, exchange->sent,
                 clock_mono_us() - exchange->began_us,
                 call->known ? uuid_hex(&who->client_id, client) : "-",
                 call->known && who->has_identity
                     ? uuid_hex(&who->identity_id, identity)
                     : "-",
                 exchange->complete ? "yes" : "no");
}

/* Every row of routes.c into the router it belongs to. */
static enum error_code
add_routes(struct api *api, struct error *err)
{
    router_init(&api->versioned);
    router_init(&api->root);
    for (size_t i = 0; i < api_route_count; i++) {
        const struct route *route = &api_routes[i];

        if (route->access == ACCESS_UNSET)
            return error_internal(err, "route %s has no access rule",
                                  route->path);
        if (!router_add(route->root ? &api->root : &api->versioned,
                        route->method, route->path, i))
            return error_internal(err, "route %s cannot be added", route->path);
    }
    return ERR_OK;
}

static enum error_code
load_registry(struct api *api, struct error *err)
{
    struct db_tx *tx;
    enum error_code rc = db_read_begin(api->options.db, &tx, err);

    if (rc != ERR_OK)
        return rc;
    rc = registry_find(tx, &api->arena, &api->registry, err);
    db_read_end(tx);
    return rc;
}

enum error_code
api_new(const struct api_options *options, struct api **ret, struct error *err)
{
    struct api *api = calloc(1, sizeof(*api));
    enum error_code rc;

    if (api == NULL)
        return error_internal(err, "out of memory");
    api->options = *options;
    api->metrics = metrics_new();
    api->marks = mark_cache_new(options->db);
    arena_init(&api->arena, 64 * 1024);
    api->callbacks = (struct http_callbacks){
        .context = api,
        .user_size = sizeof(struct call),
        .kept_size = sizeof(struct token_memory),
        .head = on_head,
        .run = on_run,
        .refuse = on_refuse,
        .finish = on_finish,
        .done = on_done};
    rc = api->metrics && api->marks ? load_registry(api, err)
                                    : error_internal(err, "out of memory");
    if (rc == ERR_OK)
        rc = authorize_console_create(options->db, err);
    if (rc == ERR_OK)
        rc = add_routes(api, err);
    if (rc != ERR_OK) {
        api_free(api);
        return rc;
    }
    *ret = api;
    return ERR_OK;
}

void
api_free(struct api *api)
{
    if (api == NULL)
        return;
    arena_done(&api->arena);
    metrics_free(api->metrics);
    mark_cache_free(api->marks);
    free(api);
}

void
api_drain(struct api *api)
{
    atomic_store(&api->draining, true);
}

const struct http_callbacks *
api_callbacks(const struct api *api)
{
    return &api->callbacks;
}

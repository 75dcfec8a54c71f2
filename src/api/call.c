/* call.c - what handlers and dispatch need to read a call and answer it. */
#include "api/call.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/sink.h"
#include "fmt/jw.h"

/* Answers up to this size are kept in the exchange's arena. */
#define SMALL_ANSWER_BYTES ((size_t)512 * 1024)

enum error_code
call_param_id(const struct call *call, unsigned index, struct uuid *ret,
              struct error *err)
{
    struct str text;

    if (!http_decode_segment(call->params[index].value, &call->exchange->arena,
                             &text) ||
        !uuid_parse(text, ret))
        return error_set(err, ERR_NOT_FOUND, NULL);
    return ERR_OK;
}

/* A long list has no room in an arena: it waits in a file without a name. */
static enum error_code
answer_file(struct call *call, int status, struct str body, struct error *err)
{
    int fd = memfd_create("answer", MFD_CLOEXEC);
    struct fd_sink sink;
    enum error_code rc;

    if (fd < 0)
        return error_errno(err, "memfd_create");
    fd_sink_init(&sink, fd);
    rc = sink_write(&sink.sink, body.at, body.len, err);
    if (rc != ERR_OK) {
        close(fd);
        return rc;
    }
    http_response_file(&call->exchange->response, status, "application/json",
                       fd, 0, body.len);
    return ERR_OK;
}

enum error_code
call_json(struct call *call, int status, const struct buf *body,
          struct error *err)
{
    struct str copy;

    if (body->failed)
        return error_internal(err, "answer too large");
    if (body->len > SMALL_ANSWER_BYTES)
        return answer_file(call, status, buf_view(body), err);
    copy = arena_str(&call->exchange->arena, buf_view(body));
    if (copy.at == NULL)
        return error_internal(err, "answer too large");
    http_response_body(&call->exchange->response, status, "application/json",
                       copy);
    return ERR_OK;
}

static const struct {
    enum http_method method;
    const char *name;
} method_names[] = {{HTTP_GET, "GET"},     {HTTP_HEAD, "HEAD"},
                    {HTTP_POST, "POST"},   {HTTP_PUT, "PUT"},
                    {HTTP_PATCH, "PATCH"}, {HTTP_DELETE, "DELETE"}};

void
call_methods(struct http_response *response, const char *header,
             unsigned methods)
{
    CLEANUP(buf_done) struct buf list;

    buf_init(&list, 128);
    for (size_t i = 0; i < COUNT(method_names); i++)
        if (methods & method_names[i].method)
            buf_printf(&list, "%s%s", list.len ? ", " : "",
                       method_names[i].name);
    http_response_header(response, header, buf_view(&list));
}

const char *
call_method_name(unsigned method)
{
    for (size_t i = 0; i < COUNT(method_names); i++)
        if (method_names[i].method == method)
            return method_names[i].name;
    return "OTHER";
}

enum error_code
call_read_begin(struct call *call, struct db_tx **ret, struct error *err)
{
    struct db *db = call->api->options.db;

    if (db_is_remote(db) && !call->exchange->may_block)
        return ERR_LATER;
    return db_read_begin(db, ret, err);
}

enum error_code
call_read(struct call *call, bool is_long, db_work *work, void *context,
          struct error *err)
{
    struct db_tx *tx = NULL;
    enum error_code rc;

    if (is_long && call->exchange->may_block)
        return db_read_long(call->api->options.db, work, context, err);
    rc = call_read_begin(call, &tx, err);
    if (rc == ERR_OK)
        rc = work(tx, context, err);
    db_read_end(tx);
    return rc;
}

struct actor
call_actor(const struct call *call)
{
    return principal_actor(&call->principal, &call->id);
}

bool
call_end_date_only(const struct call *call)
{
    return call->route->end_date_only && !call->general;
}

enum error_code
call_query_bool(const struct call *call, const char *name, bool fallback,
                bool *ret, struct error *err)
{
    struct str value = http_query(&call->exchange->request, name);

    if (value.at == NULL)
        *ret = fallback;
    else if (str_eq_nocase(value, STR("true")))
        *ret = true;
    else if (str_eq_nocase(value, STR("false")))
        *ret = false;
    else
        return error_set(err, ERR_VALUE,
                         "Value of \"%s\" is empty or contains invalid data.",
                         name);
    return ERR_OK;
}

/* One entry of messages and causes. */
static void
message(struct jw *json, struct str locale, const char *origin,
        const char *text)
{
    jw_object(json);
    jw_member(json, "locale", locale);
    jw_member_text(json, "localeOrigin", origin);
    jw_member_text(json, "text", text);
    jw_object_end(json);
}

static void
error_object(struct call *call, const struct error *err, struct jw *json)
{
    char id[UUID_HEX];
    struct str locale = http_language(
        http_header(&call->exchange->request, "Accept-Language"));
    const char *text = call->text ? call->text : error_text(err);

    jw_object(json);
    jw_member_text(json, "detailCode", error_detail_code(err->code));
    jw_member_text(json, "trackingId", uuid_hex(&call->id, id));
    jw_key(json, "messages");
    jw_array(json);
    message(json, STR("en-US"), "DEFAULT", text);
    message(json, locale, "REQUEST", text);
    jw_array_end(json);
    jw_key(json, "causes");
    jw_array(json);
    if (err->cause[0]) {
        message(json, STR("en-US"), "DEFAULT", err->cause);
        message(json, locale, "REQUEST", err->cause);
    }
    jw_array_end(json);
    jw_object_end(json);
}

/* Contract 5.4: faults below the API layer. */
static void
framework_object(struct call *call, const struct error *err, struct jw *json)
{
    char id[UUID_HEX];

    jw_object(json);
    jw_member_text(json, "errorName", error_detail_code(err->code));
    jw_member_text(json, "errorMessage", error_text(err));
    jw_member_text(json, "trackingId", uuid_hex(&call->id, id));
    jw_object_end(json);
}

static void
one_member(struct jw *json, const char *name, const struct error *err)
{
    jw_object(json);
    jw_member_text(json, name, error_text(err));
    jw_object_end(json);
}

void
call_fail(struct call *call, const struct error *err)
{
    struct http_response *response = &call->exchange->response;
    CLEANUP(buf_done) struct buf body;
    struct jw json;

    buf_init(&body, 2 * 1024 * 1024);
    jw_init(&json, &body);
    switch (err->code) {
    case ERR_UNAUTHENTICATED:
        one_member(&json, "error", err);
        break;
    case ERR_RATE:
        one_member(&json, "message", err);
        break;
    case ERR_METHOD:
    case ERR_TOO_LARGE:
    case ERR_MEDIA_TYPE:
        framework_object(call, err, &json);
        break;
    default:
        error_object(call, err, &json);
        break;
    }
    struct str copy = arena_str(response->arena, buf_view(&body));

    http_response_body(response, error_status(err->code), "application/json",
                       body.failed || copy.at == NULL ? STR("{}") : copy);
    if (err->code == ERR_UNAVAILABLE || err->code == ERR_RATE)
        http_response_headerf(response, "Retry-After", "%u",
                              MAX(call->retry_after, 1U));
    if (err->code == ERR_UNAUTHENTICATED)
        http_response_header(response, "WWW-Authenticate", STR("Bearer"));
}

struct str
call_base_url(const struct call *call)
{
    const struct http_request *request = &call->exchange->request;

    if (call->api->options.public_url != NULL)
        return str_of(call->api->options.public_url);
    return str_of(arena_printf(&call->exchange->arena, "http%s://%.*s",
                               request->tls ? "s" : "",
                               STR_ARG(request->host)));
}

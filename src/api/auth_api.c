/* auth_api.c - the OAuth endpoints (contract 2). */
#include "api/call.h"
#include "auth/authorize.h"

#include "base/secret.h"
#include "fmt/jw.h"
#include "http/credentials.h"
#include "http/multipart.h"

#define MAX_FORM_FIELD 8192

/* The parameters of a token request and where they are kept. */
static const struct {
    const char *name;
    size_t at;
} parameters[] = {
    {"grant_type", offsetof(struct grant_request, grant_type)},
    {"client_id", offsetof(struct grant_request, client_id)},
    {"client_secret", offsetof(struct grant_request, client_secret)},
    {"scope", offsetof(struct grant_request, scope)},
    {"code", offsetof(struct grant_request, code)},
    {"redirect_uri", offsetof(struct grant_request, redirect_uri)},
    {"code_verifier", offsetof(struct grant_request, code_verifier)},
    {"refresh_token", offsetof(struct grant_request, refresh_token)},
    {"token", offsetof(struct grant_request, token)},
};

/* Keep `value` when `name` is a parameter. Later callers win. */
static void
take(struct grant_request *request, struct str name, struct str value)
{
    for (size_t i = 0; i < COUNT(parameters); i++)
        if (str_eq(name, str_of(parameters[i].name)))
            memcpy((char *)request + parameters[i].at, &value, sizeof(value));
}

static void
take_fields(struct grant_request *request, const struct http_field *fields,
            size_t count)
{
    for (size_t i = 0; i < count; i++)
        take(request, fields[i].name, fields[i].value);
}

/* Collects the parts of a multipart form as fields. */
struct form_reader {
    struct grant_request *request;
    struct arena *arena;
    struct str name;
    struct buf value;
};

static enum error_code
part_begin(void *context, const struct multipart_part *part, struct error *err)
{
    struct form_reader *reader = context;

    reader->name = arena_str(reader->arena, part->name);
    buf_clear(&reader->value);
    return reader->arena->failed ? error_internal(err, "form too large")
                                 : ERR_OK;
}

static enum error_code
part_data(void *context, const char *bytes, size_t len, struct error *err)
{
    struct form_reader *reader = context;

    buf_add(&reader->value, bytes, len);
    return reader->value.failed ? error_set(err, ERR_TOO_LARGE, NULL) : ERR_OK;
}

static enum error_code
part_end(void *context, struct error *err)
{
    struct form_reader *reader = context;
    struct str value = buf_view(&reader->value);

    /* Some shells hand the quotes of their command line through. */
    if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
        value = str_n(value.at + 1, value.len - 2);
    value = arena_str(reader->arena, value);
    if (value.at == NULL)
        return error_internal(err, "form too large");
    take(reader->request, reader->name, value);
    return ERR_OK;
}

static enum error_code
read_multipart(struct call *call, const char *boundary,
               struct grant_request *request, struct error *err)
{
    struct str body = call->exchange->request.body;
    struct form_reader reader = {.request = request,
                                 .arena = &call->exchange->arena};
    struct multipart_callbacks callbacks = {.context = &reader,
                                            .begin = part_begin,
                                            .data = part_data,
                                            .end = part_end};
    struct multipart *multipart = multipart_new(boundary, &callbacks);
    enum error_code rc;

    if (multipart == NULL)
        return error_internal(err, "out of memory");
    buf_init(&reader.value, MAX_FORM_FIELD);
    rc = multipart_feed(multipart, body.at, body.len, err);
    if (rc == ERR_OK)
        rc = multipart_end(multipart, err);
    multipart_free(multipart);
    buf_done(&reader.value);
    return rc;
}

static enum error_code
read_body(struct call *call, struct grant_request *request, struct error *err)
{
    const struct http_request *http = &call->exchange->request;
    struct str type = http_header(http, "Content-Type");
    char boundary[71];
    struct http_field *fields;
    size_t count;
    bool bad;

    if (http->body.len == 0)
        return ERR_OK;
    if (http_media_is(type, "multipart/form-data")) {
        if (!multipart_boundary(type, boundary))
            return error_set(err, ERR_SYNTAX, NULL);
        return read_multipart(call, boundary, request, err);
    }
    if (type.at != NULL &&
        !http_media_is(type, "application/x-www-form-urlencoded"))
        return error_set(err, ERR_MEDIA_TYPE, NULL);
    if (!http_form_parse(http->body, &call->exchange->arena, &fields, &count,
                         &bad) ||
        bad)
        return error_set(err, ERR_SYNTAX, NULL);
    take_fields(request, fields, count);
    return ERR_OK;
}

/* HTTP Basic carries the client credentials. RFC 6749 asks for form-encoding
 * inside; ids and secrets here have no character that it would change. */
static void
read_basic(struct call *call, struct grant_request *request)
{
    http_basic(http_header(&call->exchange->request, "Authorization"),
               &call->exchange->arena, &request->client_id,
               &request->client_secret);
}

static void
token_refuse(struct call *call, const struct grant_error *refusal)
{
    CLEANUP(buf_done) struct buf body;
    struct jw json;
    struct error ignored;

    buf_init(&body, 4096);
    jw_init(&json, &body);
    jw_object(&json);
    jw_member_text(&json, "error", refusal->error);
    jw_member_text(&json, "error_description", refusal->description);
    jw_object_end(&json);
    (void)!call_json(call, refusal->status, &body, &ignored);
    if (refusal->status == 401)
        http_response_header(&call->exchange->response, "WWW-Authenticate",
                             STR("Basic realm=\"oauth\""));
}

/* Guessing is throttled per client and per address; but the console has no
 * secret to guess and is one client for everybody. */
static enum error_code
token_limit(struct call *call, struct str client_id, struct error *err)
{
    const struct api_options *options = &call->api->options;
    struct net_address peer = net_user(&call->exchange->request.peer);
    int64_t now = clock_mono_ms();
    unsigned wait = 0;
    struct uuid id;

    if (limiter_take(options->token_addresses, &peer, sizeof(peer), now,
                     &wait) &&
        (client_id.len == 0 ||
         (uuid_parse(client_id, &id) && uuid_eq(&id, &authorize_console_id)) ||
         limiter_take(options->token_clients, client_id.at, client_id.len, now,
                      &wait)))
        return ERR_OK;
    call->retry_after = wait;
    return error_set(err, ERR_RATE, NULL);
}

/* What was sent, by somebody who may try. ERR_END: it is answered already. */
static enum error_code
read_request(struct call *call, struct grant_request *request,
             struct error *err)
{
    static const struct grant_error unreadable = {
        .status = 400,
        .error = "invalid_request",
        .description = "The form cannot be read"};
    enum error_code rc = read_body(call, request, err);

    if (rc == ERR_SYNTAX) {
        token_refuse(call, &unreadable);
        return ERR_END;
    }
    if (rc != ERR_OK)
        return rc;
    read_basic(call, request);
    return token_limit(call, request->client_id, err);
}

enum error_code
auth_api_token(struct call *call, struct error *err)
{
    const struct http_request *http = &call->exchange->request;
    CLEANUP(buf_done) struct buf json;
    struct grant_request request = {.request_id = &call->id};
    struct grant_error refusal;
    enum error_code rc;

    buf_init(&json, 64 * 1024);
    take_fields(&request, http->query, http->query_count);
    rc = read_request(call, &request, err);
    if (rc != ERR_OK)
        return rc == ERR_END ? ERR_OK : rc;
    rc = token_grant(call->api->options.tokens, &request, &json, &refusal, err);
    if (rc == ERR_VALUE) {
        token_refuse(call, &refusal);
        rc = ERR_OK;
    } else if (rc == ERR_OK) {
        rc = call_json(call, 200, &json, err);
    }
    secret_wipe(json.data, json.len);
    http_response_header(&call->exchange->response, "Cache-Control",
                         STR("no-store"));
    return rc;
}

/* RFC 7009. The console signs its user out with its token: the session of this
 * browser ends with it. */
enum error_code
auth_api_revoke(struct call *call, struct error *err)
{
    struct grant_request request = {.request_id = &call->id};
    struct grant_error refusal;
    struct uuid identity, client;
    bool ended = false;
    enum error_code rc = read_request(call, &request, err);

    if (rc != ERR_OK)
        return rc == ERR_END ? ERR_OK : rc;
    rc = token_revoke(call->api->options.tokens, &request, &ended, &identity,
                      &refusal, err);
    if (rc == ERR_VALUE) {
        token_refuse(call, &refusal);
        return ERR_OK;
    }
    if (rc == ERR_OK && ended && uuid_parse(request.client_id, &client) &&
        uuid_eq(&client, &authorize_console_id))
        rc = authorize_api_end_session(call, &identity, err);
    if (rc != ERR_OK)
        return rc;
    if (call->exchange->response.status == 0)
        http_response_empty(&call->exchange->response, 200);
    return ERR_OK;
}

static void
url_member(struct jw *json, struct call *call, const char *name,
           const char *path)
{
    struct str base = call_base_url(call);

    jw_member_text(
        json, name,
        arena_printf(&call->exchange->arena, "%.*s%s", STR_ARG(base), path));
}

enum error_code
auth_api_info(struct call *call, struct error *err)
{
    const struct api *api = call->api;
    CLEANUP(buf_done) struct buf body;
    char tenant[UUID_TEXT];
    struct jw json;

    buf_init(&body, 64 * 1024);
    jw_init(&json, &body);
    jw_object(&json);
    jw_member_text(&json, "tenantId", uuid_dashed(&api->registry.id, tenant));
    jw_member(&json, "tenantName", api->registry.tenant_name);
    url_member(&json, call, "authorizeEndpoint", "/oauth/authorize");
    url_member(&json, call, "tokenEndpoint", "/oauth/token");
    url_member(&json, call, "cloudDomainUrl", "");
    url_member(&json, call, "logoutUrl", "/logout");
    jw_member_text(&json, "pod", api->options.pod);
    jw_object_end(&json);
    return call_json(call, 200, &body, err);
}

enum error_code
auth_api_jwks(struct call *call, struct error *err)
{
    CLEANUP(buf_done) struct buf body;

    buf_init(&body, 256 * 1024);
    token_jwks(call->api->options.tokens, &body);
    return call_json(call, 200, &body, err);
}

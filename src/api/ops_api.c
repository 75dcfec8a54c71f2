/* ops_api.c - what operators and their load balancers ask. */
#include "api/call.h"
#include "api/metrics.h"
#include "fmt/prom.h"

#define METRICS_BYTES ((size_t)2 * 1024 * 1024)

enum error_code
ops_api_health(struct call *call, struct error *err UNUSED)
{
    http_response_body(&call->exchange->response, 200, "text/plain",
                       STR("ok\n"));
    return ERR_OK;
}

enum error_code
ops_api_ready(struct call *call, struct error *err)
{
    struct db *db = call->api->options.db;
    struct db_tx *tx;
    int64_t epoch;

    if (atomic_load(&call->api->draining))
        return error_busy(err, "not ready: the server is stopping");
    if (db_is_remote(db) && !call->exchange->may_block)
        return ERR_LATER;
    enum error_code rc = db_read_begin(db, &tx, err);

    if (rc != ERR_OK)
        return error_busy(err, "not ready: %s", err->detail);
    rc = auth_epoch(tx, &epoch, err);
    db_read_end(tx);
    if (rc != ERR_OK)
        return error_busy(err, "not ready: registry cannot be read");
    http_response_body(&call->exchange->response, 200, "text/plain",
                       STR("ready\n"));
    return ERR_OK;
}

/* Through a proxy comes everybody, whatever its address. */
static bool
may_see_metrics(const struct call *call)
{
    static const char *const proxies[] = {"Forwarded", "X-Forwarded-For",
                                          "Via"};
    const struct http_request *request = &call->exchange->request;

    for (size_t i = 0; i < COUNT(proxies); i++)
        if (http_header(request, proxies[i]).at != NULL)
            return false;
    return nets_have(call->api->options.metrics_from, &request->peer);
}

enum error_code
ops_api_metrics(struct call *call, struct error *err)
{
    CLEANUP(buf_done) struct buf body;

    buf_init(&body, METRICS_BYTES);
    if (!may_see_metrics(call))
        return error_set(err, ERR_NOT_FOUND, NULL);
    if (db_is_remote(call->api->options.db) && !call->exchange->may_block)
        return ERR_LATER;
    metrics_write(call, &body);
    struct str copy = arena_str(&call->exchange->arena, buf_view(&body));

    if (body.failed || copy.at == NULL)
        return error_internal(err, "the metrics are too long");
    http_response_body(&call->exchange->response, 200, PROM_CONTENT_TYPE, copy);
    return ERR_OK;
}

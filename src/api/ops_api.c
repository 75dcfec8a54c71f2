/* ops_api.c - what operators and their load balancers ask. */
#include "api/call.h"

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

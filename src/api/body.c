#include "api/body.h"

#include "fmt/json_read.h"

/* The longest answer of a single object. */
#define ANSWER_BYTES ((size_t)8 * 1024 * 1024)

static enum error_code
check_media(const struct call *call, enum body_kind kind, struct error *err)
{
    struct str type = http_header(&call->exchange->request, "Content-Type");

    if (type.at == NULL ||
        ((http_media_is(type, "application/json") ||
          (kind == BODY_PATCH &&
           http_media_is(type, "application/json-patch+json"))) &&
         http_charset_is_utf8(type)))
        return ERR_OK;
    return error_set(err, ERR_MEDIA_TYPE, NULL);
}

static enum error_code
read_body(const struct call *call, enum body_kind kind, json_t **ret,
          struct error *err)
{
    struct str body = call->exchange->request.body;
    enum error_code rc = ERR_OK;

    if (kind == BODY_OPTIONAL && str_trim(body).len == 0)
        return json_read(STR("{}"), ret, err);
    rc = check_media(call, kind, err);
    if (rc != ERR_OK)
        return rc;
    if (json_depth(body) > call->api->options.max_json_depth)
        return error_cause(err, ERR_SYNTAX, "nested more than %zu levels deep",
                           call->api->options.max_json_depth);
    return json_read(body, ret, err);
}

struct job {
    struct change change;
    change_work *work;
};

static enum error_code
run_job(struct db_tx *tx, void *context, struct error *err)
{
    struct job *job = context;
    struct views views;
    enum error_code rc;

    buf_clear(&job->change.answer);
    views_init(&views, tx, &job->change.answer);
    json_begin();
    rc = job->work(&job->change, tx, &views, err);
    views_done(&views);
    /* What was left out for lack of memory must not be written, or be missed
     * in the answer. */
    if (json_ran_out() || job->change.answer.failed)
        return error_busy(err, "no memory for a change");
    return rc;
}

enum error_code
change_run(struct call *call, enum body_kind kind, change_work *work,
           struct error *err)
{
    struct job job = {.change = {.call = call,
                                 .actor = call_actor(call),
                                 .arena = &call->exchange->arena},
                      .work = work};
    json_t *body = NULL;
    enum error_code rc = ERR_OK;

    if (call->route->object != OBJECT_NONE &&
        call->route->object != OBJECT_IN_BODY)
        rc = call_param_id(call, 0, &job.change.id, err);
    if (rc == ERR_OK && kind != BODY_NONE)
        rc = read_body(call, kind, &body, err);
    if (rc != ERR_OK)
        return rc;
    job.change.body = body;
    buf_init(&job.change.answer, ANSWER_BYTES);
    rc = db_write(call->api->options.db, run_job, &job, err);
    if (rc == ERR_OK && job.change.answer.len > 0)
        rc = call_json(call, 200, &job.change.answer, err);
    else if (rc == ERR_OK)
        http_response_empty(&call->exchange->response, 204);
    buf_done(&job.change.answer);
    json_decref(body);
    return rc;
}

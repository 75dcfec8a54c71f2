/* request_api.c - requests for people and the decisions on them (contract 13
 * to 15). */
#include "api/access.h"
#include "api/body.h"
#include "api/list.h"
#include "core/approval.h"
#include "core/members.h"
#include "core/record_rules.h"
#include "store/audit_store.h"

/* --- requests ----------------------------------------------------------- */

static bool
list_request(void *context, const struct request *request)
{
    struct reading *reading = context;

    return reading_more(reading,
                        views_request(&reading->views, request, reading->err));
}

static enum error_code
read_requests(struct reading *reading, struct error *err)
{
    enum error_code rc = ERR_OK;

    if (reading->count)
        rc = request_list_count(reading->tx, reading->subject, &reading->list,
                                &reading->total, err);
    if (rc == ERR_OK)
        rc = request_list(reading->tx, reading->subject, &reading->list,
                          &reading->scratch, list_request, reading, err);
    return rc;
}

enum error_code
request_api_list(struct call *call, struct error *err)
{
    return reading_list(call, true, read_requests, NULL, err);
}

static enum error_code
read_request(struct reading *reading, struct error *err)
{
    struct request request;
    struct uuid id;
    enum error_code rc = call_param_id(reading->call, 0, &id, err);

    if (rc == ERR_OK)
        rc = request_by_id(reading->tx, &id, &reading->scratch, &request, err);
    return rc == ERR_OK ? views_request(&reading->views, &request, err) : rc;
}

enum error_code
request_api_get(struct call *call, struct error *err)
{
    return reading_run(call, read_request, NULL, err);
}

static enum error_code
read_request_summary(struct reading *reading, struct error *err)
{
    struct request_summary summary;
    enum error_code rc = request_summary(reading->tx, reading->subject,
                                         &summary, err);

    if (rc == ERR_OK)
        views_request_summary(&reading->views, &summary);
    return rc;
}

enum error_code
request_api_summary(struct call *call, struct error *err)
{
    return reading_run(call, read_request_summary, NULL, err);
}

static enum error_code
request_create(struct change *change, struct db_tx *tx, struct views *views,
               struct error *err)
{
    struct call *call = change->call;
    const struct principal *principal = &call->principal;
    const struct api_options *options = &call->api->options;
    const struct record_rules rules = {
        .check_managers = options->check_managers, .actor = change->actor};
    struct request request = {.has_requester = principal->has_identity,
                              .requester_id = principal->identity_id};
    struct source source;
    int64_t number = 0;
    bool named = false;
    enum error_code rc = record_rules_source(tx, change->body, change->arena,
                                             &named, &number, err);

    if (rc == ERR_OK)
        rc = access_body(call, tx, number, named, err);
    if (rc == ERR_OK)
        rc = record_rules_read(tx, change->body, &rules, change->arena, &source,
                               &request.record, err);
    if (rc == ERR_OK)
        rc = approval_submit(tx, &source, &request, options->max_records,
                             &change->actor, change->arena, err);
    if (rc == ERR_OK)
        rc = request_by_id(tx, &request.id, change->arena, &request, err);
    return rc == ERR_OK ? views_request(views, &request, err) : rc;
}

enum error_code
request_api_create(struct call *call, struct error *err)
{
    return change_run(call, BODY_JSON, request_create, err);
}

static enum error_code
request_drop(struct change *change, struct db_tx *tx,
             struct views *views UNUSED, struct error *err)
{
    struct request request = {.source = 0};
    enum error_code rc = request_by_id(tx, &change->id, change->arena, &request,
                                       err);
    const struct audit_event entry = {.event = "NON_EMPLOYEE_REQUEST_DELETED",
                                      .actor = change->actor,
                                      .has_object = true,
                                      .object_id = change->id,
                                      .source = request.source,
                                      .detail = STR("")};

    if (rc == ERR_OK)
        rc = request_delete(tx, &change->id, err);
    return rc == ERR_OK ? audit_add(tx, &entry, err) : rc;
}

enum error_code
request_api_delete(struct call *call, struct error *err)
{
    return change_run(call, BODY_NONE, request_drop, err);
}

/* --- approvals ---------------------------------------------------------- */

static bool
list_approval(void *context, const struct approval_item *item)
{
    struct reading *reading = context;

    return reading_more(reading, views_approval(&reading->views, item,
                                                APPROVAL_ITEM, reading->err));
}

static enum error_code
read_approvals(struct reading *reading, struct error *err)
{
    enum error_code rc = ERR_OK;

    if (reading->count)
        rc = approval_list_count(reading->tx, reading->subject, &reading->list,
                                 &reading->total, err);
    if (rc == ERR_OK)
        rc = approval_list(reading->tx, reading->subject, &reading->list,
                           &reading->scratch, list_approval, reading, err);
    return rc;
}

enum error_code
approval_api_list(struct call *call, struct error *err)
{
    return reading_list(call, true, read_approvals, NULL, err);
}

static enum error_code
read_approval(struct reading *reading, struct error *err)
{
    struct approval_item item;
    struct uuid id;
    bool detail = true;
    enum error_code rc = call_param_id(reading->call, 0, &id, err);

    if (rc == ERR_OK)
        rc = approval_by_id(reading->tx, &id, &reading->scratch, &item, err);
    if (rc == ERR_OK)
        rc = call_query_bool(reading->call, "include-detail", true, &detail,
                             err);
    if (rc != ERR_OK)
        return rc;
    return views_approval(&reading->views, &item,
                          detail ? APPROVAL_DETAIL : APPROVAL_ITEM, err);
}

enum error_code
approval_api_get(struct call *call, struct error *err)
{
    return reading_run(call, read_approval, NULL, err);
}

static enum error_code
read_approval_summary(struct reading *reading, struct error *err)
{
    struct approval_summary summary;
    enum error_code rc = approval_summary(reading->tx, reading->subject,
                                          &summary, err);

    if (rc == ERR_OK)
        views_approval_summary(&reading->views, &summary);
    return rc;
}

enum error_code
approval_api_summary(struct call *call, struct error *err)
{
    return reading_run(call, read_approval_summary, NULL, err);
}

static enum error_code
decide(struct change *change, struct db_tx *tx, struct views *views,
       bool approve, struct error *err)
{
    struct approval_item item;
    struct members members;
    struct str comment;
    enum error_code rc;

    members_init(&members, change->body);
    comment = members_text(&members, "comment",
                           MEMBER_LINES | (approve ? 0 : MEMBER_REQUIRED),
                           approve ? 0 : 1, APPROVAL_COMMENT_CHARS);
    if (comment.len == 0)
        comment.at = NULL;
    rc = members_finish(&members, err);
    if (rc == ERR_OK)
        rc = approval_decide(tx, &change->id,
                             &change->call->principal.identity_id, approve,
                             comment, change->call->api->options.max_records,
                             &change->actor, change->arena, &item, err);
    return rc == ERR_OK ? views_approval(views, &item, APPROVAL_ITEM, err) : rc;
}

static enum error_code
approve(struct change *change, struct db_tx *tx, struct views *views,
        struct error *err)
{
    return decide(change, tx, views, true, err);
}

enum error_code
approval_api_approve(struct call *call, struct error *err)
{
    return change_run(call, BODY_OPTIONAL, approve, err);
}

static enum error_code
reject(struct change *change, struct db_tx *tx, struct views *views,
       struct error *err)
{
    return decide(change, tx, views, false, err);
}

enum error_code
approval_api_reject(struct call *call, struct error *err)
{
    return change_run(call, BODY_OPTIONAL, reject, err);
}

#include "core/approval.h"

#include <stdio.h>

#include "base/utf8.h"
#include "core/record_rules.h"
#include "store/audit_store.h"

enum event { EVENT_APPROVE, EVENT_REJECT, EVENT_CANCEL, EVENTS };

/* What becomes of an item; STATUSES: the event cannot happen. A later item is
 * cancelled by a rejection and by its approver's leaving, whatever its turn;
 * decided items never move again. */
static const enum approval_status next[EVENTS][STATUSES] = {
    [EVENT_APPROVE] = {[STATUS_NOT_READY] = STATUSES,
                       [STATUS_PENDING] = STATUS_APPROVED,
                       [STATUS_APPROVED] = STATUSES,
                       [STATUS_REJECTED] = STATUSES,
                       [STATUS_CANCELLED] = STATUSES},
    [EVENT_REJECT] = {[STATUS_NOT_READY] = STATUSES,
                      [STATUS_PENDING] = STATUS_REJECTED,
                      [STATUS_APPROVED] = STATUSES,
                      [STATUS_REJECTED] = STATUSES,
                      [STATUS_CANCELLED] = STATUSES},
    [EVENT_CANCEL] = {[STATUS_NOT_READY] = STATUS_CANCELLED,
                      [STATUS_PENDING] = STATUS_CANCELLED,
                      [STATUS_APPROVED] = STATUSES,
                      [STATUS_REJECTED] = STATUSES,
                      [STATUS_CANCELLED] = STATUSES},
};

/* One call: what every step of it needs. */
struct step {
    struct db_tx *tx;
    const struct actor *actor;
    struct arena *arena;
    int64_t max_records;
    int64_t now_ms;
    struct request request;
    struct approval_item chain[CHAIN_MAX];
    size_t count;
};

static enum error_code
note(const struct step *step, const char *event, const struct uuid *object,
     const char *detail, struct error *err)
{
    const struct audit_event entry = {.event = event,
                                      .actor = *step->actor,
                                      .has_object = true,
                                      .object_id = *object,
                                      .source = step->request.source,
                                      .detail = str_of(detail)};

    return audit_add(step->tx, &entry, err);
}

static enum error_code
move_item(const struct step *step, struct approval_item *item,
          enum approval_status status, struct error *err)
{
    item->status = status;
    item->modified_ms = step->now_ms;
    return approval_update(step->tx, item, step->now_ms, err);
}

/* The request reaches its end. */
static enum error_code
complete(struct step *step, enum approval_status status, struct error *err)
{
    struct request *request = &step->request;
    enum error_code rc = request_set_status(step->tx, &request->id, status,
                                            step->now_ms, err);

    request->status = status;
    request->completion_ms = step->now_ms;
    request->modified_ms = step->now_ms;
    if (rc == ERR_OK)
        rc = note(step, "NON_EMPLOYEE_REQUEST_ACTION_COMPLETED", &request->id,
                  status_name(status), err);
    return rc;
}

/* The record that was asked for, and the request's end. */
static enum error_code
grant(struct step *step, const struct source *source, struct error *err)
{
    struct record record = step->request.record;
    enum error_code rc;

    record.source = source->number;
    rc = record_rules_add(step->tx, source, &record, step->max_records,
                          step->actor, err);
    return rc == ERR_OK ? complete(step, STATUS_APPROVED, err) : rc;
}

/* --- submit ------------------------------------------------------------- */

static enum error_code
check_name(struct db_tx *tx, const struct source *source,
           const struct record *record, struct arena *arena, struct error *err)
{
    struct str name = record->text[FIELD_ACCOUNT_NAME];
    struct record taken;
    enum error_code rc = record_by_account(tx, source->number, name, arena,
                                           &taken, err);

    if (rc == ERR_NOT_FOUND)
        return ERR_OK;
    if (rc != ERR_OK)
        return rc;
    return error_set(err, ERR_CONFLICT,
                     "Unable to create Non-Employee because the accountName "
                     "\"%.*s\" is already being used.",
                     STR_ARG(name));
}

static enum error_code
start_chain(const struct step *step, const struct source_member *approvers,
            size_t count, struct error *err)
{
    enum error_code rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < count; i++) {
        struct approval_item item = {
            .request_id = step->request.id,
            .position = (int64_t)i,
            .approver_id = approvers[i].identity_id,
            .approver_name = approvers[i].name,
            .account_name = step->request.record.text[FIELD_ACCOUNT_NAME],
            .status = i == 0 ? STATUS_PENDING : STATUS_NOT_READY};

        rc = approval_insert(step->tx, &item, err);
    }
    return rc;
}

enum error_code
approval_submit(struct db_tx *tx, const struct source *source,
                struct request *request, int64_t max_records,
                const struct actor *actor, struct arena *arena,
                struct error *err)
{
    struct source_member approvers[MEMBERS_MAX];
    struct step step = {.tx = tx,
                        .actor = actor,
                        .arena = arena,
                        .max_records = max_records,
                        .now_ms = clock_now_ms()};
    size_t count = 0;
    enum error_code rc = check_name(tx, source, &request->record, arena, err);

    if (rc == ERR_OK)
        rc = source_members(tx, source->number, "APPROVER", arena, approvers,
                            &count, err);
    if (rc != ERR_OK)
        return rc;
    request->source = source->number;
    /* Also when it will be granted at once: a pending one has the name. */
    request->status = STATUS_PENDING;
    request->completion_ms = 0;
    rc = request_insert(tx, request, err);
    if (rc != ERR_OK)
        return rc;
    step.request = *request;
    rc = note(&step, "NON_EMPLOYEE_REQUEST_CREATED", &request->id, "", err);
    if (rc == ERR_OK && count > 0)
        rc = start_chain(&step, approvers, MIN(count, (size_t)CHAIN_MAX), err);
    else if (rc == ERR_OK)
        rc = grant(&step, source, err);
    *request = step.request;
    return rc;
}

/* --- decide ------------------------------------------------------------- */

static enum error_code
check_comment(struct str comment, bool required, struct error *err)
{
    if (required && utf8_trim(comment).len == 0)
        return error_set(err, ERR_REQUIRED, "comment is required;");
    if (comment.at != NULL && utf8_length(comment) > APPROVAL_COMMENT_CHARS)
        return error_set(err, ERR_LENGTH,
                         "Field \"comment\" length is outside of range "
                         "[1,%d].",
                         APPROVAL_COMMENT_CHARS);
    return ERR_OK;
}

/* The item with everything around it. */
static enum error_code
load(struct step *step, const struct uuid *request, struct error *err)
{
    enum error_code rc = request_by_id(step->tx, request, step->arena,
                                       &step->request, err);

    if (rc == ERR_OK)
        rc = approval_chain(step->tx, request, step->arena, step->chain,
                            &step->count, err);
    return rc;
}

/* Everybody of the chain from `first` on who has not decided. */
static enum error_code
cancel_from(struct step *step, size_t first, struct error *err)
{
    enum error_code rc = ERR_OK;

    for (size_t i = first; rc == ERR_OK && i < step->count; i++) {
        enum approval_status status = next[EVENT_CANCEL][step->chain[i].status];

        if (status != STATUSES)
            rc = move_item(step, &step->chain[i], status, err);
    }
    return rc;
}

/* What follows from the decision on item number `at`. */
static enum error_code
follow(struct step *step, size_t at, struct error *err)
{
    struct source source;
    enum error_code rc;

    if (step->chain[at].status == STATUS_REJECTED) {
        rc = cancel_from(step, at + 1, err);
        return rc == ERR_OK ? complete(step, STATUS_REJECTED, err) : rc;
    }
    if (at + 1 < step->count)
        return move_item(step, &step->chain[at + 1], STATUS_PENDING, err);
    rc = source_by_number(step->tx, step->request.source, step->arena, &source,
                          err);
    return rc == ERR_OK ? grant(step, &source, err) : rc;
}

static enum error_code
decide(struct step *step, size_t at, enum event event, struct str comment,
       struct error *err)
{
    struct approval_item *item = &step->chain[at];
    enum approval_status status = next[event][item->status];
    enum error_code rc;

    if (status == STATUSES)
        return error_cause(err, ERR_CONTENT, "the approval item is %s",
                           status_name(item->status));
    item->comment = comment;
    rc = move_item(step, item, status, err);
    if (rc == ERR_OK)
        rc = note(step, "NON_EMPLOYEE_APPROVAL_ACTION_COMPLETED", &item->id,
                  status_name(status), err);
    return rc == ERR_OK ? follow(step, at, err) : rc;
}

enum error_code
approval_decide(struct db_tx *tx, const struct uuid *id,
                const struct uuid *approver, bool approve, struct str comment,
                int64_t max_records, const struct actor *actor,
                struct arena *arena, struct approval_item *ret,
                struct error *err)
{
    struct step step = {.tx = tx,
                        .actor = actor,
                        .arena = arena,
                        .max_records = max_records,
                        .now_ms = clock_now_ms()};
    struct approval_item item;
    size_t at = 0;
    enum error_code rc = approval_by_id(tx, id, arena, &item, err);

    if (rc == ERR_NOT_FOUND ||
        (rc == ERR_OK && !uuid_eq(&item.approver_id, approver)))
        return error_set(err, ERR_FORBIDDEN, NULL);
    if (rc == ERR_OK)
        rc = check_comment(comment, !approve, err);
    if (rc == ERR_OK)
        rc = load(&step, &item.request_id, err);
    if (rc != ERR_OK)
        return rc;
    while (at < step.count && !uuid_eq(&step.chain[at].id, id))
        at++;
    if (at == step.count)
        return error_internal(err, "an approval item is not in its chain");
    rc = decide(&step, at, approve ? EVENT_APPROVE : EVENT_REJECT, comment,
                err);
    *ret = step.chain[at];
    return rc;
}

/* --- cancel ------------------------------------------------------------- */

static bool
collect(void *context, const struct uuid *id)
{
    struct buf *ids = context;

    buf_add(ids, id, sizeof(*id));
    return !ids->failed;
}

static enum error_code
cancel(struct db_tx *tx, const struct uuid *request, const struct actor *actor,
       struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct step step = {
        .tx = tx, .actor = actor, .arena = &arena, .now_ms = clock_now_ms()};
    enum error_code rc;

    arena_init(&arena, 1 << 20);
    rc = load(&step, request, err);
    if (rc == ERR_OK)
        rc = cancel_from(&step, 0, err);
    return rc == ERR_OK ? complete(&step, STATUS_CANCELLED, err) : rc;
}

enum error_code
approval_cancel_all(struct db_tx *tx, const struct uuid *approver,
                    const struct actor *actor, struct error *err)
{
    CLEANUP(buf_done) struct buf ids;
    struct uuid id;
    enum error_code rc;

    /* Collected first: what follows writes the rows that are being read. */
    buf_init(&ids, 256 << 20);
    rc = approval_open_requests(tx, approver, collect, &ids, err);
    if (rc == ERR_OK && ids.failed)
        rc = error_busy(err, "no memory for a list of requests");
    for (size_t at = 0; rc == ERR_OK && at < ids.len; at += sizeof(id)) {
        memcpy(&id, ids.data + at, sizeof(id));
        rc = cancel(tx, &id, actor, err);
    }
    return rc;
}

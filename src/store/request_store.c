#include "store/request_store.h"

#include "store/row.h"

static const char *const names[STATUSES] = {
    [STATUS_NOT_READY] = "NOT_READY", [STATUS_PENDING] = "PENDING",
    [STATUS_APPROVED] = "APPROVED",   [STATUS_REJECTED] = "REJECTED",
    [STATUS_CANCELLED] = "CANCELLED",
};

const char *
status_name(enum approval_status status)
{
    return names[status];
}

bool
status_parse(struct str text, enum approval_status *ret)
{
    for (size_t i = 0; i < STATUSES; i++) {
        if (str_eq_nocase(text, str_of(names[i]))) {
            *ret = (enum approval_status)i;
            return true;
        }
    }
    return false;
}

/* The table allows no other text. */
static enum approval_status
row_status(struct db_query *query, int column)
{
    enum approval_status status = STATUS_CANCELLED;

    (void)status_parse(db_col_str(query, column), &status);
    return status;
}

/* ---- requests -------------------------------------------------------- */

#define REQUEST_COLUMNS                                                    \
    "q.id, q.source, q.requester_id, i.name, q.status, q.account_name, "   \
    "q.first_name, q.last_name, q.phone, q.email, q.manager, q.start_ms, " \
    "q.start_offset, q.end_ms, q.end_offset, q.custom, q.completion_ms, "  \
    "q.created_ms, q.modified_ms"

/* Those columns, as request_by_id has them. */
static struct request
request_row(struct db_query *query, struct arena *arena)
{
    struct request request = {
        .id = db_col_uuid(query, 0),
        .source = db_col_int(query, 1),
        .requester_name = row_str(query, 3, arena),
        .status = row_status(query, 4),
        .record = {.source = db_col_int(query, 1),
                   .start = {.ms = db_col_int(query, 11),
                             .offset_min = (int16_t)db_col_int(query, 12)},
                   .end = {.ms = db_col_int(query, 13),
                           .offset_min = (int16_t)db_col_int(query, 14)},
                   .custom = row_optional(query, 15, arena)},
        .completion_ms = db_col_int(query, 16),
        .created_ms = db_col_int(query, 17),
        .modified_ms = db_col_int(query, 18),
    };

    request.has_requester = row_uuid(query, 2, &request.requester_id);
    for (int i = 0; i < FIELD_TEXTS; i++)
        request.record.text[i] = row_str(query, 5 + i, arena);
    return request;
}

static int64_t
completion(enum approval_status status, int64_t now_ms)
{
    return status == STATUS_NOT_READY || status == STATUS_PENDING ? 0 : now_ms;
}

enum error_code
request_insert(struct db_tx *tx, struct request *request, struct error *err)
{
    const struct record *record = &request->record;
    struct str name = record->text[FIELD_ACCOUNT_NAME];
    FOLDED key = {0};
    struct db_query *query = db_query(tx, STMT_REQUEST_INSERT);
    int64_t changes = 0;

    request->id = uuid_mint();
    request->created_ms = request->modified_ms = clock_now_ms();
    request->completion_ms = completion(request->status, request->created_ms);
    db_uuid(query, 1, &request->id);
    db_int(query, 2, request->source);
    bind_optional_uuid(query, 3, request->has_requester,
                       &request->requester_id);
    db_str(query, 4, str_of(status_name(request->status)));
    db_str(query, 5, name);
    db_str(query, 6, fold(&key, name));
    for (int i = FIELD_FIRST_NAME; i < FIELD_TEXTS; i++)
        db_str(query, 6 + i, record->text[i]);
    db_int(query, 12, record->start.ms);
    db_int(query, 13, record->start.offset_min);
    db_int(query, 14, record->end.ms);
    db_int(query, 15, record->end.offset_min);
    bind_optional(query, 16, record->custom);
    bind_optional_int(query, 17, request->completion_ms);
    db_int(query, 18, request->created_ms);
    enum error_code rc = db_run(query, &changes, err);

    if (rc == ERR_OK && changes == 0)
        return account_taken("create", name, err);
    return rc;
}

enum error_code
request_by_id(struct db_tx *tx, const struct uuid *id, struct arena *arena,
              struct request *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_REQUEST_BY_ID);
    enum error_code rc;

    db_uuid(query, 1, id);
    rc = db_step(query, err);
    if (rc == ERR_OK)
        *ret = request_row(query, arena);
    return row_done(query, rc, arena, err);
}

enum error_code
request_pending(struct db_tx *tx, int64_t source, struct str account_name,
                bool *ret, struct error *err)
{
    FOLDED key = {0};
    struct db_query *query = db_query(tx, STMT_REQUEST_PENDING);

    db_int(query, 1, source);
    enum error_code rc = bind_folded(query, 2, &key, account_name, err);

    if (rc != ERR_OK) {
        db_end(query);
        return rc;
    }
    return row_exists(query, ret, err);
}

enum error_code
request_set_status(struct db_tx *tx, const struct uuid *id,
                   enum approval_status status, int64_t now_ms,
                   struct error *err)
{
    struct db_query *query = db_query(tx, STMT_REQUEST_SET_STATUS);

    db_uuid(query, 1, id);
    db_str(query, 2, str_of(status_name(status)));
    db_int(query, 3, now_ms);
    bind_optional_int(query, 4, completion(status, now_ms));
    return run_one(query, err);
}

enum error_code
request_delete(struct db_tx *tx, const struct uuid *id, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_REQUEST_DELETE);

    db_uuid(query, 1, id);
    return run_one(query, err);
}

static const struct where_test request_tests[] = {
    {"sourceId", WHERE_OP(OP_EQ), WHERE_SOURCE, "q.source = @"},
};
static const struct where_sort request_sorts[] = {
    {"created", "q.created_ms"},
    {"approvalStatus", "q.status"},
    {"firstName", "lower(q.first_name)"},
    {"lastName", "lower(q.last_name)"},
    {"email", "lower(q.email)"},
    {"phone", "lower(q.phone)"},
    {"accountName", "q.account_key"},
    {"startDate", "q.start_ms"},
    {"endDate", "q.end_ms"},
};
static const struct where_list requests = {
    .columns = REQUEST_COLUMNS,
    .count = "COUNT(*)",
    .from = "request q LEFT JOIN identity i ON i.id = q.requester_id"
            " WHERE TRUE",
    .only = "q.source IN (SELECT source FROM source_member"
            " WHERE identity_id = $1 AND role = 'MANAGER')",
    .order = "q.created_ms, q.id",
    .tests = request_tests,
    .test_count = COUNT(request_tests),
    .sorts = request_sorts,
    .sort_count = COUNT(request_sorts),
};

enum error_code
request_list(struct db_tx *tx, const struct uuid *manager,
             const struct list_query *list, struct arena *scratch,
             request_visit *visit, void *context, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct db_query *query = NULL;

    arena_init(&arena, WHERE_BYTES);
    enum error_code rc = where_rows(tx, &requests, list, manager, &arena,
                                    &query, err);

    if (rc != ERR_OK)
        return rc;
    while ((rc = db_step(query, err)) == ERR_OK) {
        arena_reset(scratch);
        struct request request = request_row(query, scratch);

        if (scratch->failed || !visit(context, &request))
            break;
    }
    if (rc == ERR_END)
        rc = ERR_OK;
    return row_done(query, rc, scratch, err);
}

enum error_code
request_list_count(struct db_tx *tx, const struct uuid *manager,
                   const struct list_query *list, int64_t *ret,
                   struct error *err)
{
    return where_count(tx, &requests, list, manager, ret, err);
}

enum error_code
request_summary(struct db_tx *tx, const struct uuid *manager,
                struct request_summary *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_REQUEST_SUMMARY_RECORDS);
    struct request_summary summary;

    db_uuid(query, 1, manager);
    enum error_code rc = read_number(query, &summary.records, err);

    if (rc != ERR_OK)
        return rc;
    query = db_query(tx, STMT_REQUEST_SUMMARY);
    db_uuid(query, 1, manager);
    rc = db_step(query, err);
    if (rc == ERR_OK) {
        summary.approved = db_col_int(query, 0);
        summary.rejected = db_col_int(query, 1);
        summary.pending = db_col_int(query, 2);
        *ret = summary;
    }
    return row_done(query, rc, NULL, err);
}

/* ---- approval items -------------------------------------------------- */

/* The columns of approval_by_id and its like. */
static struct approval_item
item_row(struct db_query *query, struct arena *arena)
{
    struct approval_item item = {
        .id = db_col_uuid(query, 0),
        .request_id = db_col_uuid(query, 1),
        .position = db_col_int(query, 2),
        .approver_id = db_col_uuid(query, 3),
        .approver_name = row_str(query, 4, arena),
        .account_name = row_str(query, 5, arena),
        .status = row_status(query, 6),
        .comment = row_optional(query, 7, arena),
        .created_ms = db_col_int(query, 8),
        .modified_ms = db_col_int(query, 9),
        .requester_name = row_str(query, 11, arena),
    };

    item.has_requester = row_uuid(query, 10, &item.requester_id);
    return item;
}

enum error_code
approval_insert(struct db_tx *tx, struct approval_item *item, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_APPROVAL_INSERT);

    item->id = uuid_mint();
    item->created_ms = item->modified_ms = clock_now_ms();
    db_uuid(query, 1, &item->id);
    db_uuid(query, 2, &item->request_id);
    db_int(query, 3, item->position);
    db_uuid(query, 4, &item->approver_id);
    db_str(query, 5, item->approver_name);
    db_str(query, 6, str_of(status_name(item->status)));
    bind_optional(query, 7, item->comment);
    db_int(query, 8, item->created_ms);
    return db_run(query, NULL, err);
}

enum error_code
approval_by_id(struct db_tx *tx, const struct uuid *id, struct arena *arena,
               struct approval_item *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_APPROVAL_BY_ID);
    enum error_code rc;

    db_uuid(query, 1, id);
    rc = db_step(query, err);
    if (rc == ERR_OK)
        *ret = item_row(query, arena);
    return row_done(query, rc, arena, err);
}

enum error_code
approval_chain(struct db_tx *tx, const struct uuid *request,
               struct arena *arena, struct approval_item ret[CHAIN_MAX],
               size_t *ret_count, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_APPROVAL_CHAIN);
    size_t count = 0;
    enum error_code rc;

    db_uuid(query, 1, request);
    while ((rc = db_step(query, err)) == ERR_OK && count < CHAIN_MAX)
        ret[count++] = item_row(query, arena);
    if (rc == ERR_OK)
        rc = error_internal(err, "a request has more than %d approval items",
                            CHAIN_MAX);
    if (rc == ERR_END)
        rc = ERR_OK;
    rc = row_done(query, rc, arena, err);
    if (rc == ERR_OK)
        *ret_count = count;
    return rc;
}

enum error_code
approval_update(struct db_tx *tx, const struct approval_item *item,
                int64_t now_ms, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_APPROVAL_UPDATE);

    db_uuid(query, 1, &item->id);
    db_str(query, 2, str_of(status_name(item->status)));
    bind_optional(query, 3, item->comment);
    db_int(query, 4, now_ms);
    return run_one(query, err);
}

enum error_code
approval_open_requests(struct db_tx *tx, const struct uuid *approver,
                       id_visit *visit, void *context, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_APPROVAL_OPEN_REQUESTS);
    enum error_code rc;

    db_uuid(query, 1, approver);
    while ((rc = db_step(query, err)) == ERR_OK) {
        struct uuid id = db_col_uuid(query, 0);

        if (!visit(context, &id))
            break;
    }
    if (rc == ERR_END)
        rc = ERR_OK;
    return row_done(query, rc, NULL, err);
}

static const struct where_test item_tests[] = {
    {"approvalStatus", WHERE_OP(OP_EQ), WHERE_UPPER, "a.status = @"},
};
static const struct where_sort item_sorts[] = {
    {"created", "a.created_ms"},
    {"modified", "a.modified_ms"},
};
static const struct where_list items = {
    .columns = "a.id, a.request_id, a.position, a.approver_id, "
               "a.approver_name, q.account_name, a.status, a.comment, "
               "a.created_ms, a.modified_ms, q.requester_id, i.name",
    .count = "COUNT(*)",
    .from = "approval_item a JOIN request q ON q.id = a.request_id"
            " LEFT JOIN identity i ON i.id = q.requester_id WHERE TRUE",
    .only = "a.approver_id = $1",
    .order = "a.created_ms, a.id",
    .tests = item_tests,
    .test_count = COUNT(item_tests),
    .sorts = item_sorts,
    .sort_count = COUNT(item_sorts),
};

enum error_code
approval_list(struct db_tx *tx, const struct uuid *approver,
              const struct list_query *list, struct arena *scratch,
              approval_visit *visit, void *context, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct db_query *query = NULL;

    arena_init(&arena, WHERE_BYTES);
    enum error_code rc = where_rows(tx, &items, list, approver, &arena, &query,
                                    err);

    if (rc != ERR_OK)
        return rc;
    while ((rc = db_step(query, err)) == ERR_OK) {
        arena_reset(scratch);
        struct approval_item item = item_row(query, scratch);

        if (scratch->failed || !visit(context, &item))
            break;
    }
    if (rc == ERR_END)
        rc = ERR_OK;
    return row_done(query, rc, scratch, err);
}

enum error_code
approval_list_count(struct db_tx *tx, const struct uuid *approver,
                    const struct list_query *list, int64_t *ret,
                    struct error *err)
{
    return where_count(tx, &items, list, approver, ret, err);
}

enum error_code
approval_summary(struct db_tx *tx, const struct uuid *approver,
                 struct approval_summary *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_APPROVAL_SUMMARY);
    enum error_code rc;

    db_uuid(query, 1, approver);
    rc = db_step(query, err);
    if (rc == ERR_OK)
        *ret = (struct approval_summary){.approved = db_col_int(query, 0),
                                         .rejected = db_col_int(query, 1),
                                         .pending = db_col_int(query, 2)};
    return row_done(query, rc, NULL, err);
}

#include "store/audit_store.h"

#include "store/chain.h"
#include "store/row.h"

enum error_code
audit_add(struct db_tx *tx, const struct audit_event *event, struct error *err)
{
    const struct audit_row row = {.at_ms = clock_now_ms(),
                                  .event = str_of(event->event),
                                  .detail = event->detail,
                                  .actor = event->actor,
                                  .has_object = event->has_object,
                                  .object_id = event->object_id,
                                  .source = event->source};
    unsigned char digest[CHAIN_HASH];
    struct chain_link link;

    chain_audit_digest(&row, digest);
    enum error_code rc = chain_add(tx, CHAIN_AUDIT, row.source, digest, &link,
                                   err);

    if (rc != ERR_OK)
        return rc;
    struct db_query *query = db_query(tx, STMT_AUDIT_ADD);

    db_int(query, 1, row.at_ms);
    db_str(query, 2, row.event);
    bind_actor(query, 3, &row.actor);
    bind_optional_uuid(query, 5, row.has_object, &row.object_id);
    bind_optional_int(query, 6, row.source);
    db_str(query, 7, row.detail);
    chain_bind(query, 8, &link);
    return db_run(query, NULL, err);
}

static const struct where_test tests[] = {
    {"event", WHERE_OP(OP_EQ), WHERE_UPPER, "a.event = @"},
    {"actor", WHERE_OP(OP_EQ), WHERE_UUID, "a.actor = @"},
    {"object", WHERE_OP(OP_EQ), WHERE_UUID, "a.object_id = @"},
    {"created", WHERE_OP(OP_GE), WHERE_TIME, "a.at_ms >= @"},
    {"created", WHERE_OP(OP_LE), WHERE_TIME, "a.at_ms <= @"},
};
static const struct where_sort sorts[] = {{"created", "a.number"}};
static const struct where_list events = {
    .columns = "a.number, a.at_ms, a.event, a.actor, a.request_id,"
               " a.object_id, a.source, a.detail",
    .count = "COUNT(*)",
    .from = "audit a WHERE TRUE",
    .order = "a.number",
    .tests = tests,
    .test_count = COUNT(tests),
    .sorts = sorts,
    .sort_count = COUNT(sorts),
};

static struct audit_row
audit_row(struct db_query *query, struct arena *arena)
{
    struct audit_row row = {.number = db_col_int(query, 0),
                            .at_ms = db_col_int(query, 1),
                            .event = row_str(query, 2, arena),
                            .source = db_col_int(query, 6),
                            .detail = row_str(query, 7, arena)};

    row.actor = row_actor(query, 3);
    row.has_object = row_uuid(query, 5, &row.object_id);
    return row;
}

enum error_code
audit_list(struct db_tx *tx, const struct list_query *list,
           struct arena *scratch, audit_visit *visit, void *context,
           struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct db_query *query = NULL;

    arena_init(&arena, WHERE_BYTES);
    enum error_code rc = where_rows(tx, &events, list, NULL, &arena, &query,
                                    err);

    if (rc != ERR_OK)
        return rc;
    while ((rc = db_step(query, err)) == ERR_OK) {
        arena_reset(scratch);
        struct audit_row row = audit_row(query, scratch);

        if (scratch->failed || !visit(context, &row))
            break;
    }
    if (rc == ERR_END)
        rc = ERR_OK;
    return row_done(query, rc, scratch, err);
}

enum error_code
audit_list_count(struct db_tx *tx, const struct list_query *list, int64_t *ret,
                 struct error *err)
{
    return where_count(tx, &events, list, NULL, ret, err);
}

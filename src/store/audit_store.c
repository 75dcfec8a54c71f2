#include "store/audit_store.h"

#include "store/row.h"

enum error_code
audit_add(struct db_tx *tx, const struct audit_event *event, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_AUDIT_ADD);
    const struct actor *actor = &event->actor;

    db_int(query, 1, clock_now_ms());
    db_str(query, 2, str_of(event->event));
    bind_optional_uuid(query, 3, actor->known, &actor->id);
    bind_optional_uuid(query, 4, actor->has_request, &actor->request_id);
    bind_optional_uuid(query, 5, event->has_object, &event->object_id);
    bind_optional_int(query, 6, event->source);
    db_str(query, 7, event->detail);
    return db_run(query, NULL, err);
}

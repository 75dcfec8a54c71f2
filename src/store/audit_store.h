/*
 * audit_store.h - the append-only log of what anyone did besides changing
 * records (those are in record_history).
 *
 * Memory, errors, threads: see store.h.
 */
#ifndef NELM_STORE_AUDIT_STORE_H
#define NELM_STORE_AUDIT_STORE_H

#include "store/where.h"

struct audit_event {
    const char *event; /* contract section 15, e.g.
                          "NON_EMPLOYEE_SOURCE_CREATED" */
    struct actor actor;
    bool has_object;
    struct uuid object_id;
    int64_t source;    /* number, 0 for none */
    struct str detail; /* field names and counts, never values */
};

enum error_code audit_add(struct db_tx *tx, const struct audit_event *event,
                          struct error *err) MUST_USE;

/* Newest last, or first with the sorter -created. Filters: event, actor, object
 * (eq), created (ge, le). */
struct audit_row {
    int64_t number, at_ms;
    struct str event, detail;
    struct actor actor;
    bool has_object;
    struct uuid object_id;
    int64_t source;
};
typedef bool audit_visit(void *context, const struct audit_row *row);
enum error_code audit_list(struct db_tx *tx, const struct list_query *list,
                           struct arena *scratch, audit_visit *visit,
                           void *context, struct error *err) MUST_USE;
enum error_code audit_list_count(struct db_tx *tx,
                                 const struct list_query *list, int64_t *ret,
                                 struct error *err) MUST_USE;

#endif

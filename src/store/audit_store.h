/*
 * audit_store.h - the append-only log of what anyone did besides changing
 * records (those are in record_history).
 *
 * Memory, errors, threads: see store.h.
 */
#ifndef NELM_STORE_AUDIT_STORE_H
#define NELM_STORE_AUDIT_STORE_H

#include "store/store.h"

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

#endif

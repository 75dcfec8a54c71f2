/*
 * record_rules.h - what may become of records (contract 12): create, replace,
 * patch, delete. Every call runs inside the caller's write transaction and
 * leaves its audit rows there.
 *
 * Memory:  text of results lives in the arena or is borrowed from the JSON.
 * Errors:  as contract sections 4 and 8 order them; ERR_NOT_FOUND when the
 *          record is not there.
 * Threads: see store.h.
 */
#ifndef NELM_CORE_RECORD_RULES_H
#define NELM_CORE_RECORD_RULES_H

#include <jansson.h>

#include "core/validate.h"
#include "store/record_store.h"

struct record_rules {
    int64_t max_records; /* per source; 0: no limit */
    bool check_managers;
    bool end_date_only; /* an account manager: anything else is
                           ERR_FORBIDDEN */
    struct actor actor;
};

/* The source that a body (contract 9.5) names; *ret_number 0 when there is no
 * such source, *ret_named false when the body names none. */
enum error_code record_rules_source(struct db_tx *tx, const json_t *body,
                                    struct arena *arena, bool *ret_named,
                                    int64_t *ret_number,
                                    struct error *err) MUST_USE;

/* A new person as a body describes one, for a record or a request: checked in
 * full, but for limits and conflicts. Fills the source, and the record but for
 * key, id and times. */
enum error_code record_rules_read(struct db_tx *tx, const json_t *body,
                                  const struct record_rules *rules,
                                  struct arena *arena,
                                  struct source *ret_source, struct record *ret,
                                  struct error *err) MUST_USE;

/* Put a record that was read into its source: the limit, the account name,
 * the audit row. */
enum error_code record_rules_add(struct db_tx *tx, const struct source *source,
                                 struct record *record, int64_t max_records,
                                 const struct actor *actor,
                                 struct error *err) MUST_USE;

enum error_code record_rules_create(struct db_tx *tx, const json_t *body,
                                    const struct record_rules *rules,
                                    struct arena *arena, struct record *ret,
                                    struct error *err) MUST_USE;

enum error_code record_rules_put(struct db_tx *tx, const struct uuid *id,
                                 const json_t *body,
                                 const struct record_rules *rules,
                                 struct arena *arena, struct record *ret,
                                 struct error *err) MUST_USE;

enum error_code record_rules_patch(struct db_tx *tx, const struct uuid *id,
                                   const json_t *patch,
                                   const struct record_rules *rules,
                                   struct arena *arena, struct record *ret,
                                   struct error *err) MUST_USE;

enum error_code record_rules_delete(struct db_tx *tx, const struct uuid *id,
                                    const struct actor *actor,
                                    struct arena *arena,
                                    struct error *err) MUST_USE;

/* {"ids": [...]}: all of them or none. */
enum error_code record_rules_delete_many(struct db_tx *tx, const json_t *body,
                                         const struct actor *actor,
                                         struct arena *arena,
                                         struct error *err) MUST_USE;

#endif

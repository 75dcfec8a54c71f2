/*
 * source_rules.h - what may become of sources and their schema attributes
 * (contract 10 and 11): create, patch, delete. Every call runs inside the
 * caller's write transaction and leaves its audit row there.
 *
 * Memory:  text of results lives in the arena or is borrowed from the JSON.
 * Errors:  as contract sections 4 and 8 order them; ERR_NOT_FOUND when the
 *          source or attribute is not there.
 * Threads: see store.h.
 */
#ifndef NELM_CORE_SOURCE_RULES_H
#define NELM_CORE_SOURCE_RULES_H

#include <jansson.h>

#include "store/source_store.h"

/* `max_sources` 0: no limit. */
enum error_code source_rules_create(struct db_tx *tx, const json_t *body,
                                    int64_t max_sources,
                                    const struct actor *actor,
                                    struct arena *arena, struct source *ret,
                                    struct error *err) MUST_USE;

/* JSON Patch on /name, /description, /approvers, /accountManagers. */
enum error_code source_rules_patch(struct db_tx *tx, const struct uuid *id,
                                   const json_t *patch,
                                   const struct actor *actor,
                                   struct arena *arena, struct source *ret,
                                   struct error *err) MUST_USE;

/* The source with all that belongs to it. ERR_IN_USE while an upload waits
 * or runs. */
enum error_code source_rules_delete(struct db_tx *tx, const struct uuid *id,
                                    const struct actor *actor,
                                    struct arena *arena,
                                    struct error *err) MUST_USE;

enum error_code schema_rules_create(struct db_tx *tx,
                                    const struct uuid *source_id,
                                    const json_t *body,
                                    const struct actor *actor,
                                    struct arena *arena, struct attribute *ret,
                                    struct error *err) MUST_USE;

/* JSON Patch on /label, /helpText, /placeholder and, of custom attributes,
 * /required. */
enum error_code schema_rules_patch(struct db_tx *tx,
                                   const struct uuid *source_id,
                                   const struct uuid *id, const json_t *patch,
                                   const struct actor *actor,
                                   struct arena *arena, struct attribute *ret,
                                   struct error *err) MUST_USE;

/* One custom attribute, or all with a NULL id. */
enum error_code schema_rules_delete(
    struct db_tx *tx, const struct uuid *source_id, const struct uuid *id,
    const struct actor *actor, struct arena *arena, struct error *err) MUST_USE;

#endif

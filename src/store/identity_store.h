/*
 * identity_store.h - identities and workgroup members.
 *
 * Everything that changes who may do what also moves registry.auth_epoch.
 *
 * Memory, errors, threads: see store.h.
 */
#ifndef NELM_STORE_IDENTITY_STORE_H
#define NELM_STORE_IDENTITY_STORE_H

#include "store/where.h"

/* Fills id, number, times. A taken alias is ERR_CONFLICT and says so. */
enum error_code identity_insert(struct db_tx *tx, struct identity *identity,
                                struct error *err) MUST_USE;

enum error_code identity_by_id(struct db_tx *tx, const struct uuid *id,
                               struct arena *arena, struct identity *ret,
                               struct error *err) MUST_USE;
/* Folded comparison. */
enum error_code identity_by_alias(struct db_tx *tx, struct str alias,
                                  struct arena *arena, struct identity *ret,
                                  struct error *err) MUST_USE;

/* The alias of the identity that `text` means as a manager: an alias, an id
 * in either form, an e-mail address (contract 9.5), and with `by_name` also a
 * display name when exactly one identity has it (contract 16.4). `ret` gets a
 * copy in the arena. ERR_NOT_FOUND when none is meant. */
enum error_code identity_resolve(struct db_tx *tx, struct str text,
                                 bool by_name, struct arena *arena,
                                 struct str *ret_alias,
                                 struct error *err) MUST_USE;

typedef bool identity_visit(void *context, const struct identity *identity);
enum error_code identity_each(struct db_tx *tx, struct arena *scratch,
                              identity_visit *visit, void *context,
                              struct error *err) MUST_USE;

/* Deletes the identity, its tokens and memberships. */
enum error_code identity_delete(struct db_tx *tx, const struct uuid *id,
                                struct error *err) MUST_USE;

enum error_code identity_set_password(struct db_tx *tx, const struct uuid *id,
                                      struct str hash,
                                      struct error *err) MUST_USE;

/* ERR_CONFLICT when it is there already, ERR_NOT_FOUND when it is not. */
enum error_code workgroup_add(struct db_tx *tx, struct str workgroup,
                              const struct uuid *identity,
                              struct error *err) MUST_USE;
enum error_code workgroup_remove(struct db_tx *tx, struct str workgroup,
                                 const struct uuid *identity,
                                 struct error *err) MUST_USE;
enum error_code workgroup_has(struct db_tx *tx, struct str workgroup,
                              const struct uuid *identity, bool *ret,
                              struct error *err) MUST_USE;
typedef bool workgroup_visit(void *context, struct str workgroup,
                             const struct uuid *identity, struct str alias);
enum error_code workgroup_each(struct db_tx *tx, workgroup_visit *visit,
                               void *context, struct error *err) MUST_USE;

/* Filters and sorters of contract 18.1. An identity has one name: what stands
 * before a blank in it is a first name, what stands behind one a last name. */
enum error_code identity_list(struct db_tx *tx, const struct list_query *list,
                              struct arena *scratch, identity_visit *visit,
                              void *context, struct error *err) MUST_USE;
enum error_code identity_list_count(struct db_tx *tx,
                                    const struct list_query *list, int64_t *ret,
                                    struct error *err) MUST_USE;

#endif

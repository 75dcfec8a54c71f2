/*
 * source_store.h - sources, their members and their schema attributes.
 *
 * Memory, errors, threads: see store.h.
 */
#ifndef NELM_STORE_SOURCE_STORE_H
#define NELM_STORE_SOURCE_STORE_H

#include "store/where.h"

/* By either id (contract 1.4). ERR_NOT_FOUND. */
enum error_code source_find(struct db_tx *tx, const struct uuid *id,
                            struct arena *arena, struct source *ret,
                            struct error *err) MUST_USE;

enum error_code source_by_number(struct db_tx *tx, int64_t number,
                                 struct arena *arena, struct source *ret,
                                 struct error *err) MUST_USE;

/* What a conditional download needs and no more: one indexed read. */
struct source_mark {
    int64_t number, revision, changed_ms;
    struct uuid id;
};
enum error_code source_mark(struct db_tx *tx, const struct uuid *id,
                            struct source_mark *ret,
                            struct error *err) MUST_USE;

/* Make a source and its eight built-in attributes. Fills number, revision,
 * times, and the ids unless they are given (not all zero). A taken name is
 * ERR_CONFLICT with the text of contract 5.2. */
enum error_code source_insert(struct db_tx *tx, struct source *source,
                              struct error *err) MUST_USE;

/* All sources in the order of creation: called once per source until it
 * returns false. The struct is valid during the call only. */
typedef bool source_visit(void *context, const struct source *source);
enum error_code source_each(struct db_tx *tx, struct arena *scratch,
                            source_visit *visit, void *context,
                            struct error *err) MUST_USE;

enum error_code source_count(struct db_tx *tx, int64_t *ret,
                             struct error *err) MUST_USE;

/* The columns: built-in ones first, then custom ones by creation, at most
 * SCHEMA_MAX. */
enum error_code schema_list(struct db_tx *tx, int64_t source,
                            struct arena *arena,
                            struct attribute ret[SCHEMA_MAX], size_t *ret_count,
                            struct error *err) MUST_USE;

/* Add a custom attribute; fills id, number, times. Moves the source's
 * revision. ERR_CONFLICT for a taken technical name. */
enum error_code schema_insert(struct db_tx *tx, int64_t source,
                              struct attribute *attribute,
                              struct error *err) MUST_USE;

/* Is `identity` a member of the source in that role ("APPROVER" or
 * "MANAGER")? */
enum error_code source_has_member(struct db_tx *tx, int64_t source,
                                  const char *role, const struct uuid *identity,
                                  bool *ret, struct error *err) MUST_USE;

/* Keep everybody else from changing the source and its records until the
 * transaction ends; before anything else of a db_write_long(). Fine when there
 * is no such source. */
enum error_code source_lock(struct db_tx *tx, const struct uuid *id,
                            struct error *err) MUST_USE;

/* Move the revision by one for a change at `now_ms`; returns the new one. */
enum error_code source_touch(struct db_tx *tx, int64_t source, int64_t now_ms,
                             int64_t *ret_revision, struct error *err) MUST_USE;

/* Add to the counters after records were written: record_count by
 * `count_delta`, next_row to `next_row`. */
enum error_code source_advance(struct db_tx *tx, int64_t source,
                               int64_t count_delta, int64_t next_row,
                               struct error *err) MUST_USE;

/* --- members --------------------------------------------------------- */

#define MEMBERS_MAX 10 /* account managers of a source, contract 17 */

struct source_member {
    struct uuid identity_id;
    struct str name; /* display name */
};

/* In order; `role` is "APPROVER" or "MANAGER". */
enum error_code source_members(struct db_tx *tx, int64_t source,
                               const char *role, struct arena *arena,
                               struct source_member ret[MEMBERS_MAX],
                               size_t *ret_count, struct error *err) MUST_USE;

/* Replace all members of a role, in this order. ERR_REFERENCE naming an unknown
 * identity. Leaves modified_ms to source_update(). */
enum error_code source_set_members(struct db_tx *tx, int64_t source,
                                   const char *role, const struct uuid *ids,
                                   size_t count, struct error *err) MUST_USE;

/* --- changing and listing -------------------------------------------- */

/* Write name and description; sets modified_ms. A taken name is
 * ERR_CONFLICT. */
enum error_code source_update(struct db_tx *tx, struct source *source,
                              struct error *err) MUST_USE;

/* The source with everything in it: attributes, members, records, history,
 * requests, jobs. Its number is never used again. */
enum error_code source_delete(struct db_tx *tx, int64_t source,
                              struct error *err) MUST_USE;

/* Sources of which `manager` is an account manager; NULL: all. Sorts by the
 * fields of contract section 7; filters are ignored there. */
enum error_code source_list(struct db_tx *tx, const struct uuid *manager,
                            const struct list_query *list,
                            struct arena *scratch, source_visit *visit,
                            void *context, struct error *err) MUST_USE;
enum error_code source_list_count(struct db_tx *tx, const struct uuid *manager,
                                  const struct list_query *list, int64_t *ret,
                                  struct error *err) MUST_USE;

/* --- schema attributes ----------------------------------------------- */

/* ERR_NOT_FOUND also for an attribute of another source. */
enum error_code schema_find(struct db_tx *tx, int64_t source,
                            const struct uuid *id, struct arena *arena,
                            struct attribute *ret, struct error *err) MUST_USE;
/* Write label, helpText, placeholder and required; sets modified_ms. */
enum error_code schema_update(struct db_tx *tx, int64_t source,
                              struct attribute *attribute,
                              struct error *err) MUST_USE;
/* Delete one custom attribute, or all with a NULL id. Moves the source's
 * revision when there was one; without one of that id, or for a built-in one,
 * ERR_NOT_FOUND. Its values stay in the packed texts of records and requests
 * until these are written again, where nobody finds them: readers go by the
 * numbers of schema_list(), and an attribute that is made again with the same
 * name gets another number. So a delete costs the same for any number of
 * records. */
enum error_code schema_delete(struct db_tx *tx, int64_t source,
                              const struct uuid *id,
                              struct error *err) MUST_USE;

#endif

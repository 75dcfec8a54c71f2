/*
 * job_store.h - bulk upload jobs: queued files and how they ended.
 *
 * A job that runs belongs to a node, which counts its beat up as long as it
 * lives. Of one source at most one runs.
 *
 * Memory, errors, threads: see store.h.
 */
#ifndef NELM_STORE_JOB_STORE_H
#define NELM_STORE_JOB_STORE_H

#include "store/store.h"

enum job_status {
    JOB_PENDING,
    JOB_IN_PROGRESS,
    JOB_COMPLETED,
    JOB_ERROR,
    JOB_STATUSES
};
const char *job_status_name(enum job_status status);

#define JOB_WAITING_MAX 10 /* per source, contract 17 */

struct job {
    struct uuid id;
    int64_t source;
    struct uuid source_id; /* of the underlying source, for answers */
    enum job_status status;
    struct actor actor; /* who uploaded */
    int64_t length;     /* bytes of the file */
    bool guarded;       /* its cells have the formula guard */
    int64_t created_ms, modified_ms;
    int64_t records_created, records_updated;
    struct str errors;          /* lines joined by LF; "" for none */
    struct str idempotency_key; /* `at` NULL: none */
    unsigned char sha256[32];   /* of the file, to tell a retry from a reuse */
};

/* May one more wait? ERR_LIMIT. */
enum error_code job_check_room(struct db_tx *tx, int64_t source,
                               struct error *err) MUST_USE;
/* Fills id, status and times. ERR_LIMIT over JOB_WAITING_MAX waiting ones,
 * ERR_CONFLICT for an idempotency key that the source has already. */
enum error_code job_insert(struct db_tx *tx, struct job *job,
                           struct error *err) MUST_USE;
enum error_code job_by_id(struct db_tx *tx, const struct uuid *id,
                          struct arena *arena, struct job *ret,
                          struct error *err) MUST_USE;
/* The newest of a source. */
enum error_code job_newest(struct db_tx *tx, int64_t source,
                           struct arena *arena, struct job *ret,
                           struct error *err) MUST_USE;
/* By the key that its client gave. */
enum error_code job_by_key(struct db_tx *tx, int64_t source, struct str key,
                           struct arena *arena, struct job *ret,
                           struct error *err) MUST_USE;
/* The oldest waiting job of a source without a running one. ERR_NOT_FOUND:
 * nothing to do. */
enum error_code job_next(struct db_tx *tx, struct uuid *ret_id,
                         struct error *err) MUST_USE;

/* Jobs that run, the first `max` of them, and the nodes that do it. */
struct job_running {
    struct uuid id, node;
    int64_t beat; /* of the node, when this was read */
};
enum error_code job_running(struct db_tx *tx, struct job_running *ret,
                            size_t max, size_t *ret_count,
                            struct error *err) MUST_USE;

/* Make a waiting job, or one that has a node which stands still since it was
 * read, the job of `node`, and count that one's beat. ERR_NOT_FOUND: another
 * node was faster, or the old one lives. */
enum error_code job_claim(struct db_tx *tx, const struct uuid *id,
                          const struct uuid *node, struct error *err) MUST_USE;
enum error_code job_take_over(struct db_tx *tx, const struct job_running *job,
                              const struct uuid *node,
                              struct error *err) MUST_USE;
/* ERR_NOT_FOUND, these three: it is not the node's job, or not any more. */
enum error_code job_held(struct db_tx *tx, const struct uuid *id,
                         const struct uuid *node, struct error *err) MUST_USE;
/* PENDING again. */
enum error_code job_release(struct db_tx *tx, const struct uuid *id,
                            const struct uuid *node,
                            struct error *err) MUST_USE;
/* Write status, counts and errors; sets modified_ms. */
enum error_code job_end(struct db_tx *tx, struct job *job,
                        const struct uuid *node, struct error *err) MUST_USE;
/* Write the errors of a job that goes on nevertheless. */
enum error_code job_note_errors(struct db_tx *tx, const struct job *job,
                                struct error *err) MUST_USE;

/* How many jobs there are with each status. */
enum error_code job_statuses(struct db_tx *tx, int64_t ret[JOB_STATUSES],
                             struct error *err) MUST_USE;

enum error_code node_beat(struct db_tx *tx, const struct uuid *node,
                          struct error *err) MUST_USE;
/* Forget nodes without a job. */
enum error_code node_sweep(struct db_tx *tx, struct error *err) MUST_USE;

/* Is a job of the source PENDING or IN_PROGRESS? */
enum error_code job_active(struct db_tx *tx, int64_t source, bool *ret,
                           struct error *err) MUST_USE;

#endif

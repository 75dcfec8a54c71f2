/*
 * job_store.h - bulk upload jobs: queued files and how they ended.
 *
 * The file of a job lives in the spool directory under the job's id, not in
 * the database, unless the database is shared by several nodes.
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
    int64_t created_ms, modified_ms;
    int64_t records_created, records_updated;
    struct str errors;          /* lines joined by LF; "" for none */
    struct str idempotency_key; /* `at` NULL: none */
    unsigned char sha256[32];   /* of the file, to tell a retry from a reuse */
};

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
/* Take the oldest waiting job of a source without a running one and mark it
 * IN_PROGRESS. ERR_NOT_FOUND: nothing to do. */
enum error_code job_claim(struct db_tx *tx, struct arena *arena,
                          struct job *ret, struct error *err) MUST_USE;
/* After a restart: what was IN_PROGRESS is PENDING again. */
enum error_code job_requeue(struct db_tx *tx, struct error *err) MUST_USE;
/* Write status, counts and errors; sets modified_ms. */
enum error_code job_update(struct db_tx *tx, struct job *job,
                           struct error *err) MUST_USE;
/* Is a job of the source PENDING or IN_PROGRESS? */
enum error_code job_active(struct db_tx *tx, int64_t source, bool *ret,
                           struct error *err) MUST_USE;

#endif

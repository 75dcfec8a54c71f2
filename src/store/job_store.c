#include "store/job_store.h"

#include "store/row.h"

static const char *const names[JOB_STATUSES] = {
    [JOB_PENDING] = "PENDING",
    [JOB_IN_PROGRESS] = "IN_PROGRESS",
    [JOB_COMPLETED] = "COMPLETED",
    [JOB_ERROR] = "ERROR",
};

const char *
job_status_name(enum job_status status)
{
    return names[status];
}

enum error_code
job_insert(struct db_tx *tx, struct job *job, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_WAITING);
    int64_t waiting = 0, changes = 0;

    db_int(query, 1, job->source);
    enum error_code rc = read_number(query, &waiting, err);

    if (rc != ERR_OK)
        return rc;
    if (waiting >= JOB_WAITING_MAX)
        return error_set(err, ERR_LIMIT,
                         "You have reached the current limit of %d waiting "
                         "bulk uploads.",
                         JOB_WAITING_MAX);
    job->id = uuid_mint();
    job->status = JOB_PENDING;
    job->created_ms = job->modified_ms = clock_now_ms();
    query = db_query(tx, STMT_JOB_INSERT);
    db_uuid(query, 1, &job->id);
    db_int(query, 2, job->source);
    bind_actor(query, 3, &job->actor);
    db_int(query, 5, job->length);
    db_blob(query, 6, str_n((const char *)job->sha256, sizeof(job->sha256)));
    bind_optional(query, 7, job->idempotency_key);
    db_int(query, 8, job->created_ms);
    rc = db_run(query, &changes, err);
    if (rc == ERR_OK && changes == 0)
        return error_set(err, ERR_CONFLICT, NULL);
    return rc;
}

/* The table allows no other text. */
static enum job_status
row_status(struct db_query *query, int column)
{
    struct str text = db_col_str(query, column);
    enum job_status status = JOB_PENDING;

    while (status < JOB_ERROR && !str_eq(text, str_of(names[status])))
        status++;
    return status;
}

/* The only row of job_by_id or its like. */
static enum error_code
read_job(struct db_query *query, struct arena *arena, struct job *ret,
         struct error *err)
{
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK) {
        struct str sha256 = db_col_str(query, 13);
        struct job job = {
            .id = db_col_uuid(query, 0),
            .source = db_col_int(query, 1),
            .source_id = db_col_uuid(query, 2),
            .status = row_status(query, 3),
            .actor = row_actor(query, 4),
            .length = db_col_int(query, 6),
            .created_ms = db_col_int(query, 7),
            .modified_ms = db_col_int(query, 8),
            .records_created = db_col_int(query, 9),
            .records_updated = db_col_int(query, 10),
            .errors = row_str(query, 11, arena),
            .idempotency_key = row_optional(query, 12, arena),
        };

        memcpy(job.sha256, sha256.at, MIN(sha256.len, sizeof(job.sha256)));
        *ret = job;
    }
    return row_done(query, rc, arena, err);
}

enum error_code
job_by_id(struct db_tx *tx, const struct uuid *id, struct arena *arena,
          struct job *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_BY_ID);

    db_uuid(query, 1, id);
    return read_job(query, arena, ret, err);
}

enum error_code
job_newest(struct db_tx *tx, int64_t source, struct arena *arena,
           struct job *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_NEWEST);

    db_int(query, 1, source);
    return read_job(query, arena, ret, err);
}

enum error_code
job_by_key(struct db_tx *tx, int64_t source, struct str key,
           struct arena *arena, struct job *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_BY_KEY);

    db_int(query, 1, source);
    db_str(query, 2, key);
    return read_job(query, arena, ret, err);
}

enum error_code
job_claim(struct db_tx *tx, struct arena *arena, struct job *ret,
          struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_CLAIM);
    struct uuid id;

    db_int(query, 1, clock_now_ms());
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK)
        id = db_col_uuid(query, 0);
    rc = row_done(query, rc, NULL, err);
    if (rc != ERR_OK)
        return rc;
    return job_by_id(tx, &id, arena, ret, err);
}

enum error_code
job_requeue(struct db_tx *tx, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_REQUEUE);

    db_int(query, 1, clock_now_ms());
    return db_run(query, NULL, err);
}

enum error_code
job_update(struct db_tx *tx, struct job *job, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_UPDATE);
    int64_t now_ms = clock_now_ms();

    db_uuid(query, 1, &job->id);
    db_str(query, 2, str_of(job_status_name(job->status)));
    db_int(query, 3, job->records_created);
    db_int(query, 4, job->records_updated);
    db_str(query, 5, job->errors);
    db_int(query, 6, now_ms);
    enum error_code rc = run_one(query, err);

    if (rc == ERR_OK)
        job->modified_ms = now_ms;
    return rc;
}

enum error_code
job_active(struct db_tx *tx, int64_t source, bool *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_ACTIVE);

    db_int(query, 1, source);
    return row_exists(query, ret, err);
}

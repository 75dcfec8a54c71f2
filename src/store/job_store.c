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
job_check_room(struct db_tx *tx, int64_t source, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_WAITING);
    int64_t waiting = 0;

    db_int(query, 1, source);
    enum error_code rc = read_number(query, &waiting, err);

    if (rc != ERR_OK)
        return rc;
    if (waiting >= JOB_WAITING_MAX)
        return error_set(err, ERR_LIMIT,
                         "You have reached the current limit of %d waiting "
                         "bulk uploads.",
                         JOB_WAITING_MAX);
    return ERR_OK;
}

enum error_code
job_insert(struct db_tx *tx, struct job *job, struct error *err)
{
    int64_t changes = 0;
    enum error_code rc = job_check_room(tx, job->source, err);

    if (rc != ERR_OK)
        return rc;
    job->id = uuid_mint();
    job->status = JOB_PENDING;
    job->created_ms = job->modified_ms = clock_now_ms();
    struct db_query *query = db_query(tx, STMT_JOB_INSERT);

    db_uuid(query, 1, &job->id);
    db_int(query, 2, job->source);
    bind_actor(query, 3, &job->actor);
    db_int(query, 5, job->length);
    db_blob(query, 6, str_n((const char *)job->sha256, sizeof(job->sha256)));
    bind_optional(query, 7, job->idempotency_key);
    db_int(query, 8, job->created_ms);
    db_int(query, 9, job->guarded);
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
            .guarded = db_col_int(query, 14) != 0,
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
job_next(struct db_tx *tx, struct uuid *ret_id, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_NEXT);
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK)
        *ret_id = db_col_uuid(query, 0);
    return row_done(query, rc, NULL, err);
}

enum error_code
job_running(struct db_tx *tx, struct job_running *ret, size_t max,
            size_t *ret_count, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_RUNNING);
    enum error_code rc = ERR_OK;
    size_t count = 0;

    while (count < max && (rc = db_step(query, err)) == ERR_OK)
        ret[count++] = (struct job_running){.id = db_col_uuid(query, 0),
                                            .node = db_col_uuid(query, 1),
                                            .beat = db_col_int(query, 2)};
    db_end(query);
    if (rc != ERR_OK && rc != ERR_END)
        return rc;
    *ret_count = count;
    return ERR_OK;
}

static enum error_code
claimed(struct db_tx *tx, struct db_query *query, const struct uuid *id,
        const struct uuid *node, struct error *err)
{
    db_uuid(query, 1, id);
    db_uuid(query, 2, node);
    db_int(query, 3, clock_now_ms());
    enum error_code rc = run_one(query, err);

    if (rc == ERR_CONFLICT) /* one of the same source runs by now */
        return error_set(err, ERR_NOT_FOUND, NULL);
    return rc == ERR_OK ? node_beat(tx, node, err) : rc;
}

enum error_code
job_claim(struct db_tx *tx, const struct uuid *id, const struct uuid *node,
          struct error *err)
{
    return claimed(tx, db_query(tx, STMT_JOB_CLAIM), id, node, err);
}

enum error_code
job_take_over(struct db_tx *tx, const struct job_running *job,
              const struct uuid *node, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_TAKE_OVER);

    db_uuid(query, 4, &job->node);
    db_int(query, 5, job->beat);
    return claimed(tx, query, &job->id, node, err);
}

enum error_code
job_held(struct db_tx *tx, const struct uuid *id, const struct uuid *node,
         struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_HELD);

    db_uuid(query, 1, id);
    db_uuid(query, 2, node);
    return row_done(query, db_step(query, err), NULL, err);
}

enum error_code
job_release(struct db_tx *tx, const struct uuid *id, const struct uuid *node,
            struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_RELEASE);

    db_uuid(query, 1, id);
    db_uuid(query, 2, node);
    db_int(query, 3, clock_now_ms());
    return run_one(query, err);
}

enum error_code
job_end(struct db_tx *tx, struct job *job, const struct uuid *node,
        struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_END);
    int64_t now_ms = clock_now_ms();

    db_uuid(query, 1, &job->id);
    db_uuid(query, 2, node);
    db_str(query, 3, str_of(job_status_name(job->status)));
    db_int(query, 4, job->records_created);
    db_int(query, 5, job->records_updated);
    db_str(query, 6, job->errors);
    db_int(query, 7, now_ms);
    enum error_code rc = run_one(query, err);

    if (rc == ERR_OK)
        job->modified_ms = now_ms;
    return rc;
}

enum error_code
job_note_errors(struct db_tx *tx, const struct job *job, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_ERRORS);

    db_uuid(query, 1, &job->id);
    db_str(query, 2, job->errors);
    return run_one(query, err);
}

enum error_code
node_beat(struct db_tx *tx, const struct uuid *node, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_NODE_BEAT);

    db_uuid(query, 1, node);
    return db_run(query, NULL, err);
}

enum error_code
node_sweep(struct db_tx *tx, struct error *err)
{
    return db_run(db_query(tx, STMT_NODE_SWEEP), NULL, err);
}

enum error_code
job_active(struct db_tx *tx, int64_t source, bool *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_ACTIVE);

    db_int(query, 1, source);
    return row_exists(query, ret, err);
}

enum error_code
job_statuses(struct db_tx *tx, int64_t ret[JOB_STATUSES], struct error *err)
{
    struct db_query *query = db_query(tx, STMT_JOB_STATUSES);
    enum error_code rc;

    memset(ret, 0, JOB_STATUSES * sizeof(*ret));
    while ((rc = db_step(query, err)) == ERR_OK)
        for (size_t i = 0; i < JOB_STATUSES; i++)
            if (str_eq(db_col_str(query, 0), str_of(names[i])))
                ret[i] = db_col_int(query, 1);
    if (rc == ERR_END)
        rc = ERR_OK;
    return row_done(query, rc, NULL, err);
}

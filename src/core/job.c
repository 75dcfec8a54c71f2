#include "core/job.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/import.h"
#include "core/reject.h"
#include "core/upload_file.h"
#include "store/find.h"

#define POLL_MS 1000 /* jobs that another process put in line */
#define BEAT_MS 2000
#define LEASE_MS 10000 /* a node that did not beat for so long is dead */
#define SWEEP_MS ((int64_t)3600 * 1000)
#define CLOSING_MAX 64
#define RUNNING_MAX 64
#define ROWS_ALONE 20000 /* to be found in one write */
#define ROWS_BESIDE 500
#define JOB_ARENA_BYTES ((size_t)1 << 20)

/* A running job as it was when it was seen first. */
struct watched {
    struct job_running job;
    int64_t since_ms;
};

struct job_runner {
    struct job_options options;
    const struct uuid *node; /* the spool's */
    pthread_t thread, heart;
    bool have_thread, have_heart;
    pthread_mutex_t lock;
    pthread_cond_t wake, halt;
    bool woken;
    int closing[CLOSING_MAX];
    size_t closing_count;
    atomic_bool stopping;
    atomic_bool claimed; /* `job` is ours and IN_PROGRESS */
    /* The thread's own: */
    int64_t swept_ms;
    struct arena arena;
    struct job job;
    struct reject reject;
    struct watched watched[RUNNING_MAX];
    size_t watched_count;
    uint64_t writes; /* of this process until we looked last */
};

/* --- putting in line ---------------------------------------------------- */

static enum error_code
check_room(struct db *db, int64_t source, struct error *err)
{
    struct db_tx *tx;
    enum error_code rc = db_read_begin(db, &tx, err);

    if (rc != ERR_OK)
        return rc;
    rc = job_check_room(tx, source, err);
    db_read_end(tx);
    return rc;
}

struct enqueue {
    struct job *job;
    struct uuid file;
    const struct uuid *refused;
};

static enum error_code
enqueue(struct db_tx *tx, void *context, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    const struct enqueue *e = context;
    struct str errors = e->job->errors;
    struct source source;

    arena_init(&arena, JOB_ARENA_BYTES);
    /* The file took its time to come: the source may have gone. */
    enum error_code rc = source_find(tx, &e->job->source_id, &arena, &source,
                                     err);

    if (rc == ERR_OK) {
        e->job->source = source.number;
        rc = job_insert(tx, e->job, err);
    }
    if (rc == ERR_OK && errors.len > 0)
        rc = job_note_errors(tx, e->job, err);
    if (rc == ERR_OK)
        rc = upload_finish(tx, &e->file, UPLOAD_WAITING, &e->job->id, err);
    if (rc == ERR_OK && e->refused != NULL)
        rc = upload_finish(tx, e->refused, UPLOAD_REFUSED, &e->job->id, err);
    return rc;
}

enum error_code
job_enqueue(struct db *db, struct job *job, int fd, const struct uuid *refused,
            struct error *err)
{
    struct enqueue e = {.job = job, .refused = refused};
    /* Before a long file is written in vain. */
    enum error_code rc = check_room(db, job->source, err);

    if (rc == ERR_OK)
        rc = upload_file_write(db, &job->source_id, UPLOAD_WAITING, fd,
                               (uint64_t)job->length, &e.file, err);
    if (rc != ERR_OK)
        return rc;
    rc = db_write(db, enqueue, &e, err);
    if (rc != ERR_OK)
        upload_file_drop(db, &e.file);
    return rc;
}

/* --- one job ------------------------------------------------------------ */

struct attempt {
    struct job_runner *runner;
    struct import_options options;
    struct import_result result;
    int fd;
    uint64_t length;
    bool lost;        /* the job is another node's by now */
    bool has_refused; /* and then, a file of the refused lines: */
    struct uuid refused;
    struct error *why;
};

static void
note_fault(void *context, const struct import_fault *fault)
{
    reject_add(context, fault);
}

static struct import_options
options_of(struct job_runner *runner)
{
    return (struct import_options){
        .source_id = runner->job.source_id,
        .actor = runner->job.actor,
        .unguard = runner->job.guarded,
        .check_managers = runner->options.check_managers,
        .max_records = runner->options.max_records,
        .stop = &runner->stopping,
        .fault = note_fault,
        .context = &runner->reject,
    };
}

static enum error_code
complete(struct db_tx *tx, void *context, struct error *err)
{
    struct attempt *attempt = context;
    struct job done = attempt->runner->job;

    reject_clear(&attempt->runner->reject);
    enum error_code rc = job_held(tx, &done.id, attempt->runner->node, err);

    attempt->lost = rc == ERR_NOT_FOUND;
    if (rc == ERR_OK)
        rc = import_write(tx, attempt->fd, attempt->length, &attempt->options,
                          &attempt->result, err);
    if (rc != ERR_OK)
        return rc;
    done.status = JOB_COMPLETED;
    done.records_created = attempt->result.created;
    done.records_updated = attempt->result.updated;
    rc = job_end(tx, &done, attempt->runner->node, err);
    attempt->lost = rc == ERR_NOT_FOUND;
    if (rc == ERR_OK)
        rc = upload_remove(tx, UPLOAD_WAITING, &done.id, err);
    if (rc == ERR_OK)
        attempt->runner->job = done;
    return rc;
}

static enum error_code
give_up(struct db_tx *tx, void *context, struct error *err)
{
    struct attempt *attempt = context;
    struct job done = attempt->runner->job;

    done.status = JOB_ERROR;
    done.errors = attempt->result.errors.len > 0
                      ? buf_view(&attempt->result.errors)
                      : str_of(error_text(attempt->why));
    enum error_code rc = job_end(tx, &done, attempt->runner->node, err);

    attempt->lost = rc == ERR_NOT_FOUND;
    if (rc == ERR_OK)
        rc = upload_remove(tx, UPLOAD_WAITING, &done.id, err);
    if (rc == ERR_OK && attempt->has_refused)
        rc = upload_finish(tx, &attempt->refused, UPLOAD_REFUSED, &done.id,
                           err);
    if (rc == ERR_OK)
        rc = import_failed(tx, &attempt->options, &attempt->result,
                           attempt->why->code, err);
    if (rc == ERR_OK)
        attempt->runner->job = done;
    return rc;
}

/* Keep the refused lines of a file for whoever sent it. */
static enum error_code
keep_refused(struct attempt *attempt, struct error *err)
{
    struct job_runner *runner = attempt->runner;
    enum error_code rc = reject_keep(
        &runner->reject, runner->options.db, runner->options.spool,
        &runner->job.source_id, attempt->fd, attempt->length, NULL,
        &attempt->refused, err);

    attempt->has_refused = rc == ERR_OK;
    return rc;
}

/* May another try succeed? */
static bool
is_passing(enum error_code rc)
{
    return rc == ERR_UNAVAILABLE || rc == ERR_LATER;
}

static enum error_code
import(struct attempt *attempt, struct error *err)
{
    const struct job_runner *runner = attempt->runner;
    enum error_code rc = upload_file_read(runner->options.db,
                                          runner->options.spool, UPLOAD_WAITING,
                                          &runner->job.id, runner->job.source,
                                          &attempt->fd, &attempt->length, err);

    if (rc == ERR_NOT_FOUND)
        return error_set(err, ERR_CONTENT,
                         "The uploaded file is gone. Upload it again.");
    if (rc != ERR_OK)
        return rc;
    return db_write_long(runner->options.db, complete, attempt, err);
}

/* ERR_OK when the job has ended, either way. ERR_NOT_FOUND: it is not ours any
 * more. */
static enum error_code
run_job(struct job_runner *runner, struct error *err)
{
    struct attempt attempt = {
        .runner = runner, .options = options_of(runner), .fd = -1, .why = err};
    struct error failed = ERROR_INIT;

    import_result_init(&attempt.result);
    enum error_code rc = import(&attempt, err);

    if (rc != ERR_OK && !is_passing(rc) && !attempt.lost) {
        rc = attempt.result.error_count > 0 ? keep_refused(&attempt, &failed)
                                            : ERR_OK;
        if (!is_passing(rc))
            rc = db_write(runner->options.db, give_up, &attempt, &failed);
        if (rc != ERR_OK)
            *err = failed;
        if (rc != ERR_OK && attempt.has_refused)
            upload_file_drop(runner->options.db, &attempt.refused);
    }
    import_result_done(&attempt.result);
    if (attempt.fd >= 0)
        close(attempt.fd);
    return attempt.lost ? ERR_NOT_FOUND : rc;
}

/* --- finding one --------------------------------------------------------- */

struct choice {
    struct job_runner *runner;
    bool running; /* `job` as a whole, else its id only */
    struct job_running job;
};

/* Since when a job runs without a beat of its node, by our own clock: those of
 * the nodes need not agree. */
static int64_t
still_since(const struct job_runner *runner, const struct job_running *job,
            int64_t now_ms)
{
    for (size_t i = 0; i < runner->watched_count; i++) {
        const struct watched *seen = &runner->watched[i];

        if (uuid_eq(&seen->job.id, &job->id) &&
            uuid_eq(&seen->job.node, &job->node) && seen->job.beat == job->beat)
            return seen->since_ms;
    }
    return now_ms;
}

/* Is there a job whose node is dead? One with our own name was left by the
 * process before us. */
static bool
find_orphan(struct job_runner *runner, const struct job_running *jobs,
            size_t count, struct job_running *ret)
{
    struct watched watched[RUNNING_MAX];
    int64_t now_ms = clock_mono_ms();
    int64_t lease_ms = runner->options.lease_ms ? runner->options.lease_ms
                                                : LEASE_MS;
    bool found = false;

    for (size_t i = 0; i < count; i++) {
        watched[i] = (struct watched){
            .job = jobs[i], .since_ms = still_since(runner, &jobs[i], now_ms)};
        if (!found && (uuid_eq(&jobs[i].node, runner->node) ||
                       now_ms - watched[i].since_ms >= lease_ms)) {
            *ret = jobs[i];
            found = true;
        }
    }
    /* cppcheck-suppress uninitvar ; only `count` of them, all set above */
    memcpy(runner->watched, watched, count * sizeof(*watched));
    runner->watched_count = count;
    return found;
}

/* ERR_NOT_FOUND: nothing to do. */
static enum error_code
look(struct job_runner *runner, struct choice *ret, struct error *err)
{
    struct job_running jobs[RUNNING_MAX];
    size_t count = 0;
    struct db_tx *tx;
    enum error_code rc = db_read_begin(runner->options.db, &tx, err);

    if (rc == ERR_OK) {
        rc = job_running(tx, jobs, RUNNING_MAX, &count, err);
        if (rc == ERR_OK) {
            ret->running = find_orphan(runner, jobs, count, &ret->job);
            if (!ret->running)
                rc = job_next(tx, &ret->job.id, err);
        }
        db_read_end(tx);
    }
    /* While nobody can reach the database, nobody can beat. */
    if (rc != ERR_OK && rc != ERR_NOT_FOUND)
        runner->watched_count = 0;
    return rc;
}

static enum error_code
claim(struct db_tx *tx, void *context, struct error *err)
{
    const struct choice *choice = context;
    struct job_runner *runner = choice->runner;
    enum error_code rc =
        choice->running ? job_take_over(tx, &choice->job, runner->node, err)
                        : job_claim(tx, &choice->job.id, runner->node, err);

    arena_reset(&runner->arena);
    if (rc == ERR_OK)
        rc = job_by_id(tx, &choice->job.id, &runner->arena, &runner->job, err);
    if (rc != ERR_OK)
        return rc;
    const struct import_options options = options_of(runner);

    return import_started(tx, &options, err);
}

static enum error_code
beat(struct db_tx *tx, void *context, struct error *err)
{
    const struct job_runner *runner = context;

    return node_beat(tx, runner->node, err);
}

/* Let another node have it at once. */
static enum error_code
release(struct db_tx *tx, void *context, struct error *err)
{
    const struct job_runner *runner = context;

    return job_release(tx, &runner->job.id, runner->node, err);
}

static enum error_code
sweep(struct db_tx *tx, void *context UNUSED, struct error *err)
{
    enum error_code rc = upload_sweep(tx, err);

    return rc == ERR_OK ? node_sweep(tx, err) : rc;
}

static enum error_code
sweep_sometimes(struct job_runner *runner, struct error *err)
{
    int64_t now_ms = clock_mono_ms();

    if (runner->swept_ms != 0 && now_ms - runner->swept_ms < SWEEP_MS)
        return ERR_OK;
    enum error_code rc = db_write(runner->options.db, sweep, NULL, err);

    if (rc == ERR_OK)
        runner->swept_ms = now_ms;
    return rc;
}

/* --- the threads --------------------------------------------------------- */

/* The next step. ERR_NOT_FOUND: nothing to do. */
static enum error_code
step(struct job_runner *runner, struct error *err)
{
    const struct job_options *options = &runner->options;
    struct choice choice = {.runner = runner};
    enum error_code rc = sweep_sometimes(runner, err);

    if (rc == ERR_OK && !runner->claimed) {
        rc = look(runner, &choice, err);
        if (rc == ERR_OK)
            rc = db_write(options->db, claim, &choice, err);
        runner->claimed = rc == ERR_OK;
    }
    if (rc == ERR_OK)
        rc = run_job(runner, err);
    if (rc == ERR_OK || rc == ERR_NOT_FOUND)
        runner->claimed = false;
    if (rc == ERR_OK && options->report != NULL)
        options->report(options->context, &runner->job, err);
    return rc;
}

static void
close_all(struct job_runner *runner)
{
    int fds[CLOSING_MAX];

    pthread_mutex_lock(&runner->lock);
    size_t count = runner->closing_count;

    memcpy(fds, runner->closing, count * sizeof(*fds));
    runner->closing_count = 0;
    pthread_mutex_unlock(&runner->lock);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

void
job_runner_close(struct job_runner *runner, int fd)
{
    pthread_mutex_lock(&runner->lock);
    bool room = runner->closing_count < CLOSING_MAX;

    if (room)
        runner->closing[runner->closing_count++] = fd;
    runner->woken = true;
    pthread_cond_signal(&runner->wake);
    pthread_mutex_unlock(&runner->lock);
    if (!room)
        close(fd);
}

static struct timespec
in_ms(int64_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    return until;
}

static void
rest(struct job_runner *runner)
{
    const struct timespec until = in_ms(POLL_MS);

    pthread_mutex_lock(&runner->lock);
    while (!runner->woken && !runner->stopping &&
           pthread_cond_timedwait(&runner->wake, &runner->lock, &until) == 0)
        continue;
    runner->woken = false;
    pthread_mutex_unlock(&runner->lock);
}

static enum error_code
catch_up(struct db_tx *tx, void *context, struct error *err)
{
    return find_catch_up(tx, *(const int64_t *)context, err);
}

/* What a large import left: let it be found. Many rows at a time cost less
 * each, but whoever writes has to wait for them: while others do, it is a few
 * rows a second. ERR_NOT_FOUND: nothing. */
static enum error_code
catch_up_step(struct job_runner *runner, struct error *err)
{
    struct db *db = runner->options.db;
    const struct db_stats *stats = db_stats(db);
    struct db_tx *tx;
    bool all = false;
    enum error_code rc = db_read_begin(db, &tx, err);

    if (rc != ERR_OK)
        return rc;
    rc = find_all_found(tx, &all, err);
    db_read_end(tx);
    if (rc == ERR_OK && all)
        return error_set(err, ERR_NOT_FOUND, NULL);
    if (rc != ERR_OK)
        return rc;
    bool alone = histogram_count(&stats->writes) == runner->writes &&
                 counted(&stats->writing) == 0;
    int64_t rows = alone ? ROWS_ALONE : ROWS_BESIDE;

    rc = db_write(db, catch_up, &rows, err);
    runner->writes = histogram_count(&stats->writes);
    if (rc == ERR_OK && !alone)
        rest(runner);
    return rc;
}

static void *
run(void *context)
{
    struct job_runner *runner = context;
    const struct job_options *options = &runner->options;

    while (!runner->stopping) {
        struct error err = ERROR_INIT;
        enum error_code rc;

        close_all(runner);
        rc = step(runner, &err);
        if (rc == ERR_NOT_FOUND)
            rc = catch_up_step(runner, &err);
        if (rc == ERR_OK)
            continue;
        if (rc != ERR_NOT_FOUND && !runner->stopping && options->report != NULL)
            options->report(options->context, NULL, &err);
        rest(runner);
    }
    if (runner->claimed) {
        enum error_code released UNUSED = db_write(options->db, release, runner,
                                                   NULL);
    }
    return NULL;
}

/* Say that we live while a job runs. With SQLite this waits for the import,
 * as whoever might want the job does. */
static void *
keep_beating(void *context)
{
    struct job_runner *runner = context;

    pthread_mutex_lock(&runner->lock);
    while (!runner->stopping) {
        const struct timespec until = in_ms(BEAT_MS);

        while (!runner->stopping &&
               pthread_cond_timedwait(&runner->halt, &runner->lock, &until) ==
                   0)
            continue;
        if (runner->stopping || !runner->claimed)
            continue;
        pthread_mutex_unlock(&runner->lock);
        enum error_code beaten UNUSED = db_write(runner->options.db, beat,
                                                 runner, NULL);

        pthread_mutex_lock(&runner->lock);
    }
    pthread_mutex_unlock(&runner->lock);
    return NULL;
}

enum error_code
job_runner_start(const struct job_options *options, struct job_runner **ret,
                 struct error *err)
{
    struct job_runner *runner = calloc(1, sizeof(*runner));
    pthread_condattr_t monotonic;

    if (runner == NULL)
        return error_internal(err, "out of memory");
    runner->options = *options;
    runner->node = spool_node(options->spool);
    arena_init(&runner->arena, JOB_ARENA_BYTES);
    reject_init(&runner->reject);
    pthread_mutex_init(&runner->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&runner->wake, &monotonic);
    pthread_cond_init(&runner->halt, &monotonic);
    pthread_condattr_destroy(&monotonic);
    runner->have_thread = pthread_create(&runner->thread, NULL, run, runner) ==
                          0;
    runner->have_heart = pthread_create(&runner->heart, NULL, keep_beating,
                                        runner) == 0;
    if (!runner->have_thread || !runner->have_heart) {
        job_runner_stop(runner);
        return error_internal(err, "no thread for jobs");
    }
    *ret = runner;
    return ERR_OK;
}

void
job_runner_wake(struct job_runner *runner)
{
    pthread_mutex_lock(&runner->lock);
    runner->woken = true;
    pthread_cond_signal(&runner->wake);
    pthread_mutex_unlock(&runner->lock);
}

void
job_runner_stop(struct job_runner *runner)
{
    if (runner == NULL)
        return;
    runner->stopping = true;
    pthread_mutex_lock(&runner->lock);
    pthread_cond_signal(&runner->wake);
    pthread_cond_signal(&runner->halt);
    pthread_mutex_unlock(&runner->lock);
    if (runner->have_thread)
        pthread_join(runner->thread, NULL);
    if (runner->have_heart)
        pthread_join(runner->heart, NULL);
    close_all(runner);
    pthread_cond_destroy(&runner->halt);
    pthread_cond_destroy(&runner->wake);
    pthread_mutex_destroy(&runner->lock);
    reject_done(&runner->reject);
    arena_done(&runner->arena);
    free(runner);
}

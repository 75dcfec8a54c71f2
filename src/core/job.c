#include "core/job.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/sink.h"
#include "core/import.h"
#include "core/reject.h"
#include "store/source_store.h"

#define POLL_MS 1000 /* jobs that another process put in line */
#define SWEEP_MS ((int64_t)3600 * 1000)
#define CLOSING_MAX 64
#define JOB_ARENA_BYTES ((size_t)1 << 20)

struct job_runner {
    struct job_options options;
    pthread_t thread;
    bool have_thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool woken;
    int closing[CLOSING_MAX];
    size_t closing_count;
    atomic_bool stopping;
    /* The thread's own: */
    int lock_fd; /* of the spool, or -1 */
    int64_t swept_ms;
    struct arena arena;
    struct job job;
    bool claimed; /* `job` is ours and IN_PROGRESS */
    struct reject reject;
};

/* --- putting in line ---------------------------------------------------- */

struct enqueue {
    struct job *job;
    struct spool_file *file;
    bool guarded;
};

/* The name is given last, and before the commit: a job never waits for a file
 * that is not there. A file whose job is not there is swept away. */
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
        rc = job_update(tx, e->job, err);
    if (rc == ERR_OK)
        rc = spool_name_job(e->file, &e->job->id, e->guarded, err);
    return rc;
}

enum error_code
job_enqueue(struct db *db, struct job *job, struct spool_file *file,
            bool guarded, struct error *err)
{
    struct enqueue e = {.job = job, .file = file, .guarded = guarded};
    enum error_code rc = spool_sync(file, err);

    if (rc == ERR_OK)
        rc = db_write(db, enqueue, &e, err);
    if (rc == ERR_OK)
        spool_settle(file);
    return rc;
}

/* --- one job ------------------------------------------------------------ */

struct attempt {
    struct job_runner *runner;
    struct import_options options;
    struct import_result result;
    int fd;
    uint64_t length;
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
    enum error_code rc = import_write(tx, attempt->fd, attempt->length,
                                      &attempt->options, &attempt->result, err);

    if (rc != ERR_OK)
        return rc;
    done.status = JOB_COMPLETED;
    done.records_created = attempt->result.created;
    done.records_updated = attempt->result.updated;
    rc = job_update(tx, &done, err);
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
    enum error_code rc = job_update(tx, &done, err);

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
    CLEANUP(spool_file_done) struct spool_file file = {0};
    struct fd_sink sink;
    enum error_code rc = spool_create(runner->options.spool, &file, err);

    if (rc != ERR_OK)
        return rc;
    fd_sink_init(&sink, file.fd);
    rc = reject_split(&runner->reject, attempt->fd, attempt->length, &sink.sink,
                      NULL, err);
    if (rc == ERR_OK)
        rc = spool_name_rejected(&file, &attempt->options.source_id,
                                 &runner->job.id, err);
    if (rc == ERR_OK)
        spool_settle(&file);
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
    struct job_runner *runner = attempt->runner;
    struct stat status;
    bool guarded;
    enum error_code rc = spool_find_job(runner->options.spool, &runner->job.id,
                                        &attempt->fd, &guarded, err);

    if (rc == ERR_NOT_FOUND)
        return error_set(err, ERR_CONTENT,
                         "The uploaded file is gone. Upload it again.");
    if (rc == ERR_OK && fstat(attempt->fd, &status) != 0)
        rc = error_errno(err, "spool: stat");
    if (rc != ERR_OK)
        return rc;
    attempt->length = (uint64_t)status.st_size;
    attempt->options.unguard = guarded;
    return db_write(runner->options.db, complete, attempt, err);
}

/* ERR_OK when the job has ended, either way. */
static enum error_code
run_job(struct job_runner *runner, struct error *err)
{
    struct attempt attempt = {
        .runner = runner, .options = options_of(runner), .fd = -1, .why = err};
    struct error failed = ERROR_INIT;

    import_result_init(&attempt.result);
    enum error_code rc = import(&attempt, err);

    if (rc != ERR_OK && !is_passing(rc)) {
        rc = attempt.result.error_count > 0 ? keep_refused(&attempt, &failed)
                                            : ERR_OK;
        if (!is_passing(rc))
            rc = db_write(runner->options.db, give_up, &attempt, &failed);
        if (rc == ERR_NOT_FOUND)
            rc = ERR_OK; /* gone together with its source */
        if (rc != ERR_OK)
            *err = failed;
    }
    import_result_done(&attempt.result);
    if (attempt.fd >= 0)
        close(attempt.fd);
    return rc;
}

/* --- the thread ---------------------------------------------------------- */

static enum error_code
claim(struct db_tx *tx, void *context, struct error *err)
{
    struct job_runner *runner = context;

    arena_reset(&runner->arena);
    enum error_code rc = job_claim(tx, &runner->arena, &runner->job, err);

    if (rc != ERR_OK)
        return rc;
    const struct import_options options = options_of(runner);

    return import_started(tx, &options, err);
}

static enum error_code
requeue(struct db_tx *tx, void *context UNUSED, struct error *err)
{
    return job_requeue(tx, err);
}

/* Keeps what it cannot tell. */
static bool
is_wanted(void *context, enum spool_kind kind, const struct uuid *id)
{
    struct db *db = context;
    CLEANUP(arena_done) struct arena arena;
    struct source source;
    struct job job = {.status = JOB_PENDING};
    struct db_tx *tx;

    arena_init(&arena, JOB_ARENA_BYTES);
    if (db_read_begin(db, &tx, NULL) != ERR_OK)
        return true;
    enum error_code rc = kind == SPOOL_SOURCE
                             ? source_find(tx, id, &arena, &source, NULL)
                             : job_by_id(tx, id, &arena, &job, NULL);

    db_read_end(tx);
    if (rc == ERR_OK)
        return job.status == JOB_PENDING || job.status == JOB_IN_PROGRESS;
    return rc != ERR_NOT_FOUND;
}

/* Be the process that runs jobs, and clear up what others have left.
 * ERR_NOT_FOUND while another one is. */
static enum error_code
take_over(struct job_runner *runner, struct error *err)
{
    const struct job_options *options = &runner->options;
    enum error_code rc = ERR_OK;

    if (runner->lock_fd < 0) {
        if (!spool_lock(options->spool, &runner->lock_fd))
            return ERR_NOT_FOUND;
        runner->swept_ms = 0;
        rc = db_write(options->db, requeue, NULL, err);
        if (rc != ERR_OK) {
            spool_unlock(runner->lock_fd);
            runner->lock_fd = -1;
            return rc;
        }
    }
    if (runner->swept_ms != 0 && clock_mono_ms() - runner->swept_ms < SWEEP_MS)
        return ERR_OK;
    rc = spool_sweep(options->spool, clock_now_ms(), is_wanted, options->db,
                     err);
    if (rc == ERR_OK)
        runner->swept_ms = clock_mono_ms();
    return rc;
}

/* The next step. ERR_NOT_FOUND: nothing to do. */
static enum error_code
step(struct job_runner *runner, struct error *err)
{
    const struct job_options *options = &runner->options;
    enum error_code rc = take_over(runner, err);

    if (rc == ERR_OK && !runner->claimed) {
        rc = db_write(options->db, claim, runner, err);
        runner->claimed = rc == ERR_OK;
    }
    if (rc != ERR_OK)
        return rc;
    rc = run_job(runner, err);
    if (rc != ERR_OK)
        return rc;
    runner->claimed = false;
    spool_remove_job(options->spool, &runner->job.id);
    if (options->report != NULL)
        options->report(options->context, &runner->job, err);
    return ERR_OK;
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

static void
rest(struct job_runner *runner)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += POLL_MS / 1000;
    pthread_mutex_lock(&runner->lock);
    while (!runner->woken && !runner->stopping &&
           pthread_cond_timedwait(&runner->wake, &runner->lock, &until) == 0)
        continue;
    runner->woken = false;
    pthread_mutex_unlock(&runner->lock);
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
        if (rc == ERR_OK)
            continue;
        if (rc != ERR_NOT_FOUND && !runner->stopping && options->report != NULL)
            options->report(options->context, NULL, &err);
        rest(runner);
    }
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
    runner->lock_fd = -1;
    arena_init(&runner->arena, JOB_ARENA_BYTES);
    reject_init(&runner->reject);
    pthread_mutex_init(&runner->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&runner->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    runner->have_thread = pthread_create(&runner->thread, NULL, run, runner) ==
                          0;
    if (!runner->have_thread) {
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
    if (runner->have_thread) {
        job_runner_wake(runner);
        pthread_join(runner->thread, NULL);
    }
    close_all(runner);
    if (runner->lock_fd >= 0)
        spool_unlock(runner->lock_fd);
    pthread_cond_destroy(&runner->wake);
    pthread_mutex_destroy(&runner->lock);
    reject_done(&runner->reject);
    arena_done(&runner->arena);
    free(runner);
}

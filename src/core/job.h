/*
 * job.h - bulk uploads in the background: one thread that imports waiting
 * files, the jobs of a source in the order of their arrival.
 *
 * A job ends in the transaction that imports its file: whenever the process is
 * killed, the job either is COMPLETED with all its records, or runs again. A
 * job that cannot be done for now (a full disk, a locked database) is tried
 * again until it can.
 *
 * Every node takes jobs, one at a time. While one runs, its node beats; a node
 * that did not for ten seconds is dead to the others and one of them takes the
 * job over. Should it be alive after all, its import finds at its end that the
 * job is another's, and is undone: what counts is who the job belongs to in the
 * transaction that ends it.
 *
 * Memory:  job_runner_start()/job_runner_stop(); the import's memory while one
 *          runs. Options are copied, what they point to is borrowed.
 * Errors:  a bad file ends its job as ERROR; what the operator must know goes
 *          to options.report.
 * Threads: job_runner_wake() is safe everywhere; report() is called from the
 *          runner's thread.
 */
#ifndef NELM_CORE_JOB_H
#define NELM_CORE_JOB_H

#include "core/spool.h"
#include "store/job_store.h"

struct job_options {
    struct db *db;
    const struct spool *spool;
    bool check_managers;
    int64_t max_records; /* per source; 0: no limit */
    int64_t lease_ms;    /* for tests; 0: ten seconds */
    /* A job ended, or with `job` NULL: something has to be tried again.
     * NULL: nobody looks. */
    void (*report)(void *context, const struct job *job,
                   const struct error *err);
    void *context;
};

struct job_runner;

enum error_code job_runner_start(const struct job_options *options,
                                 struct job_runner **ret,
                                 struct error *err) MUST_USE;
/* There is a new job. */
void job_runner_wake(struct job_runner *runner);
/* Close a descriptor some time, for those who must not wait for a long file to
 * go. */
void job_runner_close(struct job_runner *runner, int fd);
/* An import that is under way is undone, and begins again at the next start.
 * NULL is fine. */
void job_runner_stop(struct job_runner *runner);

/* Put the `length` bytes of `fd` in line: the job and its file are durable when
 * this returns ERR_OK. Fills id, status and times. `refused`, unless NULL, is
 * an unfinished file of lines that were left out (core/reject.h); it is the
 * job's then. ERR_LIMIT, ERR_CONFLICT for an idempotency key that is taken, and
 * ERR_NOT_FOUND when the source is gone by now. */
enum error_code job_enqueue(struct db *db, struct job *job, int fd,
                            const struct uuid *refused,
                            struct error *err) MUST_USE;

#endif

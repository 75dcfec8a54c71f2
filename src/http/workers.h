/*
 * workers.h - a bounded pool of threads for what may block.
 *
 * Memory:  jobs are the caller's and link themselves; the pool owns its
 *          threads from workers_init() to workers_done().
 * Errors:  workers_push() is false when too many jobs wait or the pool stops.
 * Threads: safe everywhere; workers_stop() and workers_done() once.
 */
#ifndef NELM_HTTP_WORKERS_H
#define NELM_HTTP_WORKERS_H

#include <pthread.h>
#include <stdbool.h>

#include "base/compiler.h"

struct job {
    struct job *next;
};

struct workers {
    void (*run)(struct job *job);
    pthread_mutex_t lock;
    pthread_cond_t ready;
    struct job *first, **last;
    unsigned waiting, max_waiting, busy;
    bool stopping;
    pthread_t *threads;
    unsigned count;
};

/* False without memory or threads; workers_done() is still right. */
bool workers_init(struct workers *workers, unsigned count, unsigned max_waiting,
                  void (*run)(struct job *job)) MUST_USE;

/* Put a job in line. `before` is called when there is room for it, before a
 * thread can take it. */
bool workers_push(struct workers *workers, struct job *job,
                  void (*before)(struct job *job)) MUST_USE;

/* How many jobs wait, and how many threads are at work. */
unsigned workers_waiting(struct workers *workers, unsigned *ret_busy);

/* Let running jobs end, and call `drop` for those that wait. */
void workers_stop(struct workers *workers, void (*drop)(struct job *job));
void workers_done(struct workers *workers);

#endif

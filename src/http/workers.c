#include "http/workers.h"

#include <stdlib.h>

static struct job *
take(struct workers *workers)
{
    struct job *job = workers->first;

    if (job != NULL) {
        workers->first = job->next;
        workers->waiting--;
        if (workers->first == NULL)
            workers->last = &workers->first;
    }
    return job;
}

static void *
work(void *context)
{
    struct workers *workers = context;

    pthread_mutex_lock(&workers->lock);
    while (!workers->stopping) {
        struct job *job = take(workers);

        if (job == NULL) {
            pthread_cond_wait(&workers->ready, &workers->lock);
            continue;
        }
        workers->busy++;
        pthread_mutex_unlock(&workers->lock);
        workers->run(job);
        pthread_mutex_lock(&workers->lock);
        workers->busy--;
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

bool
workers_init(struct workers *workers, unsigned count, unsigned max_waiting,
             void (*run)(struct job *job))
{
    *workers = (struct workers){.run = run, .max_waiting = max_waiting};
    workers->last = &workers->first;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->ready, NULL);
    workers->threads = calloc(count, sizeof(*workers->threads));
    if (workers->threads == NULL)
        return false;
    while (workers->count < count) {
        if (pthread_create(&workers->threads[workers->count], NULL, work,
                           workers) != 0)
            return false;
        workers->count++;
    }
    return true;
}

bool
workers_push(struct workers *workers, struct job *job,
             void (*before)(struct job *job))
{
    pthread_mutex_lock(&workers->lock);
    bool room = !workers->stopping && workers->waiting < workers->max_waiting;

    if (room) {
        before(job);
        job->next = NULL;
        *workers->last = job;
        workers->last = &job->next;
        workers->waiting++;
        pthread_cond_signal(&workers->ready);
    }
    pthread_mutex_unlock(&workers->lock);
    return room;
}

unsigned
workers_waiting(struct workers *workers, unsigned *ret_busy)
{
    pthread_mutex_lock(&workers->lock);
    unsigned waiting = workers->waiting;

    *ret_busy = workers->busy;

    pthread_mutex_unlock(&workers->lock);
    return waiting;
}

void
workers_stop(struct workers *workers, void (*drop)(struct job *job))
{
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->ready);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->count; i++)
        pthread_join(workers->threads[i], NULL);
    workers->count = 0;
    /* Nobody else looks at the line now. */
    for (struct job *job = take(workers); job != NULL; job = take(workers))
        drop(job);
}

void
workers_done(struct workers *workers)
{
    free(workers->threads);
    pthread_cond_destroy(&workers->ready);
    pthread_mutex_destroy(&workers->lock);
}

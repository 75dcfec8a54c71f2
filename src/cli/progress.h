/*
 * progress.h - one line on a terminal that says how far a long command is.
 *
 * Memory:  a value.
 * Errors:  none: where standard error is no terminal it does nothing.
 * Threads: one thread at a time.
 */
#ifndef NELM_CLI_PROGRESS_H
#define NELM_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *doing; /* "importing" */
    const char *unit;  /* of what is counted: "rows" */
    uint64_t total;    /* of the work; 0: unknown */
    bool terminal;
    int64_t began_ms, shown_ms;
};

void progress_begin(struct progress *progress, const char *doing,
                    const char *unit, uint64_t total);
/* `done` of `total` is done, `count` units were passed. */
void progress_show(struct progress *progress, uint64_t done, uint64_t count);
/* Take the line away. */
void progress_end(struct progress *progress);

#endif

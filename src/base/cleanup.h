/*
 * cleanup.h - what CLEANUP() closes at the end of a block.
 *
 * Memory:  none.
 * Errors:  none that matter: these are for what was read.
 * Threads: safe everywhere.
 */
#ifndef NELM_BASE_CLEANUP_H
#define NELM_BASE_CLEANUP_H

#include <stdio.h>
#include <unistd.h>

#include "base/compiler.h"

/* -1 is nothing. */
static inline void
close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* NULL is nothing. */
static inline void
close_file(FILE **file)
{
    if (*file != NULL)
        fclose(*file);
}

#endif

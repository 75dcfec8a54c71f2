/*
 * scratch.h - a directory for one test's databases. For tests only.
 *
 * Memory:  the struct; scratch_done() removes the directory.
 * Errors:  fail the test.
 * Threads: one at a time.
 */
#ifndef NELM_DB_SCRATCH_H
#define NELM_DB_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"

struct scratch {
    char dir[64];
    char url[96]; /* of a database in it that is not there yet */
};

static inline struct scratch
scratch_make(void)
{
    struct scratch scratch = {.dir = "/tmp/nelm-test-XXXXXX"};

    if (mkdtemp(scratch.dir) == NULL)
        abort();
    snprintf(scratch.url, sizeof(scratch.url), "sqlite:%s/new/nelm.db",
             scratch.dir);
    return scratch;
}

static inline const char *
scratch_path(const struct scratch *scratch)
{
    return scratch->url + strlen("sqlite:");
}

static inline int
scratch_remove(const char *path, const struct stat *st, int kind,
               struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline void
scratch_done(struct scratch *scratch)
{
    nftw(scratch->dir, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
}

#define SCRATCH CLEANUP(scratch_done) struct scratch

#endif

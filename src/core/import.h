/*
 * import.h - a CSV file into a source: all of it or nothing (contract 16.4).
 *
 * import_check() validates every line against one state of the database and
 * collects the errors; import_apply() does the same inside one write
 * transaction and writes. The bulk upload checks before it answers and applies
 * when its turn comes; the command line applies at once.
 *
 * Memory:  constant for any file size: one row, a cache of managers, and what
 *          core/seen.h takes to find repeated account names.
 * Errors:  bad lines are counted in import_result and written as text lines
 *          to its `errors`, the first IMPORT_MAX_ERRORS of them in the order of
 *          the file and then "... and N more errors"; the call then returns
 *          ERR_CONTENT. A bad header is ERR_VALUE with the text of contract
 *          16.4, an empty file ERR_VALUE, a source that would grow too large
 *          ERR_LIMIT, an unknown source ERR_NOT_FOUND.
 * Threads: one import at a time per struct; progress() is called from the
 *          importing thread.
 */
#ifndef NELM_CORE_IMPORT_H
#define NELM_CORE_IMPORT_H

#include "base/buf.h"
#include "core/validate.h"

#define IMPORT_MAX_ERRORS 1000

struct import_result {
    int64_t rows;                        /* lines of data, bad ones included */
    int64_t created, updated, unchanged; /* set by import_apply() only */
    int64_t error_count;
    struct buf errors; /* lines joined by LF; import_result_done() */
};

struct import_options {
    struct uuid source_id;
    struct actor actor;
    bool unguard; /* drop one leading ' of guarded cells */
    bool check_managers;
    bool reasons;        /* see faults_line() */
    int64_t max_records; /* per source; 0: no limit */
    /* Called every megabyte and at the end; NULL: nobody looks. */
    void (*progress)(void *context, uint64_t bytes, uint64_t rows);
    void *context;
};

/* Both read `fd` from its beginning (pread), `length` bytes, and set all of
 * *ret but its buffer anew. */
enum error_code import_check(struct db *db, int fd, uint64_t length,
                             const struct import_options *options,
                             struct import_result *ret,
                             struct error *err) MUST_USE;
enum error_code import_apply(struct db *db, int fd, uint64_t length,
                             const struct import_options *options,
                             struct import_result *ret,
                             struct error *err) MUST_USE;

void import_result_init(struct import_result *result);
void import_result_done(struct import_result *result);

#endif

/*
 * import.h - a CSV file into a source: all of it or nothing (contract 16.4).
 *
 * import_check() validates every line against one state of the database and
 * collects the errors; import_write() does the same in the caller's write
 * transaction and writes. The bulk upload checks before it answers, and writes
 * when its turn comes, together with the state of its job; the command line
 * writes at once, with import_apply().
 *
 * The columns _line and _error are skipped: with them core/reject.h hands bad
 * lines back, to be corrected and sent again.
 *
 * Memory:  constant for any file size: one row, a cache of managers, and what
 *          core/seen.h takes to find repeated account names.
 * Errors:  bad lines are counted in import_result and written as text lines
 *          to its `errors`, the first IMPORT_MAX_ERRORS of them in the order of
 *          the file, fewer when they are very long, and then "... and N more
 *          errors"; the call then returns ERR_CONTENT. A bad header is
 * ERR_VALUE with the text of contract 16.4, an empty file ERR_VALUE, a source
 * that would grow too large ERR_LIMIT, an unknown source ERR_NOT_FOUND.
 * Threads: one import at a time per struct; progress() is called from the
 *          importing thread.
 */
#ifndef NELM_CORE_IMPORT_H
#define NELM_CORE_IMPORT_H

#include <stdatomic.h>

#include "base/buf.h"
#include "core/validate.h"

#define IMPORT_MAX_ERRORS 1000
#define IMPORT_ERROR_BYTES ((size_t)256 * 1024) /* of all their texts */

#define IMPORT_LINE_COLUMN STR("_line")
#define IMPORT_ERROR_COLUMN STR("_error")

/* The name of a column that tells what was wrong with a line when it was sent
 * before? */
bool import_is_note(struct str name);

struct import_result {
    int64_t rows; /* lines of data, bad ones included */
    /* Set by import_check() only with `count`: then of the good lines, also
     * when there are bad ones. */
    int64_t created, updated, unchanged;
    int64_t error_count;
    struct buf errors; /* lines joined by LF; import_result_done() */
};

/* A line that cannot be imported; valid during the call only. */
struct import_fault {
    uint64_t line;
    struct str column;  /* the first that is wrong; "" for the whole line */
    const char *reason; /* of that column: "is not a date" */
    struct str text;    /* as in import_result.errors */
};

struct import_options {
    struct uuid source_id;
    struct actor actor;
    bool unguard; /* drop one leading ' of guarded cells */
    bool check_managers;
    bool reasons;        /* see faults_line() */
    bool count;          /* for import_check(): what would change? */
    int64_t max_records; /* per source; 0: no limit */
    /* Give up with ERR_UNAVAILABLE soon after this is set; NULL: never. */
    const atomic_bool *stop;
    /* Called for each bad line that `errors` shows, in order; NULL: nobody
     * asks. */
    void (*fault)(void *context, const struct import_fault *fault);
    /* Called every megabyte and at the end; NULL: nobody looks. */
    void (*progress)(void *context, uint64_t bytes, uint64_t rows);
    void *context;
};

/* All read `fd` from its beginning (pread), `length` bytes, and set all of
 * *ret but its buffer anew. */
enum error_code import_check(struct db *db, int fd, uint64_t length,
                             const struct import_options *options,
                             struct import_result *ret,
                             struct error *err) MUST_USE;
enum error_code import_apply(struct db *db, int fd, uint64_t length,
                             const struct import_options *options,
                             struct import_result *ret,
                             struct error *err) MUST_USE;

/* In a transaction of the caller, who also makes the audit's entries of its
 * beginning and failure. */
enum error_code import_write(struct db_tx *tx, int fd, uint64_t length,
                             const struct import_options *options,
                             struct import_result *ret,
                             struct error *err) MUST_USE;
enum error_code import_started(struct db_tx *tx,
                               const struct import_options *options,
                               struct error *err) MUST_USE;
enum error_code import_failed(struct db_tx *tx,
                              const struct import_options *options,
                              const struct import_result *result,
                              enum error_code why, struct error *err) MUST_USE;

void import_result_init(struct import_result *result);
void import_result_done(struct import_result *result);

#endif

/*
 * reject.h - the lines of a CSV file that an import refused, as a CSV file of
 * their own that can be corrected and sent again; and the file without them.
 *
 *   _line,_error,accountName,...
 *   7,"Line 7: email is required;",joe,...
 *
 * The two columns stand in front, where a line with too many or too few cells
 * does not push them aside; an import skips them. A line that is no CSV at all
 * has its other cells empty.
 *
 * Memory:  a set of at most IMPORT_MAX_ERRORS lines and their texts.
 * Errors:  reject_add() is sticky: reject_split() tells.
 * Threads: one thread at a time.
 */
#ifndef NELM_CORE_REJECT_H
#define NELM_CORE_REJECT_H

#include "base/sink.h"
#include "core/import.h"
#include "core/upload_file.h"

struct reject {
    struct {
        uint64_t line;
        size_t at, len; /* in `texts` */
    } lines[IMPORT_MAX_ERRORS];
    size_t count;
    int64_t faults; /* noted; a line may have more than one */
    struct buf texts;
};

void reject_init(struct reject *reject);
void reject_done(struct reject *reject);
void reject_clear(struct reject *reject);

/* Note a line; for import_options.fault. Lines rise, or repeat. */
void reject_add(struct reject *reject, const struct import_fault *fault);

/* Read the file and write what was refused to `refused`, and the rest, unless
 * that is NULL, to `rest`. */
enum error_code reject_split(const struct reject *reject, int fd,
                             uint64_t length, struct sink *refused,
                             struct sink *rest, struct error *err) MUST_USE;

/* The same, what was refused to a file of the source in the database, which
 * the caller names with upload_finish() or gives up with upload_file_drop().
 * *ret_rest_fd, unless NULL, is an open file of the rest. */
enum error_code reject_keep(const struct reject *reject, struct db *db,
                            const struct spool *spool,
                            const struct uuid *source_id, int fd,
                            uint64_t length, int *ret_rest_fd,
                            struct uuid *ret_id, struct error *err) MUST_USE;

#endif

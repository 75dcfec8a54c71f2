/*
 * upload_file.h - the bytes of bulk uploads into the database, where every node
 * reaches them, and out of it.
 *
 * Memory:  one chunk, whatever the length.
 * Errors:  as db.h, and a full disk is ERR_UNAVAILABLE.
 * Threads: safe everywhere.
 */
#ifndef NELM_CORE_UPLOAD_FILE_H
#define NELM_CORE_UPLOAD_FILE_H

#include "core/spool.h"
#include "store/upload_store.h"

/* Write `length` bytes of `fd`, in transactions short enough for others to get
 * in between. The file counts when upload_finish() has run; until then
 * upload_file_drop() takes it away, as does the hour after a crash.
 * ERR_NOT_FOUND when the source is gone. */
enum error_code upload_file_write(struct db *db, const struct uuid *source_id,
                                  enum upload_kind kind, int fd,
                                  uint64_t length, struct uuid *ret_id,
                                  struct error *err) MUST_USE;
/* Leaves a finished file as it is. */
void upload_file_drop(struct db *db, const struct uuid *id);

/* A copy without a name, to be read. ERR_NOT_FOUND when it is not there, or is
 * of another source than number `source`. */
enum error_code upload_file_read(struct db *db, const struct spool *spool,
                                 enum upload_kind kind,
                                 const struct uuid *upload_id, int64_t source,
                                 int *ret_fd, uint64_t *ret_length,
                                 struct error *err) MUST_USE;

#endif

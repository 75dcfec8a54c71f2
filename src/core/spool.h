/*
 * spool.h - the directory of uploaded files: those that still arrive, those
 * that wait for their import, and the lines that were refused.
 *
 *   ID.csv, ID.guarded.csv    the file of the job ID; cells of the second
 *                             kind have the formula guard
 *   SOURCE.ID.rejected.csv    refused lines, for SPOOL_KEEP_MS
 *   new.ID                    arrives; locked by whoever writes it
 *   lock                      locked by whoever runs the jobs
 *
 * The processes of one database share one directory. Locks are those of
 * flock(): they end with their process, however it ends.
 *
 * Memory:  spool_open()/spool_close(); a struct spool_file owns a descriptor.
 * Errors:  a full disk is ERR_UNAVAILABLE, a file that is not there
 *          ERR_NOT_FOUND, the rest ERR_INTERNAL.
 * Threads: a struct spool is read-only and safe everywhere; a file belongs to
 *          one thread at a time.
 */
#ifndef NELM_CORE_SPOOL_H
#define NELM_CORE_SPOOL_H

#include <stdint.h>

#include "base/error.h"
#include "base/uuid.h"

#define SPOOL_KEEP_MS ((int64_t)24 * 3600 * 1000)
#define SPOOL_NAME 96

struct spool;

/* Makes the directory when it is not there, for its owner only. */
enum error_code spool_open(const char *directory, struct spool **ret,
                           struct error *err) MUST_USE;
void spool_close(struct spool *spool);

/* A file that is being written. All zero is one that is not there. */
struct spool_file {
    const struct spool *spool;
    int fd;
    char name[SPOOL_NAME]; /* "": nothing is there */
    bool kept;
};

enum error_code spool_create(const struct spool *spool, struct spool_file *ret,
                             struct error *err) MUST_USE;
/* The bytes are on the disk when this returns ERR_OK. */
enum error_code spool_sync(const struct spool_file *file,
                           struct error *err) MUST_USE;
/* Give the file its lasting name, which is on the disk when this returns
 * ERR_OK; another call gives it another name. Unless spool_settle() follows,
 * the file goes with spool_file_done(). */
enum error_code spool_name_job(struct spool_file *file, const struct uuid *id,
                               bool guarded, struct error *err) MUST_USE;
enum error_code spool_name_rejected(struct spool_file *file,
                                    const struct uuid *source_id,
                                    const struct uuid *id,
                                    struct error *err) MUST_USE;
void spool_settle(struct spool_file *file);
void spool_file_done(struct spool_file *file);
/* The same but for the last step: a long file takes its time to go when the
 * descriptor that this returns is closed. -1: nothing is there. */
int spool_file_take(struct spool_file *file);

/* Open what is there, for reading. */
enum error_code spool_find_job(const struct spool *spool, const struct uuid *id,
                               int *ret_fd, bool *ret_guarded,
                               struct error *err) MUST_USE;
enum error_code spool_find_rejected(const struct spool *spool,
                                    const struct uuid *source_id,
                                    const struct uuid *id, int *ret_fd,
                                    struct error *err) MUST_USE;

void spool_remove_job(const struct spool *spool, const struct uuid *id);
/* All refused lines of a source; spool_sweep() gets what stays. */
void spool_remove_rejected(const struct spool *spool,
                           const struct uuid *source_id);

/* Become the one that runs jobs, until spool_unlock(); false when another
 * process is. */
bool spool_lock(const struct spool *spool, int *ret_fd) MUST_USE;
void spool_unlock(int fd);

/* Remove what nobody needs: files that nobody writes, refused lines of before
 * `now_ms` - SPOOL_KEEP_MS, and files of jobs and refused lines of sources for
 * which `wanted` says no. */
enum spool_kind { SPOOL_JOB, SPOOL_SOURCE };
typedef bool spool_wanted(void *context, enum spool_kind kind,
                          const struct uuid *id);
enum error_code spool_sweep(const struct spool *spool, int64_t now_ms,
                            spool_wanted *wanted, void *context,
                            struct error *err) MUST_USE;

#endif

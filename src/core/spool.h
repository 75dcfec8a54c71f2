/*
 * spool.h - the directory of a node for files that it needs for a moment:
 * uploads that still arrive, files that are being imported. They have no names
 * and go with their descriptors, however the process ends; what must last is in
 * the database (core/upload_file.h).
 *
 *   node    the name of this node, locked while it lives
 *
 * Memory:  spool_open()/spool_close(). Descriptors are the caller's.
 * Errors:  a full disk is ERR_UNAVAILABLE, the rest ERR_INTERNAL.
 * Threads: safe everywhere.
 */
#ifndef NELM_CORE_SPOOL_H
#define NELM_CORE_SPOOL_H

#include "base/counter.h"
#include "base/error.h"
#include "base/uuid.h"

struct spool;

/* Makes the directory when it is not there, for its owner only, and a node of
 * this process. */
enum error_code spool_open(const char *directory, struct spool **ret,
                           struct error *err) MUST_USE;
void spool_close(struct spool *spool);

/* An empty file without a name. */
enum error_code spool_create(const struct spool *spool, int *ret_fd,
                             struct error *err) MUST_USE;

/* The same in any directory, on any file system; or -1 with errno. */
int spool_nameless(int dir);

/* Take room for bytes that are about to be written, and give it back when they
 * are gone. ERR_UNAVAILABLE: all of it is taken. Without limit until
 * spool_limit(). */
void spool_limit(struct spool *spool, uint64_t max_bytes);
enum error_code spool_claim(struct spool *spool, uint64_t bytes,
                            struct error *err) MUST_USE;
void spool_give_back(struct spool *spool, uint64_t bytes);
uint64_t spool_bytes(const struct spool *spool, uint64_t *ret_max_bytes);

/* Who this process is to the others on the same database. The next process on
 * the directory is the same node again, so that it knows what is its own; two
 * at the same time never are. */
const struct uuid *spool_node(const struct spool *spool);

#endif

/*
 * bundle.h - many named pieces in one file: a tar (pax) of pieces, compressed
 * with zstd as a whole, so that `tar --zstd` shows and unpacks it. Pieces are
 * written from memory and read into memory one after the other.
 *
 * Memory:  one piece at a time, of at most BUNDLE_PIECE_MAX bytes, and what
 *          libarchive and zstd need.
 * Errors:  ERR_CONTENT when what is read is no such file, is damaged or was
 *          cut, with a text that says which; ERR_UNAVAILABLE when the file
 *          cannot be read or written.
 * Threads: one thread at a time.
 */
#ifndef NELM_CORE_BUNDLE_H
#define NELM_CORE_BUNDLE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define BUNDLE_PIECE_MAX ((size_t)64 << 20)
#define BUNDLE_NAME_MAX 128

struct archive;

struct bundle {
    struct archive *archive;
    char name[BUNDLE_NAME_MAX]; /* of the piece at hand */
    int64_t now_s;              /* time of all pieces that are written */
};

/* `fd` stays the caller's. */
enum error_code bundle_create(struct bundle *bundle, int fd,
                              struct error *err) MUST_USE;
enum error_code bundle_add(struct bundle *bundle, const char *name,
                           struct str bytes, struct error *err) MUST_USE;
/* What was added is all. */
enum error_code bundle_finish(struct bundle *bundle,
                              struct error *err) MUST_USE;

/* Reads `fd` from its beginning, which must be a file. */
enum error_code bundle_open(struct bundle *bundle, int fd,
                            struct error *err) MUST_USE;
/* The next piece: bundle->name and its bytes. ERR_END behind the last. */
enum error_code bundle_next(struct bundle *bundle, struct buf *piece,
                            struct error *err) MUST_USE;

void bundle_done(struct bundle *bundle); /* in any state */

#endif

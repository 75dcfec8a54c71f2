/*
 * sink.h - somewhere bytes go: a file, standard output, a digest, a test.
 *
 * Memory:  embedded in whatever implements it; see each maker.
 * Errors:  write() takes all bytes or returns an error; after a failure the
 *          sink is not used again.
 * Threads: one thread at a time.
 */
#ifndef NELM_BASE_SINK_H
#define NELM_BASE_SINK_H

#include "base/buf.h"
#include "base/error.h"

struct sink {
    enum error_code (*write)(struct sink *sink, const void *bytes, size_t len,
                             struct error *err);
};

/* Pass all bytes on. */
static inline MUST_USE enum error_code
sink_write(struct sink *sink, const void *bytes, size_t len, struct error *err)
{
    return sink->write(sink, bytes, len, err);
}

/* To a file descriptor, which stays the caller's. ENOSPC, EDQUOT and EFBIG
 * are ERR_UNAVAILABLE, everything else ERR_INTERNAL. */
struct fd_sink {
    struct sink sink;
    int fd;
};
void fd_sink_init(struct fd_sink *to, int fd);

/* Into a buf, which stays the caller's. */
struct buf_sink {
    struct sink sink;
    struct buf *buf;
};
void buf_sink_init(struct buf_sink *to, struct buf *buf);

#endif

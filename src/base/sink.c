#include "base/sink.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static enum error_code
fd_write(struct sink *sink, const void *bytes, size_t len, struct error *err)
{
    int fd = ((struct fd_sink *)sink)->fd;
    const char *at = bytes;

    while (len > 0) {
        ssize_t done = write(fd, at, len);

        if (done >= 0) {
            at += done;
            len -= (size_t)done;
        } else if (errno == EAGAIN) {
            /* Somebody else made a shared standard output non-blocking. */
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        } else if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) {
            return error_busy(err, "write: %s", strerrordesc_np(errno));
        } else if (errno != EINTR) {
            return error_errno(err, "write");
        }
    }
    return ERR_OK;
}

void
fd_sink_init(struct fd_sink *to, int fd)
{
    *to = (struct fd_sink){.sink.write = fd_write, .fd = fd};
}

static enum error_code
buf_write(struct sink *sink, const void *bytes, size_t len, struct error *err)
{
    struct buf *buf = ((struct buf_sink *)sink)->buf;

    buf_add(buf, bytes, len);
    if (buf->failed)
        return error_internal(err, "buffer: more than %zu bytes", buf->max);
    return ERR_OK;
}

void
buf_sink_init(struct buf_sink *to, struct buf *buf)
{
    *to = (struct buf_sink){.sink.write = buf_write, .buf = buf};
}

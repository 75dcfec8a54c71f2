#include "core/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NODE_NAME "node"

struct spool {
    int dir, node_fd; /* -1: none */
    struct uuid node;
    uint64_t max_bytes;
    counter bytes; /* that are claimed */
};

/* As fd_sink: no room is worth another try. */
static enum error_code
spool_error(struct error *err, const char *what)
{
    if (errno == ENOSPC || errno == EDQUOT || errno == EMFILE ||
        errno == ENFILE)
        return error_busy(err, "spool: %s: no room or descriptor", what);
    return error_errno(err, "spool: %s", what);
}

/* A directory that another node uses, or that cannot keep the name, makes a
 * node that is not known again. */
static void
be_node(struct spool *spool)
{
    struct uuid *node = &spool->node;
    ssize_t len = (ssize_t)sizeof(node->bytes);

    spool->node_fd = openat(spool->dir, NODE_NAME, O_RDWR | O_CREAT | O_CLOEXEC,
                            0600);
    bool mine = spool->node_fd >= 0 &&
                flock(spool->node_fd, LOCK_EX | LOCK_NB) == 0;

    if (mine && pread(spool->node_fd, node->bytes, (size_t)len, 0) == len)
        return;
    *node = uuid_mint();
    if (mine && pwrite(spool->node_fd, node->bytes, (size_t)len, 0) == len &&
        fsync(spool->node_fd) == 0)
        return;
    if (spool->node_fd >= 0)
        close(spool->node_fd);
    spool->node_fd = -1;
}

enum error_code
spool_open(const char *directory, struct spool **ret, struct error *err)
{
    struct spool *spool = malloc(sizeof(*spool));

    if (spool == NULL)
        return error_internal(err, "out of memory");
    *spool = (struct spool){.dir = -1, .node_fd = -1, .max_bytes = UINT64_MAX};
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        spool_close(spool);
        return error_set(err, ERR_UNAVAILABLE,
                         "cannot make the spool directory \"%s\"", directory);
    }
    spool->dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool->dir < 0 || faccessat(spool->dir, ".", W_OK | X_OK, 0) != 0) {
        spool_close(spool);
        return error_set(err, ERR_UNAVAILABLE,
                         "cannot write to the spool directory \"%s\"",
                         directory);
    }
    be_node(spool);
    *ret = spool;
    return ERR_OK;
}

void
spool_close(struct spool *spool)
{
    if (spool == NULL)
        return;
    if (spool->node_fd >= 0)
        close(spool->node_fd);
    if (spool->dir >= 0)
        close(spool->dir);
    free(spool);
}

const struct uuid *
spool_node(const struct spool *spool)
{
    return &spool->node;
}

/* For file systems that have no files without names. */
static int
create_and_unlink(int dir)
{
    const struct uuid id = uuid_mint();
    char name[UUID_HEX];

    uuid_hex(&id, name);
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd >= 0)
        unlinkat(dir, name, 0);
    return fd;
}

int
spool_nameless(int dir)
{
    int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
        fd = create_and_unlink(dir);
    return fd;
}

enum error_code
spool_create(const struct spool *spool, int *ret_fd, struct error *err)
{
    int fd = spool_nameless(spool->dir);

    if (fd < 0)
        return spool_error(err, "open");
    *ret_fd = fd;
    return ERR_OK;
}

void
spool_limit(struct spool *spool, uint64_t max_bytes)
{
    spool->max_bytes = max_bytes;
}

enum error_code
spool_claim(struct spool *spool, uint64_t bytes, struct error *err)
{
    count_up(&spool->bytes, bytes);
    if (counted(&spool->bytes) <= spool->max_bytes)
        return ERR_OK;
    spool_give_back(spool, bytes);
    return error_busy(err, "spool: all of its room is taken");
}

void
spool_give_back(struct spool *spool, uint64_t bytes)
{
    count_down(&spool->bytes, bytes);
}

uint64_t
spool_bytes(const struct spool *spool, uint64_t *ret_max_bytes)
{
    *ret_max_bytes = spool->max_bytes;
    return counted(&spool->bytes);
}

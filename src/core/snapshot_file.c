#include "core/snapshot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"

#define FILE_END ".snapshot"
#define DRAFT_END ".snapshot-draft"

/* Without an answer from the kernel no later process can trust the files. */
static void
read_boot_id(char to[40])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    memset(to, 0, 40);
    if (fd < 0 || read(fd, to, 36) != 36)
        secret_random(to, 36);
    if (fd >= 0)
        close(fd);
}

static int
directory_fd(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

enum error_code
snapshot_directory_open(const char *path, struct snapshot_directory *ret,
                        struct error *err)
{
    mkdir(path, 0700); /* the next call says what is wrong */
    ret->path = realpath(path, NULL);
    ret->fd = ret->path == NULL ? -1 : directory_fd(ret->path);
    if (ret->fd < 0) {
        free(ret->path);
        ret->path = NULL;
        return error_errno(err, "cache directory \"%s\"", path);
    }
    read_boot_id(ret->boot);
    return ERR_OK;
}

void
snapshot_directory_done(struct snapshot_directory *directory)
{
    if (directory->fd >= 0)
        close(directory->fd);
    directory->fd = -1;
    free(directory->path);
    directory->path = NULL;
}

/* Somebody removed the directory: make it again, behind the same descriptor
 * number, so that other threads never see it closed. */
static bool
remake_directory(const struct snapshot_directory *directory)
{
    mkdir(directory->path, 0700);
    int fd = directory_fd(directory->path);
    bool done = fd >= 0 && dup3(fd, directory->fd, O_CLOEXEC) >= 0;

    if (fd >= 0)
        close(fd);
    return done;
}

void
snapshot_file_name(const char *etag, char to[SNAPSHOT_NAME])
{
    snprintf(to, SNAPSHOT_NAME, "%.*s" FILE_END, (int)strlen(etag) - 2,
             etag + 1); /* without its quotes */
}

static bool
ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), want = strlen(end);

    return len > want && strcmp(text + len - want, end) == 0;
}

bool
snapshot_file_sweep(const struct snapshot_directory *directory,
                    const char *name)
{
    int fd;

    if (!ends_with(name, DRAFT_END))
        return ends_with(name, FILE_END);
    fd = snapshot_file_open(directory, name);
    if (fd >= 0) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            snapshot_file_remove(directory, name);
        close(fd);
    }
    return false;
}

int
snapshot_file_open(const struct snapshot_directory *directory, const char *name)
{
    return openat(directory->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

void
snapshot_file_remove(const struct snapshot_directory *directory,
                     const char *name)
{
    unlinkat(directory->fd, name, 0);
}

uint64_t
snapshot_file_bytes(const struct snapshot *about)
{
    return about->length + about->segments * sizeof(struct segment) +
           sizeof(struct snapshot_trailer);
}

void
segments_done(struct segments *segments)
{
    free(segments->at);
    *segments = (struct segments){.at = NULL};
}

static bool
segments_room(struct segments *segments, uint64_t count)
{
    if (count <= segments->room)
        return true;
    uint64_t room = MAX(count, 2 * segments->room);
    struct segment *at = realloc(segments->at, room * sizeof(*at));

    if (at == NULL)
        return false;
    segments->at = at;
    segments->room = room;
    return true;
}

enum error_code
snapshot_file_segments(int fd, const struct snapshot *about,
                       struct segments *ret, struct error *err)
{
    size_t size = about->segments * sizeof(*ret->at);

    *ret = (struct segments){.at = NULL};
    if (!segments_room(ret, about->segments))
        return error_busy(err, "snapshot: no memory for segments");
    ret->count = about->segments;
    if (pread(fd, ret->at, size, (off_t)about->length) != (ssize_t)size)
        return error_errno(err, "snapshot: read segments");
    return ERR_OK;
}

void
snapshot_file_seal(const struct segments *segments,
                   struct snapshot_trailer *trailer)
{
    struct sha256_ctx state;

    sha256_init(&state);
    if (segments->count > 0)
        sha256_update(&state, segments->count * sizeof(*segments->at),
                      (const uint8_t *)segments->at);
    sha256_update(&state, offsetof(struct snapshot_trailer, seal),
                  (const uint8_t *)trailer);
    sha256_digest(&state, sizeof(trailer->seal), trailer->seal);
}

/* Can a file of `size` bytes be what its trailer says? The seal tells what was
 * torn; that numbers fit each other it does not tell. */
static bool
fits(const struct snapshot_trailer *trailer, uint64_t size)
{
    const struct snapshot *file = &trailer->file;
    size_t etag = strnlen(file->etag, sizeof(file->etag));

    size -= sizeof(*trailer);
    return file->segments <= size / sizeof(struct segment) &&
           file->length == size - file->segments * sizeof(struct segment) &&
           etag > 2 && etag < sizeof(file->etag) &&
           trailer->key.coding < SNAPSHOT_CODINGS;
}

static bool
segments_fit(const struct segments *segments, uint64_t length)
{
    const struct segment *last = NULL;

    for (uint64_t i = 0; i < segments->count; i++) {
        const struct segment *next = &segments->at[i];

        if (next->end > length ||
            next->digest.index >= sizeof(next->digest.block) ||
            (last != NULL &&
             (next->number <= last->number || next->end < last->end)))
            return false;
        last = next;
    }
    return true;
}

/* Is the end of the file a trailer that fits? */
static bool
is_sealed(const struct snapshot_directory *directory, int fd, const char *name,
          struct snapshot_trailer *ret)
{
    char its_name[SNAPSHOT_NAME];
    CLEANUP(segments_done) struct segments segments = {.at = NULL};
    struct snapshot_trailer want;
    struct stat st;
    off_t at;

    if (fstat(fd, &st) != 0)
        return false;
    at = st.st_size - (off_t)sizeof(*ret);
    if (at < 0 || pread(fd, ret, sizeof(*ret), at) != (ssize_t)sizeof(*ret))
        return false;
    if (!fits(ret, (uint64_t)st.st_size) ||
        memcmp(ret->boot, directory->boot, sizeof(ret->boot)) != 0 ||
        snapshot_file_segments(fd, &ret->file, &segments, NULL) != ERR_OK ||
        !segments_fit(&segments, ret->file.length))
        return false;
    want = *ret;
    snapshot_file_seal(&segments, &want);
    if (memcmp(want.seal, ret->seal, sizeof(want.seal)) != 0)
        return false;
    snapshot_file_name(ret->file.etag, its_name);
    return strcmp(name, its_name) == 0;
}

int
snapshot_file_open_sealed(const struct snapshot_directory *directory,
                          const char *name, struct snapshot_trailer *ret)
{
    int fd = snapshot_file_open(directory, name);

    if (fd >= 0 && !is_sealed(directory, fd, name, ret)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Whoever holds the lock of a draft writes it; one without is left over from
 * a process that was killed. The name is given up when another process's
 * sweep came between making and locking. */
static enum error_code
make_draft(struct snapshot_draft *draft, struct error *err)
{
    unsigned char random[12];
    char hex[2 * sizeof(random) + 1];
    struct stat st;
    unsigned remakes = 0;

    for (;;) {
        secret_random(random, sizeof(random));
        hex_encode(random, sizeof(random), hex);
        snprintf(draft->name, sizeof(draft->name), "%s" DRAFT_END, hex);
        draft->fd = openat(draft->directory->fd, draft->name,
                           O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (draft->fd < 0) {
            if (errno == ENOENT && remakes++ == 0 &&
                remake_directory(draft->directory))
                continue;
            draft->out.full = errno == ENOSPC || errno == EDQUOT;
            if (draft->out.full)
                return error_busy(err, "snapshot: no room for a file");
            return error_errno(err, "snapshot: open");
        }
        if (flock(draft->fd, LOCK_EX) != 0 || fstat(draft->fd, &st) != 0)
            return error_errno(err, "snapshot: lock");
        if (st.st_nlink > 0)
            return ERR_OK;
        close(draft->fd);
    }
}

enum error_code
snapshot_draft_begin(struct snapshot_draft *draft,
                     const struct snapshot_directory *directory,
                     struct error *err)
{
    enum error_code rc;

    /* Also the padding of the trailer, which is sealed and written. */
    memset(draft, 0, sizeof(*draft));
    draft->directory = directory;
    rc = make_draft(draft, err);
    if (rc != ERR_OK)
        return rc;
    fd_sink_init(&draft->file, draft->fd);
    digest_begin(&draft->out, &draft->file.sink);
    return ERR_OK;
}

static enum error_code
add_segment(struct snapshot_draft *draft, const struct segment *segment,
            struct error *err)
{
    struct segments *all = &draft->segments;

    if (!segments_room(all, all->count + 1))
        return error_busy(err, "snapshot: no memory for segments");
    struct segment *to = &all->at[all->count++];

    memset(to, 0, sizeof(*to)); /* its padding is written too */
    to->number = segment->number;
    to->revision = segment->revision;
    to->rows = segment->rows;
    to->plain = segment->plain;
    to->check = segment->check;
    to->end = draft->out.length;
    to->digest = draft->out.state;
    draft->trailer.file.rows += segment->rows;
    return ERR_OK;
}

enum error_code
snapshot_draft_segment(struct snapshot_draft *draft,
                       const struct segment *segment, struct error *err)
{
    draft->differs = true;
    return add_segment(draft, segment, err);
}

/* The bytes alone. */
static enum error_code
copy_bytes(struct snapshot_draft *draft, int fd, uint64_t at, uint64_t end,
           struct error *err)
{
    loff_t from = (loff_t)at;

    while ((uint64_t)from < end) {
        ssize_t got = copy_file_range(fd, &from, draft->fd, NULL,
                                      end - (uint64_t)from, 0);

        if (got > 0 || (got < 0 && errno == EINTR))
            continue;
        draft->out.full = got < 0 && (errno == ENOSPC || errno == EDQUOT);
        if (draft->out.full)
            return error_busy(err, "snapshot: no room for a file");
        return error_errno(err, "snapshot: copy");
    }
    return ERR_OK;
}

/* The bytes through the digest. */
static enum error_code
pass_bytes(struct snapshot_draft *draft, int fd, uint64_t at, uint64_t end,
           char *buffer, struct error *err)
{
    enum error_code rc = ERR_OK;

    while (rc == ERR_OK && at < end) {
        ssize_t got = pread(fd, buffer, MIN(EXPORT_BUFFER, end - at),
                            (off_t)at);

        if (got <= 0)
            return error_errno(err, "snapshot: read");
        at += (uint64_t)got;
        rc = sink_write(&draft->out.sink, buffer, (size_t)got, err);
    }
    return rc;
}

enum error_code
snapshot_draft_copy(struct snapshot_draft *draft, int fd,
                    const struct segments *from, uint64_t first, uint64_t end,
                    struct error *err)
{
    uint64_t at = first > 0 ? from->at[first - 1].end : 0;
    enum error_code rc = ERR_OK;
    char *buffer = NULL;

    /* A segment before may be gone without a trace. */
    if (draft->out.length != at)
        draft->differs = true;
    if (!draft->differs) {
        rc = copy_bytes(draft, fd, at, from->at[end - 1].end, err);
    } else {
        buffer = malloc(EXPORT_BUFFER);
        if (buffer == NULL)
            rc = error_busy(err, "snapshot: no memory");
    }
    for (uint64_t i = first; rc == ERR_OK && i < end; i++) {
        const struct segment *segment = &from->at[i];

        if (draft->differs) {
            rc = pass_bytes(draft, fd, at, segment->end, buffer, err);
            at = segment->end;
        } else {
            draft->out.state = segment->digest;
            draft->out.length = segment->end;
        }
        if (rc == ERR_OK)
            rc = add_segment(draft, segment, err);
    }
    free(buffer);
    return rc;
}

enum error_code
snapshot_draft_finish(struct snapshot_draft *draft,
                      const struct snapshot_key *key, struct snapshot *ret,
                      struct error *err)
{
    struct snapshot_trailer *trailer = &draft->trailer;
    struct snapshot *file = &trailer->file;
    int directory = draft->directory->fd;
    char name[SNAPSHOT_NAME];
    enum error_code rc;

    trailer->key = *key;
    memcpy(trailer->boot, draft->directory->boot, sizeof(trailer->boot));
    file->fd = -1;
    file->length = draft->out.length;
    file->segments = draft->segments.count;
    digest_finish(&draft->out, file->sha256);
    snapshot_file_seal(&draft->segments, trailer);
    rc = sink_write(&draft->file.sink, draft->segments.at,
                    file->segments * sizeof(*draft->segments.at), err);
    if (rc == ERR_OK)
        rc = sink_write(&draft->file.sink, trailer, sizeof(*trailer), err);
    draft->out.full = draft->out.full || rc == ERR_UNAVAILABLE;
    if (rc != ERR_OK)
        return rc;
    snapshot_file_name(file->etag, name);
    if (lseek(draft->fd, 0, SEEK_SET) != 0 ||
        renameat(directory, draft->name, directory, name) != 0)
        return error_errno(err, "snapshot: rename");
    draft->named = true;
    *ret = *file;
    ret->fd = draft->fd;
    return ERR_OK;
}

void
snapshot_draft_done(struct snapshot_draft *draft)
{
    segments_done(&draft->segments);
    if (draft->fd < 0 || draft->named)
        return;
    snapshot_file_remove(draft->directory, draft->name);
    close(draft->fd);
}

enum error_code
snapshot_draft_again(struct snapshot_draft *draft, struct error *err)
{
    const struct snapshot_directory *directory = draft->directory;

    snapshot_draft_done(draft);
    return snapshot_draft_begin(draft, directory, err);
}

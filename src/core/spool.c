#include "core/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX_NEW "new."
#define SUFFIX_PLAIN ".csv"
#define SUFFIX_GUARDED ".guarded.csv"
#define SUFFIX_REJECTED ".rejected.csv"
#define LOCK_NAME "lock"

struct spool {
    int dir;
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

enum error_code
spool_open(const char *directory, struct spool **ret, struct error *err)
{
    struct spool *spool = malloc(sizeof(*spool));

    if (spool == NULL)
        return error_internal(err, "out of memory");
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        free(spool);
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
    *ret = spool;
    return ERR_OK;
}

void
spool_close(struct spool *spool)
{
    if (spool == NULL)
        return;
    if (spool->dir >= 0)
        close(spool->dir);
    free(spool);
}

/* --- files that are written ------------------------------------------- */

enum error_code
spool_create(const struct spool *spool, struct spool_file *ret,
             struct error *err)
{
    struct uuid id = uuid_mint();
    char hex[UUID_HEX];
    struct spool_file file = {.spool = spool};
    struct stat status;

    snprintf(file.name, sizeof(file.name), PREFIX_NEW "%s", uuid_hex(&id, hex));
    do {
        file.fd = openat(spool->dir, file.name,
                         O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (file.fd < 0)
            return spool_error(err, "open");
        /* Between the two somebody may have swept it away. */
        if (flock(file.fd, LOCK_EX) == 0 && fstat(file.fd, &status) == 0 &&
            status.st_nlink > 0)
            break;
        close(file.fd);
    } while (true);
    *ret = file;
    return ERR_OK;
}

enum error_code
spool_sync(const struct spool_file *file, struct error *err)
{
    return fsync(file->fd) == 0 ? ERR_OK : spool_error(err, "fsync");
}

static enum error_code
rename_to(struct spool_file *file, const char *name, struct error *err)
{
    int dir = file->spool->dir;

    if (renameat(dir, file->name, dir, name) != 0)
        return spool_error(err, "rename");
    snprintf(file->name, sizeof(file->name), "%s", name);
    return fsync(dir) == 0 ? ERR_OK
                           : spool_error(err, "fsync of the directory");
}

static const char *
job_name(const struct uuid *id, bool guarded, char to[SPOOL_NAME])
{
    char hex[UUID_HEX];

    snprintf(to, SPOOL_NAME, "%s%s", uuid_hex(id, hex),
             guarded ? SUFFIX_GUARDED : SUFFIX_PLAIN);
    return to;
}

static const char *
rejected_name(const struct uuid *source_id, const struct uuid *id,
              char to[SPOOL_NAME])
{
    char source[UUID_HEX], hex[UUID_HEX];

    snprintf(to, SPOOL_NAME, "%s.%s" SUFFIX_REJECTED,
             uuid_hex(source_id, source), uuid_hex(id, hex));
    return to;
}

enum error_code
spool_name_job(struct spool_file *file, const struct uuid *id, bool guarded,
               struct error *err)
{
    char name[SPOOL_NAME];

    return rename_to(file, job_name(id, guarded, name), err);
}

enum error_code
spool_name_rejected(struct spool_file *file, const struct uuid *source_id,
                    const struct uuid *id, struct error *err)
{
    char name[SPOOL_NAME];

    return rename_to(file, rejected_name(source_id, id, name), err);
}

void
spool_settle(struct spool_file *file)
{
    file->kept = true;
}

int
spool_file_take(struct spool_file *file)
{
    if (file->name[0] == '\0')
        return -1;
    if (!file->kept)
        unlinkat(file->spool->dir, file->name, 0);
    file->name[0] = '\0';
    return file->fd;
}

void
spool_file_done(struct spool_file *file)
{
    int fd = spool_file_take(file);

    if (fd >= 0)
        close(fd);
}

/* --- files that are there --------------------------------------------- */

static enum error_code
open_name(const struct spool *spool, const char *name, int *ret_fd,
          struct error *err)
{
    int fd = openat(spool->dir, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? error_set(err, ERR_NOT_FOUND, NULL)
                               : spool_error(err, "open");
    *ret_fd = fd;
    return ERR_OK;
}

enum error_code
spool_find_job(const struct spool *spool, const struct uuid *id, int *ret_fd,
               bool *ret_guarded, struct error *err)
{
    char name[SPOOL_NAME];
    enum error_code rc = open_name(spool, job_name(id, false, name), ret_fd,
                                   err);

    *ret_guarded = rc == ERR_NOT_FOUND;
    if (*ret_guarded)
        rc = open_name(spool, job_name(id, true, name), ret_fd, err);
    return rc;
}

enum error_code
spool_find_rejected(const struct spool *spool, const struct uuid *source_id,
                    const struct uuid *id, int *ret_fd, struct error *err)
{
    char name[SPOOL_NAME];

    return open_name(spool, rejected_name(source_id, id, name), ret_fd, err);
}

void
spool_remove_job(const struct spool *spool, const struct uuid *id)
{
    char name[SPOOL_NAME];

    unlinkat(spool->dir, job_name(id, false, name), 0);
    unlinkat(spool->dir, job_name(id, true, name), 0);
}

/* NULL: see errno. */
static DIR *
open_listing(const struct spool *spool)
{
    int fd = openat(spool->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (dir == NULL && fd >= 0)
        close(fd);
    return dir;
}

static bool
ends_with(struct str name, struct str end)
{
    return name.len >= end.len &&
           memcmp(name.at + name.len - end.len, end.at, end.len) == 0;
}

void
spool_remove_rejected(const struct spool *spool, const struct uuid *source_id)
{
    DIR *dir = open_listing(spool);
    char hex[UUID_HEX];

    if (dir == NULL)
        return;
    uuid_hex(source_id, hex);
    for (struct dirent *entry = readdir(dir); entry != NULL;
         entry = readdir(dir))
        if (strncmp(entry->d_name, hex, UUID_HEX - 1) == 0 &&
            ends_with(str_of(entry->d_name), STR(SUFFIX_REJECTED)))
            unlinkat(spool->dir, entry->d_name, 0);
    closedir(dir);
}

/* --- order ------------------------------------------------------------- */

bool
spool_lock(const struct spool *spool, int *ret_fd)
{
    int fd = openat(spool->dir, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return false;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return false;
    }
    *ret_fd = fd;
    return true;
}

void
spool_unlock(int fd)
{
    close(fd);
}

struct sweep {
    const struct spool *spool;
    int64_t before_ms;
    spool_wanted *wanted;
    void *context;
};

static bool
is_wanted(const struct sweep *sweep, const char *text, int fd)
{
    struct str name = str_of(text);
    struct stat status;
    struct uuid id;

    if (strncmp(text, PREFIX_NEW, strlen(PREFIX_NEW)) == 0)
        return false;
    if (!ends_with(name, STR(SUFFIX_PLAIN)))
        return true;
    bool rejected = ends_with(name, STR(SUFFIX_REJECTED));

    if (rejected && fstat(fd, &status) == 0 &&
        (int64_t)status.st_mtim.tv_sec * 1000 < sweep->before_ms)
        return false;
    return !uuid_parse(str_n(text, MIN(name.len, UUID_HEX - 1)), &id) ||
           sweep->wanted(sweep->context, rejected ? SPOOL_SOURCE : SPOOL_JOB,
                         &id);
}

/* With the lock in our hands whoever wrote the file has said what it is for,
 * or never will. */
static void
sweep_name(const struct sweep *sweep, const char *name)
{
    int fd = openat(sweep->spool->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && !is_wanted(sweep, name, fd))
        unlinkat(sweep->spool->dir, name, 0);
    close(fd);
}

enum error_code
spool_sweep(const struct spool *spool, int64_t now_ms, spool_wanted *wanted,
            void *context, struct error *err)
{
    const struct sweep sweep = {.spool = spool,
                                .before_ms = now_ms - SPOOL_KEEP_MS,
                                .wanted = wanted,
                                .context = context};
    DIR *dir = open_listing(spool);

    if (dir == NULL)
        return spool_error(err, "read");
    for (struct dirent *entry = readdir(dir); entry != NULL;
         entry = readdir(dir))
        sweep_name(&sweep, entry->d_name);
    closedir(dir);
    return ERR_OK;
}

#include "cli/out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
static const char *volatile unfinished;

static void
remove_unfinished(int number)
{
    if (unfinished != NULL)
        unlink(unfinished);
    signal(number, SIG_DFL);
    raise(number);
}

static enum error_code
failed(struct error *err, const char *path)
{
    return error_set(err, ERR_UNAVAILABLE, "could not write \"%s\": %s", path,
                     strerrordesc_np(errno));
}

/* The directory of `path`, for opening and for making a rename durable. */
static int
open_directory(const char *path)
{
    char copy[PATH_MAX];

    snprintf(copy, sizeof(copy), "%s", path);
    return open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

enum error_code
out_file_open(struct out_file *file, const char *path, struct error *err)
{
    unsigned char random[8];
    char suffix[2 * sizeof(random) + 1];
    struct stat old;
    mode_t mode = 0666;

    *file = OUT_FILE_INIT;
    /* A link is followed, so that its target is replaced and not the link. */
    if (realpath(path, file->path) == NULL) {
        if (errno != ENOENT || strlen(path) >= sizeof(file->path))
            return failed(err, path);
        snprintf(file->path, sizeof(file->path), "%s", path);
    } else if (stat(file->path, &old) == 0) {
        mode = old.st_mode & 0777;
        if (!S_ISREG(old.st_mode)) {
            file->fd = open(file->path, O_WRONLY | O_CLOEXEC);
            return file->fd < 0 ? failed(err, path) : ERR_OK;
        }
    }
    secret_random(random, sizeof(random));
    hex_encode(random, sizeof(random), suffix);
    if (snprintf(file->partial, sizeof(file->partial), "%s.%s", file->path,
                 suffix) >= (int)sizeof(file->partial)) {
        file->partial[0] = '\0';
        errno = ENAMETOOLONG;
        return failed(err, path);
    }
    file->fd = open(file->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                    mode);
    if (file->fd < 0) {
        file->partial[0] = '\0';
        return failed(err, path);
    }
    unfinished = file->partial;
    for (size_t i = 0; i < COUNT(ending); i++)
        signal(ending[i], remove_unfinished);
    return ERR_OK;
}

enum error_code
out_file_keep(struct out_file *file, struct error *err)
{
    enum error_code rc = ERR_OK;
    int directory;

    if (file->partial[0] == '\0')
        return ERR_OK;
    if (fsync(file->fd) != 0 || rename(file->partial, file->path) != 0)
        return failed(err, file->path);
    unfinished = NULL;
    file->partial[0] = '\0';
    directory = open_directory(file->path);
    if (directory < 0 || fsync(directory) != 0)
        rc = failed(err, file->path);
    if (directory >= 0)
        close(directory);
    return rc;
}

void
out_file_close(struct out_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->partial[0] != '\0')
        unlink(file->partial);
    unfinished = NULL;
}

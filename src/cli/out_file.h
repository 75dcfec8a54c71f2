/*
 * out_file.h - a file that appears under its name only when it is complete:
 * written beside it under another name, made durable, renamed. A signal that
 * ends the program removes what is unfinished.
 *
 * What is there and no regular file (a pipe, /dev/null) is written directly.
 *
 * Memory:  out_file_open() .. out_file_close(); the paths are its own.
 * Errors:  ERR_UNAVAILABLE with the path and the reason.
 * Threads: one out_file at a time, on the main thread.
 */
#ifndef NELM_CLI_OUT_FILE_H
#define NELM_CLI_OUT_FILE_H

#include <limits.h>

#include "base/error.h"

struct out_file {
    int fd;
    char path[PATH_MAX];    /* where it goes in the end */
    char partial[PATH_MAX]; /* where it is now; "" when written directly */
};

#define OUT_FILE_INIT ((struct out_file){.fd = -1})

enum error_code out_file_open(struct out_file *file, const char *path,
                              struct error *err) MUST_USE;
/* It is complete: keep it. */
enum error_code out_file_keep(struct out_file *file,
                              struct error *err) MUST_USE;
/* Removes the file unless it was kept. */
void out_file_close(struct out_file *file);

#endif

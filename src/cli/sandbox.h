/*
 * sandbox.h - what the server gives up for good before it hears from anybody:
 * files that are not its own (Landlock), and calls to the kernel that no
 * server makes (seccomp). Whoever takes the program over finds no shell, no
 * other file and little of the kernel.
 *
 * Begin, allow paths, enter; threads made after that are inside as well.
 *
 * Memory:  sandbox_done() ends what sandbox_init() began, before or after
 *          entering.
 * Errors:  ERR_UNAVAILABLE with the reason, when the kernel has not all of it;
 *          what it has is in force all the same, and struct sandbox tells.
 * Threads: the main thread, while there is no other.
 */
#ifndef NELM_CLI_SANDBOX_H
#define NELM_CLI_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct sandbox {
    int ruleset;       /* -1: the kernel has no Landlock */
    int abi;           /* of Landlock */
    uint64_t rights;   /* to files that this kernel knows */
    bool files, calls; /* what sandbox_enter() put in force */
};

enum sandbox_access { SANDBOX_READ, SANDBOX_WRITE };

/* Nothing is allowed yet but what the libraries read: their own files, /etc,
 * and what the kernel says about itself. */
void sandbox_init(struct sandbox *sandbox);
void sandbox_done(struct sandbox *sandbox);

/* A file, or a directory with all that is and will be in it. One that is not
 * there stays forbidden. Nobody may ever execute anything. */
void sandbox_allow(struct sandbox *sandbox, const char *path,
                   enum sandbox_access access);

/* Read a file that somebody may replace by another of its name: its directory,
 * and that of the file it links to, but the file alone when that would be the
 * home directory or the root. */
void sandbox_allow_file(struct sandbox *sandbox, const char *path);

enum error_code sandbox_enter(struct sandbox *sandbox,
                              struct error *err) MUST_USE;

#endif

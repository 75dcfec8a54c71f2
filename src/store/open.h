/*
 * open.h - the database with the statements of this program.
 *
 * Memory:  db_close() ends what store_open() began.
 * Errors:  as db_open().
 * Threads: safe everywhere.
 */
#ifndef NELM_STORE_OPEN_H
#define NELM_STORE_OPEN_H

#include "base/settings.h"
#include "db/db.h"

/* db_open() with the closed list of statements, and sizes and times as they
 * are set. `url` may be another one than that of the settings. */
enum error_code store_open_as(const struct settings *settings, const char *url,
                              bool create, struct db **ret,
                              struct error *err) MUST_USE;

/* The same without settings, for tests. */
enum error_code store_open(const char *url, bool create, struct db **ret,
                           struct error *err) MUST_USE;

#endif

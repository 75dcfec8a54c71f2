/*
 * migrate.h - the schema and its numbered, append-only steps (sql/migrate).
 *
 * Memory:  none kept.
 * Errors:  as db.h; a schema newer than this program is ERR_CONFLICT with a
 *          text that says what to do.
 * Threads: any number of processes may call migrate_run() at once: one does
 *          the work, the others find it done.
 */
#ifndef NELM_DB_MIGRATE_H
#define NELM_DB_MIGRATE_H

#include "db/db.h"

/* Version of the last step that this program knows. */
int migrate_latest(void);

/* Version found in the database; 0 for an empty one. */
enum error_code migrate_version(struct db *db, int *ret,
                                struct error *err) MUST_USE;

/* Apply what is missing, each step in a transaction of its own. `finish` is run
 * in that of the last one, to do what SQL cannot; NULL: nothing. */
enum error_code migrate_run(struct db *db, db_work *finish, int *ret_from,
                            struct error *err) MUST_USE;

/* Make the schema that version had, to be filled with rows of that time.
 * ERR_CONFLICT when the database is beyond it. */
enum error_code migrate_make(struct db *db, int version,
                             struct error *err) MUST_USE;

/* ERR_OK when the database is of migrate_latest(); else ERR_CONFLICT with a
 * text naming both versions and the command that helps. */
enum error_code migrate_check(struct db *db, struct error *err) MUST_USE;

#endif

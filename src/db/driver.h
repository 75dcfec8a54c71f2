/*
 * driver.h - what a database driver is to db.c and migrate.c. Nobody else
 * includes it.
 *
 * A driver's own structs begin with the ones below, so that a call finds its
 * driver by itself; what each function does is said in db.h.
 *
 * Memory, errors, threads: see db.h.
 */
#ifndef NELM_DB_DRIVER_H
#define NELM_DB_DRIVER_H

#include "db/db.h"

/* Most parameters of one statement; those of sql/ have fewer (tools/embed.c),
 * texts with filters more. */
#define DB_PARAMS_MAX 128

struct db_driver;

struct db {
    const struct db_driver *driver;
    struct db_stats stats; /* db.c's */
};

struct db_tx {
    const struct db_driver *driver;
    bool on_standby;
};

struct db_query {
    const struct db_driver *driver;
    int64_t changes; /* by db_exec_later(), as far as known */
};

struct db_driver {
    const char *schemes[2]; /* a URL's beginning, "sqlite:"; the second may be
                               NULL */
    const char *engine;     /* name and version */
    bool remote;

    enum error_code (*open)(const char *url, const struct db_options *options,
                            bool create, struct db **ret, struct error *err);
    void (*files)(const char *url, db_file_visit *visit, void *context);
    void (*close)(struct db *db);
    enum error_code (*read_begin)(struct db *db, bool may_wait,
                                  struct db_tx **ret, struct error *err);
    void (*read_end)(struct db_tx *tx);
    /* On a standby, if there is one that shows all that is committed now;
     * or NULL. ERR_UNAVAILABLE: there is none. */
    enum error_code (*read_standby)(struct db *db, db_work *work, void *context,
                                    struct error *err);
    bool (*stamp)(const struct db *db, struct db_stamp *ret); /* or NULL */
    enum error_code (*write)(struct db *db, bool is_long, db_work *work,
                             void *context, struct error *err);

    struct db_query *(*query)(struct db_tx *tx, unsigned statement);
    struct db_query *(*query_text)(struct db_tx *tx, const char *sql);
    void (*bind_int)(struct db_query *query, int n, int64_t value);
    void (*bind_str)(struct db_query *query, int n, struct str text);
    void (*bind_blob)(struct db_query *query, int n, struct str bytes);
    void (*bind_null)(struct db_query *query, int n);
    enum error_code (*step)(struct db_query *query, struct error *err);
    int64_t (*col_int)(struct db_query *query, int column);
    struct str (*col_str)(struct db_query *query, int column);
    bool (*col_is_null)(struct db_query *query, int column);
    int64_t (*changes)(struct db_query *query);
    /* NULL: nothing is gained by not waiting */
    enum error_code (*exec_later)(struct db_query *query, struct error *err);
    enum error_code (*settle)(struct db_query *query, struct error *err);
    void (*reset)(struct db_query *query);
    void (*end)(struct db_query *query);

    /* The number of the newest migration that was applied, 0 for none. */
    enum error_code (*version)(struct db_tx *tx, int *ret, struct error *err);
    /* Run the text of a migration and note its number. */
    enum error_code (*migrate)(struct db_tx *tx, int version, const char *name,
                               const char *sql, struct error *err);
};

/* What db_give_up_when() was told to ask. */
bool db_gives_up(void);

extern const struct db_driver *const db_sqlite_driver;
extern const struct db_driver *const db_pgsql_driver;

#endif

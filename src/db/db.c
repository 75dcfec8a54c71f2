#include "db/db.h"

#include <string.h>

#include "base/clock.h"
#include "db/driver.h"

static const struct db_driver *
driver_of(const char *url)
{
    const struct db_driver *const drivers[] = {db_sqlite_driver,
                                               db_pgsql_driver};

    for (size_t i = 0; i < COUNT(drivers); i++) {
        for (size_t j = 0; j < COUNT(drivers[i]->schemes); j++) {
            const char *scheme = drivers[i]->schemes[j];

            if (scheme && strncmp(url, scheme, strlen(scheme)) == 0)
                return drivers[i];
        }
    }
    return NULL;
}

enum error_code
db_open(const char *url, const struct db_options *options, bool create,
        struct db **ret, struct error *err)
{
    const struct db_driver *driver = driver_of(url);

    if (driver != NULL)
        return driver->open(url, options, create, ret, err);
    /* The rest of the URL may hold a password. */
    return error_set(err, ERR_VALUE,
                     "cannot use a database of the kind \"%.*s\": give "
                     "sqlite:PATH or postgresql://...",
                     (int)MIN(strcspn(url, ":"), 32u), url);
}

void
db_files(const char *url, db_file_visit *visit, void *context)
{
    const struct db_driver *driver = driver_of(url);

    if (driver != NULL)
        driver->files(url, visit, context);
}

void
db_close(struct db *db)
{
    if (db != NULL)
        db->driver->close(db);
}

enum error_code
db_read_begin(struct db *db, struct db_tx **ret, struct error *err)
{
    enum error_code rc = db->driver->read_begin(db, true, ret, err);

    if (rc != ERR_OK)
        count_up(&db->stats.read_errors, 1);
    return rc;
}

enum error_code
db_read_try(struct db *db, struct db_tx **ret, struct error *err)
{
    return db->driver->read_begin(db, false, ret, err);
}

void
db_read_end(struct db_tx *tx)
{
    if (tx != NULL)
        tx->driver->read_end(tx);
}

enum error_code
db_read_long(struct db *db, db_work *work, void *context, struct error *err)
{
    struct db_tx *tx = NULL;
    enum error_code rc = ERR_UNAVAILABLE;

    if (db->driver->read_standby != NULL)
        rc = db->driver->read_standby(db, work, context, err);
    if (rc != ERR_UNAVAILABLE)
        return rc;
    rc = db_read_begin(db, &tx, err);
    if (rc == ERR_OK)
        rc = work(tx, context, err);
    db_read_end(tx);
    return rc;
}

bool
db_is_remote(const struct db *db)
{
    return db->driver->remote;
}

bool
db_tx_is_remote(const struct db_tx *tx)
{
    return tx->driver->remote;
}

bool
db_tx_on_standby(const struct db_tx *tx)
{
    return tx->on_standby;
}

bool
db_stamp(const struct db *db, struct db_stamp *ret)
{
    return db->driver->stamp != NULL && db->driver->stamp(db, ret);
}

static _Thread_local struct {
    bool (*asked)(void *context);
    void *context;
} patience;

void
db_give_up_when(bool (*asked)(void *context), void *context)
{
    patience.asked = asked;
    patience.context = context;
}

bool
db_gives_up(void)
{
    return patience.asked != NULL && patience.asked(patience.context);
}

static enum error_code
run_write(struct db *db, bool is_long, db_work *work, void *context,
          struct error *err)
{
    int64_t began_us = clock_mono_us();

    count_up(&db->stats.writing, 1);
    enum error_code rc = db->driver->write(db, is_long, work, context, err);

    count_down(&db->stats.writing, 1);
    histogram_add(&db->stats.writes, clock_mono_us() - began_us);
    if (rc == ERR_UNAVAILABLE || rc == ERR_INTERNAL)
        count_up(&db->stats.write_errors, 1);
    return rc;
}

enum error_code
db_write(struct db *db, db_work *work, void *context, struct error *err)
{
    return run_write(db, false, work, context, err);
}

enum error_code
db_write_long(struct db *db, db_work *work, void *context, struct error *err)
{
    return run_write(db, true, work, context, err);
}

struct db_query *
db_query(struct db_tx *tx, unsigned statement)
{
    struct db_query *query = tx->driver->query(tx, statement);

    query->changes = 0;
    return query;
}

struct db_query *
db_query_text(struct db_tx *tx, const char *sql)
{
    struct db_query *query = tx->driver->query_text(tx, sql);

    query->changes = 0;
    return query;
}

void
db_int(struct db_query *query, int n, int64_t value)
{
    query->driver->bind_int(query, n, value);
}

void
db_str(struct db_query *query, int n, struct str text)
{
    query->driver->bind_str(query, n, text);
}

void
db_blob(struct db_query *query, int n, struct str bytes)
{
    query->driver->bind_blob(query, n, bytes);
}

void
db_uuid(struct db_query *query, int n, const struct uuid *id)
{
    db_blob(query, n, str_n((const char *)id->bytes, sizeof(id->bytes)));
}

void
db_null(struct db_query *query, int n)
{
    query->driver->bind_null(query, n);
}

enum error_code
db_step(struct db_query *query, struct error *err)
{
    return query->driver->step(query, err);
}

int64_t
db_col_int(struct db_query *query, int column)
{
    return query->driver->col_int(query, column);
}

struct str
db_col_str(struct db_query *query, int column)
{
    return query->driver->col_str(query, column);
}

struct uuid
db_col_uuid(struct db_query *query, int column)
{
    struct str bytes = db_col_str(query, column);
    struct uuid id = {{0}};

    if (bytes.len == sizeof(id.bytes))
        memcpy(id.bytes, bytes.at, sizeof(id.bytes));
    return id;
}

bool
db_col_is_null(struct db_query *query, int column)
{
    return query->driver->col_is_null(query, column);
}

void
db_reset(struct db_query *query)
{
    query->driver->reset(query);
}

void
db_end(struct db_query *query)
{
    if (query != NULL)
        query->driver->end(query);
}

enum error_code
db_exec(struct db_query *query, int64_t *ret_changes, struct error *err)
{
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK)
        rc = error_internal(err, "a statement without rows returned one");
    else if (rc == ERR_END)
        rc = ERR_OK;
    if (rc == ERR_OK && ret_changes != NULL)
        *ret_changes = query->driver->changes(query);
    db_reset(query);
    return rc;
}

enum error_code
db_exec_later(struct db_query *query, struct error *err)
{
    int64_t changes = 0;

    if (query->driver->exec_later != NULL)
        return query->driver->exec_later(query, err);
    enum error_code rc = db_exec(query, &changes, err);

    query->changes += changes;
    return rc;
}

enum error_code
db_settle(struct db_query *query, int64_t *ret_changes, struct error *err)
{
    enum error_code rc = query->driver->settle != NULL
                             ? query->driver->settle(query, err)
                             : ERR_OK;

    if (rc == ERR_OK)
        *ret_changes = query->changes;
    return rc;
}

enum error_code
db_run(struct db_query *query, int64_t *ret_changes, struct error *err)
{
    enum error_code rc = db_exec(query, ret_changes, err);

    db_end(query);
    return rc;
}

const struct db_stats *
db_stats(const struct db *db)
{
    return &db->stats;
}

const char *
db_engine(const struct db *db)
{
    return db->driver->engine;
}

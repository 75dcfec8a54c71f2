/*
 * db.h - one contract for every database: transactions and prepared
 * statements. What the rest of the tree sees of SQLite and PostgreSQL.
 *
 * Statements are known before start (src/store/stmt.h) and prepared once per
 * connection. Reads run in a snapshot of their own; writes are functions that
 * the driver runs inside a transaction, together with other waiting writes
 * where it pays (group commit). When db_write() returns ERR_OK the change is
 * durable.
 *
 * Memory:  db_open()/db_close(); everything else is borrowed from the db.
 *          Text and blobs of a row are valid until the next db_step() or
 *          db_query() of the same transaction.
 * Errors:  a unique index that says no is ERR_CONFLICT; a database that is
 *          busy, full, read-only or out of reach is ERR_UNAVAILABLE; the rest
 *          ERR_INTERNAL with the driver's text as detail.
 * Threads: struct db is safe everywhere; a struct db_tx and its queries
 *          belong to the thread that got them.
 */
#ifndef NELM_DB_DB_H
#define NELM_DB_DB_H

#include <stdint.h>
#include <string.h>

#include "base/counter.h"
#include "base/error.h"
#include "base/str.h"
#include "base/uuid.h"

struct db;
struct db_tx;
struct db_query;

/* One statement of the closed list. */
struct db_statement {
    const char *name;
    const char *sql; /* with $1..$n */
    bool writes;     /* prepared on connections that write only */
    bool streams;    /* more rows than memory should hold: while it is open
                        nothing else runs in its transaction */
};

struct db_options {
    const struct db_statement *statements;
    unsigned statement_count;
    unsigned busy_ms;   /* wait for another process's write lock, or for a
                           connection */
    size_t cache_bytes; /* SQLite: page cache of the writing connection */
    /* PostgreSQL: */
    unsigned connections;  /* at most, and so transactions at once */
    unsigned statement_ms; /* a statement may take so long; 0 is no limit */
    unsigned idle_ms;      /* and a pause in a transaction */
    const char *read_url;  /* a standby for db_read_long(), or NULL */
    bool prepare;          /* keep statements prepared; not behind a pooler
                              that hands on transactions */
};

/* Open `url` ("sqlite:PATH", "postgresql://..."). `create` makes a database
 * that does not exist. ERR_VALUE for a URL of another kind. The schema is not
 * looked at: see db/migrate.h. */
enum error_code db_open(const char *url, const struct db_options *options,
                        bool create, struct db **ret,
                        struct error *err) MUST_USE;
void db_close(struct db *db);

/* Show `visit` what connections to `url` open by name, now and later: a
 * directory in which files are made, or something that is only read and need
 * not be there. */
typedef void db_file_visit(void *context, const char *path, bool written);
void db_files(const char *url, db_file_visit *visit, void *context);

/* A read transaction: everything read through it is one state. Waits for a
 * free connection at most busy_ms, then ERR_UNAVAILABLE. */
enum error_code db_read_begin(struct db *db, struct db_tx **ret,
                              struct error *err) MUST_USE;
/* The same for what can be done without: at once, or ERR_UNAVAILABLE. */
enum error_code db_read_try(struct db *db, struct db_tx **ret,
                            struct error *err) MUST_USE;
void db_read_end(struct db_tx *tx);

/* Would db_read_begin() or a point query wait for a network or a lock? False
 * for an embedded database: handlers may read on an event thread. */
bool db_is_remote(const struct db *db);
bool db_tx_is_remote(const struct db_tx *tx);

/* What the database has committed so far, as bytes that move with every commit
 * of any process: while two stamps are equal, what was read in a transaction
 * that began after the first one is still so. Costs some 50 ns. False when this
 * database cannot tell without being asked. */
struct db_stamp {
    uint64_t word[6];
};
bool db_stamp(const struct db *db, struct db_stamp *ret);

static inline bool
db_stamp_eq(const struct db_stamp *a, const struct db_stamp *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* Run `work` in a write transaction and return when it is durable. When
 * `work` returns an error its changes are undone (those of other writes in
 * the same group are not) and that error is returned. `work` may be run more
 * than once (a serialization failure): it must set all its outputs anew. */
typedef enum error_code db_work(struct db_tx *tx, void *context,
                                struct error *err);
enum error_code db_write(struct db *db, db_work *work, void *context,
                         struct error *err) MUST_USE;

/* The same for work that takes long, an import: on PostgreSQL others may
 * change between its statements what it has not locked, so it changes first
 * (and so locks) the row that everything it reads hangs on. */
enum error_code db_write_long(struct db *db, db_work *work, void *context,
                              struct error *err) MUST_USE;

/* Run `work` in a read transaction that takes long. It shows at least what was
 * committed before the call, by anybody, but may be that of a standby: when
 * that one fails `work` is run once more on the database itself, so it must set
 * all its outputs anew. */
enum error_code db_read_long(struct db *db, db_work *work, void *context,
                             struct error *err) MUST_USE;

/* Is this transaction on a standby, to spare the database itself? */
bool db_tx_on_standby(const struct db_tx *tx);

/* While this thread waits for a database server `asked` is called a few times a
 * second; once it says true what the server is doing is cancelled, and the call
 * is ERR_UNAVAILABLE. NULL ends that. */
void db_give_up_when(bool (*asked)(void *context), void *context);

/* Start statement number `statement`. Bind $1.., then db_step() or db_run(),
 * then db_end(). A connection has one cursor per statement: a query is not
 * started again before its db_end(). Never NULL: a failure to start shows in
 * db_step(). */
struct db_query *db_query(struct db_tx *tx, unsigned statement);

/* The same for a text that only store/where.c (a SELECT) and store/table.c
 * (rows of any table, in and out) make; a few are kept prepared per connection,
 * and the same one may be open more than once (a dozen in all). `sql` need not
 * outlive the call. lower(x) folds as utf8_fold(). */
struct db_query *db_query_text(struct db_tx *tx, const char *sql);

/* Bind $n. Text and blobs are borrowed until db_end(). */
void db_int(struct db_query *query, int n, int64_t value);
void db_str(struct db_query *query, int n, struct str text);
void db_blob(struct db_query *query, int n, struct str bytes);
void db_uuid(struct db_query *query, int n, const struct uuid *id);
void db_null(struct db_query *query, int n);

/* ERR_OK: a row; ERR_END: no more; else the failure. */
enum error_code db_step(struct db_query *query, struct error *err) MUST_USE;

/* Columns from 0. NULL reads as 0, an empty str, an all-zero uuid. A text of
 * db_col_str() is not NUL-terminated. */
int64_t db_col_int(struct db_query *query, int column);
struct str db_col_str(struct db_query *query, int column);
struct uuid db_col_uuid(struct db_query *query, int column);
bool db_col_is_null(struct db_query *query, int column);

/* Ready for other values, same query still open: for loops of inserts. */
void db_reset(struct db_query *query);
void db_end(struct db_query *query); /* NULL is fine */

/* Step a statement that returns no row, and reset it. ret_changes, unless
 * NULL, gets the number of rows it changed. */
enum error_code db_exec(struct db_query *query, int64_t *ret_changes,
                        struct error *err) MUST_USE;

/* db_exec() whose outcome is asked for later, by db_settle(): where a statement
 * costs a way through a network, many are on it at once. A failure may also be
 * told by whatever else the transaction does meanwhile. */
enum error_code db_exec_later(struct db_query *query,
                              struct error *err) MUST_USE;

/* Wait for all of them. *ret_changes gets the number of rows that those of
 * this query changed since it was started. */
enum error_code db_settle(struct db_query *query, int64_t *ret_changes,
                          struct error *err) MUST_USE;

/* db_exec() and db_end(). */
enum error_code db_run(struct db_query *query, int64_t *ret_changes,
                       struct error *err) MUST_USE;

/* Counters for metrics. */
struct db_stats {
    struct histogram writes;           /* in line and to the end */
    counter writing;                   /* now */
    counter write_errors, read_errors; /* the database's, not the caller's */
    counter standby_reads, standby_misses; /* db_read_long() that a standby did,
                                              and that it could not do */
};
const struct db_stats *db_stats(const struct db *db);

/* Text of the library and its version, for --version and logs. */
const char *db_engine(const struct db *db);

#endif

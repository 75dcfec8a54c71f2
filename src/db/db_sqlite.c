/*
 * db_sqlite.c - the embedded database.
 *
 * One connection writes. It belongs to a thread that takes every write that
 * waits, runs each inside a savepoint of one transaction and commits them
 * together: as many changes as there are callers share one fsync, and a lone
 * caller waits for nobody. Checkpoints happen on that thread too, after the
 * callers have their answers.
 *
 * Reading connections are opened on demand and kept. With a write-ahead log
 * they neither wait for the writer nor hold it up.
 *
 * To begin a read and to end it costs as much as reading a row. So one that is
 * over is held: it stays open, and its connection goes on with it if nothing
 * was committed since it began. But an open read keeps the log from being
 * copied and from beginning anew, for every process. So the writer's thread
 * ends what is held before a checkpoint and again behind it, when a read that
 * begins needs nothing of the log; and HOLD_MS after something was held it does
 * all of that, whoever wrote the log. What began before such an end is not held
 * after it.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "db/driver.h"
#include "fmt/digest.h"

#define SCHEME "sqlite:"
#define PATH_BYTES 4096

/* Pages that writers of one group share a transaction for, at most. */
#define GROUP_MAX 256

/* The kernel keeps the file's pages; a connection that reads needs few of its
 * own. The file is not mapped: mapped pages would count as the process's
 * memory, and reading a large table from end to end is no faster with them. */
#define READER_CACHE_KIB 1024

/* Copy the log into the database when it has so many pages, or, with writes
 * waiting, when it has ten times as many. After a larger transaction than
 * WAL_KEEP_BYTES the log's file shrinks as well. */
#define CHECKPOINT_PAGES 1000
#define WAL_KEEP_BYTES (64 << 20)

/* A read is held so long at most, or until the writer's transaction is over:
 * meanwhile no other process can write. */
#define HOLD_MS 1000

/* So many texts of db_query_text() stay prepared per connection; more cannot
 * be open at once. */
#define TEXTS_KEPT 16

/* What SQLite maps of the log's index at a time. */
#define WAL_INDEX_PAGE 32768

struct conn;

struct query {
    struct db_query base;
    struct conn *conn;
    sqlite3_stmt *stmt; /* prepared at first use */
    const struct db_statement *text;
    bool open;
    uint64_t used; /* of a kept text: when, in uses of the connection */
    int failed;    /* SQLite's code when it could not be prepared or bound */
    int param_count;
    unsigned char param[DB_PARAMS_MAX + 1]; /* of $n; 0: not in the text */
};

struct conn {
    struct db_tx tx;
    struct sqlite_db *db;
    struct conn *next; /* in the list of free ones */
    sqlite3 *handle;
    struct query *queries; /* the statements, then TEXTS_KEPT texts */
    unsigned query_count, open_queries;
    uint64_t text_uses;
    /* Of a reading transaction: */
    bool held;             /* it is over, and still open */
    bool failed;           /* it is not to be held */
    struct db_stamp stamp; /* before it began */
    uint64_t round;        /* db->round then */
    sqlite3_stmt *begin, *commit, *rollback;
    sqlite3_stmt *savepoint, *release, *rollback_to; /* writer only */
};

/* One call of db_write(), on the stack of its caller. */
struct job {
    struct job *next;
    db_work *work;
    void *context;
    struct error *err;
    enum error_code rc;
    enum { WAITING, WORKED, ANSWERED } state;
    sem_t done; /* the caller may go */
};

struct sqlite_db {
    struct db base;
    struct db_options options;
    char path[PATH_BYTES];
    int page_bytes;

    pthread_mutex_t lock; /* over all below but `writer` and `wal_pages` */
    struct conn *free;
    struct job *first, **last;
    pthread_cond_t queued;
    bool closing;
    bool holding;    /* something may be held: the thread heeds hold_ms */
    int64_t hold_ms; /* when what is held has to go */
    uint64_t round;  /* how often it had to go */

    pthread_t thread;
    bool started;
    struct conn *writer; /* the thread's own */
    /* Two headers, shared by all processes; NULL: not there yet. */
    _Atomic(const uint64_t *) wal_index;
    int wal_pages; /* in the log after the newest commit */
};

/* ---- errors ---------------------------------------------------------- */

static enum error_code
fail_code(sqlite3 *handle, int code, const char *what, struct error *err)
{
    const char *text = handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code);

    switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        error_set(err, ERR_CONFLICT, NULL);
        if (err != NULL)
            snprintf(err->detail, sizeof(err->detail), "%s: %s", what, text);
        return ERR_CONFLICT;
    default:
        break;
    }
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_CANTOPEN:
    case SQLITE_FULL:
    case SQLITE_INTERRUPT:
    case SQLITE_IOERR:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
    case SQLITE_READONLY:
        return error_busy(err, "%s: %s (%d)", what, text, code);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return error_internal(err,
                              "%s: the database file is damaged or of "
                              "another kind: %s (%d)",
                              what, text, code);
    default:
        return error_internal(err, "%s: %s (%d)", what, text, code);
    }
}

static enum error_code
fail(sqlite3 *handle, const char *what, struct error *err)
{
    return fail_code(handle, sqlite3_extended_errcode(handle), what, err);
}

/* ---- connections ----------------------------------------------------- */

static enum error_code
run(struct conn *conn, sqlite3_stmt *stmt, struct error *err)
{
    enum error_code rc = ERR_OK;

    if (sqlite3_step(stmt) != SQLITE_DONE)
        rc = fail(conn->handle, sqlite3_sql(stmt), err);
    sqlite3_reset(stmt);
    return rc;
}

static int
count_wal_pages(void *context, sqlite3 *handle, const char *name, int pages)
{
    struct sqlite_db *db = context;

    (void)handle;
    (void)name;
    db->wal_pages = pages;
    return SQLITE_OK;
}

static void
conn_close(struct conn *conn)
{
    if (conn == NULL)
        return;
    sqlite3_stmt *const own[] = {conn->begin,    conn->commit,
                                 conn->rollback, conn->savepoint,
                                 conn->release,  conn->rollback_to};

    for (size_t i = 0; i < COUNT(own); i++)
        sqlite3_finalize(own[i]);
    for (unsigned i = 0; conn->queries && i < conn->query_count; i++)
        sqlite3_finalize(conn->queries[i].stmt);
    sqlite3_close(conn->handle);
    free(conn->queries);
    free(conn);
}

/* The mode of the log is a property of the file. Changing it takes a lock for
 * which SQLite does not wait by itself. */
static enum error_code
use_wal(struct conn *conn, struct error *err)
{
    int64_t deadline = clock_mono_ms() + conn->db->options.busy_ms;
    const struct timespec pause = {.tv_nsec = 5000000};
    int code;

    for (;;) {
        code = sqlite3_exec(conn->handle, "PRAGMA journal_mode = WAL", NULL,
                            NULL, NULL);
        if (code != SQLITE_BUSY || clock_mono_ms() >= deadline)
            break;
        nanosleep(&pause, NULL);
    }
    if (code != SQLITE_OK)
        return fail(conn->handle, "cannot use a write-ahead log", err);
    return ERR_OK;
}

/* SQLite's own lower() knows ASCII only; lists sort by this one, which folds
 * as utf8_fold() does. */
static void
sql_lower(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    if (sqlite3_value_type(values[0]) == SQLITE_NULL)
        return;
    const char *at = sqlite3_value_blob(values[0]);
    struct str text = str_n(at, (size_t)sqlite3_value_bytes(values[0]));
    char *folded = sqlite3_malloc64(3 * text.len + 1);

    if (folded == NULL)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_text64(context, folded, utf8_fold(text, folded),
                              sqlite3_free, SQLITE_UTF8);
}

/* As PostgreSQL's, but of a text's bytes too: SQLite makes one of blobs that
 * are joined. */
static void
sql_sha256(sqlite3_context *context, int count, sqlite3_value **values)
{
    unsigned char sha256[32];
    const void *bytes = sqlite3_value_blob(values[0]);

    (void)count;
    digest_of(bytes ? bytes : "", (size_t)sqlite3_value_bytes(values[0]),
              sha256);
    sqlite3_result_blob(context, sha256, sizeof(sha256), SQLITE_TRANSIENT);
}

static enum error_code
conn_setup(struct conn *conn, bool writes, struct error *err)
{
    const struct db_options *options = &conn->db->options;
    const struct {
        const char *sql;
        sqlite3_stmt **ret;
        bool writer_only;
    } own[] = {
        {writes ? "BEGIN IMMEDIATE" : "BEGIN", &conn->begin, false},
        {"COMMIT", &conn->commit, false},
        {"ROLLBACK", &conn->rollback, false},
        {"SAVEPOINT one", &conn->savepoint, true},
        {"RELEASE one", &conn->release, true},
        {"ROLLBACK TO one", &conn->rollback_to, true},
    };
    char pragmas[400];

    sqlite3_extended_result_codes(conn->handle, 1);
    sqlite3_busy_timeout(conn->handle, (int)options->busy_ms);
    if (writes) {
        /* For a new file only. Reading a table from end to end takes about a
         * fifth less time than with pages of 4 KiB. With 16 KiB imports are
         * faster, but every small write logs twice as many bytes again. */
        if (sqlite3_exec(conn->handle, "PRAGMA page_size = 8192", NULL, NULL,
                         NULL) != SQLITE_OK)
            return fail(conn->handle, "cannot set up", err);
        enum error_code rc = use_wal(conn, err);

        if (rc != ERR_OK)
            return rc;
        sqlite3_wal_hook(conn->handle, count_wal_pages, conn->db);
    }
    snprintf(pragmas, sizeof(pragmas),
             "PRAGMA synchronous = FULL;"
             "PRAGMA foreign_keys = ON;"
             "PRAGMA trusted_schema = OFF;"
             "PRAGMA secure_delete = FAST;"
             "PRAGMA journal_size_limit = %d;"
             "PRAGMA cache_size = -%zu;"
             "PRAGMA query_only = %d",
             WAL_KEEP_BYTES,
             writes ? options->cache_bytes / 1024 : (size_t)READER_CACHE_KIB,
             !writes);
    if (sqlite3_exec(conn->handle, pragmas, NULL, NULL, NULL) != SQLITE_OK)
        return fail(conn->handle, "cannot set up", err);
    if (sqlite3_create_function_v2(
            conn->handle, "lower", 1,
            SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
            sql_lower, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_create_function_v2(
            conn->handle, "sha256", 1,
            SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
            sql_sha256, NULL, NULL, NULL) != SQLITE_OK)
        return fail(conn->handle, "cannot set up", err);
    for (size_t i = 0; i < COUNT(own); i++)
        if ((writes || !own[i].writer_only) &&
            sqlite3_prepare_v3(conn->handle, own[i].sql, -1,
                               SQLITE_PREPARE_PERSISTENT, own[i].ret,
                               NULL) != SQLITE_OK)
            return fail(conn->handle, own[i].sql, err);
    return ERR_OK;
}

static enum error_code
conn_open(struct sqlite_db *db, bool writes, struct conn **ret,
          struct error *err)
{
    static const struct db_statement text = {.name = "text"};
    unsigned count = db->options.statement_count;
    struct conn *conn = calloc(1, sizeof(*conn));
    enum error_code rc;

    if (conn == NULL)
        return error_busy(err, "out of memory");
    conn->tx.driver = db_sqlite_driver;
    conn->db = db;
    conn->query_count = count + TEXTS_KEPT;
    conn->queries = calloc(conn->query_count, sizeof(*conn->queries));
    if (conn->queries == NULL) {
        rc = error_busy(err, "out of memory");
        goto failed;
    }
    for (unsigned i = 0; i < conn->query_count; i++)
        conn->queries[i] = (struct query){
            .base.driver = db_sqlite_driver,
            .conn = conn,
            .text = i < count ? &db->options.statements[i] : &text};

    int code = sqlite3_open_v2(db->path, &conn->handle,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                               NULL);

    if (code != SQLITE_OK)
        rc = fail_code(conn->handle, code, "cannot open the database", err);
    else
        rc = conn_setup(conn, writes, err);
    if (rc != ERR_OK)
        goto failed;
    *ret = conn;
    return ERR_OK;

failed:
    conn_close(conn);
    return rc;
}

/* ---- statements ------------------------------------------------------ */

static int
prepare(struct query *query, const char *sql)
{
    sqlite3 *handle = query->conn->handle;
    int code = sqlite3_prepare_v3(handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                  &query->stmt, NULL);

    if (code != SQLITE_OK)
        return code;
    /* SQLite numbers $n in the order of first use, so ask for each name. */
    query->param_count = sqlite3_bind_parameter_count(query->stmt);
    assert(query->param_count <= DB_PARAMS_MAX);
    for (int n = 1; n <= query->param_count; n++) {
        char name[8];

        snprintf(name, sizeof(name), "$%d", n);
        query->param[n] = (unsigned char)sqlite3_bind_parameter_index(
            query->stmt, name);
    }
    return SQLITE_OK;
}

static struct db_query *
start(struct query *query, const char *sql)
{
    query->open = true;
    query->conn->open_queries++;
    query->failed = query->stmt ? SQLITE_OK : prepare(query, sql);
    return &query->base;
}

static struct db_query *
sqlite_query(struct db_tx *tx, unsigned statement)
{
    struct conn *conn = (struct conn *)tx;
    struct query *query = &conn->queries[statement];

    assert(statement < conn->db->options.statement_count);
    assert(!query->open);
    assert(conn == conn->db->writer || !query->text->writes);
    return start(query, query->text->sql);
}

/* The kept text that is this one, or else the one to give up for it: not open
 * and unused for the longest time. */
static struct query *
find_text(struct conn *conn, const char *sql)
{
    struct query *oldest = NULL;

    for (unsigned i = conn->query_count - TEXTS_KEPT; i < conn->query_count;
         i++) {
        struct query *query = &conn->queries[i];

        if (query->open)
            continue;
        if (query->stmt && strcmp(sqlite3_sql(query->stmt), sql) == 0)
            return query;
        if (oldest == NULL || query->used < oldest->used)
            oldest = query;
    }
    assert(oldest != NULL);
    sqlite3_finalize(oldest->stmt);
    oldest->stmt = NULL;
    return oldest;
}

static struct db_query *
sqlite_query_text(struct db_tx *tx, const char *sql)
{
    struct conn *conn = (struct conn *)tx;
    struct query *query = find_text(conn, sql);

    query->used = ++conn->text_uses;
    return start(query, sql);
}

/* The number SQLite has for $n; 0 when nothing can be bound. */
static int
param(const struct query *query, int n)
{
    if (query->failed != SQLITE_OK)
        return 0;
    assert(n >= 1 && n <= query->param_count && query->param[n] != 0);
    return query->param[n];
}

static void
bound(struct query *query, int code)
{
    if (query->failed == SQLITE_OK)
        query->failed = code;
}

static void
sqlite_bind_int(struct db_query *base, int n, int64_t value)
{
    struct query *query = (struct query *)base;
    int at = param(query, n);

    if (at != 0)
        bound(query, sqlite3_bind_int64(query->stmt, at, value));
}

static void
sqlite_bind_str(struct db_query *base, int n, struct str text)
{
    struct query *query = (struct query *)base;
    int at = param(query, n);

    if (at != 0)
        bound(query,
              sqlite3_bind_text64(query->stmt, at, text.len ? text.at : "",
                                  text.len, SQLITE_STATIC, SQLITE_UTF8));
}

static void
sqlite_bind_blob(struct db_query *base, int n, struct str bytes)
{
    struct query *query = (struct query *)base;
    int at = param(query, n);

    if (at != 0)
        bound(query,
              sqlite3_bind_blob64(query->stmt, at, bytes.len ? bytes.at : "",
                                  bytes.len, SQLITE_STATIC));
}

static void
sqlite_bind_null(struct db_query *base, int n)
{
    struct query *query = (struct query *)base;
    int at = param(query, n);

    if (at != 0)
        bound(query, sqlite3_bind_null(query->stmt, at));
}

static enum error_code
sqlite_step(struct db_query *base, struct error *err)
{
    struct query *query = (struct query *)base;

    if (query->failed != SQLITE_OK)
        return fail_code(query->stmt ? NULL : query->conn->handle,
                         query->failed, query->text->name, err);
    /* Without memory SQLite may roll everything back, also while it ends a
     * statement that has given its rows. What came then would be committed by
     * itself. */
    if (sqlite3_get_autocommit(query->conn->handle))
        return error_busy(err, "the transaction was lost");
    switch (sqlite3_step(query->stmt)) {
    case SQLITE_ROW:
        return ERR_OK;
    case SQLITE_DONE:
        return ERR_END;
    default:
        query->conn->failed = true;
        return fail(query->conn->handle, query->text->name, err);
    }
}

static int64_t
sqlite_col_int(struct db_query *base, int column)
{
    return sqlite3_column_int64(((struct query *)base)->stmt, column);
}

static struct str
sqlite_col_str(struct db_query *base, int column)
{
    sqlite3_value *value = sqlite3_column_value(((struct query *)base)->stmt,
                                                column);
    const char *at = sqlite3_value_blob(value);

    /* A blob leaves text as it is, and without the NUL that a text may have to
     * be copied for. The value is looked up once for both, and is protected:
     * a connection has one thread. */
    return str_n(at, (size_t)sqlite3_value_bytes(value));
}

static bool
sqlite_col_is_null(struct db_query *base, int column)
{
    return sqlite3_column_type(((struct query *)base)->stmt, column) ==
           SQLITE_NULL;
}

static int64_t
sqlite_changes(struct db_query *base)
{
    return sqlite3_changes64(((struct query *)base)->conn->handle);
}

static void
sqlite_reset(struct db_query *base)
{
    sqlite3_reset(((struct query *)base)->stmt);
}

static void
sqlite_end(struct db_query *base)
{
    struct query *query = (struct query *)base;

    assert(query->open);
    if (query->stmt != NULL) {
        sqlite3_reset(query->stmt);
        sqlite3_clear_bindings(query->stmt);
    }
    query->open = false;
    query->conn->open_queries--;
}

/* A statement that is left open would keep its transaction open. */
static void
end_queries(struct conn *conn)
{
    for (unsigned i = 0; conn->open_queries > 0; i++)
        if (conn->queries[i].open)
            sqlite_end(&conn->queries[i].base);
}

/* ---- reading --------------------------------------------------------- */

static bool
sqlite_stamp(const struct db *base, struct db_stamp *ret)
{
    const uint64_t *at = atomic_load(
        &((const struct sqlite_db *)base)->wal_index);
    size_t words = COUNT(ret->word);
    bool same = at != NULL;

    /* Written second copy first, so a commit on its way shows. */
    for (size_t i = 0; same && i < words; i++)
        ret->word[i] = __atomic_load_n(&at[i], __ATOMIC_ACQUIRE);
    for (size_t i = 0; same && i < words; i++)
        same = __atomic_load_n(&at[words + i], __ATOMIC_ACQUIRE) ==
               ret->word[i];
    return same;
}

/* End the transaction of a connection that is not writing. */
static void
end_read(struct conn *conn)
{
    conn->held = false;
    /* A failed read may have ended it already. */
    if (!sqlite3_get_autocommit(conn->handle) &&
        run(conn, conn->commit, NULL) != ERR_OK)
        (void)run(conn, conn->rollback, NULL);
}

/* End what is held, and let nothing be held that began before. Under the
 * lock. */
static void
end_held(struct sqlite_db *db)
{
    db->holding = false;
    db->round++;
    for (struct conn *conn = db->free; conn != NULL; conn = conn->next)
        if (conn->held)
            end_read(conn);
}

/* Leave a connection to others; with `hold`, as it is if that may be. False
 * when it may not. */
static bool
conn_return(struct conn *conn, bool hold)
{
    struct sqlite_db *db = conn->db;

    pthread_mutex_lock(&db->lock);
    bool done = !hold || conn->round == db->round;

    if (done) {
        conn->held = hold;
        conn->next = db->free;
        db->free = conn;
    }
    if (done && hold && !db->holding) {
        db->holding = true;
        db->hold_ms = clock_mono_ms() + HOLD_MS;
        pthread_cond_signal(&db->queued);
    }
    pthread_mutex_unlock(&db->lock);
    return done;
}

/* A free connection or a new one: nobody waits, and there are never more than
 * threads that read. */
static enum error_code
conn_take(struct sqlite_db *db, struct conn **ret, struct error *err)
{
    pthread_mutex_lock(&db->lock);
    struct conn *conn = db->free;
    uint64_t round = db->round;

    if (conn != NULL)
        db->free = conn->next;
    pthread_mutex_unlock(&db->lock);
    if (conn == NULL) {
        enum error_code rc = conn_open(db, false, &conn, err);

        if (rc != ERR_OK)
            return rc;
    }
    conn->round = round;
    *ret = conn;
    return ERR_OK;
}

static enum error_code
sqlite_read_begin(struct db *base, bool may_wait UNUSED, struct db_tx **ret,
                  struct error *err)
{
    struct conn *conn = NULL;
    enum error_code rc = conn_take((struct sqlite_db *)base, &conn, err);
    struct db_stamp stamp;

    if (rc != ERR_OK)
        return rc;
    bool stamped = sqlite_stamp(base, &stamp);
    bool current = conn->held && stamped && db_stamp_eq(&conn->stamp, &stamp);

    if (conn->held && !current)
        end_read(conn);
    /* The first statement that reads takes the snapshot. */
    if (!current) {
        conn->stamp = stamp;
        conn->failed = !stamped;
        rc = run(conn, conn->begin, err);
    }
    conn->held = false;
    if (rc != ERR_OK) {
        (void)conn_return(conn, false);
        return rc;
    }
    *ret = &conn->tx;
    return ERR_OK;
}

static void
sqlite_read_end(struct db_tx *tx)
{
    struct conn *conn = (struct conn *)tx;
    struct db_stamp stamp;

    end_queries(conn);
    if (!conn->failed && !sqlite3_get_autocommit(conn->handle) &&
        sqlite_stamp(&conn->db->base, &stamp) &&
        db_stamp_eq(&conn->stamp, &stamp) && conn_return(conn, true))
        return;
    end_read(conn);
    (void)conn_return(conn, false);
}

/* ---- writing --------------------------------------------------------- */

static void
answer(struct job *job, enum error_code rc, const struct error *err)
{
    job->rc = rc;
    job->state = ANSWERED;
    if (rc != ERR_OK && err != NULL && job->err != NULL && job->err != err)
        *job->err = *err;
}

static void
answer_all(struct job *group, int state, enum error_code rc,
           const struct error *err)
{
    for (struct job *job = group; job != NULL; job = job->next)
        if ((int)job->state == state)
            answer(job, rc, err);
}

/* Run one job in the open transaction. False when the transaction is lost:
 * the job is answered, and what others did in it has to be done again. */
static bool
run_job(struct conn *writer, struct job *job, bool alone)
{
    struct error err = ERROR_INIT;
    enum error_code rc;

    /* Alone, the transaction itself is what an error undoes; a savepoint
     * would have to remember every page that a large import changes. */
    if (!alone) {
        rc = run(writer, writer->savepoint, &err);
        if (rc != ERR_OK) {
            answer(job, rc, &err);
            return false;
        }
    }
    job->rc = job->work(&writer->tx, job->context, job->err);
    end_queries(writer);
    /* After some failures (no space, input or output) SQLite rolls back
     * everything by itself. */
    if (sqlite3_get_autocommit(writer->handle)) {
        if (job->rc == ERR_OK)
            job->rc = error_busy(job->err, "the transaction was lost");
        answer(job, job->rc, NULL);
        return false;
    }
    if (job->rc != ERR_OK) {
        if (alone)
            rc = run(writer, writer->rollback, NULL);
        else if ((rc = run(writer, writer->rollback_to, NULL)) == ERR_OK)
            rc = run(writer, writer->release, NULL);
        answer(job, job->rc, NULL);
        return rc == ERR_OK;
    }
    if (!alone && (rc = run(writer, writer->release, &err)) != ERR_OK) {
        answer(job, rc, &err);
        return false;
    }
    job->state = WORKED;
    return true;
}

/* One transaction for every job that is not answered yet. False when it was
 * lost on the way and has to be tried again with those that are left. */
static bool
run_transaction(struct conn *writer, struct job *group)
{
    struct error err = ERROR_INIT;
    int waiting = 0;
    enum error_code rc;

    for (struct job *job = group; job != NULL; job = job->next) {
        if (job->state == WORKED)
            job->state = WAITING;
        waiting += job->state == WAITING;
    }
    if (waiting == 0)
        return true;
    rc = run(writer, writer->begin, &err);
    if (rc != ERR_OK) {
        answer_all(group, WAITING, rc, &err);
        return true;
    }
    for (struct job *job = group; job != NULL; job = job->next) {
        if (job->state == WAITING && !run_job(writer, job, waiting == 1)) {
            if (!sqlite3_get_autocommit(writer->handle))
                (void)run(writer, writer->rollback, NULL);
            return false;
        }
    }
    if (sqlite3_get_autocommit(writer->handle)) /* a lone job failed */
        return true;
    rc = run(writer, writer->commit, &err);
    if (rc != ERR_OK && !sqlite3_get_autocommit(writer->handle))
        (void)run(writer, writer->rollback, NULL);
    answer_all(group, WORKED, rc, &err);
    return true;
}

/* Copy the log into the database, as far as readers let us. What does not
 * work now is tried again after the next writes. */
static void
checkpoint(struct sqlite_db *db)
{
    sqlite3 *handle = db->writer->handle;
    bool large = (int64_t)db->wal_pages * db->page_bytes > WAL_KEEP_BYTES;
    int logged = 0, copied = 0;

    sqlite3_busy_timeout(handle, 0);
    sqlite3_wal_checkpoint_v2(handle, NULL,
                              large ? SQLITE_CHECKPOINT_TRUNCATE
                                    : SQLITE_CHECKPOINT_PASSIVE,
                              &logged, &copied);
    sqlite3_busy_timeout(handle, (int)db->options.busy_ms);
    if (logged == copied)
        db->wal_pages = 0;
}

/* Pages of the log, whoever wrote them; 0 when nobody can tell now. */
static int
log_pages(const struct sqlite_db *db)
{
    struct db_stamp stamp;
    uint32_t pages = 0;

    if (sqlite_stamp(&db->base, &stamp)) /* mxFrame, bytes 16 to 19 */
        memcpy(&pages, &stamp.word[2], sizeof(pages));
    return (int)pages;
}

/* Copy the log when that is due, and end what is held. Under the lock, which
 * it gives up meanwhile. */
static void
tidy(struct sqlite_db *db)
{
    bool late = db->holding && clock_mono_ms() >= db->hold_ms;
    int enough = db->first ? 10 * CHECKPOINT_PAGES : CHECKPOINT_PAGES;

    if (late) {
        end_held(db);
        db->wal_pages = log_pages(db);
    }
    if (db->wal_pages < enough)
        return;
    end_held(db);
    pthread_mutex_unlock(&db->lock);
    checkpoint(db);
    pthread_mutex_lock(&db->lock);
    end_held(db);
}

/* Until there is work or what is held has to go. Under the lock. */
static void
wait_for_work(struct sqlite_db *db)
{
    struct timespec until = {.tv_sec = db->hold_ms / 1000,
                             .tv_nsec = db->hold_ms % 1000 * 1000000};

    if (db->holding)
        pthread_cond_timedwait(&db->queued, &db->lock, &until);
    else
        pthread_cond_wait(&db->queued, &db->lock);
}

/* Cut at most GROUP_MAX jobs off the queue. Under the lock. */
static struct job *
take_group(struct sqlite_db *db)
{
    struct job *group = db->first;
    struct job **end = &group;

    for (int i = 0; *end != NULL && i < GROUP_MAX; i++)
        end = &(*end)->next;
    db->first = *end;
    if (*end == NULL)
        db->last = &db->first;
    *end = NULL;
    return group;
}

/* The header of the write-ahead log's index is in memory that everybody who
 * has the database open shares. It moves with every commit and every restart
 * of the log, and stands there twice (https://sqlite.org/walformat.html,
 * section 2.1). The pages stay where they are while a connection is open; a
 * new database has none before its first commit. */
static void
map_wal_index(struct sqlite_db *db)
{
    sqlite3_file *file = NULL;
    void volatile *at = NULL;

    if (sqlite3_file_control(db->writer->handle, "main",
                             SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK &&
        file->pMethods != NULL && file->pMethods->iVersion >= 2 &&
        file->pMethods->xShmMap(file, 0, WAL_INDEX_PAGE, 0, &at) == SQLITE_OK)
        atomic_store(&db->wal_index, (const uint64_t *)(uintptr_t)at);
}

static void *
writer_main(void *context)
{
    struct sqlite_db *db = context;

    pthread_mutex_lock(&db->lock);
    for (;;) {
        while (db->first == NULL && !db->closing) {
            wait_for_work(db);
            tidy(db);
        }
        struct job *group = take_group(db);

        if (group == NULL)
            break;
        pthread_mutex_unlock(&db->lock);
        while (!run_transaction(db->writer, group))
            ;
        if (atomic_load(&db->wal_index) == NULL)
            map_wal_index(db);
        /* Without the lock, which they would only wait for. */
        while (group != NULL) {
            struct job *job = group;

            group = job->next; /* the job is gone once its caller may go */
            sem_post(&job->done);
        }
        pthread_mutex_lock(&db->lock);
        tidy(db);
    }
    pthread_mutex_unlock(&db->lock);
    return NULL;
}

static enum error_code
sqlite_write(struct db *base, bool is_long, db_work *work, void *context,
             struct error *err)
{
    struct sqlite_db *db = (struct sqlite_db *)base;
    struct job job = {.work = work, .context = context, .err = err};

    sem_init(&job.done, 0, 0);
    (void)is_long; /* there is one writer */
    assert(!pthread_equal(pthread_self(), db->thread));
    pthread_mutex_lock(&db->lock);
    assert(!db->closing);
    *db->last = &job;
    db->last = &job.next;
    pthread_cond_signal(&db->queued);
    pthread_mutex_unlock(&db->lock);
    while (sem_wait(&job.done) != 0)
        ; /* a signal */
    sem_destroy(&job.done);
    return job.rc;
}

/* ---- migrations ------------------------------------------------------ */

/* The first column of the only row, 0 for none. */
static enum error_code
read_int(struct conn *conn, const char *sql, int *ret, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum error_code rc = ERR_OK;
    int code = sqlite3_prepare_v2(conn->handle, sql, -1, &stmt, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int(stmt, 0);
    else if (code == SQLITE_DONE)
        *ret = 0;
    else
        rc = fail(conn->handle, sql, err);
    sqlite3_finalize(stmt);
    return rc;
}

static enum error_code
sqlite_version(struct db_tx *tx, int *ret, struct error *err)
{
    struct conn *conn = (struct conn *)tx;
    int there = 0;
    enum error_code rc = read_int(conn,
                                  "SELECT 1 FROM sqlite_schema WHERE "
                                  "type = 'table' AND name = "
                                  "'schema_migration'",
                                  &there, err);

    if (rc != ERR_OK)
        return rc;
    if (there == 0) {
        *ret = 0;
        return ERR_OK;
    }
    return read_int(conn, "SELECT MAX(version) FROM schema_migration", ret,
                    err);
}

static enum error_code
sqlite_migrate(struct db_tx *tx, int version, const char *name, const char *sql,
               struct error *err)
{
    sqlite3 *handle = ((struct conn *)tx)->handle;
    char *note = sqlite3_mprintf(
        "CREATE TABLE IF NOT EXISTS schema_migration ("
        " version INTEGER NOT NULL PRIMARY KEY,"
        " name TEXT NOT NULL, applied_ms INTEGER NOT NULL) STRICT;"
        "INSERT INTO schema_migration VALUES (%d, %Q, %lld)",
        version, name, (long long)clock_now_ms());
    enum error_code rc = ERR_OK;

    if (note == NULL)
        return error_busy(err, "out of memory");
    if (sqlite3_exec(handle, sql, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(handle, note, NULL, NULL, NULL) != SQLITE_OK)
        rc = fail(handle, name, err);
    sqlite3_free(note);
    return rc;
}

/* ---- opening --------------------------------------------------------- */

static void
sqlite_close(struct db *base)
{
    struct sqlite_db *db = (struct sqlite_db *)base;

    if (db->started) {
        pthread_mutex_lock(&db->lock);
        db->closing = true;
        pthread_cond_signal(&db->queued);
        pthread_mutex_unlock(&db->lock);
        pthread_join(db->thread, NULL);
    }
    while (db->free != NULL) {
        struct conn *conn = db->free;

        db->free = conn->next;
        conn_close(conn);
    }
    /* Last, because the last connection empties the log. */
    conn_close(db->writer);
    pthread_cond_destroy(&db->queued);
    pthread_mutex_destroy(&db->lock);
    free(db);
}

/* The file and the directories above it, for nobody but us. */
static enum error_code
create_file(const char *path, struct error *err)
{
    char parent[PATH_BYTES];

    snprintf(parent, sizeof(parent), "%s", path);
    for (char *at = parent + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        if (mkdir(parent, 0700) != 0 && errno != EEXIST)
            return error_busy(err, "cannot make %s: %s", parent,
                              strerrordesc_np(errno));
        *at = '/';
    }
    /* Exclusive, so that we never close a file that SQLite has open in this
     * process: that would drop its locks. */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno != EEXIST)
        return error_busy(err, "cannot make %s: %s", path,
                          strerrordesc_np(errno));
    if (fd >= 0)
        close(fd);
    return ERR_OK;
}

static enum error_code
open_writer(struct sqlite_db *db, bool create, struct error *err)
{
    enum error_code rc;
    int tables;

    if (create) {
        rc = create_file(db->path, err);
        if (rc != ERR_OK)
            return rc;
    } else if (access(db->path, F_OK) != 0 && errno == ENOENT) {
        return error_set(err, ERR_UNAVAILABLE,
                         "there is no database \"%s\": \"nelm init\" makes "
                         "one",
                         db->path);
    }
    rc = conn_open(db, true, &db->writer, err);
    if (rc == ERR_OK)
        rc = read_int(db->writer, "PRAGMA page_size", &db->page_bytes, err);
    /* A read, after which the log is open. */
    if (rc == ERR_OK)
        rc = read_int(db->writer, "SELECT COUNT(*) FROM sqlite_schema", &tables,
                      err);
    if (rc != ERR_OK)
        return rc;
    map_wal_index(db);
    if (pthread_create(&db->thread, NULL, writer_main, db) != 0)
        return error_busy(err, "cannot start the writer's thread");
    db->started = true;
    return ERR_OK;
}

/* Whoever opens a database has given its path and may be told about it. */
static void
explain(const struct sqlite_db *db, struct error *err)
{
    if (err != NULL && err->text[0] == '\0') {
        snprintf(err->text, sizeof(err->text),
                 "could not open the database \"%.1024s\": %s", db->path,
                 err->detail);
        err->detail[0] = '\0';
    }
}

/* What a savepoint remembers of the pages that a write of a group changes is
 * well over SQLite's limit of 64 kB, and goes to a file for the rest of the
 * group then: forty writes for a creation instead of four. */
#define STATEMENT_JOURNAL_BYTES (1 << 20)

/* When it has grown beyond that it goes to its file in one write, of which
 * SQLite passes on only the size's lowest 17 bits: a full disk, it says. */
#define WRITE_BYTES (1 << 16)

static struct {
    pthread_mutex_t lock;
    sqlite3_vfs vfs, *system;
    sqlite3_io_methods methods; /* of journals of statements */
    const sqlite3_io_methods *_Atomic system_methods;
} files = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int
write_in_pieces(sqlite3_file *file, const void *bytes, int len,
                sqlite3_int64 at)
{
    const sqlite3_io_methods *system = atomic_load(&files.system_methods);
    int code = SQLITE_OK;

    for (int done = 0; done < len && code == SQLITE_OK; done += WRITE_BYTES)
        code = system->xWrite(file, (const char *)bytes + done,
                              MIN(len - done, WRITE_BYTES), at + done);
    return code;
}

static int
open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
          int *ret_flags)
{
    int code = files.system->xOpen(vfs, name, file, flags, ret_flags);

    if (code != SQLITE_OK || !(flags & SQLITE_OPEN_SUBJOURNAL))
        return code;
    pthread_mutex_lock(&files.lock);
    if (atomic_load(&files.system_methods) == NULL) {
        files.methods = *file->pMethods;
        files.methods.xWrite = write_in_pieces;
        atomic_store(&files.system_methods, file->pMethods);
    }
    /* All such files have the same ones. */
    if (file->pMethods == atomic_load(&files.system_methods))
        file->pMethods = &files.methods;
    pthread_mutex_unlock(&files.lock);
    return code;
}

static void
configure(void)
{
    /* Counting every allocation costs a lock that all threads share. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, STATEMENT_JOURNAL_BYTES);
    files.system = sqlite3_vfs_find(NULL);
    files.vfs = *files.system;
    files.vfs.zName = "nelm";
    files.vfs.xOpen = open_file;
    sqlite3_vfs_register(&files.vfs, 1);
}

static enum error_code
sqlite_open(const char *url, const struct db_options *options, bool create,
            struct db **ret, struct error *err)
{
    static pthread_once_t configured = PTHREAD_ONCE_INIT;
    const char *path = url + strlen(SCHEME);

    if (path[0] == '\0' || strlen(path) > PATH_BYTES - 8)
        return error_set(err, ERR_VALUE,
                         "the database's path is empty or too long");
    pthread_once(&configured, configure);

    struct sqlite_db *db = calloc(1, sizeof(*db));
    pthread_condattr_t monotonic;

    if (db == NULL)
        return error_busy(err, "out of memory");
    db->base.driver = db_sqlite_driver;
    db->options = *options;
    /* "file:..." and ":memory:" are names of files here. */
    snprintf(db->path, sizeof(db->path), "%s%s", path[0] == '/' ? "" : "./",
             path);
    db->last = &db->first;
    pthread_mutex_init(&db->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&db->queued, &monotonic);
    pthread_condattr_destroy(&monotonic);

    enum error_code rc = open_writer(db, create, err);

    if (rc != ERR_OK) {
        explain(db, err);
        sqlite_close(&db->base);
        return rc;
    }
    *ret = &db->base;
    return ERR_OK;
}

/* The log and its index lie beside the file, which may be a link. */
static void
sqlite_files(const char *url, db_file_visit *visit, void *context)
{
    const char *path = url + strlen(SCHEME);
    char *real = realpath(path, NULL);
    char copy[PATH_BYTES];

    snprintf(copy, sizeof(copy), "%s", path);
    visit(context, dirname(copy), true);
    if (real != NULL)
        visit(context, dirname(real), true);
    free(real);
}

static const struct db_driver driver = {
    .schemes = {SCHEME},
    .engine = "SQLite " SQLITE_VERSION,
    .remote = false,
    .open = sqlite_open,
    .files = sqlite_files,
    .close = sqlite_close,
    .read_begin = sqlite_read_begin,
    .read_end = sqlite_read_end,
    .stamp = sqlite_stamp,
    .write = sqlite_write,
    .query = sqlite_query,
    .query_text = sqlite_query_text,
    .bind_int = sqlite_bind_int,
    .bind_str = sqlite_bind_str,
    .bind_blob = sqlite_bind_blob,
    .bind_null = sqlite_bind_null,
    .step = sqlite_step,
    .col_int = sqlite_col_int,
    .col_str = sqlite_col_str,
    .col_is_null = sqlite_col_is_null,
    .changes = sqlite_changes,
    .reset = sqlite_reset,
    .end = sqlite_end,
    .version = sqlite_version,
    .migrate = sqlite_migrate,
};

const struct db_driver *const db_sqlite_driver = &driver;

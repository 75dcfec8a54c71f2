/*
 * db_pgsql.c - PostgreSQL through libpq.
 *
 * A bounded pool of connections, opened on demand. A read is a REPEATABLE READ
 * transaction: one state. A short write is SERIALIZABLE and tried again when
 * another node was faster, so what is right with the single writer of the
 * embedded database is right here; the short writes of one node come after
 * each other, since those of one source would only undo each other. A long one
 * (db_write_long()) reads what is committed and locks what it builds on.
 *
 * Nothing is set for a session, so that a pooler may hand the next
 * transaction to another server: settings are SET LOCAL, and with
 * db_options.prepare off no statement keeps a name.
 *
 * After a lost connection a transaction whose COMMIT was not sent yet is run
 * once more, on a new connection; when the answer to the COMMIT is what is
 * missing, nobody knows, and the caller is told so.
 */
#include <assert.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "db/driver.h"

/* So many texts of db_query_text() stay prepared per connection; more cannot
 * be open at once. */
#define TEXTS_KEPT 16

/* Tries of a short write that others were in the way of. Each waits a little
 * longer, at random, up to PAUSE_MAX_MS. */
#define TRIES_MAX 40
#define PAUSE_MAX_MS 200

/* Statements of db_exec_later() between two points at which both sides can
 * catch up. While one such batch is made the one before it is executed; the
 * answers of both fit into the sockets. */
#define LATER_BATCH 128

/* A standby gets so long to show what is committed on the primary, and after a
 * failure it is left alone for a while. */
#define STANDBY_WAIT_MS 100
#define STANDBY_AWAY_MS 3000

/* Between two questions whether anybody still waits for a statement. */
#define ASK_MS 250

#define SQL_MAX ((size_t)256 * 1024)

/* Type numbers of pg_type.dat, for the columns that statements may have. */
enum {
    TYPE_BOOL = 16,
    TYPE_BYTEA = 17,
    TYPE_INT8 = 20,
    TYPE_INT2 = 21,
    TYPE_INT4 = 23,
    TYPE_TEXT = 25,
    TYPE_UNKNOWN = 705,
    TYPE_VARCHAR = 1043
};

struct conn;

struct query {
    struct db_query base;
    struct conn *conn;
    const struct db_statement *text;
    char *sql; /* a copy, of a kept text or with other names; else NULL */
    bool open, prepared, failed;
    uint64_t used;   /* of a kept text: when, in uses of the connection */
    int param_count; /* -1 until the text was looked at */
    struct param *params;
    PGresult *result; /* NULL: not run yet */
    int row, row_count;
    bool more; /* of a stream: rows are on their way */
};

struct param {
    const char *at; /* NULL: NULL */
    int len;
    bool binary;
    char number[24];
};

struct conn {
    struct db_tx tx;
    struct pgsql_db *db;
    struct conn *next; /* in the list of free ones */
    PGconn *handle;
    unsigned generation;
    bool writing, again;   /* a serialization failure: worth another try */
    bool broken;           /* the connection is gone */
    struct query *queries; /* the statements, then TEXTS_KEPT texts */
    unsigned query_count, open_queries;
    uint64_t text_uses;

    /* db_exec_later(): whose answers are still to come, in order. */
    struct query *later[2 * LATER_BATCH];
    unsigned later_first, later_count, later_sent; /* sent: since the last
                                                      sync */
    bool pipelined;
    enum error_code later_failed; /* stays until the transaction ends */
    struct error later_why;
};

struct pgsql_db {
    struct db base;
    struct db_options options;
    char *url;

    pthread_mutex_t lock; /* over the four below */
    struct conn *free;
    unsigned opened;     /* in use or free */
    unsigned generation; /* moves when the server was lost */
    pthread_cond_t returned;

    struct pgsql_db *standby;      /* or NULL */
    _Atomic int64_t away_until_ms; /* of a standby; monotonic */

    pthread_mutex_t turn; /* over the next two: whose short write it is */
    uint64_t next_ticket, serving;
    pthread_cond_t served;
};

/* ---- errors ---------------------------------------------------------- */

static bool
state_is(const char *state, const char *class)
{
    return strncmp(state, class, strlen(class)) == 0;
}

/* What a failure means (PostgreSQL manual, appendix A). */
static enum error_code
fail_state(struct conn *conn, const char *state, const char *what,
           const char *text, struct error *err)
{
    int len = (int)strcspn(text, "\n");

    if (strcmp(state, "23505") == 0) { /* unique_violation */
        error_set(err, ERR_CONFLICT, NULL);
        if (err != NULL)
            snprintf(err->detail, sizeof(err->detail), "%s: %.*s", what, len,
                     text);
        return ERR_CONFLICT;
    }
    /* serialization_failure, deadlock_detected; lock_not_available */
    if (state_is(state, "40") || strcmp(state, "55P03") == 0)
        conn->again = true;
    if (state_is(state, "08") || state_is(state, "57P") || state[0] == '\0')
        conn->broken = true;
    if (conn->again || conn->broken || state_is(state, "25006") ||
        state_is(state, "53") || state_is(state, "55") ||
        state_is(state, "57") || state_is(state, "58"))
        return error_busy(err, "%s: %.*s (%s)", what, len, text, state);
    return error_internal(err, "%s: %.*s (%s)", what, len, text, state);
}

/* Somebody between us and the server changes connections behind our back. */
static bool
is_pooled(const char *state)
{
    return strcmp(state, "26000") == 0 || /* invalid_sql_statement_name */
           strcmp(state, "42P05") == 0;   /* duplicate_prepared_statement */
}

static enum error_code
fail(struct conn *conn, const PGresult *result, const char *what,
     struct error *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (PQstatus(conn->handle) != CONNECTION_OK)
        conn->broken = true;
    if (state != NULL && is_pooled(state))
        return error_internal(err,
                              "%s: %s: behind a pooler that gives each "
                              "transaction another connection, such as "
                              "PgBouncer, set database-prepare to off",
                              what, text ? text : state);
    return fail_state(conn, state ? state : "", what,
                      text ? text : PQerrorMessage(conn->handle), err);
}

/* ---- waiting --------------------------------------------------------- */

static void
cancel(PGconn *handle)
{
    PGcancel *cancel = PQgetCancel(handle);
    char why[256];

    if (cancel != NULL)
        (void)PQcancel(cancel, why, sizeof(why));
    PQfreeCancel(cancel);
}

/* Until PQgetResult() has something, for those who may not want it any more.
 * False: it never will. A libpq without memory for the end of a pipeline says
 * so, forgets that it was there and goes on waiting. */
static bool
await_result(PGconn *handle)
{
    bool cancelled = false;

    while (PQisBusy(handle)) {
        struct pollfd socket = {.fd = PQsocket(handle), .events = POLLIN};

        if (poll(&socket, 1, ASK_MS) != 0) {
            if (PQconsumeInput(handle) == 0)
                break;
            continue;
        }
        if (PQpipelineStatus(handle) != PQ_PIPELINE_OFF &&
            PQerrorMessage(handle)[0] != '\0')
            return false;
        if (!cancelled && db_gives_up()) {
            cancel(handle);
            cancelled = true;
        }
    }
    return true;
}

static PGresult *
next_result(PGconn *handle)
{
    return await_result(handle) ? PQgetResult(handle) : NULL;
}

/* ---- statements whose answers come later ------------------------------ */

static void
take_answer(struct conn *conn, PGresult *result)
{
    struct query *query = conn->later[conn->later_first];

    conn->later_first = (conn->later_first + 1) % COUNT(conn->later);
    conn->later_count--;
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
        query->base.changes += strtoll(PQcmdTuples(result), NULL, 10);
        break;
    case PGRES_PIPELINE_ABORTED: /* one before it failed */
        break;
    default:
        if (conn->later_failed == ERR_OK)
            conn->later_failed = fail(conn, result, query->text->name,
                                      &conn->later_why);
    }
}

/* The answers up to the next point of synchronisation. */
static void
take_answers(struct conn *conn)
{
    bool synced = false;

    while (!synced && PQstatus(conn->handle) == CONNECTION_OK) {
        if (!await_result(conn->handle))
            break;
        PGresult *result = PQgetResult(conn->handle);

        if (result == NULL) /* the end of one statement's answer */
            continue;
        synced = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        /* A connection that is lost where only the point itself is missing
         * has one answer more than there were statements. */
        if (!synced && conn->later_count > 0)
            take_answer(conn, result);
        PQclear(result);
    }
    if (!synced && conn->later_failed == ERR_OK)
        conn->later_failed = fail(conn, NULL, "later", &conn->later_why);
}

/* Nothing else can be sent before all answers are there. */
static enum error_code
settle(struct conn *conn, struct error *err)
{
    if (conn->pipelined) {
        unsigned syncs = conn->later_count > conn->later_sent;

        if (conn->later_sent > 0 && PQpipelineSync(conn->handle))
            syncs++;
        while (syncs-- > 0)
            take_answers(conn);
        conn->later_count = conn->later_sent = 0;
        conn->pipelined = false;
        if (PQexitPipelineMode(conn->handle) == 0)
            conn->broken = true;
    }
    if (conn->later_failed != ERR_OK && err != NULL)
        *err = conn->later_why;
    return conn->later_failed;
}

/* ---- connections ----------------------------------------------------- */

/* A command, or several with ';' between, without rows. `tag`, unless NULL, is
 * what the last one must answer. */
static enum error_code
run(struct conn *conn, const char *sql, const char *tag, struct error *err)
{
    enum error_code rc = settle(conn, err);

    if (rc != ERR_OK)
        return rc;
    PGresult *result = PQexec(conn->handle, sql);

    if (PQresultStatus(result) != PGRES_COMMAND_OK &&
        PQresultStatus(result) != PGRES_TUPLES_OK)
        rc = fail(conn, result, sql, err);
    else if (tag != NULL && strcmp(PQcmdStatus(result), tag) != 0)
        rc = error_busy(err, "%s was answered with %s", sql,
                        PQcmdStatus(result));
    PQclear(result);
    return rc;
}

static void
query_done(struct query *query)
{
    PQclear(query->result);
    free(query->params);
    free(query->sql);
}

static void
conn_close(struct conn *conn)
{
    if (conn == NULL)
        return;
    for (unsigned i = 0; conn->queries && i < conn->query_count; i++)
        query_done(&conn->queries[i]);
    PQfinish(conn->handle);
    free(conn->queries);
    free(conn);
}

static void
ignore_notice(void *context, const PGresult *result)
{
    (void)context;
    (void)result;
}

/* The URL comes after what it may change and before what it may not. */
static PGconn *
connect_to(const char *url)
{
    static const char *const names[] = {"fallback_application_name",
                                        "connect_timeout",
                                        "keepalives_idle",
                                        "keepalives_interval",
                                        "keepalives_count",
                                        "tcp_user_timeout",
                                        "dbname",
                                        "client_encoding",
                                        NULL};
    const char *const values[] = {"nelm",  "5", "10",   "5", "3",
                                  "15000", url, "UTF8", NULL};

    return PQconnectdbParams(names, values, 1);
}

static enum error_code
conn_open(struct pgsql_db *db, struct conn **ret, struct error *err)
{
    static const struct db_statement text = {.name = "text"};
    unsigned count = db->options.statement_count;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn == NULL)
        return error_busy(err, "out of memory");
    conn->tx.driver = db_pgsql_driver;
    conn->db = db;
    conn->query_count = count + TEXTS_KEPT;
    conn->queries = calloc(conn->query_count, sizeof(*conn->queries));
    if (conn->queries != NULL)
        conn->handle = connect_to(db->url);
    if (conn->handle == NULL) {
        conn_close(conn);
        return error_busy(err, "out of memory");
    }
    for (unsigned i = 0; i < conn->query_count; i++)
        conn->queries[i] = (struct query){
            .base.driver = db_pgsql_driver,
            .conn = conn,
            .param_count = -1,
            .text = i < count ? &db->options.statements[i] : &text};
    if (PQstatus(conn->handle) != CONNECTION_OK) {
        /* libpq's text names hosts and users, never a password. */
        const char *why = PQerrorMessage(conn->handle);
        enum error_code rc = error_busy(err,
                                        "cannot connect to PostgreSQL: %.*s",
                                        (int)strcspn(why, "\n"), why);

        conn_close(conn);
        return rc;
    }
    PQsetNoticeReceiver(conn->handle, ignore_notice, NULL);
    *ret = conn;
    return ERR_OK;
}

/* A free connection, or a new one, or wait for one. *ret_used says whether it
 * was there before, and may be stale. */
static enum error_code
conn_take(struct pgsql_db *db, bool may_wait, struct conn **ret, bool *ret_used,
          struct error *err)
{
    struct timespec deadline;
    int waited = may_wait ? 0 : ETIMEDOUT;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += db->options.busy_ms / 1000;
    pthread_mutex_lock(&db->lock);
    while (db->free == NULL && db->opened == db->options.connections &&
           waited == 0)
        waited = pthread_cond_timedwait(&db->returned, &db->lock, &deadline);
    *ret = db->free;
    *ret_used = *ret != NULL;
    unsigned generation = db->generation;

    if (*ret != NULL)
        db->free = (*ret)->next;
    else if (db->opened < db->options.connections)
        db->opened++;
    else {
        pthread_mutex_unlock(&db->lock);
        return error_busy(err, "all %u connections are in use",
                          db->options.connections);
    }
    pthread_mutex_unlock(&db->lock);
    if (*ret_used)
        return ERR_OK;

    enum error_code rc = conn_open(db, ret, err);

    if (rc == ERR_OK) {
        (*ret)->generation = generation;
        return ERR_OK;
    }
    pthread_mutex_lock(&db->lock);
    db->opened--;
    pthread_cond_signal(&db->returned);
    pthread_mutex_unlock(&db->lock);
    return rc;
}

/* Back to the pool; a broken one is closed, and with it all that were there
 * before the server was lost. */
static void
conn_return(struct conn *conn)
{
    struct pgsql_db *db = conn->db;
    struct conn *stale = NULL;

    if (PQstatus(conn->handle) != CONNECTION_OK ||
        PQtransactionStatus(conn->handle) != PQTRANS_IDLE)
        conn->broken = true;
    pthread_mutex_lock(&db->lock);
    if (conn->broken && conn->generation == db->generation) {
        db->generation++;
        stale = db->free;
        db->free = NULL;
        for (struct conn *each = stale; each != NULL; each = each->next)
            db->opened--;
    }
    if (conn->generation != db->generation) {
        conn->next = stale;
        stale = conn;
        db->opened--;
    } else {
        conn->next = db->free;
        db->free = conn;
    }
    pthread_cond_broadcast(&db->returned);
    pthread_mutex_unlock(&db->lock);
    while (stale != NULL) {
        struct conn *next = stale->next;

        conn_close(stale);
        stale = next;
    }
}

/* ---- statements ------------------------------------------------------ */

/* The greatest n of the text's $n. */
static int
count_params(const char *sql)
{
    int most = 0;

    for (const char *at = strchr(sql, '$'); at; at = strchr(at + 1, '$')) {
        int n = (int)strtol(at + 1, NULL, 10);

        most = MAX(most, n);
    }
    return most;
}

static const char *
sql_of(const struct query *query)
{
    return query->sql ? query->sql : query->text->sql;
}

/* Shows in its first step. */
static struct db_query *
start_failed(struct query *query)
{
    query->open = query->failed = true;
    query->conn->open_queries++;
    return &query->base;
}

static struct db_query *
start(struct query *query)
{
    query->open = true;
    query->failed = false;
    query->conn->open_queries++;
    if (query->param_count < 0) {
        query->param_count = count_params(sql_of(query));
        assert(query->param_count <= DB_PARAMS_MAX);
        query->params = calloc((size_t)query->param_count + 1,
                               sizeof(*query->params));
        if (query->params == NULL) {
            query->failed = true;
            query->param_count = -1;
        }
    }
    return &query->base;
}

/* Functions that PostgreSQL calls otherwise. Its lower() depends on the locale,
 * and folds ASCII only where columns compare by bytes; nelm_lower() does not.
 */
static const char *const functions[][2] = {{"lower(", "nelm_lower("},
                                           {"group_concat(", "string_agg("}};

static const char *const *
other_name(const char *at)
{
    for (size_t i = 0; i < COUNT(functions); i++)
        if (strncmp(at, functions[i][0], strlen(functions[i][0])) == 0)
            return functions[i];
    return NULL;
}

static bool
has_other_names(const char *sql)
{
    for (; *sql != '\0'; sql++)
        if (other_name(sql) != NULL)
            return true;
    return false;
}

static char *
copy_text(const char *sql)
{
    struct buf text;
    char *copy = NULL;

    buf_init(&text, SQL_MAX);
    while (*sql != '\0') {
        const char *const *name = other_name(sql);

        if (name != NULL) {
            buf_text(&text, name[1]);
            sql += strlen(name[0]);
        } else {
            buf_char(&text, *sql++);
        }
    }
    if (!text.failed)
        copy = strdup(text.data);
    buf_done(&text);
    return copy;
}

static struct db_query *
pgsql_query(struct db_tx *tx, unsigned statement)
{
    struct conn *conn = (struct conn *)tx;
    struct query *query = &conn->queries[statement];

    assert(statement < conn->db->options.statement_count);
    assert(!query->open);
    assert(conn->writing || !query->text->writes);
    if (query->sql == NULL && has_other_names(query->text->sql)) {
        query->sql = copy_text(query->text->sql);
        if (query->sql == NULL)
            return start_failed(query);
    }
    return start(query);
}

static unsigned
query_number(const struct query *query)
{
    return (unsigned)(query - query->conn->queries);
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
        if (query->sql && strcmp(query->sql, sql) == 0)
            return query;
        if (oldest == NULL || query->used < oldest->used)
            oldest = query;
    }
    assert(oldest != NULL);
    if (oldest->prepared) {
        char command[64];

        snprintf(command, sizeof(command), "DEALLOCATE s%u",
                 query_number(oldest));
        (void)run(conn, command, NULL, NULL);
    }
    query_done(oldest);
    *oldest = (struct query){.base = oldest->base,
                             .conn = conn,
                             .text = oldest->text,
                             .param_count = -1};
    return oldest;
}

static struct db_query *
pgsql_query_text(struct db_tx *tx, const char *sql)
{
    struct conn *conn = (struct conn *)tx;
    char *copy = copy_text(sql);
    struct query *query = find_text(conn, copy ? copy : "");

    query->used = ++conn->text_uses;
    if (query->sql == NULL)
        query->sql = copy;
    else
        free(copy);
    if (query->sql != NULL)
        return start(query);
    return start_failed(query);
}

static struct param *
param(struct query *query, int n)
{
    static _Thread_local struct param nowhere;

    if (query->failed)
        return &nowhere;
    assert(n >= 1 && n <= query->param_count);
    return &query->params[n - 1];
}

/* A number as text fits whatever type the server sees in its place. */
static void
pgsql_bind_int(struct db_query *base, int n, int64_t value)
{
    struct param *to = param((struct query *)base, n);

    to->len = snprintf(to->number, sizeof(to->number), "%lld",
                       (long long)value);
    to->at = to->number;
    to->binary = false;
}

static void
pgsql_bind_bytes(struct db_query *base, int n, struct str bytes)
{
    struct param *to = param((struct query *)base, n);

    to->at = bytes.len ? bytes.at : "";
    to->len = (int)bytes.len;
    to->binary = true;
}

static void
pgsql_bind_null(struct db_query *base, int n)
{
    param((struct query *)base, n)->at = NULL;
}

static bool
type_is_known(Oid type)
{
    switch (type) {
    case TYPE_BOOL:
    case TYPE_BYTEA:
    case TYPE_INT8:
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_TEXT:
    case TYPE_UNKNOWN:
    case TYPE_VARCHAR:
        return true;
    default:
        return false;
    }
}

/* Take a result over: its rows are the query's now. */
static enum error_code
take_result(struct query *query, PGresult *result, struct error *err)
{
    PQclear(query->result);
    query->result = result;
    query->row = -1;
    query->row_count = 0;
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
        return ERR_OK;
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE:
        break;
    default:
        return fail(query->conn, result, query->text->name, err);
    }
    for (int i = 0; i < PQnfields(result); i++)
        if (!type_is_known(PQftype(result, i)))
            return error_internal(err, "%s: column %d has the type %u: cast it",
                                  query->text->name, i,
                                  (unsigned)PQftype(result, i));
    query->row_count = PQntuples(result);
    return ERR_OK;
}

/* At its first use a statement gets a name. */
static enum error_code
prepare(struct query *query, struct error *err)
{
    struct conn *conn = query->conn;
    enum error_code rc = ERR_OK;
    char name[16];

    if (query->failed)
        return error_busy(err, "%s: out of memory", query->text->name);
    if (query->prepared || !conn->db->options.prepare)
        return ERR_OK;
    rc = settle(conn, err);
    if (rc != ERR_OK)
        return rc;
    snprintf(name, sizeof(name), "s%u", query_number(query));
    if (PQsendPrepare(conn->handle, name, sql_of(query), 0, NULL) == 0)
        return fail(conn, NULL, query->text->name, err);
    PGresult *result = next_result(conn->handle);

    query->prepared = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!query->prepared)
        rc = fail(conn, result, query->text->name, err);
    while (result != NULL) {
        PQclear(result);
        result = PQgetResult(conn->handle);
    }
    return rc;
}

/* Off it goes; the answer is for PQgetResult(). */
static enum error_code
dispatch(struct query *query, struct error *err)
{
    const char *values[DB_PARAMS_MAX];
    int lengths[DB_PARAMS_MAX], formats[DB_PARAMS_MAX];
    struct conn *conn = query->conn;
    char name[16];
    int sent;

    for (int i = 0; i < query->param_count; i++) {
        values[i] = query->params[i].at;
        lengths[i] = query->params[i].len;
        formats[i] = query->params[i].binary;
    }
    snprintf(name, sizeof(name), "s%u", query_number(query));
    if (query->prepared)
        sent = PQsendQueryPrepared(conn->handle, name, query->param_count,
                                   values, lengths, formats, 1);
    else
        sent = PQsendQueryParams(conn->handle, sql_of(query),
                                 query->param_count, NULL, values, lengths,
                                 formats, 1);
    return sent ? ERR_OK : fail(conn, NULL, query->text->name, err);
}

/* The whole answer, or the next row of a stream. */
static enum error_code
receive(struct query *query, struct error *err)
{
    PGresult *result = next_result(query->conn->handle);

    query->more = PQresultStatus(result) == PGRES_SINGLE_TUPLE;
    enum error_code rc = take_result(query, result, err);

    while (!query->more && (result = PQgetResult(query->conn->handle)) != NULL)
        PQclear(result);
    return rc;
}

static enum error_code
execute(struct query *query, struct error *err)
{
    enum error_code rc = prepare(query, err);

    if (rc == ERR_OK)
        rc = settle(query->conn, err);
    /* A stream lasts as long as its rows are used. */
    if (rc == ERR_OK && query->text->streams)
        rc = run(query->conn, "SET LOCAL statement_timeout = 0", NULL, err);
    if (rc == ERR_OK)
        rc = dispatch(query, err);
    if (rc == ERR_OK && query->text->streams)
        PQsetSingleRowMode(query->conn->handle);
    return rc == ERR_OK ? receive(query, err) : rc;
}

static enum error_code
pgsql_step(struct db_query *base, struct error *err)
{
    struct query *query = (struct query *)base;
    enum error_code rc = ERR_OK;

    if (query->result == NULL)
        rc = execute(query, err);
    else if (query->row + 1 >= query->row_count && query->more)
        rc = receive(query, err);
    if (rc != ERR_OK)
        return rc;
    if (query->row + 1 >= query->row_count)
        return ERR_END;
    query->row++;
    return ERR_OK;
}

static enum error_code
pgsql_exec_later(struct db_query *base, struct error *err)
{
    struct query *query = (struct query *)base;
    struct conn *conn = query->conn;
    enum error_code rc = prepare(query, err);

    if (rc != ERR_OK)
        return rc;
    if (!conn->pipelined && PQenterPipelineMode(conn->handle) == 0)
        return fail(conn, NULL, query->text->name, err);
    conn->pipelined = true;
    if (conn->later_sent == LATER_BATCH) {
        if (PQpipelineSync(conn->handle) == 0)
            return fail(conn, NULL, query->text->name, err);
        if (conn->later_count > LATER_BATCH)
            take_answers(conn);
        conn->later_sent = 0;
        if (conn->later_failed != ERR_OK)
            return settle(conn, err);
    }
    rc = dispatch(query, err);
    if (rc != ERR_OK)
        return rc;
    conn->later[(conn->later_first + conn->later_count) % COUNT(conn->later)] =
        query;
    conn->later_count++;
    conn->later_sent++;
    return ERR_OK;
}

static enum error_code
pgsql_settle(struct db_query *base, struct error *err)
{
    return settle(((struct query *)base)->conn, err);
}

static struct str
pgsql_col_str(struct db_query *base, int column)
{
    const struct query *query = (struct query *)base;

    return str_n(PQgetvalue(query->result, query->row, column),
                 (size_t)PQgetlength(query->result, query->row, column));
}

static int64_t
pgsql_col_int(struct db_query *base, int column)
{
    struct str bytes = pgsql_col_str(base, column);
    uint64_t value = 0;

    if (bytes.len == 0 || bytes.len > sizeof(value))
        return 0;
    if (bytes.at[0] & 0x80)
        value = UINT64_MAX;
    for (size_t i = 0; i < bytes.len; i++)
        value = value << 8 | (unsigned char)bytes.at[i];
    return (int64_t)value;
}

static bool
pgsql_col_is_null(struct db_query *base, int column)
{
    const struct query *query = (struct query *)base;

    return PQgetisnull(query->result, query->row, column);
}

static int64_t
pgsql_changes(struct db_query *base)
{
    return strtoll(PQcmdTuples(((struct query *)base)->result), NULL, 10);
}

/* Nobody wants the rest of a stream. What is left of a read transaction is its
 * end; a write goes on, and so hears it out. */
static void
cut_off(struct query *query)
{
    PGconn *handle = query->conn->handle;
    PGresult *result;

    if (!query->conn->writing)
        cancel(handle);
    while ((result = PQgetResult(handle)) != NULL)
        PQclear(result);
    query->more = false;
}

static void
pgsql_reset(struct db_query *base)
{
    struct query *query = (struct query *)base;

    PQclear(query->result);
    query->result = NULL;
    if (query->more)
        cut_off(query);
}

static void
pgsql_end(struct db_query *base)
{
    struct query *query = (struct query *)base;

    assert(query->open);
    (void)settle(query->conn, NULL); /* told by the next one */
    pgsql_reset(base);
    for (int i = 0; i < query->param_count; i++)
        query->params[i].at = NULL;
    query->open = false;
    query->conn->open_queries--;
}

static void
end_queries(struct conn *conn)
{
    for (unsigned i = 0; conn->open_queries > 0; i++)
        if (conn->queries[i].open)
            pgsql_end(&conn->queries[i].base);
}

/* ---- transactions ---------------------------------------------------- */

enum kind { READ, SHORT_WRITE, LONG_WRITE };

/* A short write does not wait for the lock of an import: it lets others have
 * their turn and tries again. */
#define LOCK_TIMEOUT_MS 1000

/* What writes finds its rows by an index whatever the values are: to plan it
 * for each of them anew took longer than all the rest of a change. */
#define GENERIC "; SET LOCAL plan_cache_mode = force_generic_plan"

/* Nothing here is worth a compiler's time. Small tables would be read from end
 * to end, and a serializable transaction that has read a whole table is in the
 * way of everybody who writes to it. */
static enum error_code
begin(struct conn *conn, enum kind kind, struct error *err)
{
    static const char *const how[] = {
        [READ] = "REPEATABLE READ READ ONLY",
        [SHORT_WRITE] = "SERIALIZABLE; SET LOCAL enable_seqscan = off" GENERIC,
        [LONG_WRITE] = "READ COMMITTED" GENERIC,
    };
    char command[512];

    conn->writing = kind != READ;
    conn->again = false;
    conn->later_failed = ERR_OK;
    snprintf(command, sizeof(command),
             "BEGIN ISOLATION LEVEL %s; SET LOCAL statement_timeout = %u; "
             "SET LOCAL lock_timeout = %d; SET LOCAL jit = off; "
             "SET LOCAL idle_in_transaction_session_timeout = %u",
             how[kind], kind == LONG_WRITE ? 0 : conn->db->options.statement_ms,
             kind == SHORT_WRITE ? LOCK_TIMEOUT_MS : 0,
             conn->db->options.idle_ms);
    return run(conn, command, "SET", err);
}

/* A connection with an open transaction. One that was idle may have died
 * meanwhile; a new one that dies is a failure. `condition`, unless NULL, must
 * have a row before. */
static enum error_code
take_and_begin(struct pgsql_db *db, enum kind kind, bool may_wait,
               const char *condition, struct conn **ret, struct error *err)
{
    for (;;) {
        bool used;
        enum error_code rc = conn_take(db, may_wait, ret, &used, err);

        if (rc != ERR_OK)
            return rc;
        if (condition != NULL)
            rc = run(*ret, condition, "SELECT 1", err);
        if (rc == ERR_OK)
            rc = begin(*ret, kind, err);
        if (rc == ERR_OK)
            return ERR_OK;
        bool stale = used && (*ret)->broken;

        conn_return(*ret);
        if (!stale)
            return rc;
    }
}

static enum error_code
pgsql_read_begin(struct db *base, bool may_wait, struct db_tx **ret,
                 struct error *err)
{
    struct conn *conn = NULL;
    enum error_code rc = take_and_begin((struct pgsql_db *)base, READ, may_wait,
                                        NULL, &conn, err);

    if (rc == ERR_OK)
        *ret = &conn->tx;
    return rc;
}

static void
pgsql_read_end(struct db_tx *tx)
{
    struct conn *conn = (struct conn *)tx;

    end_queries(conn);
    if (!conn->broken)
        (void)run(conn, "COMMIT", NULL, NULL);
    conn_return(conn);
}

/* ---- the standby ------------------------------------------------------ */

/* What is true on a standby once it shows everything that is committed now: it
 * has replayed what the primary has flushed, which no answered commit is
 * behind. On another timeline, or in another cluster, the same numbers would
 * mean other things; and the URL may name another database. To be asked before
 * the transaction begins: its snapshot must not be older than the answer. */
#define CONDITION_MAX 512

static enum error_code
standby_condition(struct pgsql_db *db, char to[CONDITION_MAX],
                  struct error *err)
{
    static const char sql[] =
        "SELECT 'SELECT 1 WHERE pg_is_in_recovery() AND "
        "pg_last_wal_replay_lsn() >= ''' || pg_current_wal_flush_lsn() || "
        "''' AND (SELECT timeline_id FROM pg_control_checkpoint()) = ' || "
        "('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))"
        "::bit(32)::int || "
        "' AND (SELECT system_identifier FROM pg_control_system()) = ' || "
        "(SELECT system_identifier FROM pg_control_system()) || "
        "' AND (SELECT oid FROM pg_database WHERE datname = "
        "current_database()) = ' || "
        "(SELECT oid FROM pg_database WHERE datname = current_database())";
    struct conn *conn = NULL;
    enum error_code rc = take_and_begin(db, READ, true, NULL, &conn, err);

    if (rc != ERR_OK)
        return rc;
    PGresult *result = PQexec(conn->handle, sql);

    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        rc = fail(conn, result, "standby", err);
    else
        snprintf(to, CONDITION_MAX, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    pgsql_read_end(&conn->tx);
    return rc;
}

static enum error_code
standby_begin(struct pgsql_db *db, struct conn **ret, struct error *err)
{
    char condition[CONDITION_MAX];
    enum error_code rc = standby_condition(db, condition, err);
    int64_t until_ms = clock_mono_ms() + STANDBY_WAIT_MS;

    while (rc == ERR_OK) {
        rc = take_and_begin(db->standby, READ, true, condition, ret, err);
        if (rc == ERR_OK || clock_mono_ms() >= until_ms)
            return rc;
        poll(NULL, 0, 10);
        rc = ERR_OK;
    }
    return rc;
}

static enum error_code
pgsql_read_standby(struct db *base, db_work *work, void *context,
                   struct error *err)
{
    struct pgsql_db *db = (struct pgsql_db *)base;
    struct pgsql_db *standby = db->standby;
    struct conn *conn = NULL;

    if (standby == NULL)
        return ERR_UNAVAILABLE;
    if (clock_mono_ms() < atomic_load(&standby->away_until_ms)) {
        count_up(&base->stats.standby_misses, 1);
        return ERR_UNAVAILABLE;
    }
    enum error_code rc = standby_begin(db, &conn, err);

    if (rc == ERR_OK) {
        conn->tx.on_standby = true;
        rc = work(&conn->tx, context, err);
        pgsql_read_end(&conn->tx);
    }
    if (rc == ERR_UNAVAILABLE && !db_gives_up())
        atomic_store(&standby->away_until_ms,
                     clock_mono_ms() + STANDBY_AWAY_MS);
    count_up(rc == ERR_UNAVAILABLE ? &base->stats.standby_misses
                                   : &base->stats.standby_reads,
             1);
    return rc;
}

/* ---- writing ---------------------------------------------------------- */

/* One try. *ret_retry: nothing was changed and another may go better. */
static enum error_code
try_write(struct pgsql_db *db, enum kind kind, db_work *work, void *context,
          bool *ret_retry, struct error *err)
{
    struct error why = ERROR_INIT;
    struct conn *conn = NULL;
    enum error_code rc = take_and_begin(db, kind, true, NULL, &conn, err);

    *ret_retry = false;
    if (rc != ERR_OK)
        return rc;
    rc = work(&conn->tx, context, err);
    end_queries(conn);
    if (rc == ERR_OK)
        rc = settle(conn, err);
    conn->later_failed = ERR_OK;
    if (rc == ERR_OK && !conn->again && !conn->broken) {
        rc = run(conn, "COMMIT", "COMMIT", &why);
        *ret_retry = conn->again;
        if (rc != ERR_OK && conn->broken)
            error_busy(&why, "the connection was lost while a change was "
                             "committed: it may be there or not");
        if (rc != ERR_OK && err != NULL)
            *err = why;
    } else {
        *ret_retry = conn->again || conn->broken;
        if (!conn->broken)
            (void)run(conn, "ROLLBACK", NULL, NULL);
        if (rc == ERR_OK)
            rc = error_busy(err, "the transaction was lost");
    }
    conn_return(conn);
    return rc;
}

static void
pause_before(int try)
{
    long most_ms = MIN(2l << MIN(try, 7), PAUSE_MAX_MS);
    long ms = 1 + random() % most_ms;
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = ms * 1000000};

    nanosleep(&pause, NULL);
}

/* In the order in which they came. */
static void
wait_turn(struct pgsql_db *db)
{
    pthread_mutex_lock(&db->turn);
    uint64_t ticket = db->next_ticket++;

    while (db->serving != ticket)
        pthread_cond_wait(&db->served, &db->turn);
    pthread_mutex_unlock(&db->turn);
}

static void
end_turn(struct pgsql_db *db)
{
    pthread_mutex_lock(&db->turn);
    db->serving++;
    pthread_cond_broadcast(&db->served);
    pthread_mutex_unlock(&db->turn);
}

static enum error_code
pgsql_write(struct db *base, bool is_long, db_work *work, void *context,
            struct error *err)
{
    struct pgsql_db *db = (struct pgsql_db *)base;
    enum kind kind = is_long ? LONG_WRITE : SHORT_WRITE;
    enum error_code rc = ERR_OK;
    bool retry = true;

    for (int try = 0; retry && try < TRIES_MAX; try++) {
        if (try > 0 && db_gives_up())
            break;
        if (try > 0)
            pause_before(try);
        if (!is_long)
            wait_turn(db);
        rc = try_write(db, kind, work, context, &retry, err);
        if (!is_long)
            end_turn(db);
    }
    return rc;
}

/* ---- migrations ------------------------------------------------------ */

static enum error_code
read_int(struct conn *conn, const char *sql, int *ret, struct error *err)
{
    PGresult *result = PQexec(conn->handle, sql);
    enum error_code rc = ERR_OK;

    *ret = 0;
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        rc = fail(conn, result, sql, err);
    else if (PQntuples(result) == 1)
        *ret = (int)strtol(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return rc;
}

/* Of many programs that migrate one does; the others wait here. */
#define MIGRATION_LOCK "SELECT pg_advisory_xact_lock(7812345601)"

static enum error_code
pgsql_version(struct db_tx *tx, int *ret, struct error *err)
{
    struct conn *conn = (struct conn *)tx;
    enum error_code rc = ERR_OK;
    int there = 0;

    /* What the server remembers of its catalogue may be older than the lock:
     * to_regclass() would not see the table, to read pg_class does. */
    if (conn->writing)
        rc = run(conn, MIGRATION_LOCK, NULL, err);
    if (rc == ERR_OK)
        rc = read_int(conn,
                      "SELECT COUNT(*) FROM pg_class WHERE relname = "
                      "'schema_migration' AND pg_table_is_visible(oid)",
                      &there, err);
    if (rc == ERR_OK && there == 0)
        *ret = 0;
    else if (rc == ERR_OK)
        rc = read_int(conn, "SELECT MAX(version) FROM schema_migration", ret,
                      err);
    return rc;
}

/* What a migration says, and what it is here. Longer ones first. */
static const char *const words[][2] = {
    {"INTEGER NOT NULL PRIMARY KEY",
     "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"},
    {"INTEGER", "BIGINT"},
    {"BLOB", "BYTEA"},
    {"TEXT", "TEXT COLLATE \"C\""},
    {") STRICT, WITHOUT ROWID", ")"},
    {") STRICT", ")"},
};

static bool
part_of_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Comments go: they may hold any word. */
static void
translate(struct buf *to, const char *sql)
{
    char before = ' ';

    while (*sql != '\0') {
        const char *const *found = NULL;
        size_t len = 0;

        if (strncmp(sql, "--", 2) == 0) {
            sql += strcspn(sql, "\n");
            continue;
        }
        for (size_t i = 0; found == NULL && i < COUNT(words); i++) {
            len = strlen(words[i][0]);
            if (!part_of_word(before) && strncmp(sql, words[i][0], len) == 0 &&
                !part_of_word(sql[len]))
                found = words[i];
        }
        if (found != NULL) {
            buf_text(to, found[1]);
            sql += len;
            before = ' ';
        } else {
            before = *sql;
            buf_char(to, *sql++);
        }
    }
}

/* Before the first: lower case as utf8_fold() has it, one character for one,
 * whatever the locale of the database. */
static const char prelude[] =
    "CREATE FUNCTION nelm_lower(TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE "
    "STRICT PARALLEL SAFE AS "
    "'SELECT lower($1 COLLATE \"C.utf8\") COLLATE \"C\"';"
    "CREATE TABLE schema_migration (version INTEGER NOT NULL PRIMARY KEY,"
    " name TEXT NOT NULL, applied_ms BIGINT NOT NULL);";

static enum error_code
pgsql_migrate(struct db_tx *tx, int version, const char *name, const char *sql,
              struct error *err)
{
    struct conn *conn = (struct conn *)tx;
    struct buf text;
    enum error_code rc;

    buf_init(&text, SQL_MAX);
    if (version == 1)
        buf_text(&text, prelude);
    translate(&text, sql);
    buf_printf(&text, "\nINSERT INTO schema_migration VALUES (%d, '%s', %lld)",
               version, name, (long long)clock_now_ms());
    rc = text.failed ? error_busy(err, "out of memory")
                     : run(conn, text.data, NULL, err);
    buf_done(&text);
    return rc;
}

/* ---- opening --------------------------------------------------------- */

static void
pgsql_close(struct db *base)
{
    struct pgsql_db *db = (struct pgsql_db *)base;

    if (db == NULL)
        return;
    if (db->standby != NULL)
        pgsql_close(&db->standby->base);
    while (db->free != NULL) {
        struct conn *conn = db->free;

        db->free = conn->next;
        db->opened--;
        conn_close(conn);
    }
    assert(db->opened == 0);
    pthread_cond_destroy(&db->returned);
    pthread_cond_destroy(&db->served);
    pthread_mutex_destroy(&db->lock);
    pthread_mutex_destroy(&db->turn);
    free(db->url);
    free(db);
}

/* Whoever opens a database has given its URL and may be told about it. */
static enum error_code
explain(enum error_code rc, struct error *err)
{
    if (rc != ERR_OK && err != NULL && err->text[0] == '\0') {
        snprintf(err->text, sizeof(err->text),
                 "could not open the database: %s", err->detail);
        err->detail[0] = '\0';
    }
    return rc;
}

static enum error_code
check_url(const char *url, struct error *err)
{
    char *why = NULL;
    PQconninfoOption *parts = PQconninfoParse(url, &why);
    enum error_code rc = ERR_OK;

    if (parts == NULL)
        /* libpq's text may repeat what it cannot read. */
        rc = error_set(err, ERR_VALUE,
                       "the database's URL is not of the form postgresql://"
                       "[user[:password]@][host][:port][,...][/database]"
                       "[?name=value&...]");
    PQconninfoFree(parts);
    PQfreemem(why);
    return rc;
}

static enum error_code
db_new(const char *url, const struct db_options *options, struct pgsql_db **ret,
       struct error *err)
{
    pthread_condattr_t monotonic;
    enum error_code rc = check_url(url, err);

    if (rc != ERR_OK)
        return rc;
    struct pgsql_db *db = calloc(1, sizeof(*db));

    if (db != NULL)
        db->url = strdup(url);
    if (db == NULL || db->url == NULL) {
        free(db);
        return error_busy(err, "out of memory");
    }
    db->base.driver = db_pgsql_driver;
    db->options = *options;
    pthread_mutex_init(&db->lock, NULL);
    pthread_mutex_init(&db->turn, NULL);
    pthread_cond_init(&db->served, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&db->returned, &monotonic);
    pthread_condattr_destroy(&monotonic);
    *ret = db;
    return ERR_OK;
}

/* `create` makes no database: that is for who runs the server. The standby may
 * be away. */
static enum error_code
pgsql_open(const char *url, const struct db_options *options, bool create,
           struct db **ret, struct error *err)
{
    struct pgsql_db *db = NULL;
    struct conn *conn = NULL;
    enum error_code rc = db_new(url, options, &db, err);

    (void)create;
    if (rc == ERR_OK && options->read_url != NULL)
        rc = db_new(options->read_url, options, &db->standby, err);
    if (rc == ERR_OK)
        rc = explain(take_and_begin(db, READ, true, NULL, &conn, err), err);
    if (rc != ERR_OK) {
        pgsql_close((struct db *)db);
        return rc;
    }
    pgsql_read_end(&conn->tx);
    *ret = &db->base;
    return ERR_OK;
}

/* Those that the parameters name; NULL is fine. */
static void
named_files(const PQconninfoOption *parts, db_file_visit *visit, void *context)
{
    static const char *const names[] = {"passfile",    "sslcert", "sslkey",
                                        "sslrootcert", "sslcrl",  "sslcrldir"};

    for (; parts != NULL && parts->keyword != NULL; parts++)
        for (size_t i = 0; i < COUNT(names); i++)
            if (parts->val != NULL && strcmp(parts->keyword, names[i]) == 0)
                visit(context, parts->val, false);
}

/* libpq's, from the URL, the environment and its places in the home
 * directory. */
static void
pgsql_files(const char *url, db_file_visit *visit, void *context)
{
    static const char *const places[] = {".pgpass", ".pg_service.conf",
                                         ".postgresql"};
    const char *service = getenv("PGSERVICEFILE"), *home = getenv("HOME");
    PQconninfoOption *own = PQconninfoParse(url, NULL);
    PQconninfoOption *defaults = PQconndefaults();

    named_files(own, visit, context);
    named_files(defaults, visit, context);
    if (service != NULL)
        visit(context, service, false);
    for (size_t i = 0; home != NULL && i < COUNT(places); i++) {
        char path[4096];

        snprintf(path, sizeof(path), "%s/%s", home, places[i]);
        visit(context, path, false);
    }
    PQconninfoFree(defaults);
    PQconninfoFree(own);
}

static const struct db_driver driver = {
    .schemes = {"postgresql://", "postgres://"},
    .engine = "PostgreSQL",
    .remote = true,
    .open = pgsql_open,
    .files = pgsql_files,
    .close = pgsql_close,
    .read_begin = pgsql_read_begin,
    .read_end = pgsql_read_end,
    .read_standby = pgsql_read_standby,
    .write = pgsql_write,
    .query = pgsql_query,
    .query_text = pgsql_query_text,
    .bind_int = pgsql_bind_int,
    .bind_str = pgsql_bind_bytes,
    .bind_blob = pgsql_bind_bytes,
    .bind_null = pgsql_bind_null,
    .step = pgsql_step,
    .col_int = pgsql_col_int,
    .col_str = pgsql_col_str,
    .col_is_null = pgsql_col_is_null,
    .changes = pgsql_changes,
    .exec_later = pgsql_exec_later,
    .settle = pgsql_settle,
    .reset = pgsql_reset,
    .end = pgsql_end,
    .version = pgsql_version,
    .migrate = pgsql_migrate,
};

const struct db_driver *const db_pgsql_driver = &driver;

/*
 * row.h - small conversions that every store module needs. Nobody outside
 * store/ includes it.
 *
 * Memory:  texts are copied into the caller's arena.
 * Errors:  a full arena or buf is noticed by row_done().
 * Threads: see store.h.
 */
#ifndef NELM_STORE_ROW_H
#define NELM_STORE_ROW_H

#include "base/buf.h"
#include "base/utf8.h"
#include "store/stmt.h"
#include "store/store.h"

static inline struct str
row_str(struct db_query *query, int column, struct arena *arena)
{
    return arena_str(arena, db_col_str(query, column));
}

/* NULL becomes a str without `at`. */
static inline struct str
row_optional(struct db_query *query, int column, struct arena *arena)
{
    return db_col_is_null(query, column) ? (struct str){NULL, 0}
                                         : row_str(query, column, arena);
}

/* True and the id, or false for NULL. */
static inline bool
row_uuid(struct db_query *query, int column, struct uuid *ret)
{
    *ret = db_col_uuid(query, column);
    return !db_col_is_null(query, column);
}

/* Identity or client, and request, in two columns. */
static inline struct actor
row_actor(struct db_query *query, int column)
{
    struct actor actor = {.known = false};

    actor.known = row_uuid(query, column, &actor.id);
    actor.has_request = row_uuid(query, column + 1, &actor.request_id);
    return actor;
}

static inline void
bind_optional(struct db_query *query, int n, struct str text)
{
    if (text.at != NULL)
        db_str(query, n, text);
    else
        db_null(query, n);
}

static inline void
bind_optional_uuid(struct db_query *query, int n, bool there,
                   const struct uuid *id)
{
    if (there)
        db_uuid(query, n, id);
    else
        db_null(query, n);
}

static inline void
bind_actor(struct db_query *query, int n, const struct actor *actor)
{
    bind_optional_uuid(query, n, actor->known, &actor->id);
    bind_optional_uuid(query, n + 1, actor->has_request, &actor->request_id);
}

/* 0 is NULL. */
static inline void
bind_optional_int(struct db_query *query, int n, int64_t value)
{
    if (value != 0)
        db_int(query, n, value);
    else
        db_null(query, n);
}

/* Folded text for comparing, in memory of its own: one per bound value. */
struct folded {
    struct buf buf;
};

static inline struct str
fold(struct folded *to, struct str text)
{
    buf_init(&to->buf, 3 * text.len + 1);
    char *at = buf_reserve(&to->buf, 3 * text.len + 1);

    return at ? str_n(at, utf8_fold(text, at)) : (struct str){NULL, 0};
}

/* The same for a look-up, which without memory would find nothing. */
static inline MUST_USE enum error_code
bind_folded(struct db_query *query, int n, struct folded *to, struct str text,
            struct error *err)
{
    struct str folded = fold(to, text);

    db_str(query, n, folded);
    return folded.at ? ERR_OK : error_busy(err, "no memory to fold a text");
}

static inline void
folded_done(struct folded *folded)
{
    buf_done(&folded->buf);
}

#define FOLDED CLEANUP(folded_done) struct folded

/* The end of reading one row: `rc` is what db_step() said. No row is
 * ERR_NOT_FOUND; a value that did not fit the arena is a failure. `arena` may
 * be NULL. */
static inline MUST_USE enum error_code
row_done(struct db_query *query, enum error_code rc, const struct arena *arena,
         struct error *err)
{
    db_end(query);
    if (rc == ERR_END)
        return error_set(err, ERR_NOT_FOUND, NULL);
    if (rc == ERR_OK && arena != NULL && arena->failed)
        return error_busy(err, "no memory for a row");
    return rc;
}

/* Is there a row? Ends the query. */
static inline MUST_USE enum error_code
row_exists(struct db_query *query, bool *ret, struct error *err)
{
    enum error_code rc = db_step(query, err);

    db_end(query);
    if (rc != ERR_OK && rc != ERR_END)
        return rc;
    *ret = rc == ERR_OK;
    return ERR_OK;
}

/* Run a statement that must change a row: none is ERR_NOT_FOUND. */
static inline MUST_USE enum error_code
run_one(struct db_query *query, struct error *err)
{
    int64_t changes = 0;
    enum error_code rc = db_run(query, &changes, err);

    if (rc == ERR_OK && changes == 0)
        return error_set(err, ERR_NOT_FOUND, NULL);
    return rc;
}

/* Read one number: the first column of the only row. */
static inline MUST_USE enum error_code
read_number(struct db_query *query, int64_t *ret, struct error *err)
{
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK)
        *ret = db_col_int(query, 0);
    return row_done(query, rc, NULL, err);
}

/* Contract 5.2. */
static inline enum error_code
account_taken(const char *verb, struct str name, struct error *err)
{
    return error_set(err, ERR_CONFLICT,
                     "Unable to %s Non-Employee because the accountName "
                     "\"%.*s\" is already being used.",
                     verb, STR_ARG(name));
}

/* Take the next number of a counter of the schema. */
static inline MUST_USE enum error_code
counter_next(struct db_tx *tx, struct str name, int64_t *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_COUNTER_NEXT);

    db_str(query, 1, name);
    return read_number(query, ret, err);
}

#endif

#include "store/oauth_store.h"

#include "store/auth_store.h"
#include "store/row.h"

/* So long a code is recognised when it comes again. */
#define CODE_KEPT_MS 86400000

static void
bind_hash(struct db_query *query, int n, const unsigned char hash[OAUTH_HASH])
{
    db_blob(query, n, str_n((const char *)hash, OAUTH_HASH));
}

enum error_code
session_insert(struct db_tx *tx, const struct login_session *session,
               struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SESSION_INSERT);

    bind_hash(query, 1, session->hash);
    db_uuid(query, 2, &session->identity_id);
    db_str(query, 3, session->password_hash);
    db_int(query, 4, session->created_ms);
    db_int(query, 5, session->expires_ms);
    return db_run(query, NULL, err);
}

enum error_code
session_identity(struct db_tx *tx, const unsigned char hash[OAUTH_HASH],
                 int64_t now_ms, struct uuid *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SESSION_IDENTITY);
    enum error_code rc;

    bind_hash(query, 1, hash);
    db_int(query, 2, now_ms);
    rc = db_step(query, err);
    if (rc == ERR_OK)
        *ret = db_col_uuid(query, 0);
    return row_done(query, rc, NULL, err);
}

enum error_code
session_delete(struct db_tx *tx, const unsigned char hash[OAUTH_HASH],
               struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SESSION_DELETE);

    bind_hash(query, 1, hash);
    return run_one(query, err);
}

enum error_code
attempt_find(struct db_tx *tx, int64_t now_ms, struct login_attempt *attempt,
             struct error *err)
{
    struct db_query *query = db_query(tx, STMT_ATTEMPT_FIND);
    enum error_code rc;

    bind_hash(query, 1, attempt->key);
    db_int(query, 2, now_ms);
    rc = db_step(query, err);
    attempt->tries = rc == ERR_OK ? db_col_int(query, 0) : 0;
    attempt->locked_ms = rc == ERR_OK ? db_col_int(query, 1) : 0;
    return row_done(query, rc == ERR_END ? ERR_OK : rc, NULL, err);
}

enum error_code
attempt_put(struct db_tx *tx, const struct login_attempt *attempt,
            struct error *err)
{
    struct db_query *query = db_query(tx, STMT_ATTEMPT_PUT);

    bind_hash(query, 1, attempt->key);
    db_int(query, 2, attempt->tries);
    db_int(query, 3, attempt->locked_ms);
    db_int(query, 4, attempt->expires_ms);
    return db_run(query, NULL, err);
}

enum error_code
attempt_delete(struct db_tx *tx, const struct login_attempt *attempt,
               struct error *err)
{
    struct db_query *query = db_query(tx, STMT_ATTEMPT_DELETE);

    bind_hash(query, 1, attempt->key);
    return db_run(query, NULL, err);
}

enum error_code
consent_find(struct db_tx *tx, const struct uuid *identity,
             const struct uuid *client, struct arena *arena,
             struct str *ret_scopes, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CONSENT_SCOPES);
    enum error_code rc;

    db_uuid(query, 1, identity);
    db_uuid(query, 2, client);
    rc = db_step(query, err);
    if (rc == ERR_OK)
        *ret_scopes = row_str(query, 0, arena);
    return row_done(query, rc, arena, err);
}

enum error_code
consent_put(struct db_tx *tx, const struct uuid *identity,
            const struct uuid *client, struct str scopes, int64_t now_ms,
            struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CONSENT_PUT);

    db_uuid(query, 1, identity);
    db_uuid(query, 2, client);
    db_str(query, 3, scopes);
    db_int(query, 4, now_ms);
    return db_run(query, NULL, err);
}

enum error_code
code_insert(struct db_tx *tx, const struct auth_code *code, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CODE_INSERT);

    bind_hash(query, 1, code->hash);
    db_uuid(query, 2, &code->client_id);
    db_uuid(query, 3, &code->identity_id);
    db_str(query, 4, code->redirect_uri);
    db_str(query, 5, code->scopes);
    bind_optional(query, 6, code->challenge);
    db_uuid(query, 7, &code->family_id);
    db_int(query, 8, code->created_ms);
    db_int(query, 9, code->expires_ms);
    return db_run(query, NULL, err);
}

enum error_code
code_find(struct db_tx *tx, struct arena *arena, struct auth_code *code,
          struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CODE_FIND);
    enum error_code rc;

    bind_hash(query, 1, code->hash);
    rc = db_step(query, err);
    if (rc == ERR_OK) {
        code->client_id = db_col_uuid(query, 0);
        code->identity_id = db_col_uuid(query, 1);
        code->redirect_uri = row_str(query, 2, arena);
        code->scopes = row_str(query, 3, arena);
        code->challenge = row_optional(query, 4, arena);
        code->family_id = db_col_uuid(query, 5);
        code->used = db_col_int(query, 6) != 0;
        code->expires_ms = db_col_int(query, 7);
    }
    return row_done(query, rc, arena, err);
}

enum error_code
code_use(struct db_tx *tx, const struct auth_code *code, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CODE_USE);

    bind_hash(query, 1, code->hash);
    return run_one(query, err);
}

enum error_code
family_insert(struct db_tx *tx, const struct token_family *family,
              struct error *err)
{
    struct db_query *query = db_query(tx, STMT_FAMILY_INSERT);

    db_uuid(query, 1, &family->id);
    db_uuid(query, 2, &family->client_id);
    db_uuid(query, 3, &family->identity_id);
    db_str(query, 4, family->scopes);
    bind_optional_uuid(query, 5, family->has_refresh, &family->refresh_id);
    db_int(query, 6, family->created_ms);
    db_int(query, 7, family->expires_ms);
    return db_run(query, NULL, err);
}

enum error_code
family_find(struct db_tx *tx, const struct uuid *id, struct arena *arena,
            struct token_family *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_FAMILY_FIND);
    enum error_code rc;

    db_uuid(query, 1, id);
    rc = db_step(query, err);
    if (rc == ERR_OK) {
        *ret = (struct token_family){.id = *id,
                                     .client_id = db_col_uuid(query, 0),
                                     .identity_id = db_col_uuid(query, 1),
                                     .scopes = row_str(query, 2, arena),
                                     .created_ms = db_col_int(query, 4),
                                     .expires_ms = db_col_int(query, 5)};
        ret->has_refresh = row_uuid(query, 3, &ret->refresh_id);
    }
    return row_done(query, rc, arena, err);
}

enum error_code
family_rotate(struct db_tx *tx, const struct token_family *family,
              const struct uuid *next, int64_t expires_ms, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_FAMILY_ROTATE);

    db_uuid(query, 1, &family->id);
    db_uuid(query, 2, &family->refresh_id);
    db_uuid(query, 3, next);
    db_int(query, 4, expires_ms);
    return run_one(query, err);
}

enum error_code
family_delete(struct db_tx *tx, const struct uuid *id, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_FAMILY_DELETE);
    enum error_code rc;

    db_uuid(query, 1, id);
    rc = db_run(query, NULL, err);
    return rc == ERR_OK ? auth_epoch_move(tx, err) : rc;
}

enum error_code
family_last_end(struct db_tx *tx, int64_t *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_FAMILY_LAST_END);
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK)
        *ret = db_col_int(query, 0);
    return row_done(query, rc, NULL, err);
}

enum error_code
oauth_sweep(struct db_tx *tx, int64_t now_ms, struct error *err)
{
    const struct {
        enum stmt stmt;
        int64_t kept_ms; /* beyond their end */
    } sweeps[] = {{STMT_SESSION_SWEEP, 0},
                  {STMT_ATTEMPT_SWEEP, 0},
                  {STMT_CODE_SWEEP, CODE_KEPT_MS},
                  {STMT_FAMILY_SWEEP, 0},
                  {STMT_SIGNING_KEY_SWEEP, 0}};
    enum error_code rc = ERR_OK;

    for (size_t i = 0; i < COUNT(sweeps) && rc == ERR_OK; i++) {
        struct db_query *query = db_query(tx, sweeps[i].stmt);

        db_int(query, 1, now_ms - sweeps[i].kept_ms);
        rc = db_run(query, NULL, err);
    }
    return rc;
}

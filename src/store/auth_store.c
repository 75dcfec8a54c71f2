#include "store/auth_store.h"

#include "store/row.h"

enum error_code
registry_find(struct db_tx *tx, struct arena *arena, struct registry *ret,
              struct error *err)
{
    struct db_query *query = db_query(tx, STMT_REGISTRY_FIND);
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK)
        *ret = (struct registry){.id = db_col_uuid(query, 0),
                                 .tenant_name = row_str(query, 1, arena),
                                 .auth_epoch = db_col_int(query, 2),
                                 .created_ms = db_col_int(query, 3)};
    return row_done(query, rc, arena, err);
}

enum error_code
registry_insert(struct db_tx *tx, struct registry *registry, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_REGISTRY_INSERT);
    int64_t changes = 0;
    enum error_code rc;

    registry->id = uuid_mint();
    registry->auth_epoch = 1;
    registry->created_ms = clock_now_ms();
    db_uuid(query, 1, &registry->id);
    db_str(query, 2, registry->tenant_name);
    db_int(query, 3, registry->auth_epoch);
    db_int(query, 4, registry->created_ms);
    rc = db_run(query, &changes, err);
    if (rc == ERR_OK && changes == 0)
        return error_set(err, ERR_CONFLICT,
                         "the database is initialised already");
    return rc;
}

enum error_code
auth_epoch(struct db_tx *tx, int64_t *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_AUTH_EPOCH);
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK)
        *ret = db_col_int(query, 0);
    return row_done(query, rc, NULL, err);
}

enum error_code
auth_epoch_move(struct db_tx *tx, struct error *err)
{
    return db_run(db_query(tx, STMT_AUTH_EPOCH_MOVE), NULL, err);
}

static struct str
kind_text(enum client_kind kind)
{
    return kind == CLIENT_PAT ? STR("PAT") : STR("API");
}

enum error_code
client_insert(struct db_tx *tx, struct client *client, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CLIENT_INSERT);

    if (uuid_eq(&client->id, &(struct uuid){{0}}))
        client->id = uuid_mint();
    client->created_ms = client->modified_ms = clock_now_ms();
    client->last_used_ms = 0;
    if (client->refresh_seconds == 0)
        client->refresh_seconds = CLIENT_REFRESH_SECONDS;
    db_uuid(query, 1, &client->id);
    db_str(query, 2, kind_text(client->kind));
    db_str(query, 3, client->name);
    if (client->has_secret)
        db_blob(query, 4,
                str_n((const char *)client->secret_sha256,
                      sizeof(client->secret_sha256)));
    else
        db_null(query, 4);
    bind_optional_uuid(query, 5, client->has_identity, &client->identity_id);
    bind_optional(query, 6, client->scopes);
    db_str(query, 7, client->grants);
    db_str(query, 8, client->redirect_uris);
    db_int(query, 9, client->token_seconds);
    bind_optional_int(query, 10, client->expires_ms);
    db_int(query, 11, client->created_ms);
    bind_optional(query, 12, client->business_name);
    bind_optional(query, 13, client->homepage_url);
    bind_optional(query, 14, client->description);
    db_int(query, 15, client->refresh_seconds);
    db_int(query, 16, client->online);
    db_int(query, 17, client->disabled);
    return db_run(query, NULL, err);
}

enum error_code
client_update(struct db_tx *tx, struct client *client, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CLIENT_UPDATE);
    enum error_code rc;

    client->modified_ms = MAX(clock_now_ms(), client->modified_ms + 1);
    db_uuid(query, 1, &client->id);
    db_str(query, 2, client->name);
    bind_optional(query, 3, client->scopes);
    db_str(query, 4, client->grants);
    db_str(query, 5, client->redirect_uris);
    db_int(query, 6, client->token_seconds);
    bind_optional(query, 7, client->business_name);
    bind_optional(query, 8, client->homepage_url);
    bind_optional(query, 9, client->description);
    db_int(query, 10, client->refresh_seconds);
    db_int(query, 11, client->online);
    db_int(query, 12, client->disabled);
    db_int(query, 13, client->modified_ms);
    rc = run_one(query, err);
    return rc == ERR_OK ? auth_epoch_move(tx, err) : rc;
}

/* The columns of client_by_id and its like. */
static struct client
client_row(struct db_query *query, struct arena *arena)
{
    struct client client = {
        .id = db_col_uuid(query, 0),
        .kind = str_eq(db_col_str(query, 1), kind_text(CLIENT_PAT))
                    ? CLIENT_PAT
                    : CLIENT_API,
        .name = row_str(query, 2, arena),
        .scopes = row_optional(query, 5, arena),
        .grants = row_str(query, 6, arena),
        .redirect_uris = row_str(query, 7, arena),
        .token_seconds = db_col_int(query, 8),
        .expires_ms = db_col_int(query, 9),
        .created_ms = db_col_int(query, 10),
        .modified_ms = db_col_int(query, 11),
        .last_used_ms = db_col_int(query, 12),
        .business_name = row_optional(query, 13, arena),
        .homepage_url = row_optional(query, 14, arena),
        .description = row_optional(query, 15, arena),
        .refresh_seconds = db_col_int(query, 16),
        .online = db_col_int(query, 17) != 0,
        .disabled = db_col_int(query, 18) != 0,
    };
    struct str secret = db_col_str(query, 3);

    client.has_identity = row_uuid(query, 4, &client.identity_id);
    client.has_secret = secret.len == sizeof(client.secret_sha256);
    if (client.has_secret)
        memcpy(client.secret_sha256, secret.at, secret.len);
    return client;
}

enum error_code
client_by_id(struct db_tx *tx, const struct uuid *id, struct arena *arena,
             struct client *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CLIENT_BY_ID);
    enum error_code rc;

    db_uuid(query, 1, id);
    rc = db_step(query, err);
    if (rc == ERR_OK)
        *ret = client_row(query, arena);
    return row_done(query, rc, arena, err);
}

static enum error_code MUST_USE
client_rows(struct db_query *query, struct arena *scratch, client_visit *visit,
            void *context, struct error *err)
{
    enum error_code rc;

    while ((rc = db_step(query, err)) == ERR_OK) {
        arena_reset(scratch);
        struct client client = client_row(query, scratch);

        if (scratch->failed || !visit(context, &client))
            break;
    }
    if (rc == ERR_END)
        rc = ERR_OK;
    return row_done(query, rc, scratch, err);
}

enum error_code
client_each(struct db_tx *tx, enum client_kind kind, struct arena *scratch,
            client_visit *visit, void *context, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CLIENT_ALL);

    db_str(query, 1, kind_text(kind));
    return client_rows(query, scratch, visit, context, err);
}

enum error_code
client_each_of(struct db_tx *tx, const struct uuid *identity,
               struct arena *scratch, client_visit *visit, void *context,
               struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CLIENT_OF_IDENTITY);

    db_uuid(query, 1, identity);
    return client_rows(query, scratch, visit, context, err);
}

static const struct where_test client_tests[] = {
    {"lastUsed", WHERE_OP(OP_LE), WHERE_TIME, "last_used_ms <= @"},
    {"lastUsed", WHERE_OP(OP_ISNULL), WHERE_TIME, "last_used_ms IS NULL"},
};

#define CLIENT_LIST(kind)                                                   \
    {                                                                       \
        .columns = "id, kind, name, secret_sha256, identity_id, scopes,"    \
                   " grants, redirect_uris, token_seconds, expires_ms,"     \
                   " created_ms, modified_ms, last_used_ms, business_name," \
                   " homepage_url, description, refresh_seconds, online,"   \
                   " disabled",                                             \
        .count = "COUNT(*)", .from = "client WHERE kind = '" kind "'",      \
        .only = "identity_id = $1", .order = "created_ms, id",              \
        .tests = client_tests, .test_count = COUNT(client_tests),           \
    }

static const struct where_list client_lists[] = {
    [CLIENT_PAT] = CLIENT_LIST("PAT"),
    [CLIENT_API] = CLIENT_LIST("API"),
};

enum error_code
client_list(struct db_tx *tx, enum client_kind kind,
            const struct list_query *list, const struct uuid *owner,
            struct arena *scratch, client_visit *visit, void *context,
            struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct db_query *query = NULL;

    arena_init(&arena, WHERE_BYTES);
    enum error_code rc = where_rows(tx, &client_lists[kind], list, owner,
                                    &arena, &query, err);

    return rc == ERR_OK ? client_rows(query, scratch, visit, context, err) : rc;
}

enum error_code
client_list_count(struct db_tx *tx, enum client_kind kind,
                  const struct list_query *list, const struct uuid *owner,
                  int64_t *ret, struct error *err)
{
    return where_count(tx, &client_lists[kind], list, owner, ret, err);
}

enum error_code
client_delete(struct db_tx *tx, enum client_kind kind, const struct uuid *id,
              struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CLIENT_DELETE);
    enum error_code rc;

    db_str(query, 1, kind_text(kind));
    db_uuid(query, 2, id);
    rc = run_one(query, err);
    if (rc == ERR_OK)
        rc = auth_epoch_move(tx, err);
    return rc;
}

enum error_code
client_longest_refresh(struct db_tx *tx, int64_t *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CLIENT_LONGEST_REFRESH);
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK)
        *ret = db_col_int(query, 0);
    return row_done(query, rc, NULL, err);
}

enum error_code
client_used(struct db_tx *tx, const struct uuid *id, int64_t now_ms,
            struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CLIENT_USED);

    db_uuid(query, 1, id);
    db_int(query, 2, now_ms);
    return run_one(query, err);
}

enum error_code
signing_key_insert(struct db_tx *tx, const struct signing_key *key,
                   struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SIGNING_KEY_INSERT);
    enum error_code rc;

    db_str(query, 1, key->kid);
    db_blob(query, 2, key->private_der);
    db_int(query, 3, key->created_ms);
    bind_optional_int(query, 4, key->expires_ms);
    rc = db_run(query, NULL, err);
    if (rc == ERR_OK)
        rc = auth_epoch_move(tx, err);
    return rc;
}

enum error_code
signing_key_each(struct db_tx *tx, signing_key_visit *visit, void *context,
                 struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SIGNING_KEY_ALL);
    enum error_code rc;

    while ((rc = db_step(query, err)) == ERR_OK) {
        const struct signing_key key = {.kid = db_col_str(query, 0),
                                        .private_der = db_col_str(query, 1),
                                        .created_ms = db_col_int(query, 2),
                                        .expires_ms = db_col_int(query, 3)};

        if (!visit(context, &key))
            break;
    }
    if (rc == ERR_END)
        rc = ERR_OK;
    return row_done(query, rc, NULL, err);
}

enum error_code
signing_key_retire(struct db_tx *tx, int64_t expires_ms, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SIGNING_KEY_RETIRE);

    db_int(query, 1, expires_ms);
    return db_run(query, NULL, err);
}

enum error_code
signing_key_sweep(struct db_tx *tx, int64_t now_ms, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SIGNING_KEY_SWEEP);

    db_int(query, 1, now_ms);
    return db_run(query, NULL, err);
}

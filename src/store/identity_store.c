#include "store/identity_store.h"

#include "store/auth_store.h"
#include "store/row.h"

enum error_code
identity_insert(struct db_tx *tx, struct identity *identity, struct error *err)
{
    FOLDED alias = {0}, name = {0}, email = {0};
    int64_t changes = 0;
    enum error_code rc = counter_next(tx, STR("identity"), &identity->number,
                                      err);

    if (rc != ERR_OK)
        return rc;
    identity->id = uuid_mint();
    identity->created_ms = identity->modified_ms = clock_now_ms();

    struct db_query *query = db_query(tx, STMT_IDENTITY_INSERT);

    db_uuid(query, 1, &identity->id);
    db_int(query, 2, identity->number);
    db_str(query, 3, identity->alias);
    db_str(query, 4, fold(&alias, identity->alias));
    db_str(query, 5, identity->name);
    db_str(query, 6, fold(&name, identity->name));
    db_str(query, 7, identity->email);
    db_str(query, 8, fold(&email, identity->email));
    bind_optional_uuid(query, 9, identity->has_manager, &identity->manager_id);
    db_str(query, 10, identity->levels);
    bind_optional(query, 11, identity->password_hash);
    db_int(query, 12, identity->created_ms);
    rc = db_run(query, &changes, err);
    if (rc == ERR_OK && changes == 0)
        return error_set(err, ERR_CONFLICT,
                         "the alias \"%.*s\" is already being used",
                         STR_ARG(identity->alias));
    if (rc == ERR_OK)
        rc = auth_epoch_move(tx, err);
    return rc;
}

/* The columns of identity_by_id and its like. */
static struct identity
identity_row(struct db_query *query, struct arena *arena)
{
    struct identity identity = {
        .id = db_col_uuid(query, 0),
        .number = db_col_int(query, 1),
        .alias = row_str(query, 2, arena),
        .name = row_str(query, 3, arena),
        .email = row_str(query, 4, arena),
        .levels = row_str(query, 6, arena),
        .password_hash = row_optional(query, 7, arena),
        .created_ms = db_col_int(query, 8),
        .modified_ms = db_col_int(query, 9),
    };

    identity.has_manager = row_uuid(query, 5, &identity.manager_id);
    return identity;
}

enum error_code
identity_by_id(struct db_tx *tx, const struct uuid *id, struct arena *arena,
               struct identity *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_IDENTITY_BY_ID);
    enum error_code rc;

    db_uuid(query, 1, id);
    rc = db_step(query, err);
    if (rc == ERR_OK)
        *ret = identity_row(query, arena);
    return row_done(query, rc, arena, err);
}

enum error_code
identity_by_alias(struct db_tx *tx, struct str alias, struct arena *arena,
                  struct identity *ret, struct error *err)
{
    FOLDED key = {0};
    struct db_query *query = db_query(tx, STMT_IDENTITY_BY_ALIAS);
    enum error_code rc = bind_folded(query, 1, &key, alias, err);

    if (rc == ERR_OK)
        rc = db_step(query, err);
    if (rc == ERR_OK)
        *ret = identity_row(query, arena);
    return row_done(query, rc, arena, err);
}

/* The alias in the only row of a query; two rows are as good as none. */
static enum error_code
only_alias(struct db_query *query, struct arena *arena, struct str *ret,
           struct error *err)
{
    struct str alias = {NULL, 0};
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK) {
        alias = row_str(query, 0, arena);
        rc = db_step(query, err);
        if (rc == ERR_OK)
            rc = ERR_END;
        else if (rc == ERR_END)
            rc = ERR_OK;
    }
    rc = row_done(query, rc, arena, err);
    if (rc == ERR_OK)
        *ret = alias;
    return rc;
}

enum error_code
identity_resolve(struct db_tx *tx, struct str text, bool by_name,
                 struct arena *arena, struct str *ret_alias, struct error *err)
{
    static const enum stmt by_text[] = {STMT_IDENTITY_ALIAS_BY_ALIAS,
                                        STMT_IDENTITY_ALIAS_BY_EMAIL,
                                        STMT_IDENTITY_ALIAS_BY_NAME};
    FOLDED key = {0};
    struct str folded = fold(&key, text);
    struct uuid id;
    enum error_code rc = ERR_NOT_FOUND;

    if (folded.at == NULL)
        return error_busy(err, "no memory to fold a text");
    if (uuid_parse(text, &id)) {
        struct db_query *query = db_query(tx, STMT_IDENTITY_ALIAS_BY_ID);

        db_uuid(query, 1, &id);
        rc = only_alias(query, arena, ret_alias, err);
    }
    for (size_t i = 0; rc == ERR_NOT_FOUND && i < COUNT(by_text); i++) {
        if (by_text[i] == STMT_IDENTITY_ALIAS_BY_NAME && !by_name)
            break;
        struct db_query *query = db_query(tx, by_text[i]);

        db_str(query, 1, folded);
        rc = only_alias(query, arena, ret_alias, err);
    }
    return rc;
}

static enum error_code
visit_identities(struct db_query *query, struct arena *scratch,
                 identity_visit *visit, void *context, struct error *err)
{
    enum error_code rc;

    while ((rc = db_step(query, err)) == ERR_OK) {
        arena_reset(scratch);
        struct identity identity = identity_row(query, scratch);

        if (scratch->failed || !visit(context, &identity))
            break;
    }
    if (rc == ERR_END)
        rc = ERR_OK;
    return row_done(query, rc, scratch, err);
}

enum error_code
identity_each(struct db_tx *tx, struct arena *scratch, identity_visit *visit,
              void *context, struct error *err)
{
    return visit_identities(db_query(tx, STMT_IDENTITY_ALL), scratch, visit,
                            context, err);
}

static const struct where_test tests[] = {
    {"id", WHERE_OP(OP_EQ) | WHERE_OP(OP_IN), WHERE_UUID, "i.id = @"},
    {"alias", WHERE_OP(OP_EQ), WHERE_TEXT, "i.alias_key = @"},
    {"alias", WHERE_OP(OP_SW), WHERE_TEXT,
     "substr(i.alias_key, 1, length(@)) = @"},
    {"email", WHERE_OP(OP_EQ), WHERE_TEXT, "i.email_key = @"},
    {"email", WHERE_OP(OP_SW), WHERE_TEXT,
     "substr(i.email_key, 1, length(@)) = @"},
    {"firstname", WHERE_OP(OP_EQ), WHERE_TEXT,
     "substr(i.name_key || ' ', 1, length(@) + 1) = @ || ' '"},
    {"firstname", WHERE_OP(OP_SW), WHERE_TEXT,
     "substr(i.name_key, 1, length(@)) = @"},
    {"lastname", WHERE_OP(OP_EQ), WHERE_TEXT,
     "substr(i.name_key, length(i.name_key) - length(@)) = ' ' || @"},
    {"lastname", WHERE_OP(OP_SW), WHERE_TEXT,
     "replace(i.name_key, ' ' || @, '') <> i.name_key"},
};
static const struct where_sort sorts[] = {{"name", "i.name_key"}};
static const struct where_list identities = {
    .columns = "i.id, i.number, i.alias, i.name, i.email, i.manager_id,"
               " i.levels, i.password_hash, i.created_ms, i.modified_ms",
    .count = "COUNT(*)",
    .from = "identity i WHERE TRUE",
    .order = "i.created_ms, i.id",
    .tests = tests,
    .test_count = COUNT(tests),
    .sorts = sorts,
    .sort_count = COUNT(sorts),
};

enum error_code
identity_list(struct db_tx *tx, const struct list_query *list,
              struct arena *scratch, identity_visit *visit, void *context,
              struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct db_query *query = NULL;

    arena_init(&arena, WHERE_BYTES);
    enum error_code rc = where_rows(tx, &identities, list, NULL, &arena, &query,
                                    err);

    if (rc == ERR_OK)
        rc = visit_identities(query, scratch, visit, context, err);
    return rc;
}

enum error_code
identity_list_count(struct db_tx *tx, const struct list_query *list,
                    int64_t *ret, struct error *err)
{
    return where_count(tx, &identities, list, NULL, ret, err);
}

enum error_code
identity_delete(struct db_tx *tx, const struct uuid *id, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_IDENTITY_DELETE);
    enum error_code rc;

    db_uuid(query, 1, id);
    rc = run_one(query, err);
    if (rc == ERR_OK)
        rc = auth_epoch_move(tx, err);
    return rc;
}

enum error_code
identity_set_password(struct db_tx *tx, const struct uuid *id, struct str hash,
                      struct error *err)
{
    struct db_query *query = db_query(tx, STMT_IDENTITY_SET_PASSWORD);
    enum error_code rc;

    db_uuid(query, 1, id);
    bind_optional(query, 2, hash);
    db_int(query, 3, clock_now_ms());
    rc = run_one(query, err);
    if (rc == ERR_OK)
        rc = auth_epoch_move(tx, err);
    return rc;
}

enum error_code
workgroup_add(struct db_tx *tx, struct str workgroup,
              const struct uuid *identity, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_WORKGROUP_ADD);
    int64_t changes = 0;
    enum error_code rc;

    db_str(query, 1, workgroup);
    db_uuid(query, 2, identity);
    rc = db_run(query, &changes, err);
    if (rc == ERR_OK && changes == 0)
        return error_set(err, ERR_CONFLICT,
                         "the identity is in the workgroup \"%.*s\" already",
                         STR_ARG(workgroup));
    if (rc == ERR_OK)
        rc = auth_epoch_move(tx, err);
    return rc;
}

enum error_code
workgroup_remove(struct db_tx *tx, struct str workgroup,
                 const struct uuid *identity, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_WORKGROUP_REMOVE);
    enum error_code rc;

    db_str(query, 1, workgroup);
    db_uuid(query, 2, identity);
    rc = run_one(query, err);
    if (rc == ERR_OK)
        rc = auth_epoch_move(tx, err);
    return rc;
}

enum error_code
workgroup_has(struct db_tx *tx, struct str workgroup,
              const struct uuid *identity, bool *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_WORKGROUP_HAS);

    db_str(query, 1, workgroup);
    db_uuid(query, 2, identity);
    return row_exists(query, ret, err);
}

enum error_code
workgroup_each(struct db_tx *tx, workgroup_visit *visit, void *context,
               struct error *err)
{
    struct db_query *query = db_query(tx, STMT_WORKGROUP_ALL);
    enum error_code rc;

    while ((rc = db_step(query, err)) == ERR_OK) {
        struct uuid identity = db_col_uuid(query, 1);

        if (!visit(context, db_col_str(query, 0), &identity,
                   db_col_str(query, 2)))
            break;
    }
    if (rc == ERR_END)
        rc = ERR_OK;
    return row_done(query, rc, NULL, err);
}

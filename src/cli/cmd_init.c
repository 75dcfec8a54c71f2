/*
 * cmd_init.c - the database itself: make it, upgrade it, open it.
 */
#include "auth/token.h"
#include "base/secret.h"
#include "cli/view.h"
#include "db/migrate.h"
#include "store/auth_store.h"
#include "store/chain.h"
#include "store/open.h"

static enum error_code
not_initialised(struct error *err)
{
    return error_set(err, ERR_CONFLICT,
                     "the database is not initialised: run \"nelm init "
                     "--database URL\"");
}

/* Is there a registry in it? */
static enum error_code MUST_USE
has_registry(struct cli *cli, struct db_tx *tx, bool *ret, struct error *err)
{
    struct registry registry;
    enum error_code rc = registry_find(tx, &cli->arena, &registry, err);

    if (rc != ERR_OK && rc != ERR_NOT_FOUND)
        return rc;
    *ret = rc == ERR_OK;
    return ERR_OK;
}

/* Open, and see how far the database is. */
static enum error_code MUST_USE
look(struct cli *cli, bool create, int *ret_version, bool *ret_initialised,
     struct error *err)
{
    struct db_tx *tx;
    enum error_code rc = store_open_as(&cli->settings, cli->settings.database,
                                       create, &cli->db, err);

    *ret_initialised = false;
    if (rc == ERR_OK)
        rc = migrate_version(cli->db, ret_version, err);
    if (rc != ERR_OK || *ret_version == 0)
        return rc;
    rc = db_read_begin(cli->db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = has_registry(cli, tx, ret_initialised, err);
    db_read_end(tx);
    return rc;
}

enum error_code
cli_open(struct cli *cli, struct error *err)
{
    bool initialised = false;
    int version = 0;
    enum error_code rc = look(cli, false, &version, &initialised, err);

    if (rc == ERR_OK && !initialised)
        return not_initialised(err);
    return rc == ERR_OK ? migrate_check(cli->db, err) : rc;
}

enum error_code
cmd_migrate(struct cli *cli, struct error *err)
{
    bool initialised = false;
    int from = 0;
    enum error_code rc = look(cli, false, &from, &initialised, err);

    if (rc == ERR_OK && !initialised)
        return not_initialised(err);
    if (rc == ERR_OK)
        rc = migrate_run(cli->db, chain_seal, &from, err);
    if (rc != ERR_OK)
        return rc;
    jw_object(&cli->json);
    jw_member_int(&cli->json, "from", from);
    jw_member_int(&cli->json, "to", migrate_latest());
    jw_object_end(&cli->json);
    buf_char(&cli->out, '\n');
    return ERR_OK;
}

static enum error_code
already(struct error *err)
{
    return error_set(err, ERR_CONFLICT,
                     "the database is initialised already; nothing was "
                     "changed");
}

struct first {
    struct cli *cli;
    struct registry registry;
    struct identity admin;
    struct client token;
    char secret[SECRET_TEXT];
};

/* Everything that makes a schema a registry, or nothing. */
static enum error_code
insert_first(struct db_tx *tx, void *context, struct error *err)
{
    struct first *first = context;
    bool there = false;
    enum error_code rc = has_registry(first->cli, tx, &there, err);

    if (rc == ERR_OK && there)
        rc = already(err);
    if (rc == ERR_OK)
        rc = registry_insert(tx, &first->registry, err);
    if (rc == ERR_OK)
        rc = token_key_create(tx, err);
    if (rc == ERR_OK)
        rc = identity_insert(tx, &first->admin, err);
    if (rc != ERR_OK)
        return rc;
    first->token.identity_id = first->admin.id;
    rc = client_insert(tx, &first->token, err);
    if (rc == ERR_OK)
        rc = cli_audit(tx, "REGISTRY_CREATED", &first->admin.id, 0, err);
    return rc;
}

static void
view_first(struct cli *cli, const struct first *first)
{
    struct jw *json = &cli->json;
    char hex[UUID_HEX], id[UUID_TEXT];

    jw_object(json);
    jw_key(json, "identity");
    jw_object(json);
    jw_member_text(json, "id", uuid_hex(&first->admin.id, hex));
    jw_member(json, "alias", first->admin.alias);
    jw_member(json, "name", first->admin.name);
    jw_object_end(json);
    jw_member_text(json, "clientId", uuid_dashed(&first->token.id, id));
    jw_member_text(json, "clientSecret", first->secret);
    jw_object_end(json);
    buf_char(&cli->out, '\n');
}

enum error_code
cmd_init(struct cli *cli, struct error *err)
{
    struct first first = {.cli = cli, .admin = {.levels = STR("ORG_ADMIN")}};
    struct identity *admin = &first.admin;
    bool initialised = false;
    int version = 0;
    enum error_code rc;

    first.registry.tenant_name = str_of(cli->settings.tenant_name);
    view_personal(&first.token, clock_now_ms());
    first.token.name = STR("init");
    first.token.token_seconds = PAT_SECONDS;
    rc = cli_text(cli, "alias", 1, 128, "admin", &admin->alias, err);
    if (rc == ERR_OK)
        rc = cli_text(cli, "name", 1, 128, "Administrator", &admin->name, err);
    if (rc == ERR_OK)
        rc = cli_text(cli, "email", 1, 254, "admin@localhost", &admin->email,
                      err);
    if (rc == ERR_OK)
        rc = look(cli, true, &version, &initialised, err);
    if (rc == ERR_OK && initialised)
        rc = already(err);
    if (rc == ERR_OK)
        rc = migrate_run(cli->db, chain_seal, NULL, err);
    if (rc != ERR_OK)
        return rc;
    first.token.has_secret = true;
    secret_create(first.secret, first.token.secret_sha256);
    rc = db_write(cli->db, insert_first, &first, err);
    if (rc == ERR_OK)
        view_first(cli, &first);
    secret_wipe(first.secret, sizeof(first.secret));
    return rc;
}

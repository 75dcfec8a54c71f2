/*
 * cmd_key.c - the keys that sign access tokens.
 */
#include "auth/token.h"
#include "cli/view.h"
#include "store/auth_store.h"

/* The newest of those in use signs. */
struct key_view {
    struct cli *cli;
    int64_t now_ms;
    bool signs_known;
};

static bool
view_key(void *context, const struct signing_key *key)
{
    struct key_view *view = context;
    struct jw *json = &view->cli->json;
    bool signs = key->expires_ms == 0 && !view->signs_known;

    if (key->expires_ms != 0 && key->expires_ms <= view->now_ms)
        return true;
    view->signs_known = view->signs_known || signs;
    jw_object(json);
    jw_member(json, "kid", key->kid);
    jw_key(json, "signs");
    jw_bool(json, signs);
    view_time(json, "created", key->created_ms);
    if (key->expires_ms != 0)
        view_time(json, "verifiesUntil", key->expires_ms);
    jw_object_end(json);
    return true;
}

static enum error_code
view_keys(struct cli *cli, struct db_tx *tx, struct error *err)
{
    struct key_view view = {.cli = cli, .now_ms = clock_now_ms()};

    return signing_key_each(tx, view_key, &view, err);
}

static enum error_code
list_keys(struct view_each *each, struct arena *scratch UNUSED,
          struct error *err)
{
    return view_keys(each->cli, each->tx, err);
}

enum error_code
cmd_key_list(struct cli *cli, struct error *err)
{
    return view_run(cli, list_keys, err);
}

static enum error_code
rotate(struct db_tx *tx, void *context, struct error *err)
{
    struct cli *cli = context;
    bool revoke = cli_value(cli, "revoke") != NULL;
    enum error_code rc = token_key_rotate(tx, revoke, err);

    view_begin(cli);
    if (rc == ERR_OK)
        rc = cli_audit(tx,
                       revoke ? "SIGNING_KEYS_REVOKED" : "SIGNING_KEY_ROTATED",
                       NULL, 0, err);
    if (rc != ERR_OK)
        return rc;
    jw_array(&cli->json);
    rc = view_keys(cli, tx, err);
    jw_array_end(&cli->json);
    return rc;
}

enum error_code
cmd_key_rotate(struct cli *cli, struct error *err)
{
    return view_write(cli, rotate, cli, err);
}

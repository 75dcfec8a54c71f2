#include "cli/view.h"

#include "base/utf8.h"
#include "store/audit_store.h"

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
#define TOKEN_LIFE_MS (181 * DAY_MS) /* the shortest six months */
#define FLUSH_BYTES ((size_t)64 * 1024)
#define MAX_ROW_BYTES ((size_t)1024 * 1024)

enum error_code
cli_text(struct cli *cli, const char *option, size_t least, size_t most,
         const char *fallback, struct str *ret, struct error *err)
{
    const char *given = cli_value(cli, option);
    struct str text = utf8_trim(str_of(given ? given : fallback));

    if (!utf8_valid(text) || utf8_has_control(text))
        return cli_wrong(cli, err,
                         "--%s is not UTF-8 text without control characters",
                         option);
    size_t length = utf8_length(text);

    if (length < least || length > most)
        return cli_wrong(cli, err, "--%s has %zu characters, not %zu to %zu",
                         option, length, least, most);
    *ret = text;
    return ERR_OK;
}

enum error_code
cli_id(const char *text, const char *what, struct uuid *ret, struct error *err)
{
    if (!uuid_parse(str_of(text), ret))
        return error_set(err, ERR_NOT_FOUND, "there is no %s \"%s\"", what,
                         text);
    return ERR_OK;
}

enum error_code
cli_find_identity(struct cli *cli, struct db_tx *tx, struct str alias,
                  struct identity *ret, struct error *err)
{
    enum error_code rc = identity_by_alias(tx, alias, &cli->arena, ret, err);

    if (rc == ERR_NOT_FOUND)
        return error_set(err, rc,
                         "there is no identity with the alias "
                         "\"%.*s\"",
                         STR_ARG(alias));
    return rc;
}

enum error_code
cli_audit(struct db_tx *tx, const char *event, const struct uuid *object,
          int64_t source, struct error *err)
{
    const struct audit_event entry = {
        .event = event,
        .has_object = object != NULL,
        .object_id = object ? *object : (struct uuid){{0}},
        .source = source,
        .detail = STR("command line"),
    };

    return audit_add(tx, &entry, err);
}

void
view_begin(struct cli *cli)
{
    buf_clear(&cli->out);
    jw_init(&cli->json, &cli->out);
}

enum error_code
view_write(struct cli *cli, db_work *work, void *context, struct error *err)
{
    enum error_code rc = cli_open(cli, err);

    if (rc == ERR_OK)
        rc = db_write(cli->db, work, context, err);
    if (rc == ERR_OK && cli->out.len > 0)
        buf_char(&cli->out, '\n');
    return rc;
}

void
view_time(struct jw *json, const char *key, int64_t ms)
{
    char text[MOMENT_TEXT];

    moment_utc(ms, text);
    jw_member_text(json, key, text);
}

void
view_reference(struct jw *json, const char *key,
               const struct identity *identity)
{
    char id[UUID_HEX];

    jw_key(json, key);
    jw_object(json);
    jw_member_text(json, "type", "IDENTITY");
    jw_member_text(json, "id", uuid_hex(&identity->id, id));
    jw_member(json, "name", identity->name);
    jw_object_end(json);
}

enum error_code
view_reference_id(struct cli *cli, struct db_tx *tx, const char *key,
                  const struct uuid *id, struct error *err)
{
    CLEANUP(arena_done) struct arena scratch;
    struct identity identity;
    enum error_code rc;

    arena_init(&scratch, MAX_ROW_BYTES);
    rc = identity_by_id(tx, id, &scratch, &identity, err);
    if (rc == ERR_OK)
        view_reference(&cli->json, key, &identity);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

void
view_list(struct jw *json, const char *key, struct str list, char mark)
{
    jw_key(json, key);
    if (list.at == NULL) {
        jw_null(json);
        return;
    }
    jw_array(json);
    while (list.at != NULL) {
        struct str word = str_cut(&list, mark);

        if (word.len > 0)
            jw_str(json, word);
    }
    jw_array_end(json);
}

enum error_code
view_identity(struct cli *cli, struct db_tx *tx,
              const struct identity *identity, struct error *err)
{
    struct jw *json = &cli->json;
    enum error_code rc = ERR_OK;
    char id[UUID_HEX];

    jw_object(json);
    jw_member_text(json, "id", uuid_hex(&identity->id, id));
    jw_member(json, "alias", identity->alias);
    jw_member(json, "name", identity->name);
    jw_member(json, "email", identity->email);
    if (identity->has_manager)
        rc = view_reference_id(cli, tx, "manager", &identity->manager_id, err);
    view_list(json, "levels", identity->levels, ' ');
    view_time(json, "created", identity->created_ms);
    view_time(json, "modified", identity->modified_ms);
    jw_object_end(json);
    return rc;
}

void
view_personal(struct client *client, int64_t now_ms)
{
    client->kind = CLIENT_PAT;
    client->has_identity = true;
    client->grants = STR("CLIENT_CREDENTIALS");
    client->redirect_uris = STR("");
    client->expires_ms = now_ms + TOKEN_LIFE_MS;
}

enum error_code
view_run(struct cli *cli, view_all *all, struct error *err)
{
    CLEANUP(arena_done) struct arena scratch;
    struct view_each each = {.cli = cli, .err = err};
    enum error_code rc = cli_open(cli, err);

    arena_init(&scratch, MAX_ROW_BYTES);
    if (rc == ERR_OK)
        rc = db_read_begin(cli->db, &each.tx, err);
    if (rc != ERR_OK)
        return rc;
    jw_array(&cli->json);
    rc = all(&each, &scratch, err);
    db_read_end(each.tx);
    if (rc == ERR_OK)
        rc = each.rc;
    jw_array_end(&cli->json);
    buf_char(&cli->out, '\n');
    return rc;
}

bool
view_more(struct view_each *each)
{
    if (each->rc == ERR_OK && each->cli->out.len >= FLUSH_BYTES)
        each->rc = cli_flush(each->cli, each->err);
    return each->rc == ERR_OK;
}

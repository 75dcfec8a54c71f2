/*
 * cmd_admin.c - the registry itself, and who may call it.
 */
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "api/views.h"
#include "auth/password.h"
#include "auth/token.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "cli/view.h"
#include "core/approval.h"
#include "store/auth_store.h"

#define TOKENS_PER_IDENTITY 10
#define CLIENT_SECONDS 750

#define NAME_MAX_CHARS 128
#define EMAIL_MAX_CHARS 254

/* What one write needs and makes. */
struct job {
    struct cli *cli;
    struct identity identity;
    struct client client;
    struct str alias, manager, group;
    char secret[SECRET_TEXT], hash[PASSWORD_HASH_TEXT];
};

/* --- identities -------------------------------------------------------- */

static enum error_code MUST_USE
read_levels(struct cli *cli, struct str *ret, struct error *err)
{
    struct str levels, rest, word;
    enum error_code rc = cli_joined(cli, "level", ' ', &levels, err);

    if (rc != ERR_OK)
        return rc;
    rest = levels;
    while (list_next(&rest, &word))
        if (levels_parse(word) == 0)
            return cli_wrong(cli, err, "there is no user level \"%.*s\"",
                             STR_ARG(word));
    *ret = levels.at ? levels : STR("");
    return ERR_OK;
}

static enum error_code
identity_create(struct db_tx *tx, void *context, struct error *err)
{
    struct job *job = context;
    struct identity manager;
    enum error_code rc = ERR_OK;

    view_begin(job->cli);
    if (job->manager.at != NULL) {
        rc = cli_find_identity(job->cli, tx, job->manager, &manager, err);
        if (rc != ERR_OK)
            return rc;
        job->identity.has_manager = true;
        job->identity.manager_id = manager.id;
    }
    rc = identity_insert(tx, &job->identity, err);
    if (rc == ERR_OK)
        rc = cli_audit(tx, "IDENTITY_CREATED", &job->identity.id, 0, err);
    if (rc == ERR_OK)
        rc = view_identity(job->cli, tx, &job->identity, err);
    return rc;
}

enum error_code
cmd_identity_create(struct cli *cli, struct error *err)
{
    struct job job = {.cli = cli, .manager = str_of(cli_value(cli, "manager"))};
    struct identity *identity = &job.identity;
    enum error_code rc;

    rc = cli_text(cli, "alias", 1, NAME_MAX_CHARS, NULL, &identity->alias, err);
    if (rc == ERR_OK)
        rc = cli_text(cli, "name", 1, NAME_MAX_CHARS, NULL, &identity->name,
                      err);
    if (rc == ERR_OK)
        rc = cli_text(cli, "email", 1, EMAIL_MAX_CHARS, NULL, &identity->email,
                      err);
    if (rc == ERR_OK)
        rc = read_levels(cli, &identity->levels, err);
    if (rc == ERR_OK)
        rc = view_write(cli, identity_create, &job, err);
    return rc;
}

static bool
list_identity(void *context, const struct identity *identity)
{
    struct view_each *each = context;

    each->rc = view_identity(each->cli, each->tx, identity, each->err);
    return view_more(each);
}

static enum error_code
list_identities(struct view_each *each, struct arena *scratch,
                struct error *err)
{
    return identity_each(each->tx, scratch, list_identity, each, err);
}

enum error_code
cmd_identity_list(struct cli *cli, struct error *err)
{
    return view_run(cli, list_identities, err);
}

static enum error_code
identity_drop(struct db_tx *tx, void *context, struct error *err)
{
    struct job *job = context;
    struct identity *identity = &job->identity;
    const struct actor nobody = {.known = false};
    enum error_code rc;

    rc = cli_find_identity(job->cli, tx, job->alias, identity, err);
    if (rc == ERR_OK)
        rc = approval_cancel_all(tx, &identity->id, &nobody, err);
    if (rc == ERR_OK)
        rc = cli_audit(tx, "IDENTITY_DELETED", &identity->id, 0, err);
    if (rc == ERR_OK)
        rc = identity_delete(tx, &identity->id, err);
    return rc;
}

enum error_code
cmd_identity_delete(struct cli *cli, struct error *err)
{
    struct job job = {.cli = cli, .alias = str_of(cli->argument)};

    return view_write(cli, identity_drop, &job, err);
}

/* One line of standard input without its end. On a terminal without echo;
 * signals wait there too, so that the echo always comes back. */
static enum error_code MUST_USE
read_secret(const char *prompt, char *to, size_t size, struct str *ret,
            struct error *err)
{
    struct termios old, quiet;
    bool terminal = tcgetattr(STDIN_FILENO, &old) == 0;

    if (terminal) {
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
        fputs(prompt, stderr);
    }
    const char *line = fgets(to, (int)size, stdin);

    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
        fputc('\n', stderr);
    }
    struct str text = str_n(to, line ? strcspn(line, "\r\n") : 0);

    if (line == NULL)
        return error_set(err, ERR_VALUE,
                         "there is no password on standard "
                         "input");
    if (memchr(text.at, '\x03', text.len) != NULL)
        return error_set(err, ERR_VALUE, "interrupted; nothing was changed");
    *ret = text;
    return ERR_OK;
}

static enum error_code
identity_password(struct db_tx *tx, void *context, struct error *err)
{
    struct job *job = context;
    struct identity *identity = &job->identity;
    enum error_code rc;

    rc = cli_find_identity(job->cli, tx, job->alias, identity, err);
    if (rc == ERR_OK)
        rc = identity_set_password(tx, &identity->id, str_of(job->hash), err);
    if (rc == ERR_OK)
        rc = cli_audit(tx, "IDENTITY_PASSWORD_SET", &identity->id, 0, err);
    return rc;
}

enum error_code
cmd_identity_set_password(struct cli *cli, struct error *err)
{
    struct job job = {.cli = cli, .alias = str_of(cli->argument)};
    char first[PASSWORD_MAX + 3], second[PASSWORD_MAX + 3];
    struct str password = {NULL, 0}, again = {NULL, 0};
    enum error_code rc;

    rc = read_secret("password: ", first, sizeof(first), &password, err);
    if (rc == ERR_OK && isatty(STDIN_FILENO)) {
        rc = read_secret("the same again: ", second, sizeof(second), &again,
                         err);
        if (rc == ERR_OK && !str_eq(password, again))
            rc = error_set(err, ERR_VALUE,
                           "the two passwords differ; nothing was changed");
    }
    if (rc == ERR_OK)
        rc = password_hash(password, job.hash, err);
    secret_wipe(first, sizeof(first));
    secret_wipe(second, sizeof(second));
    return rc == ERR_OK ? view_write(cli, identity_password, &job, err) : rc;
}

/* --- workgroups -------------------------------------------------------- */

static enum error_code MUST_USE
find_member(struct job *job, struct db_tx *tx, struct error *err)
{
    view_begin(job->cli);
    return cli_find_identity(job->cli, tx, job->alias, &job->identity, err);
}

static void
view_member(struct jw *json, struct str group, const struct uuid *id,
            struct str alias)
{
    char text[UUID_HEX];

    jw_object(json);
    jw_member(json, "group", group);
    jw_member_text(json, "identity", uuid_hex(id, text));
    jw_member(json, "alias", alias);
    jw_object_end(json);
}

static enum error_code
member_add(struct db_tx *tx, void *context, struct error *err)
{
    struct job *job = context;
    struct identity *identity = &job->identity;
    enum error_code rc = find_member(job, tx, err);

    if (rc == ERR_OK)
        rc = workgroup_add(tx, job->group, &identity->id, err);
    if (rc == ERR_OK)
        rc = cli_audit(tx, "WORKGROUP_MEMBER_ADDED", &identity->id, 0, err);
    if (rc == ERR_OK)
        view_member(&job->cli->json, job->group, &identity->id,
                    identity->alias);
    else if (rc == ERR_CONFLICT)
        error_set(err, rc, "\"%.*s\" is in that workgroup already",
                  STR_ARG(job->alias));
    return rc;
}

static enum error_code
member_remove(struct db_tx *tx, void *context, struct error *err)
{
    struct job *job = context;
    enum error_code rc = find_member(job, tx, err);

    if (rc != ERR_OK)
        return rc;
    rc = workgroup_remove(tx, job->group, &job->identity.id, err);
    if (rc == ERR_NOT_FOUND)
        return error_set(err, rc, "\"%.*s\" is not in that workgroup",
                         STR_ARG(job->alias));
    if (rc == ERR_OK)
        rc = cli_audit(tx, "WORKGROUP_MEMBER_REMOVED", &job->identity.id, 0,
                       err);
    return rc;
}

static enum error_code MUST_USE
change_member(struct cli *cli, db_work *run, struct error *err)
{
    struct job job = {.cli = cli, .alias = str_of(cli_value(cli, "identity"))};
    enum error_code rc = cli_text(cli, "group", 1, NAME_MAX_CHARS, NULL,
                                  &job.group, err);

    return rc == ERR_OK ? view_write(cli, run, &job, err) : rc;
}

enum error_code
cmd_workgroup_add(struct cli *cli, struct error *err)
{
    return change_member(cli, member_add, err);
}

enum error_code
cmd_workgroup_remove(struct cli *cli, struct error *err)
{
    return change_member(cli, member_remove, err);
}

static bool
list_member(void *context, struct str group, const struct uuid *identity,
            struct str alias)
{
    struct view_each *each = context;

    view_member(&each->cli->json, group, identity, alias);
    return view_more(each);
}

static enum error_code
list_members(struct view_each *each, struct arena *scratch, struct error *err)
{
    (void)scratch;
    return workgroup_each(each->tx, list_member, each, err);
}

enum error_code
cmd_workgroup_list(struct cli *cli, struct error *err)
{
    return view_run(cli, list_members, err);
}

/* --- personal access tokens and API clients ---------------------------- */

static enum error_code MUST_USE
view_client(struct cli *cli, struct db_tx *tx, const struct client *client,
            const char *secret, struct error *err)
{
    struct jw *json = &cli->json;
    enum error_code rc = ERR_OK;
    char id[UUID_TEXT];

    uuid_dashed(&client->id, id);
    jw_object(json);
    if (secret != NULL) {
        jw_member_text(json, "clientId", id);
        if (client->has_secret)
            jw_member_text(json, "clientSecret", secret);
    }
    jw_member_text(json, "id", id);
    jw_member(json, "name", client->name);
    view_list(json, "scope", client->scopes, ' ');
    if (client->kind == CLIENT_PAT) {
        rc = view_reference_id(cli, tx, "owner", &client->identity_id, err);
    } else {
        jw_member_text(json, "type",
                       client->has_secret ? "CONFIDENTIAL" : "PUBLIC");
        view_list(json, "grantTypes", client->grants, ' ');
        view_list(json, "redirectUris", client->redirect_uris, '\n');
    }
    view_time(json, "created", client->created_ms);
    jw_key(json, "lastUsed");
    if (client->last_used_ms == 0) {
        jw_null(json);
    } else {
        char text[MOMENT_TEXT];

        moment_utc(client->last_used_ms, text);
        jw_text(json, text);
    }
    jw_member_int(json, "accessTokenValiditySeconds", client->token_seconds);
    if (client->expires_ms != 0)
        view_time(json, "expirationDate", client->expires_ms);
    jw_object_end(json);
    return rc;
}

/* What both kinds of client have; the secret is made here. */
static enum error_code MUST_USE
read_client(struct job *job, uint64_t seconds, struct error *err)
{
    struct client *client = &job->client;
    struct str rest, word;
    uint64_t validity;
    enum error_code rc;

    rc = cli_number(job->cli, "validity", 15, 43200, seconds, &validity, err);
    if (rc == ERR_OK)
        rc = cli_joined(job->cli, "scope", ' ', &client->scopes, err);
    if (rc != ERR_OK)
        return rc;
    client->token_seconds = (int64_t)validity;
    rest = client->scopes;
    while (list_next(&rest, &word))
        if (scopes_parse(word) == 0)
            return cli_wrong(job->cli, err, "there is no scope \"%.*s\"",
                             STR_ARG(word));
    client->has_secret = true;
    secret_create(job->secret, client->secret_sha256);
    return ERR_OK;
}

static enum error_code MUST_USE
insert_client(struct job *job, struct db_tx *tx, const char *event,
              struct error *err)
{
    enum error_code rc = client_insert(tx, &job->client, err);

    if (rc == ERR_OK)
        rc = cli_audit(tx, event, &job->client.id, 0, err);
    return rc;
}

/* How many tokens an identity has, and whether one has that name. */
struct census {
    const struct client *wanted;
    unsigned count;
    bool taken;
};

static bool
count_token(void *context, const struct client *client)
{
    struct census *census = context;

    if (uuid_eq(&client->identity_id, &census->wanted->identity_id)) {
        census->count++;
        census->taken = census->taken ||
                        str_eq(client->name, census->wanted->name);
    }
    return true;
}

static enum error_code
token_create(struct db_tx *tx, void *context, struct error *err)
{
    CLEANUP(arena_done) struct arena scratch;
    struct job *job = context;
    struct client *client = &job->client;
    struct census census = {.wanted = client};
    enum error_code rc = find_member(job, tx, err);

    arena_init(&scratch, 1024 * 1024);
    if (rc != ERR_OK)
        return rc;
    client->has_identity = true;
    client->identity_id = job->identity.id;
    rc = client_each(tx, CLIENT_PAT, &scratch, count_token, &census, err);
    if (rc != ERR_OK)
        return rc;
    if (census.count >= TOKENS_PER_IDENTITY)
        return error_set(err, ERR_LIMIT,
                         "\"%.*s\" has reached the limit of %d personal "
                         "access tokens",
                         STR_ARG(job->alias), TOKENS_PER_IDENTITY);
    if (census.taken)
        return error_set(err, ERR_CONFLICT,
                         "\"%.*s\" has a token \"%.*s\" already",
                         STR_ARG(job->alias), STR_ARG(client->name));
    rc = insert_client(job, tx, "PERSONAL_ACCESS_TOKEN_CREATED", err);
    if (rc == ERR_OK)
        rc = view_client(job->cli, tx, client, job->secret, err);
    return rc;
}

enum error_code
cmd_token_create(struct cli *cli, struct error *err)
{
    struct job job = {.cli = cli, .alias = str_of(cli_value(cli, "identity"))};
    int64_t now_ms = clock_now_ms();
    char now[MOMENT_TEXT];
    enum error_code rc;

    moment_utc(now_ms, now);
    view_personal(&job.client, now_ms);
    rc = cli_text(cli, "name", 1, NAME_MAX_CHARS, now, &job.client.name, err);
    if (rc == ERR_OK)
        rc = read_client(&job, PAT_SECONDS, err);
    if (rc == ERR_OK)
        rc = view_write(cli, token_create, &job, err);
    secret_wipe(job.secret, sizeof(job.secret));
    return rc;
}

static enum error_code
client_create(struct db_tx *tx, void *context, struct error *err)
{
    struct job *job = context;
    enum error_code rc;

    view_begin(job->cli);
    rc = insert_client(job, tx, "API_CLIENT_CREATED", err);
    if (rc == ERR_OK)
        rc = view_client(job->cli, tx, &job->client, job->secret, err);
    return rc;
}

static bool
one_of(struct str word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(word, str_of(words[i])))
            return true;
    return false;
}

static enum error_code MUST_USE
read_grants(struct cli *cli, struct client *client, struct error *err)
{
    static const char *const known[] = {"CLIENT_CREDENTIALS",
                                        "AUTHORIZATION_CODE", "REFRESH_TOKEN"};
    struct str rest, word;
    bool by_code = false;
    enum error_code rc = cli_joined(cli, "grant", ' ', &rest, err);

    if (rc == ERR_OK)
        rc = cli_joined(cli, "redirect-uri", '\n', &client->redirect_uris, err);
    if (rc != ERR_OK)
        return rc;
    client->grants = rest.at ? rest : STR("CLIENT_CREDENTIALS");
    while (list_next(&rest, &word)) {
        if (!one_of(word, known, COUNT(known)))
            return cli_wrong(cli, err, "there is no grant \"%.*s\"",
                             STR_ARG(word));
        by_code = by_code || str_eq(word, str_of(known[1]));
    }
    rest = client->redirect_uris;
    if (by_code && rest.at == NULL)
        return cli_wrong(cli, err, "AUTHORIZATION_CODE needs a --redirect-uri");
    while (rest.at != NULL) {
        word = str_cut(&rest, '\n');
        if (memchr(word.at, ':', word.len) == NULL || !utf8_valid(word) ||
            utf8_has_control(word) || memchr(word.at, ' ', word.len) ||
            memchr(word.at, '#', word.len))
            return cli_wrong(cli, err,
                             "--redirect-uri \"%.*s\" is not an absolute URI "
                             "without a fragment",
                             STR_ARG(word));
    }
    if (client->redirect_uris.at == NULL)
        client->redirect_uris = STR("");
    return ERR_OK;
}

/* A program that cannot keep a secret, on a phone or in a page, has none. */
static enum error_code MUST_USE
read_type(struct cli *cli, struct client *client, struct error *err)
{
    const char *type = cli_value(cli, "type");

    if (type == NULL || strcmp(type, "CONFIDENTIAL") == 0)
        return ERR_OK;
    if (strcmp(type, "PUBLIC") != 0)
        return cli_wrong(cli, err, "--type is PUBLIC or CONFIDENTIAL");
    if (list_has(client->grants, GRANT_CLIENT_CREDENTIALS))
        return cli_wrong(cli, err,
                         "a PUBLIC client cannot have CLIENT_CREDENTIALS");
    client->has_secret = false;
    return ERR_OK;
}

enum error_code
cmd_client_create(struct cli *cli, struct error *err)
{
    struct job job = {.cli = cli, .client = {.kind = CLIENT_API}};
    enum error_code rc;

    rc = cli_text(cli, "name", 1, NAME_MAX_CHARS, NULL, &job.client.name, err);
    if (rc == ERR_OK)
        rc = read_grants(cli, &job.client, err);
    if (rc == ERR_OK)
        rc = read_client(&job, CLIENT_SECONDS, err);
    if (rc == ERR_OK)
        rc = read_type(cli, &job.client, err);
    if (rc == ERR_OK)
        rc = view_write(cli, client_create, &job, err);
    secret_wipe(job.secret, sizeof(job.secret));
    return rc;
}

static bool
list_client(void *context, const struct client *client)
{
    struct view_each *each = context;

    each->rc = view_client(each->cli, each->tx, client, NULL, each->err);
    return view_more(each);
}

static enum error_code
list_tokens(struct view_each *each, struct arena *scratch, struct error *err)
{
    return client_each(each->tx, CLIENT_PAT, scratch, list_client, each, err);
}

static enum error_code
list_clients(struct view_each *each, struct arena *scratch, struct error *err)
{
    return client_each(each->tx, CLIENT_API, scratch, list_client, each, err);
}

enum error_code
cmd_token_list(struct cli *cli, struct error *err)
{
    return view_run(cli, list_tokens, err);
}

enum error_code
cmd_client_list(struct cli *cli, struct error *err)
{
    return view_run(cli, list_clients, err);
}

static enum error_code
client_drop(struct db_tx *tx, void *context, struct error *err)
{
    struct job *job = context;
    struct client *client = &job->client;
    bool token = client->kind == CLIENT_PAT;
    enum error_code rc = client_delete(tx, client->kind, &client->id, err);

    if (rc == ERR_NOT_FOUND)
        return error_set(err, rc, "there is no %s \"%s\"",
                         token ? "personal access token" : "API client",
                         job->cli->argument);
    if (rc == ERR_OK)
        rc = cli_audit(
            tx, token ? "PERSONAL_ACCESS_TOKEN_DELETED" : "API_CLIENT_DELETED",
            &client->id, 0, err);
    return rc;
}

enum error_code
cmd_token_delete(struct cli *cli, struct error *err)
{
    struct job job = {.cli = cli, .client = {.kind = CLIENT_PAT}};
    enum error_code rc = cli_id(cli->argument, "personal access token",
                                &job.client.id, err);

    return rc == ERR_OK ? view_write(cli, client_drop, &job, err) : rc;
}

enum error_code
cmd_client_delete(struct cli *cli, struct error *err)
{
    struct job job = {.cli = cli, .client = {.kind = CLIENT_API}};
    enum error_code rc = cli_id(cli->argument, "API client", &job.client.id,
                                err);

    return rc == ERR_OK ? view_write(cli, client_drop, &job, err) : rc;
}

/* --- audit ------------------------------------------------------------- */

static bool
list_event(void *context, const struct audit_row *row)
{
    CLEANUP(views_done) struct views views;
    struct view_each *each = context;

    views_init(&views, each->tx, &each->cli->out);
    views.json = each->cli->json;
    each->rc = views_audit(&views, row, each->err);
    each->cli->json = views.json;
    return view_more(each);
}

static enum error_code
list_events(struct view_each *each, struct arena *scratch, struct error *err)
{
    struct cli *cli = each->cli;
    struct str text = str_of(cli_value(cli, "filters"));
    struct filter *filter = NULL;
    struct list_query list = {.limit = 0};
    uint64_t limit = 0, offset = 0;
    enum error_code rc = ERR_OK;

    if (text.at != NULL)
        rc = filter_parse(text, &cli->arena, &filter, err);
    if (rc == ERR_OK)
        rc = cli_number(cli, "limit", 0, INT64_MAX, INT64_MAX, &limit, err);
    if (rc == ERR_OK)
        rc = cli_number(cli, "offset", 0, INT64_MAX, 0, &offset, err);
    if (rc != ERR_OK)
        return rc;
    list.filter = filter;
    list.limit = (int64_t)limit;
    list.offset = (int64_t)offset;
    return audit_list(each->tx, &list, scratch, list_event, each, err);
}

enum error_code
cmd_audit_list(struct cli *cli, struct error *err)
{
    return view_run(cli, list_events, err);
}

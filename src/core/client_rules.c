#include "core/client_rules.h"

#include <stdio.h>

#include "auth/authorize.h"
#include "base/utf8.h"
#include "core/members.h"
#include "fmt/json_patch.h"
#include "fmt/redirect_uri.h"
#include "store/audit_store.h"

#define NAME_CHARS 128
#define LONG_CHARS 4000
#define TOKENS_PER_IDENTITY 10 /* contract 17 */
#define ROW_BYTES ((size_t)1024 * 1024)

/* Lives of access and refresh tokens, in seconds. */
#define LIFE_MIN 15
#define LIFE_MAX CLIENT_TOKEN_SECONDS_MAX
#define REFRESH_MAX 31536000

/* Six months are 181 to 184 days. */
#define DAY_MS INT64_C(86400000)
#define TOKEN_LIFE_MS (181 * DAY_MS)
#define TOKEN_LIFE_MAX_MS (184 * DAY_MS)

#define REDIRECTS_MAX 50
#define HOMEPAGE_BYTES 2048

static const char *const grant_names[] = {
    GRANT_CLIENT_CREDENTIALS, GRANT_AUTHORIZATION_CODE, GRANT_REFRESH_TOKEN};

/* --- members that members.h does not know ----------------------------------
 */

static int64_t
read_number(struct members *members, const char *name, bool required,
            int64_t least, int64_t most, int64_t fallback)
{
    const json_t *value = json_object_get(members->object, name);

    if (value == NULL || json_is_null(value)) {
        if (required)
            members_missing(members, name);
        return fallback;
    }
    if (!json_is_integer(value) || json_integer_value(value) < least ||
        json_integer_value(value) > most)
        members_illegal(members, name);
    return json_integer_value(value);
}

static bool
read_choice(struct members *members, const char *name, bool required,
            const char *fallback, const char *other)
{
    struct str text = members_text(
        members, name, required ? MEMBER_REQUIRED : 0, 1, NAME_CHARS);

    if (text.at == NULL || str_eq(text, str_of(fallback)))
        return false;
    if (!str_eq(text, str_of(other)))
        members_illegal(members, name);
    return true;
}

typedef bool text_check(struct str text);

/* An array of texts as one, joined by `separator`; `at` NULL when it is absent
 * or null. */
static struct str
read_texts(struct members *members, const char *name, bool required,
           text_check *check, char separator, size_t max_bytes,
           struct arena *arena)
{
    const json_t *list = json_object_get(members->object, name);
    CLEANUP(buf_done) struct buf joined;
    struct str none = {NULL, 0};

    buf_init(&joined, max_bytes);
    if (list == NULL || json_is_null(list)) {
        if (required)
            members_missing(members, name);
        return none;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct str text = json_text(json_array_get(list, i));

        if (text.at == NULL || !check(text)) {
            members_illegal(members, name);
            return none;
        }
        if (i > 0)
            buf_char(&joined, separator);
        buf_str(&joined, text);
    }
    if (!json_is_array(list) || joined.failed) {
        members_illegal(members, name);
        return none;
    }
    return arena_str(arena, joined.len ? buf_view(&joined) : STR(""));
}

static bool
is_scope(struct str text)
{
    struct str ignored;

    return text.len > 0 && memchr(text.at, ' ', text.len) == NULL &&
           scopes_narrow((struct str){NULL, 0}, text, &ignored, &ignored);
}

static bool
is_grant(struct str text)
{
    for (size_t i = 0; i < COUNT(grant_names); i++)
        if (str_eq(text, str_of(grant_names[i])))
            return true;
    return false;
}

static void
read_scope(struct members *members, struct arena *arena, struct client *client)
{
    client->scopes = read_texts(members, "scope", false, is_scope, ' ',
                                SCOPES_MAX, arena);
    if (client->scopes.at != NULL && client->scopes.len == 0)
        members_illegal(members, "scope");
}

static void
read_token(struct members *members, struct arena *arena, struct client *client)
{
    client->name = members_text(members, "name", MEMBER_REQUIRED, 1,
                                NAME_CHARS);
    read_scope(members, arena, client);
}

static void
read_client(struct members *members, struct arena *arena, struct client *client)
{
    client->name = members_text(members, "name", MEMBER_REQUIRED, 1,
                                NAME_CHARS);
    client->token_seconds = read_number(members, "accessTokenValiditySeconds",
                                        true, LIFE_MIN, LIFE_MAX, 0);
    client->refresh_seconds = read_number(
        members, "refreshTokenValiditySeconds", false, LIFE_MIN, REFRESH_MAX,
        CLIENT_REFRESH_SECONDS);
    client->grants = read_texts(members, "grantTypes", true, is_grant, ' ',
                                NAME_CHARS, arena);
    client->redirect_uris = read_texts(
        members, "redirectUris", false, redirect_uri_valid, '\n',
        REDIRECTS_MAX * (REDIRECT_URI_BYTES + 1), arena);
    client->online = read_choice(members, "accessType", true, "OFFLINE",
                                 "ONLINE");
    client->business_name = members_text(members, "businessName", 0, 0,
                                         NAME_CHARS);
    client->homepage_url = members_text(members, "homepageUrl", 0, 0,
                                        HOMEPAGE_BYTES);
    client->description = members_text(members, "description", MEMBER_LINES, 0,
                                       LONG_CHARS);
    const json_t *enabled = json_object_get(members->object, "enabled");

    if (enabled == NULL || json_is_null(enabled))
        members_missing(members, "enabled");
    client->disabled = !members_bool(members, "enabled", true);
    read_scope(members, arena, client);
    if (client->redirect_uris.at == NULL)
        client->redirect_uris = STR("");
    if (client->grants.at != NULL && client->grants.len == 0)
        members_illegal(members, "grantTypes");
    /* The console goes back to where it came from. */
    if (list_has(client->grants, GRANT_AUTHORIZATION_CODE) &&
        json_array_size(json_object_get(members->object, "redirectUris")) ==
            0 &&
        !uuid_eq(&client->id, &authorize_console_id))
        members_missing(members, "redirectUris");
    /* Who has no secret cannot show that it is itself. */
    if (!client->has_secret &&
        list_has(client->grants, GRANT_CLIENT_CREDENTIALS))
        members_illegal(members, "grantTypes");
}

/* --- both kinds --------------------------------------------------------------
 */

static const char *
event_name(enum client_kind kind, const char *token_event,
           const char *client_event)
{
    return kind == CLIENT_PAT ? token_event : client_event;
}

static enum error_code
note(struct db_tx *tx, const char *event, const struct uuid *id,
     const struct actor *actor, const char *detail, struct error *err)
{
    const struct audit_event entry = {.event = event,
                                      .actor = *actor,
                                      .has_object = true,
                                      .object_id = *id,
                                      .detail = str_of(detail)};

    return audit_add(tx, &entry, err);
}

/* The texts that still point into a JSON document. */
static enum error_code
keep(struct arena *arena, struct client *client, struct error *err)
{
    struct str *texts[] = {&client->name, &client->business_name,
                           &client->homepage_url, &client->description};

    for (size_t i = 0; i < COUNT(texts); i++)
        if (texts[i]->at != NULL)
            *texts[i] = arena_str(arena, *texts[i]);
    return arena->failed ? error_busy(err, "no memory for a client") : ERR_OK;
}

static enum error_code
insert(struct db_tx *tx, const char *event, const struct actor *actor,
       struct arena *arena, struct client *client, char secret[SECRET_TEXT],
       struct error *err)
{
    enum error_code rc = keep(arena, client, err);

    secret[0] = '\0';
    if (client->has_secret)
        secret_create(secret, client->secret_sha256);
    if (rc == ERR_OK)
        rc = client_insert(tx, client, err);
    if (rc == ERR_OK)
        rc = note(tx, event, &client->id, actor, "", err);
    return rc;
}

enum error_code
client_rules_delete(struct db_tx *tx, enum client_kind kind,
                    const struct uuid *id, const struct actor *actor,
                    struct error *err)
{
    enum error_code rc = client_delete(tx, kind, id, err);

    if (rc == ERR_OK)
        rc = note(tx,
                  event_name(kind, "PERSONAL_ACCESS_TOKEN_DELETED",
                             "API_CLIENT_DELETED"),
                  id, actor, "", err);
    return rc;
}

/* --- creating ----------------------------------------------------------------
 */

/* The other tokens of an owner. */
struct census {
    const struct client *wanted;
    unsigned count;
    bool taken; /* the name */
};

static bool
count_token(void *context, const struct client *client)
{
    struct census *census = context;

    if (!uuid_eq(&client->id, &census->wanted->id)) {
        census->count++;
        census->taken = census->taken ||
                        str_eq(client->name, census->wanted->name);
    }
    return true;
}

static enum error_code
take_census(struct db_tx *tx, const struct client *client,
            struct census *census, struct error *err)
{
    CLEANUP(arena_done) struct arena scratch;

    arena_init(&scratch, ROW_BYTES);
    *census = (struct census){.wanted = client};
    return client_each_of(tx, &client->identity_id, &scratch, count_token,
                          census, err);
}

static enum error_code
taken(const struct client *client, struct error *err)
{
    return error_set(err, ERR_CONFLICT,
                     "Unable to save the personal access token because the "
                     "name \"%.*s\" is already being used.",
                     STR_ARG(client->name));
}

static int64_t
read_end(struct members *members, int64_t now_ms)
{
    struct str text = members_text(members, "expirationDate", 0, 1, NAME_CHARS);
    struct moment end = {.ms = now_ms + TOKEN_LIFE_MS};

    if (text.at != NULL && (!moment_parse(text, &end) || end.ms <= now_ms ||
                            end.ms > now_ms + TOKEN_LIFE_MAX_MS))
        members_illegal(members, "expirationDate");
    return end.ms;
}

enum error_code
token_rules_create(struct db_tx *tx, const json_t *body,
                   const struct uuid *owner, const struct actor *actor,
                   struct arena *arena, struct client *ret,
                   char secret[SECRET_TEXT], struct error *err)
{
    struct members members;
    struct census census;
    enum error_code rc;

    *ret = (struct client){.kind = CLIENT_PAT,
                           .has_secret = true,
                           .has_identity = true,
                           .identity_id = *owner,
                           .grants = STR(GRANT_CLIENT_CREDENTIALS),
                           .redirect_uris = STR("")};
    members_init(&members, body);
    read_token(&members, arena, ret);
    ret->token_seconds = read_number(&members, "accessTokenValiditySeconds",
                                     false, LIFE_MIN, LIFE_MAX, LIFE_MAX);
    ret->expires_ms = read_end(&members, clock_now_ms());
    rc = take_census(tx, ret, &census, err);
    if (rc != ERR_OK)
        return rc;
    if (census.count >= TOKENS_PER_IDENTITY)
        members_limit(&members, TOKENS_PER_IDENTITY, "personal access tokens");
    rc = members_finish(&members, err);
    if (rc == ERR_OK && census.taken)
        rc = taken(ret, err);
    if (rc == ERR_OK)
        rc = insert(tx, "PERSONAL_ACCESS_TOKEN_CREATED", actor, arena, ret,
                    secret, err);
    return rc;
}

enum error_code
client_rules_create(struct db_tx *tx, const json_t *body,
                    const struct actor *actor, struct arena *arena,
                    struct client *ret, char secret[SECRET_TEXT],
                    struct error *err)
{
    struct members members;
    enum error_code rc;

    *ret = (struct client){.kind = CLIENT_API};
    members_init(&members, body);
    ret->has_secret = !read_choice(&members, "type", false, "CONFIDENTIAL",
                                   "PUBLIC");
    read_client(&members, arena, ret);
    rc = members_finish(&members, err);
    if (rc == ERR_OK)
        rc = insert(tx, "API_CLIENT_CREATED", actor, arena, ret, secret, err);
    return rc;
}

/* --- patching ----------------------------------------------------------------
 */

static const char *const token_paths[] = {"name", "scope", NULL};
static const char *const client_paths[] = {"businessName",
                                           "homepageUrl",
                                           "name",
                                           "description",
                                           "accessTokenValiditySeconds",
                                           "refreshTokenValiditySeconds",
                                           "redirectUris",
                                           "grantTypes",
                                           "accessType",
                                           "enabled",
                                           "scope",
                                           NULL};

/* The member itself or an element of it. */
static enum error_code
path_allowed(void *context, struct str path, struct error *err)
{
    const char *const *names = *(const char *const *const *)context;
    struct str rest = path.len > 0 ? str_n(path.at + 1, path.len - 1) : path;
    struct str name = str_cut(&rest, '/');

    for (; *names != NULL; names++)
        if (str_eq(name, str_of(*names)))
            return ERR_OK;
    return error_set(err, ERR_READ_ONLY, "Field \"%.*s\" cannot be changed.",
                     (int)MIN(path.len, (size_t)256), path.at);
}

static json_t *
text_or_null(struct str text)
{
    return text.at ? json_stringn(text.at, text.len) : json_null();
}

static json_t *
text_array(struct str list, char separator)
{
    json_t *array = json_array();

    while (list.len > 0) {
        struct str word = str_cut(&list, separator);

        json_array_append_new(array, json_stringn(word.at, word.len));
    }
    return array;
}

/* The client as the document that a patch works on. */
static json_t *
document_of(const struct client *client)
{
    json_t *document = json_object();

    json_object_set_new(document, "name", text_or_null(client->name));
    json_object_set_new(document, "scope",
                        client->scopes.at ? text_array(client->scopes, ' ')
                                          : json_null());
    if (client->kind == CLIENT_PAT)
        return document;
    json_object_set_new(document, "businessName",
                        text_or_null(client->business_name));
    json_object_set_new(document, "homepageUrl",
                        text_or_null(client->homepage_url));
    json_object_set_new(document, "description",
                        text_or_null(client->description));
    json_object_set_new(document, "accessTokenValiditySeconds",
                        json_integer(client->token_seconds));
    json_object_set_new(document, "refreshTokenValiditySeconds",
                        json_integer(client->refresh_seconds));
    json_object_set_new(document, "redirectUris",
                        text_array(client->redirect_uris, '\n'));
    json_object_set_new(document, "grantTypes",
                        text_array(client->grants, ' '));
    json_object_set_new(document, "accessType",
                        json_string(client->online ? "ONLINE" : "OFFLINE"));
    json_object_set_new(document, "enabled", json_boolean(!client->disabled));
    return document;
}

/* The names of what changed, for the audit. */
static void
changed_names(const json_t *old, const json_t *now, const char *const *names,
              char *to, size_t size)
{
    size_t len = 0;

    to[0] = '\0';
    for (; *names != NULL; names++)
        if (len < size && !json_equal(json_object_get(old, *names),
                                      json_object_get(now, *names)))
            len += (size_t)snprintf(to + len, size - len, "%s%s",
                                    len > 0 ? " " : "", *names);
}

static enum error_code
apply(struct db_tx *tx, const json_t *document, const char *changes,
      const struct actor *actor, struct arena *arena, struct client *client,
      struct error *err)
{
    bool token = client->kind == CLIENT_PAT;
    struct census census = {.taken = false};
    struct members members;
    enum error_code rc;

    members_init(&members, document);
    if (token)
        read_token(&members, arena, client);
    else
        read_client(&members, arena, client);
    rc = members_finish(&members, err);
    if (rc == ERR_OK && token)
        rc = take_census(tx, client, &census, err);
    if (rc == ERR_OK && census.taken)
        rc = taken(client, err);
    if (rc == ERR_OK)
        rc = keep(arena, client, err);
    if (rc != ERR_OK || changes[0] == '\0')
        return rc;
    rc = client_update(tx, client, err);
    if (rc == ERR_OK)
        rc = note(tx,
                  event_name(client->kind, "PERSONAL_ACCESS_TOKEN_UPDATED",
                             "API_CLIENT_UPDATED"),
                  &client->id, actor, changes, err);
    return rc;
}

enum error_code
client_rules_patch(struct db_tx *tx, enum client_kind kind,
                   const struct uuid *id, const json_t *patch,
                   const struct actor *actor, struct arena *arena,
                   struct client *ret, struct error *err)
{
    const char *const *names = kind == CLIENT_PAT ? token_paths : client_paths;
    json_t *document, *old;
    char changes[256];
    enum error_code rc = client_by_id(tx, id, arena, ret, err);

    if (rc == ERR_OK && ret->kind != kind)
        return error_set(err, ERR_NOT_FOUND, NULL);
    if (rc != ERR_OK)
        return rc;
    document = document_of(ret);
    old = json_deep_copy(document);
    rc = json_patch_apply(&document, patch, path_allowed, &names, err);
    changed_names(old, document, names, changes, sizeof(changes));
    if (rc == ERR_OK)
        rc = apply(tx, document, changes, actor, arena, ret, err);
    json_decref(old);
    json_decref(document);
    return rc;
}

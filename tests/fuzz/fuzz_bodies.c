/*
 * A letter that says what of, then the JSON body that makes it, LF, and a JSON
 * Patch of it; all in one transaction that is undone. "@" is the id of a source
 * or a person that there is.
 *
 * No body is an internal fault. What was made stays as it is under an empty
 * patch, and so does what was patched: both are checked as if anew, so neither
 * can have let in what the other refuses.
 */
#include <inttypes.h>

#include "core/client_rules.h"
#include "core/fixture.h"
#include "core/members.h"
#include "core/record_rules.h"
#include "core/source_rules.h"
#include "fmt/json_read.h"
#include "fuzz.h"
#include "store/identity_store.h"

static struct fixture fixture;
static struct identity person;
static char person_id[UUID_TEXT], source_id[UUID_TEXT];

/* One object in the making. */
struct making {
    char kind;
    json_t *body, *patch;
    struct db_tx *tx;
    struct arena arena;
    struct error err;
    struct uuid id;
    struct buf shown; /* what it is */
};

static void
show(struct making *making, struct str text)
{
    buf_printf(&making->shown, "%d %zu ", text.at != NULL, text.len);
    buf_str(&making->shown, text);
}

static void
show_number(struct making *making, int64_t number)
{
    buf_printf(&making->shown, "%" PRId64 " ", number);
}

static struct record_rules
rules(void)
{
    return (struct record_rules){.check_managers = true};
}

/* Make it, or with `patch` change it, and show it. */
static enum error_code
record_step(struct making *making, const json_t *patch)
{
    const struct record_rules with = rules();
    struct record record;
    enum error_code rc = patch == NULL
                             ? record_rules_create(making->tx, making->body,
                                                   &with, &making->arena,
                                                   &record, &making->err)
                             : record_rules_patch(making->tx, &making->id,
                                                  patch, &with, &making->arena,
                                                  &record, &making->err);

    if (rc != ERR_OK)
        return rc;
    making->id = record.id;
    for (size_t i = 0; i < FIELD_TEXTS; i++)
        show(making, record.text[i]);
    show(making, record.custom);
    show_number(making, record.start.ms);
    show_number(making, record.end.ms);
    return ERR_OK;
}

static enum error_code
source_step(struct making *making, const json_t *patch)
{
    const struct actor actor = {.known = false};
    struct source source;
    enum error_code rc = patch == NULL
                             ? source_rules_create(making->tx, making->body, 0,
                                                   &actor, &making->arena,
                                                   &source, &making->err)
                             : source_rules_patch(making->tx, &making->id,
                                                  patch, &actor, &making->arena,
                                                  &source, &making->err);

    if (rc != ERR_OK)
        return rc;
    making->id = source.id;
    show(making, source.name);
    show(making, source.description);
    show(making, source.workgroup);
    return ERR_OK;
}

static enum error_code
attribute_step(struct making *making, const json_t *patch)
{
    const struct actor actor = {.known = false};
    struct attribute attribute;
    enum error_code rc =
        patch == NULL
            ? schema_rules_create(making->tx, &fixture.source.id, making->body,
                                  &actor, &making->arena, &attribute,
                                  &making->err)
            : schema_rules_patch(making->tx, &fixture.source.id, &making->id,
                                 patch, &actor, &making->arena, &attribute,
                                 &making->err);

    if (rc != ERR_OK)
        return rc;
    making->id = attribute.id;
    show(making, attribute.label);
    show(making, attribute.technical_name);
    show(making, attribute.help_text);
    show(making, attribute.placeholder);
    show_number(making, attribute.required);
    return ERR_OK;
}

static enum error_code
client_step(struct making *making, const json_t *patch)
{
    const struct actor actor = {.known = false};
    char secret[SECRET_TEXT];
    struct client client;
    enum error_code rc;

    if (patch != NULL)
        rc = client_rules_patch(
            making->tx, making->kind == 'c' ? CLIENT_API : CLIENT_PAT,
            &making->id, patch, &actor, &making->arena, &client, &making->err);
    else if (making->kind == 'c')
        rc = client_rules_create(making->tx, making->body, &actor,
                                 &making->arena, &client, secret, &making->err);
    else
        rc = token_rules_create(making->tx, making->body, &person.id, &actor,
                                &making->arena, &client, secret, &making->err);
    if (rc != ERR_OK)
        return rc;
    making->id = client.id;
    show(making, client.name);
    show(making, client.scopes);
    show(making, client.grants);
    show(making, client.redirect_uris);
    show(making, client.business_name);
    show(making, client.homepage_url);
    show(making, client.description);
    show_number(making, client.online + 2 * client.disabled);
    show_number(making, client.token_seconds);
    show_number(making, client.refresh_seconds);
    show_number(making, client.expires_ms);
    return ERR_OK;
}

static enum error_code
step(struct making *making, const json_t *patch)
{
    enum error_code rc;

    buf_clear(&making->shown);
    switch (making->kind) {
    case 'r':
        rc = record_step(making, patch);
        break;
    case 's':
        rc = source_step(making, patch);
        break;
    case 'a':
        rc = attribute_step(making, patch);
        break;
    default:
        rc = client_step(making, patch);
        break;
    }
    FUZZ_CHECK(rc != ERR_INTERNAL && rc != ERR_NOT_FOUND && rc != ERR_END);
    FUZZ_CHECK(rc == ERR_OK || rc == making->err.code);
    FUZZ_CHECK(!making->shown.failed);
    return rc;
}

/* An empty patch must change nothing. */
static void
check_stays(struct making *making)
{
    json_t *nothing = json_array();
    CLEANUP(buf_done) struct buf before;

    buf_init(&before, 1 << 24);
    buf_str(&before, buf_view(&making->shown));
    FUZZ_CHECK(step(making, nothing) == ERR_OK);
    FUZZ_CHECK(str_eq(buf_view(&before), buf_view(&making->shown)));
    json_decref(nothing);
}

static enum error_code
work(struct db_tx *tx, void *context, struct error *err)
{
    struct making *making = context;

    making->tx = tx;
    if (step(making, NULL) == ERR_OK) {
        check_stays(making);
        if (making->patch != NULL && step(making, making->patch) == ERR_OK)
            check_stays(making);
    }
    return error_set(err, ERR_CONFLICT, "undone");
}

/* "@" becomes an id that there is. */
static void
fill_in(json_t *value, const char *name)
{
    const char *key;
    json_t *item;
    size_t i;

    if (json_is_string(value) && str_eq(json_text(value), STR("@")))
        json_string_set(value, name != NULL && strcmp(name, "sourceId") == 0
                                   ? source_id
                                   : person_id);
    json_object_foreach(value, key, item)
        fill_in(item, strcmp(key, "id") == 0 ? name : key);
    json_array_foreach(value, i, item) fill_in(item, name);
}

static json_t *
read_body(struct str text)
{
    json_t *value = NULL;

    if (json_read(text, &value, NULL) != ERR_OK)
        return NULL;
    fill_in(value, NULL);
    return value;
}

static enum error_code
make_person(struct db_tx *tx, void *context, struct error *err)
{
    (void)context;
    person = (struct identity){.alias = STR("boss"),
                               .name = STR("Ann Boss"),
                               .email = STR("a@b.c"),
                               .levels = STR("")};
    return identity_insert(tx, &person, err);
}

static void
remove_fixture(void)
{
    fixture_done(&fixture);
}

static void
set_up(void)
{
    unsigned char ignored[32];

    if (fixture.db != NULL)
        return;
    /* libcrypto must not begin in a thread that ends: it would leak. */
    secret_hash(STR(""), ignored);
    fixture_init(&fixture);
    fixture_attribute(&fixture, &fixture.source, "badge");
    FUZZ_CHECK(db_write(fixture.db, make_person, NULL, NULL) == ERR_OK);
    uuid_dashed(&person.id, person_id);
    uuid_dashed(&fixture.source.id, source_id);
    atexit(remove_fixture);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct making making = {.patch = NULL};

    if (size == 0)
        return 0;
    set_up();
    struct str patch = str_n((const char *)data + 1, size - 1);
    struct str body = str_cut(&patch, '\n');

    making.kind = (char)data[0];
    making.body = read_body(body);
    if (making.body == NULL)
        return 0;
    if (patch.at != NULL)
        making.patch = read_body(patch);
    arena_init(&making.arena, (size_t)1 << 22);
    buf_init(&making.shown, 1 << 24);
    FUZZ_CHECK(db_write(fixture.db, work, &making, NULL) == ERR_CONFLICT);
    buf_done(&making.shown);
    arena_done(&making.arena);
    json_decref(making.patch);
    json_decref(making.body);
    return 0;
}

/* Sources, identities, clients and the statements themselves. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "store/audit_store.h"
#include "store/auth_store.h"
#include "store/fixture.h"
#include "store/identity_store.h"
#include "store/source_store.h"
#include "store/stmt.h"

/* ---- statements ------------------------------------------------------- */

/* Statements that are meant to walk over a whole table. */
static bool
reads_everything(enum stmt statement)
{
    if (strncmp(stmt_list[statement].name, "check_", 6) == 0)
        return true;
    switch (statement) {
    case STMT_SOURCE_ALL:
    case STMT_SOURCE_COUNT:
    case STMT_IDENTITY_ALL:
    case STMT_WORKGROUP_ALL:
    case STMT_CLIENT_ALL:
    case STMT_JOB_STATUSES:           /* for metrics, from the index alone */
    case STMT_CLIENT_LONGEST_REFRESH: /* when keys rotate */
    case STMT_SIGNING_KEY_ALL:        /* a table of a few rows */
    case STMT_SIGNING_KEY_RETIRE:
    case STMT_SIGNING_KEY_SWEEP:
    case STMT_NODE_SWEEP:
    case STMT_UPLOAD_FILE_SWEEP:
    case STMT_CHAIN_EACH:
    case STMT_CHAIN_AUDIT:
    case STMT_CHAIN_SOURCE_NUMBERS:
    case STMT_FIND_ADD:       /* sorts what it adds */
    case STMT_FIND_BEHIND:    /* a row for each source */
    case STMT_FIND_PAGE:      /* one page, found by the index */
    case STMT_FIND_PAGE_DOWN: /* and these sort what has the same word */
    case STMT_FIND_ROWS_DOWN:
    case STMT_RECORD_BLOCKS: /* the numbers of blocks; by key then */
        return true;
    default:
        return false;
    }
}

static void
assert_searches(sqlite3 *handle, const struct db_statement *statement)
{
    char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", statement->sql);
    sqlite3_stmt *plan = NULL;

    assert_int_equal(sqlite3_prepare_v2(handle, explain, -1, &plan, NULL),
                     SQLITE_OK);
    while (sqlite3_step(plan) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(plan, 3);

        if (strncmp(step, "SCAN", 4) == 0 || strstr(step, "TEMP B-TREE"))
            fail_msg("%s: %s", statement->name, step);
    }
    sqlite3_finalize(plan);
    sqlite3_free(explain);
}

/* What the driver adds to SQLite is only looked up here. */
static void
no_sha256(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    sqlite3_result_value(context, values[0]);
}

static void
statements_prepare_and_search_by_an_index(void **state)
{
    FIXTURE f;
    sqlite3 *handle = NULL;

    (void)state;
    fixture_init(&f);
    assert_int_equal(sqlite3_open(scratch_path(&f.scratch), &handle),
                     SQLITE_OK);
    sqlite3_create_function(handle, "sha256", 1, SQLITE_UTF8, NULL, no_sha256,
                            NULL, NULL);
    for (unsigned i = 0; i < STMT_COUNT; i++) {
        sqlite3_stmt *stmt = NULL;

        if (sqlite3_prepare_v2(handle, stmt_list[i].sql, -1, &stmt, NULL) !=
            SQLITE_OK)
            fail_msg("%s: %s", stmt_list[i].name, sqlite3_errmsg(handle));
        if (!sqlite3_stmt_readonly(stmt) != stmt_list[i].writes)
            fail_msg("%s: has the wrong role", stmt_list[i].name);
        sqlite3_finalize(stmt);
        if (!reads_everything(i))
            assert_searches(handle, &stmt_list[i]);
    }
    sqlite3_close(handle);
}

/* ---- sources ---------------------------------------------------------- */

static enum error_code
insert_source(struct db_tx *tx, void *context, struct error *err)
{
    return source_insert(tx, context, err);
}

static void
source_is_found_by_either_id(void **state)
{
    FIXTURE f;
    struct source plain = {.name = STR("Retail"), .description = STR("d")};
    struct source full = {.name = STR("Bank"),
                          .description = STR(""),
                          .workgroup = STR("123299")};
    struct source found;
    struct source_mark mark;
    struct uuid given = uuid_mint();

    (void)state;
    fixture_init(&f);
    full.id = given;
    fixture_write(&f, insert_source, &plain);
    fixture_write(&f, insert_source, &full);
    assert_true(uuid_eq(&full.id, &given));
    assert_true(full.number == plain.number + 1);

    const struct uuid *const ids[] = {&full.id, &full.source_id};

    for (size_t i = 0; i < COUNT(ids); i++) {
        fixture_check(&f, source_find(fixture_read(&f), ids[i], &f.arena,
                                      &found, &f.err));
        assert_true(found.number == full.number);
        assert_true(uuid_eq(&found.id, &full.id));
        assert_true(uuid_eq(&found.source_id, &full.source_id));
        assert_true(str_eq(found.name, STR("Bank")));
        assert_true(str_eq(found.workgroup, STR("123299")));
        assert_false(found.has_owner);
        assert_true(found.revision == full.revision);
        assert_true(found.next_row == 1);
        assert_true(found.next_column == SCHEMA_FIRST_CUSTOM);
        fixture_check(&f, source_mark(f.read, ids[i], &mark, &f.err));
        assert_true(mark.number == full.number &&
                    mark.revision == full.revision &&
                    mark.changed_ms == full.changed_ms);
        assert_true(uuid_eq(&mark.id, &full.id));
    }
    fixture_check(
        &f, source_find(f.read, &plain.source_id, &f.arena, &found, &f.err));
    assert_null(found.workgroup.at);
    given = uuid_mint();
    assert_int_equal(source_mark(f.read, &given, &mark, &f.err), ERR_NOT_FOUND);
    assert_int_equal(source_find(f.read, &given, &f.arena, &found, &f.err),
                     ERR_NOT_FOUND);
}

static void
source_name_is_unique_ignoring_case(void **state)
{
    FIXTURE f;
    struct source one = {.name = STR("\xc3\x89t\xc3\xa9"),
                         .description = STR("")};
    struct source two = {.name = STR("\xc3\xa9T\xc3\x89"),
                         .description = STR("")};
    int64_t count = 0;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, insert_source, &one);
    assert_int_equal(db_write(f.db, insert_source, &two, &f.err), ERR_CONFLICT);
    assert_string_equal(f.err.text,
                        "Unable to create Non-Employee Source because the "
                        "name \"\xc3\xa9T\xc3\x89\" is already being used.");
    fixture_check(&f, source_count(fixture_read(&f), &count, &f.err));
    assert_true(count == 1);
}

static bool
put_name(void *context, const struct source *source)
{
    struct buf *to = context;

    buf_str(to, source->name);
    buf_char(to, ' ');
    return !str_eq(source->name, STR("m"));
}

static void
source_each_goes_in_the_order_of_creation_until_told(void **state)
{
    static const char *const names[] = {"z", "a", "m", "never"};
    FIXTURE f;
    CLEANUP(buf_done) struct buf text;

    (void)state;
    fixture_init(&f);
    buf_init(&text, 100);
    for (size_t i = 0; i < COUNT(names); i++) {
        struct source source = {.name = str_of(names[i]),
                                .description = STR("")};

        fixture_write(&f, insert_source, &source);
    }
    fixture_check(
        &f, source_each(fixture_read(&f), &f.arena, put_name, &text, &f.err));
    assert_string_equal(text.data, "z a m ");
}

struct new_attribute {
    int64_t source;
    struct attribute attribute;
};

static enum error_code
insert_attribute(struct db_tx *tx, void *context, struct error *err)
{
    struct new_attribute *new = context;

    return schema_insert(tx, new->source, &new->attribute, err);
}

static void
schema_has_the_built_in_columns_first(void **state)
{
    static const char *const want[] = {
        "accountName", "firstName", "lastName", "phone",    "email",
        "manager",     "startDate", "endDate",  "costCode", "badge"};
    FIXTURE f;
    struct source source = {.name = STR("S"), .description = STR("")};
    struct new_attribute new;
    struct attribute list[SCHEMA_MAX];
    struct source_mark mark;
    size_t count = 0;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, insert_source, &source);
    for (int i = FIELD_COUNT; i < (int)COUNT(want); i++) {
        new = (struct new_attribute){
            .source = source.number,
            .attribute = {.type = STR("TEXT"),
                          .label = STR("L"),
                          .technical_name = str_of(want[i]),
                          .help_text = STR("h"),
                          .placeholder = STR("p"),
                          .required = i % 2 == 0}};
        fixture_write(&f, insert_attribute, &new);
        assert_true(new.attribute.number == i + 1);
    }
    fixture_check(&f, source_mark(fixture_read(&f), &source.id, &mark, &f.err));
    assert_true(mark.revision == source.revision + 2);

    fixture_check(
        &f, schema_list(f.read, source.number, &f.arena, list, &count, &f.err));
    assert_int_equal(count, COUNT(want));
    for (size_t i = 0; i < count; i++) {
        bool system = i < FIELD_COUNT;

        assert_true(str_eq(list[i].technical_name, str_of(want[i])));
        assert_true(list[i].number == (int64_t)i + 1);
        assert_true(list[i].system == system);
        assert_true(list[i].required == (system || i % 2 == 0));
        assert_true(list[i].label.len > 0 && list[i].help_text.len > 0);
    }
    assert_true(str_eq(list[FIELD_MANAGER].type, STR("IDENTITY")));
    assert_true(str_eq(list[FIELD_END_DATE].type, STR("DATE")));

    new.attribute.technical_name = STR("FIRSTname");
    assert_int_equal(db_write(f.db, insert_attribute, &new, &f.err),
                     ERR_CONFLICT);
    assert_string_equal(f.err.text,
                        "Unable to create schema attribute because the "
                        "technicalName \"FIRSTname\" is already being used.");
    fixture_check(&f, source_mark(fixture_read(&f), &source.id, &mark, &f.err));
    assert_true(mark.revision == source.revision + 2);
}

/* ---- identities -------------------------------------------------------- */

static enum error_code
insert_identity(struct db_tx *tx, void *context, struct error *err)
{
    return identity_insert(tx, context, err);
}

static enum error_code
delete_identity(struct db_tx *tx, void *context, struct error *err)
{
    struct identity *identity = context;

    return identity_delete(tx, &identity->id, err);
}

static enum error_code
insert_registry(struct db_tx *tx, void *context, struct error *err)
{
    return registry_insert(tx, context, err);
}

static int64_t
read_epoch(struct fixture *f)
{
    int64_t epoch = 0;

    fixture_check(f, auth_epoch(fixture_read(f), &epoch, &f->err));
    return epoch;
}

static struct identity
person(const char *alias, const char *name, const char *email)
{
    return (struct identity){.alias = str_of(alias),
                             .name = str_of(name),
                             .email = str_of(email),
                             .levels = STR("")};
}

static void
identity_comes_back_as_it_was_written(void **state)
{
    FIXTURE f;
    struct identity boss = person("Jane.Doe", "Jane Doe", "jane@example.com");
    struct identity one = person("bob", "Bob", "bob@example.com");
    struct identity found;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, insert_identity, &boss);
    one.has_manager = true;
    one.manager_id = boss.id;
    one.levels = STR("ORG_ADMIN OTHER");
    one.password_hash = STR("$argon2id$");
    fixture_write(&f, insert_identity, &one);
    assert_true(one.number != boss.number);

    fixture_check(&f, identity_by_id(fixture_read(&f), &one.id, &f.arena,
                                     &found, &f.err));
    assert_true(uuid_eq(&found.id, &one.id));
    assert_true(found.number == one.number);
    assert_true(found.has_manager && uuid_eq(&found.manager_id, &boss.id));
    assert_true(str_eq(found.alias, one.alias));
    assert_true(str_eq(found.name, one.name));
    assert_true(str_eq(found.email, one.email));
    assert_true(str_eq(found.levels, one.levels));
    assert_true(str_eq(found.password_hash, one.password_hash));
    assert_true(found.created_ms == one.created_ms);

    fixture_check(&f, identity_by_alias(f.read, STR("JANE.doe"), &f.arena,
                                        &found, &f.err));
    assert_true(uuid_eq(&found.id, &boss.id));
    assert_false(found.has_manager);
    assert_null(found.password_hash.at);

    one = person("JANE.DOE", "x", "y");
    assert_int_equal(db_write(f.db, insert_identity, &one, &f.err),
                     ERR_CONFLICT);
    assert_string_equal(f.err.text,
                        "the alias \"JANE.DOE\" is already being used");
}

static void
identity_resolve_knows_what_names_a_manager(void **state)
{
    FIXTURE f;
    struct identity people[] = {
        person("jane.doe", "Jane Doe", "jane@example.com"),
        person("jim.smith", "Jim Smith", "shared@example.com"),
        person("jim.smith2", "JIM SMITH", "shared@example.com"),
        /* Named like somebody else's alias: the alias wins. */
        person("trap", "jane.doe", "trap@example.com"),
    };
    static const struct {
        const char *text, *by_account, *by_name;
    } cases[] = {
        {"jane.doe", "jane.doe", "jane.doe"},
        {"JANE.DOE", "jane.doe", "jane.doe"},
        {"Jane@Example.com", "jane.doe", "jane.doe"},
        {"Jane Doe", NULL, "jane.doe"},
        {"Jim Smith", NULL, NULL},
        {"shared@example.com", NULL, NULL},
        {"nobody", NULL, NULL},
        {"", NULL, NULL},
    };
    char dashed[UUID_TEXT], hex[UUID_HEX];
    struct str alias;

    (void)state;
    fixture_init(&f);
    for (size_t i = 0; i < COUNT(people); i++)
        fixture_write(&f, insert_identity, &people[i]);
    fixture_read(&f);
    for (size_t i = 0; i < COUNT(cases) * 2; i++) {
        bool by_name = i % 2;
        const char *want = by_name ? cases[i / 2].by_name
                                   : cases[i / 2].by_account;
        enum error_code rc = identity_resolve(f.read, str_of(cases[i / 2].text),
                                              by_name, &f.arena, &alias,
                                              &f.err);

        print_message("%s\n", cases[i / 2].text);
        assert_int_equal(rc, want ? ERR_OK : ERR_NOT_FOUND);
        if (want != NULL)
            assert_true(str_eq(alias, str_of(want)));
    }
    uuid_dashed(&people[1].id, dashed);
    uuid_hex(&people[1].id, hex);
    fixture_check(&f, identity_resolve(f.read, str_of(dashed), false, &f.arena,
                                       &alias, &f.err));
    assert_true(str_eq(alias, STR("jim.smith")));
    fixture_check(&f, identity_resolve(f.read, str_of(hex), false, &f.arena,
                                       &alias, &f.err));
    assert_true(str_eq(alias, STR("jim.smith")));
}

struct membership {
    struct str workgroup;
    struct uuid identity;
    bool remove;
};

static enum error_code
change_membership(struct db_tx *tx, void *context, struct error *err)
{
    struct membership *m = context;

    return m->remove ? workgroup_remove(tx, m->workgroup, &m->identity, err)
                     : workgroup_add(tx, m->workgroup, &m->identity, err);
}

static bool
put_member(void *context, struct str workgroup, const struct uuid *identity,
           struct str alias)
{
    (void)identity;
    buf_printf(context, "%.*s:%.*s ", STR_ARG(workgroup), STR_ARG(alias));
    return true;
}

static void
workgroup_members_come_and_go_with_their_identity(void **state)
{
    FIXTURE f;
    CLEANUP(buf_done) struct buf text;
    struct identity one = person("b", "B", "b@x"),
                    two = person("a", "A", "a@x");
    bool has = false;

    (void)state;
    fixture_init(&f);
    buf_init(&text, 100);
    fixture_write(&f, insert_identity, &one);
    fixture_write(&f, insert_identity, &two);

    struct membership m = {.workgroup = STR("g1"), .identity = one.id};

    fixture_write(&f, change_membership, &m);
    assert_int_equal(db_write(f.db, change_membership, &m, &f.err),
                     ERR_CONFLICT);
    m.identity = two.id;
    fixture_write(&f, change_membership, &m);
    m.workgroup = STR("g0");
    fixture_write(&f, change_membership, &m);
    fixture_check(&f,
                  workgroup_each(fixture_read(&f), put_member, &text, &f.err));
    assert_string_equal(text.data, "g0:a g1:a g1:b ");

    m.remove = true;
    fixture_write(&f, change_membership, &m);
    assert_int_equal(db_write(f.db, change_membership, &m, &f.err),
                     ERR_NOT_FOUND);
    fixture_write(&f, delete_identity, &one);
    fixture_check(
        &f, workgroup_has(fixture_read(&f), STR("g1"), &one.id, &has, &f.err));
    assert_false(has);
    fixture_check(&f, workgroup_has(f.read, STR("g1"), &two.id, &has, &f.err));
    assert_true(has);
}

/* ---- clients and keys --------------------------------------------------- */

static enum error_code
insert_client(struct db_tx *tx, void *context, struct error *err)
{
    return client_insert(tx, context, err);
}

static enum error_code
delete_client(struct db_tx *tx, void *context, struct error *err)
{
    struct client *client = context;

    return client_delete(tx, client->kind, &client->id, err);
}

static enum error_code
use_client(struct db_tx *tx, void *context, struct error *err)
{
    struct client *client = context;

    return client_used(tx, &client->id, 4711, err);
}

static bool
count_client(void *context, const struct client *client)
{
    (void)client;
    ++*(int *)context;
    return true;
}

static void
client_comes_back_as_it_was_written(void **state)
{
    FIXTURE f;
    struct identity owner = person("o", "O", "o@x");
    struct client pat = {.kind = CLIENT_PAT,
                         .name = STR("backup"),
                         .has_secret = true,
                         .secret_sha256 = {1, 2, 0, 4},
                         .has_identity = true,
                         .grants = STR("client_credentials"),
                         .redirect_uris = STR(""),
                         .token_seconds = 43200,
                         .expires_ms = 99};
    struct client api = {.kind = CLIENT_API,
                         .name = STR("app"),
                         .scopes = STR("idn:nelm:read"),
                         .grants = STR(""),
                         .redirect_uris = STR("https://a\nhttps://b"),
                         .token_seconds = 749};
    struct client found;
    int count = 0;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, insert_identity, &owner);
    pat.identity_id = owner.id;
    fixture_write(&f, insert_client, &pat);
    fixture_write(&f, insert_client, &api);

    fixture_check(
        &f, client_by_id(fixture_read(&f), &pat.id, &f.arena, &found, &f.err));
    assert_int_equal(found.kind, CLIENT_PAT);
    assert_true(found.has_secret && found.has_identity);
    assert_memory_equal(found.secret_sha256, pat.secret_sha256, 32);
    assert_true(uuid_eq(&found.identity_id, &owner.id));
    assert_null(found.scopes.at);
    assert_true(str_eq(found.name, pat.name));
    assert_true(str_eq(found.grants, pat.grants));
    assert_true(found.token_seconds == 43200 && found.expires_ms == 99);
    assert_true(found.last_used_ms == 0);

    fixture_check(&f, client_by_id(f.read, &api.id, &f.arena, &found, &f.err));
    assert_int_equal(found.kind, CLIENT_API);
    assert_false(found.has_secret || found.has_identity);
    assert_true(str_eq(found.scopes, api.scopes));
    assert_true(str_eq(found.redirect_uris, api.redirect_uris));
    assert_true(found.expires_ms == 0);

    fixture_write(&f, use_client, &api);
    fixture_check(
        &f, client_by_id(fixture_read(&f), &api.id, &f.arena, &found, &f.err));
    assert_true(found.last_used_ms == 4711);

    fixture_check(&f, client_each(f.read, CLIENT_PAT, &f.arena, count_client,
                                  &count, &f.err));
    assert_int_equal(count, 1);
    found.kind = CLIENT_PAT;
    assert_int_equal(db_write(f.db, delete_client, &found, &f.err),
                     ERR_NOT_FOUND);
    fixture_write(&f, delete_client, &api);

    /* A token goes with its owner. */
    fixture_write(&f, delete_identity, &owner);
    assert_int_equal(
        client_by_id(fixture_read(&f), &pat.id, &f.arena, &found, &f.err),
        ERR_NOT_FOUND);
}

static enum error_code
set_password(struct db_tx *tx, void *context, struct error *err)
{
    struct identity *identity = context;

    return identity_set_password(tx, &identity->id, STR("hash"), err);
}

static enum error_code
insert_key(struct db_tx *tx, void *context, struct error *err)
{
    return signing_key_insert(tx, context, err);
}

static void
auth_epoch_moves_with_whatever_changes_who_may_call(void **state)
{
    FIXTURE f;
    struct registry registry = {.tenant_name = STR("acme")}, found;
    struct identity one = person("a", "A", "a@x");
    struct client client = {.kind = CLIENT_API,
                            .name = STR("c"),
                            .grants = STR(""),
                            .redirect_uris = STR("")};
    struct signing_key key = {.kid = STR("k"), .private_der = STR("d\0r")};
    struct membership m = {.workgroup = STR("g")};

    (void)state;
    fixture_init(&f);
    assert_int_equal(registry_find(fixture_read(&f), &f.arena, &found, &f.err),
                     ERR_NOT_FOUND);
    fixture_write(&f, insert_registry, &registry);
    assert_int_equal(db_write(f.db, insert_registry, &registry, &f.err),
                     ERR_CONFLICT);
    fixture_check(&f,
                  registry_find(fixture_read(&f), &f.arena, &found, &f.err));
    assert_true(str_eq(found.tenant_name, STR("acme")));
    assert_true(found.auth_epoch == 1);

    const struct {
        db_work *work;
        void *context;
    } steps[] = {
        {insert_identity, &one},  {set_password, &one},
        {insert_key, &key},       {change_membership, &m},
        {delete_client, &client}, {delete_identity, &one},
    };

    fixture_write(&f, insert_client, &client);
    for (size_t i = 0; i < COUNT(steps); i++) {
        int64_t before = read_epoch(&f);

        m.identity = one.id;
        fixture_write(&f, steps[i].work, steps[i].context);
        if (read_epoch(&f) <= before)
            fail_msg("step %zu did not move the epoch", i);
    }
}

static bool
put_key(void *context, const struct signing_key *key)
{
    buf_printf(context, "%.*s/%zu/%d ", STR_ARG(key->kid), key->private_der.len,
               (int)key->expires_ms);
    return true;
}

static void
signing_keys_are_listed_newest_first(void **state)
{
    FIXTURE f;
    CLEANUP(buf_done) struct buf text;
    struct signing_key keys[] = {
        {.kid = STR("old"),
         .private_der = STR("a\0b"),
         .created_ms = 1,
         .expires_ms = 5},
        {.kid = STR("new"), .private_der = STR(""), .created_ms = 2},
    };

    (void)state;
    fixture_init(&f);
    buf_init(&text, 100);
    for (size_t i = 0; i < COUNT(keys); i++)
        fixture_write(&f, insert_key, &keys[i]);
    fixture_check(&f,
                  signing_key_each(fixture_read(&f), put_key, &text, &f.err));
    assert_string_equal(text.data, "new/0/0 old/3/5 ");
}

/* ---- audit -------------------------------------------------------------- */

static enum error_code
add_event(struct db_tx *tx, void *context, struct error *err)
{
    return audit_add(tx, context, err);
}

static void
audit_rows_number_themselves(void **state)
{
    FIXTURE f;
    sqlite3 *handle = NULL;
    sqlite3_stmt *stmt = NULL;
    struct audit_event event = {.event = "NON_EMPLOYEE_SOURCE_CREATED",
                                .source = 3,
                                .detail = STR("name")};

    (void)state;
    fixture_init(&f);
    fixture_write(&f, add_event, &event);
    event.has_object = true;
    event.source = 0;
    fixture_write(&f, add_event, &event);
    assert_int_equal(sqlite3_open(scratch_path(&f.scratch), &handle),
                     SQLITE_OK);
    sqlite3_prepare_v2(handle,
                       "SELECT group_concat(number || ' ' || event || ' ' || "
                       "detail || ' ' || coalesce(source, 'none') || ' ' || "
                       "coalesce(length(object_id), 'none')) FROM audit",
                       -1, &stmt, NULL);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 0),
                        "1 NON_EMPLOYEE_SOURCE_CREATED name 3 none,"
                        "2 NON_EMPLOYEE_SOURCE_CREATED name none 16");
    sqlite3_finalize(stmt);
    sqlite3_close(handle);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_prepare_and_search_by_an_index),
        cmocka_unit_test(source_is_found_by_either_id),
        cmocka_unit_test(source_name_is_unique_ignoring_case),
        cmocka_unit_test(source_each_goes_in_the_order_of_creation_until_told),
        cmocka_unit_test(schema_has_the_built_in_columns_first),
        cmocka_unit_test(identity_comes_back_as_it_was_written),
        cmocka_unit_test(identity_resolve_knows_what_names_a_manager),
        cmocka_unit_test(workgroup_members_come_and_go_with_their_identity),
        cmocka_unit_test(client_comes_back_as_it_was_written),
        cmocka_unit_test(auth_epoch_moves_with_whatever_changes_who_may_call),
        cmocka_unit_test(signing_keys_are_listed_newest_first),
        cmocka_unit_test(audit_rows_number_themselves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

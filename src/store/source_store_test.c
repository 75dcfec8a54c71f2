/* What becomes of a source: its members, attributes, changes and end. */
#include "store/source_store.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "store/custom.h"
#include "store/fixture.h"
#include "store/identity_store.h"
#include "store/job_store.h"
#include "store/record_store.h"
#include "store/request_store.h"

/* Two sources, each with a record, its history, a request with an item, a job,
 * a custom attribute and both kinds of members. */
struct world {
    struct identity people[2];
    struct source sources[2];
    struct attribute attributes[2];
    struct record records[2];
};

static enum error_code
fill_source(struct db_tx *tx, struct world *world, int i, struct error *err)
{
    int64_t number = world->sources[i].number;
    struct record_writer writer;
    struct request request = {.source = number, .status = STATUS_PENDING};
    struct job job = {.source = number, .length = 1};
    enum error_code rc = source_set_members(tx, number, "MANAGER",
                                            &world->people[0].id, 1, err);

    if (rc == ERR_OK)
        rc = source_set_members(tx, number, "APPROVER", &world->people[1].id, 1,
                                err);
    world->attributes[i] = (struct attribute){.type = STR("TEXT"),
                                              .label = STR("Badge"),
                                              .technical_name = STR("badge"),
                                              .help_text = STR(""),
                                              .placeholder = STR("")};
    if (rc == ERR_OK)
        rc = schema_insert(tx, number, &world->attributes[i], err);
    world->records[i] = (struct record){
        .text = {STR("jon"), STR("f"), STR("l"), STR("p"), STR("e"), STR("m")},
        .custom = STR("9:3:yes")};
    request.record = world->records[i];
    if (rc == ERR_OK)
        rc = record_write_begin(&writer, tx, number, 1000, &(struct actor){0},
                                err);
    if (rc != ERR_OK)
        return rc;
    rc = record_insert(&writer, &world->records[i], err);
    if (rc == ERR_OK)
        rc = record_write_finish(&writer, err);
    if (rc == ERR_OK)
        rc = request_insert(tx, &request, err);
    struct approval_item item = {.request_id = request.id,
                                 .approver_id = world->people[1].id,
                                 .approver_name = STR("b"),
                                 .status = STATUS_PENDING};
    if (rc == ERR_OK)
        rc = approval_insert(tx, &item, err);
    if (rc == ERR_OK)
        rc = job_insert(tx, &job, err);
    return rc;
}

static enum error_code
make_world(struct db_tx *tx, void *context, struct error *err)
{
    static const char *const names[] = {"one", "two"};
    struct world *world = context;
    enum error_code rc = ERR_OK;

    for (int i = 0; rc == ERR_OK && i < 2; i++) {
        world->people[i] = (struct identity){.alias = str_of(names[i]),
                                             .name = str_of(names[i]),
                                             .email = STR("e"),
                                             .levels = STR("")};
        rc = identity_insert(tx, &world->people[i], err);
    }
    for (int i = 0; rc == ERR_OK && i < 2; i++) {
        world->sources[i] = (struct source){.name = str_of(names[i]),
                                            .description = STR("")};
        rc = source_insert(tx, &world->sources[i], err);
        if (rc == ERR_OK)
            rc = fill_source(tx, world, i, err);
    }
    return rc;
}

static struct source
read_source(struct fixture *f, const struct source *source)
{
    struct source now = {0};

    fixture_check(f, source_by_number(fixture_read(f), source->number,
                                      &f->arena, &now, &f->err));
    return now;
}

/* ---- members --------------------------------------------------------- */

struct members {
    int64_t source;
    const char *role;
    const struct uuid *ids;
    size_t count;
};

static enum error_code
set_members(struct db_tx *tx, void *context, struct error *err)
{
    const struct members *m = context;

    return source_set_members(tx, m->source, m->role, m->ids, m->count, err);
}

static void
members_keep_their_order_and_are_replaced_by_role(void **state)
{
    FIXTURE f;
    struct world world;
    struct source_member members[MEMBERS_MAX];
    size_t count = 99;
    bool has = false;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    int64_t source = world.sources[0].number;
    const struct uuid both[] = {world.people[1].id, world.people[0].id};

    fixture_write(&f, set_members,
                  &(struct members){source, "MANAGER", both, 2});
    fixture_check(&f, source_members(fixture_read(&f), source, "MANAGER",
                                     &f.arena, members, &count, &f.err));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++)
        assert_true(uuid_eq(&members[i].identity_id, &both[i]));
    assert_true(str_eq(members[0].name, STR("two")));
    fixture_check(&f, source_has_member(f.read, source, "MANAGER", &both[0],
                                        &has, &f.err));
    assert_true(has);

    /* The other role and the other source are as they were. */
    fixture_write(&f, set_members,
                  &(struct members){source, "MANAGER", NULL, 0});
    fixture_check(&f, source_members(fixture_read(&f), source, "MANAGER",
                                     &f.arena, members, &count, &f.err));
    assert_int_equal(count, 0);
    fixture_check(&f, source_members(f.read, source, "APPROVER", &f.arena,
                                     members, &count, &f.err));
    assert_int_equal(count, 1);
    fixture_check(&f, source_members(f.read, world.sources[1].number, "MANAGER",
                                     &f.arena, members, &count, &f.err));
    assert_int_equal(count, 1);
}

static void
members_must_be_identities(void **state)
{
    FIXTURE f;
    struct world world;
    struct source_member members[MEMBERS_MAX];
    size_t count = 99;
    char want[120], hex[UUID_HEX];

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    const struct uuid ids[] = {world.people[1].id, uuid_mint()};
    struct members unknown = {world.sources[0].number, "APPROVER", ids, 2};

    assert_int_equal(db_write(f.db, set_members, &unknown, &f.err),
                     ERR_REFERENCE);
    snprintf(want, sizeof(want), "Referenced approver [\"%s\"] was not found.",
             uuid_hex(&ids[1], hex));
    assert_string_equal(f.err.text, want);
    unknown.role = "MANAGER";
    assert_int_equal(db_write(f.db, set_members, &unknown, &f.err),
                     ERR_REFERENCE);
    assert_memory_equal(f.err.text, "Referenced account manager [", 28);
    fixture_check(&f,
                  source_members(fixture_read(&f), unknown.source, "MANAGER",
                                 &f.arena, members, &count, &f.err));
    assert_int_equal(count, 1);
}

/* ---- changing -------------------------------------------------------- */

static enum error_code
update_source(struct db_tx *tx, void *context, struct error *err)
{
    return source_update(tx, context, err);
}

static void
source_update_writes_name_and_description(void **state)
{
    FIXTURE f;
    struct world world;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    struct source source = read_source(&f, &world.sources[0]);
    int64_t revision = source.revision;

    source.name = STR("ONE"); /* its own name in another case */
    source.description = STR("d");
    clock_set_for_test(source.modified_ms + 5);
    fixture_write(&f, update_source, &source);
    clock_set_for_test(-1);
    struct source now = read_source(&f, &source);

    assert_true(str_eq(now.name, STR("ONE")));
    assert_true(str_eq(now.description, STR("d")));
    assert_true(now.modified_ms == source.modified_ms);
    assert_true(now.modified_ms == now.created_ms + 5 ||
                now.modified_ms > now.created_ms);
    assert_true(now.revision == revision); /* the CSV does not show it */

    source.name = STR("tWo");
    assert_int_equal(db_write(f.db, update_source, &source, &f.err),
                     ERR_CONFLICT);
    assert_string_equal(f.err.text,
                        "Unable to update Non-Employee Source because the name "
                        "\"tWo\" is already being used.");
    source.number = 999;
    source.name = STR("three");
    assert_int_equal(db_write(f.db, update_source, &source, &f.err),
                     ERR_NOT_FOUND);
    assert_int_equal(
        source_by_number(fixture_read(&f), 999, &f.arena, &now, &f.err),
        ERR_NOT_FOUND);
}

/* ---- the end --------------------------------------------------------- */

static enum error_code
delete_source(struct db_tx *tx, void *context, struct error *err)
{
    return source_delete(tx, *(int64_t *)context, err);
}

static int
count_rows(struct fixture *f, const char *sql)
{
    sqlite3 *handle = NULL;
    sqlite3_stmt *stmt = NULL;

    assert_int_equal(sqlite3_open(scratch_path(&f->scratch), &handle),
                     SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int count = sqlite3_column_int(stmt, 0);

    sqlite3_finalize(stmt);
    sqlite3_close(handle);
    return count;
}

static void
source_delete_takes_everything_of_it_and_nothing_else(void **state)
{
    static const char *const tables[] = {
        "source",  "source_member", "schema_attribute",
        "record",  "record_change", "record_history",
        "request", "approval_item", "upload_job",
    };
    FIXTURE f;
    struct world world;
    int before[COUNT(tables)];
    char sql[64];

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    int64_t number = world.sources[0].number;

    for (size_t i = 0; i < COUNT(tables); i++) {
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", tables[i]);
        before[i] = count_rows(&f, sql);
        assert_true(before[i] > 0);
    }
    fixture_write(&f, delete_source, &number);
    for (size_t i = 0; i < COUNT(tables); i++) {
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", tables[i]);
        if (count_rows(&f, sql) * 2 != before[i])
            fail_msg("%s", tables[i]);
    }
    assert_int_equal(db_write(f.db, delete_source, &number, &f.err),
                     ERR_NOT_FOUND);
    struct source other = read_source(&f, &world.sources[1]);

    assert_true(other.record_count == 1);
    number = other.number;
    fixture_write(&f, delete_source, &number);
    for (size_t i = 0; i < COUNT(tables); i++) {
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", tables[i]);
        assert_int_equal(count_rows(&f, sql), 0);
    }
}

/* ---- schema attributes ----------------------------------------------- */

struct attribute_change {
    int64_t source;
    struct attribute *attribute;
    const struct uuid *id;
};

static enum error_code
update_attribute(struct db_tx *tx, void *context, struct error *err)
{
    struct attribute_change *c = context;

    return schema_update(tx, c->source, c->attribute, err);
}

static enum error_code
insert_attribute(struct db_tx *tx, void *context, struct error *err)
{
    struct attribute_change *c = context;

    return schema_insert(tx, c->source, c->attribute, err);
}

static enum error_code
delete_attribute(struct db_tx *tx, void *context, struct error *err)
{
    struct attribute_change *c = context;

    return schema_delete(tx, c->source, c->id, err);
}

static void
schema_update_writes_what_may_change(void **state)
{
    FIXTURE f;
    struct world world;
    struct attribute found;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    struct attribute changed = world.attributes[0];
    struct attribute_change change = {world.sources[0].number, &changed, NULL};

    changed.label = STR("L");
    changed.help_text = STR("H");
    changed.placeholder = STR("P");
    changed.required = true;
    changed.technical_name = STR("other"); /* is left alone */
    fixture_write(&f, update_attribute, &change);
    fixture_check(&f, schema_find(fixture_read(&f), change.source, &changed.id,
                                  &f.arena, &found, &f.err));
    assert_true(str_eq(found.label, STR("L")));
    assert_true(str_eq(found.help_text, STR("H")));
    assert_true(str_eq(found.placeholder, STR("P")));
    assert_true(str_eq(found.technical_name, STR("badge")));
    assert_true(str_eq(found.type, STR("TEXT")));
    assert_true(found.required && !found.system);
    assert_true(found.number == SCHEMA_FIRST_CUSTOM);
    assert_true(found.modified_ms == changed.modified_ms);

    /* An attribute of another source is not there. */
    change.source = world.sources[1].number;
    assert_int_equal(schema_find(f.read, change.source, &changed.id, &f.arena,
                                 &found, &f.err),
                     ERR_NOT_FOUND);
    assert_int_equal(db_write(f.db, update_attribute, &change, &f.err),
                     ERR_NOT_FOUND);
    change.id = &changed.id;
    assert_int_equal(db_write(f.db, delete_attribute, &change, &f.err),
                     ERR_NOT_FOUND);
}

static void
schema_delete_spares_the_built_in_ones(void **state)
{
    FIXTURE f;
    struct world world;
    struct attribute list[SCHEMA_MAX];
    size_t count = 0;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    struct attribute_change change = {.source = world.sources[0].number};

    fixture_check(&f, schema_list(fixture_read(&f), change.source, &f.arena,
                                  list, &count, &f.err));
    assert_int_equal(count, FIELD_COUNT + 1);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        change.id = &list[i].id;
        assert_int_equal(db_write(f.db, delete_attribute, &change, &f.err),
                         ERR_NOT_FOUND);
    }
    int64_t revision = read_source(&f, &world.sources[0]).revision;

    change.id = NULL;
    fixture_write(&f, delete_attribute, &change);
    assert_true(read_source(&f, &world.sources[0]).revision == revision + 1);
    /* Nothing left to delete: no other CSV either. */
    fixture_write(&f, delete_attribute, &change);
    assert_true(read_source(&f, &world.sources[0]).revision == revision + 1);
    fixture_check(&f, schema_list(fixture_read(&f), change.source, &f.arena,
                                  list, &count, &f.err));
    assert_int_equal(count, FIELD_COUNT);
    fixture_check(&f, schema_list(f.read, world.sources[1].number, &f.arena,
                                  list, &count, &f.err));
    assert_int_equal(count, FIELD_COUNT + 1);
}

static void
schema_delete_hides_values_from_a_namesake(void **state)
{
    FIXTURE f;
    struct world world;
    struct record record;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    struct attribute again = world.attributes[0];
    struct attribute_change change = {world.sources[0].number, &again,
                                      &world.attributes[0].id};
    int64_t revision = read_source(&f, &world.sources[0]).revision;

    fixture_write(&f, delete_attribute, &change);
    fixture_write(&f, insert_attribute, &change);
    assert_true(again.number == world.attributes[0].number + 1);
    assert_true(read_source(&f, &world.sources[0]).revision == revision + 2);
    fixture_check(&f, record_by_id(fixture_read(&f), &world.records[0].id,
                                   &f.arena, &record, &f.err));
    assert_null(custom_find(record.custom, again.number).at);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_keep_their_order_and_are_replaced_by_role),
        cmocka_unit_test(members_must_be_identities),
        cmocka_unit_test(source_update_writes_name_and_description),
        cmocka_unit_test(source_delete_takes_everything_of_it_and_nothing_else),
        cmocka_unit_test(schema_update_writes_what_may_change),
        cmocka_unit_test(schema_delete_spares_the_built_in_ones),
        cmocka_unit_test(schema_delete_hides_values_from_a_namesake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

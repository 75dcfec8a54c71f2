/* The exact text of answers: names, order, what is null and what is left
 * out. */
#include "api/views.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/custom.h"
#include "store/fixture.h"

static const struct uuid some_id = {{0x01, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x70,
                                     0x00, 0x80, 0x00, 0, 0, 0, 0, 0, 0x2a}};
#define DASHED "0189abcd-ef01-7000-8000-00000000002a"
#define HEX "0189abcdef017000800000000000002a"
#define TIME_MS INT64_C(1566586379162)
#define TIME "2019-08-23T18:52:59.162Z"

/* A source with one custom attribute. */
struct world {
    struct fixture base;
    struct source source;
    struct attribute note;
};

static enum error_code
make(struct db_tx *tx, void *context, struct error *err)
{
    struct world *world = context;
    enum error_code rc;

    world->source = (struct source){.id = some_id,
                                    .source_id = some_id,
                                    .name = STR("Retail \"1\""),
                                    .description = STR("")};
    world->source.source_id.bytes[15] = 0x2b;
    world->note = (struct attribute){.type = STR("TEXT"),
                                     .label = STR("Note"),
                                     .technical_name = STR("note")};
    rc = source_insert(tx, &world->source, err);
    if (rc == ERR_OK)
        rc = schema_insert(tx, world->source.number, &world->note, err);
    return rc;
}

static void
world_init(struct world *world)
{
    fixture_init(&world->base);
    clock_set_for_test(TIME_MS);
    fixture_write(&world->base, make, world);
}

static void
world_done(struct world *world)
{
    clock_set_for_test(-1);
    fixture_done(&world->base);
}

#define WORLD CLEANUP(world_done) struct world

typedef enum error_code view_of(struct views *views, const void *what,
                                struct error *err);

static void
check(struct world *world, view_of *view, const void *what, const char *want)
{
    CLEANUP(buf_done) struct buf text;
    struct views views;

    buf_init(&text, 1 << 20);
    views_init(&views, fixture_read(&world->base), &text);
    fixture_check(&world->base, view(&views, what, &world->base.err));
    views_done(&views);
    assert_false(text.failed);
    assert_string_equal(text.data, want);
}

static enum error_code
source_listed(struct views *views, const void *what, struct error *err)
{
    return views_source(views, what, SOURCE_LISTED, err);
}

static enum error_code
source_counted(struct views *views, const void *what, struct error *err)
{
    return views_source(views, what, SOURCE_COUNTED, err);
}

static enum error_code
source_created(struct views *views, const void *what, struct error *err)
{
    return views_source(views, what, SOURCE_CREATED, err);
}

#define SOURCE                                                          \
    "{\"id\":\"" DASHED "\",\"sourceId\":\"" HEX_2B                     \
    "\",\"name\":\"Retail \\\"1\\\"\",\"description\":\"\","            \
    "\"approvers\":[],\"accountManagers\":[],\"created\":\"" TIME "\"," \
    "\"modified\":\"" TIME "\""
#define HEX_2B "0189abcdef017000800000000000002b"

static void
a_source_counts_when_listed_and_has_a_number_when_new(void **state UNUSED)
{
    WORLD world;

    world_init(&world);
    check(&world, source_listed, &world.source,
          SOURCE ",\"nonEmployeeCount\":null}");
    check(&world, source_counted, &world.source,
          SOURCE ",\"nonEmployeeCount\":0}");
    check(&world, source_created, &world.source,
          SOURCE ",\"cloudExternalId\":\"1\"}");
}

static enum error_code
attribute(struct views *views, const void *what, struct error *err UNUSED)
{
    views_attribute(views, what);
    return ERR_OK;
}

static void
an_attribute_has_every_member(void **state UNUSED)
{
    WORLD world;

    world_init(&world);
    world.note.id = some_id;
    check(&world, attribute, &world.note,
          "{\"id\":\"" DASHED "\",\"system\":false,\"type\":\"TEXT\","
          "\"label\":\"Note\",\"technicalName\":\"note\",\"helpText\":\"\","
          "\"placeholder\":\"\",\"required\":false,\"created\":\"" TIME "\","
          "\"modified\":\"" TIME "\"}");
}

static enum error_code
record(struct views *views, const void *what, struct error *err)
{
    return views_record(views, what, err);
}

static void
a_record_shows_its_offsets_and_custom_values_by_name(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf custom;
    WORLD world;
    struct record people = {
        .id = some_id,
        .text = {STR("a"), STR("b"), STR("c"), STR("d"), STR("e"), STR("f")},
        .start = {1586109600000, -600},
        .end = {1596826800001, 0},
        .created_ms = TIME_MS,
        .modified_ms = TIME_MS};

    buf_init(&custom, 1000);
    world_init(&world);
    people.source = world.source.number;
    custom_add(&custom, world.note.number, STR(" kept "));
    custom_add(&custom, world.note.number + 1, STR("of a deleted one"));
    people.custom = buf_view(&custom);

#define PERSON(data)                                               \
    "{\"id\":\"" DASHED "\",\"sourceId\":\"" HEX_2B                \
    "\",\"accountName\":\"a\",\"firstName\":\"b\","                \
    "\"lastName\":\"c\",\"email\":\"e\",\"phone\":\"d\","          \
    "\"manager\":\"f\",\"data\":" data                             \
    ",\"startDate\":\"2020-04-05T08:00:00-10:00\","                \
    "\"endDate\":\"2020-08-07T19:00:00.001Z\",\"created\":\"" TIME \
    "\",\"modified\":\"" TIME "\"}"
    check(&world, record, &people, PERSON("{\"note\":\" kept \"}"));
    people.custom = (struct str){NULL, 0};
    check(&world, record, &people, PERSON("{}"));
}

static enum error_code
item(struct views *views, const void *what, struct error *err)
{
    return views_approval(views, what, APPROVAL_ITEM, err);
}

static void
an_item_leaves_out_a_comment_and_a_requester_that_are_not(void **state UNUSED)
{
    WORLD world;
    struct approval_item one = {.id = some_id,
                                .request_id = some_id,
                                .position = 1,
                                .approver_id = some_id,
                                .approver_name = STR("Ann"),
                                .account_name = STR("a"),
                                .status = STATUS_NOT_READY,
                                .created_ms = TIME_MS,
                                .modified_ms = TIME_MS};

#define REFERENCE(name) \
    "{\"type\":\"IDENTITY\",\"id\":\"" HEX "\",\"name\":\"" name "\"}"
#define ITEM(status, comment, requester)                                    \
    "{\"id\":\"" DASHED "\",\"approver\":" REFERENCE(                       \
        "Ann") ",\"accountName\":\"a\",\"approvalStatus\":\"" status        \
               "\",\"approvalOrder\":1" comment ",\"created\":\"" TIME      \
               "\",\"modified\":\"" TIME                                    \
               "\",\"nonEmployeeRequest\":{\"id\":\"" DASHED "\"" requester \
               "}}"
    world_init(&world);
    check(&world, item, &one, ITEM("NOT_READY", "", ""));
    one.status = STATUS_REJECTED;
    one.comment = STR("no");
    one.has_requester = true;
    one.requester_id = some_id;
    one.requester_name = STR("Bob");
    check(&world, item, &one,
          ITEM("REJECTED", ",\"comment\":\"no\"",
               ",\"requester\":" REFERENCE("Bob")));
}

static enum error_code
identity(struct views *views, const void *what, struct error *err)
{
    return views_public_identity(views, what, err);
}

static void
an_identity_without_a_manager_says_null(void **state UNUSED)
{
    WORLD world;
    const struct identity one = {.id = some_id,
                                 .alias = STR("ann"),
                                 .name = STR("Ann"),
                                 .email = STR("a@b")};

    world_init(&world);
    check(&world, identity, &one,
          "{\"id\":\"" HEX "\",\"name\":\"Ann\",\"alias\":\"ann\","
          "\"email\":\"a@b\",\"status\":\"Active\","
          "\"identityState\":\"ACTIVE\",\"manager\":null,"
          "\"attributes\":[]}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_counts_when_listed_and_has_a_number_when_new),
        cmocka_unit_test(an_attribute_has_every_member),
        cmocka_unit_test(a_record_shows_its_offsets_and_custom_values_by_name),
        cmocka_unit_test(
            an_item_leaves_out_a_comment_and_a_requester_that_are_not),
        cmocka_unit_test(an_identity_without_a_manager_says_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

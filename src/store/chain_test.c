#include "store/chain.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/fixture.h"
#include "store/record_store.h"

static void
execute(struct fixture *f, const char *sql)
{
    sqlite3 *handle = NULL;
    char *message = NULL;

    assert_int_equal(sqlite3_open(scratch_path(&f->scratch), &handle),
                     SQLITE_OK);
    if (sqlite3_exec(handle, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(handle);
}

struct audit_add_of {
    int64_t source;
    const char *event, *detail;
};

static enum error_code
add_event(struct db_tx *tx, void *context, struct error *err)
{
    const struct audit_add_of *add = context;
    const struct audit_event event = {.event = add->event,
                                      .actor = {.known = add->source != 0},
                                      .source = add->source,
                                      .detail = str_of(add->detail)};

    return audit_add(tx, &event, err);
}

static enum error_code
make_source(struct db_tx *tx, void *context, struct error *err)
{
    struct source source = {.name = str_of(context), .description = STR("")};

    return source_insert(tx, &source, err);
}

/* Names of records of source 1 to create, and keys to update and delete. */
struct change {
    const char *create[4];
    int64_t update, delete;
};

static struct record
person(const char *name, const char *last_name)
{
    struct record record = {.text = {str_of(name), STR("Jon"),
                                     str_of(last_name), STR("1"), STR("a@b"),
                                     STR("jim")},
                            .custom = STR("9:8:Auditing")};

    return record;
}

static enum error_code
change(struct db_tx *tx, void *context, struct error *err)
{
    const struct change *c = context;
    struct record_writer writer;
    enum error_code rc = record_write_begin(
        &writer, tx, 1, clock_now_ms(), &(struct actor){.known = true}, err);

    if (rc != ERR_OK)
        return rc;
    for (size_t i = 0; rc == ERR_OK && i < 2 && c->create[i]; i++) {
        struct record record = person(c->create[i], "Smith");

        rc = record_insert(&writer, &record, err);
    }
    struct record record = person("a", "Renamed");

    record.key = record_first_key(1) + c->update;
    record.custom = (struct str){NULL, 0};
    if (rc == ERR_OK && c->update != 0)
        rc = record_update(&writer, &record, err);
    record.key = record_first_key(1) + c->delete;
    if (rc == ERR_OK && c->delete != 0)
        rc = record_delete(&writer, &record, err);
    /* The keys of a change are not written in their order. */
    for (size_t i = 2; rc == ERR_OK && i < COUNT(c->create) && c->create[i];
         i++) {
        record = person(c->create[i], "Smith");
        rc = record_insert(&writer, &record, err);
    }
    enum error_code finished = record_write_finish(&writer, rc ? NULL : err);

    return rc != ERR_OK ? rc : finished;
}

static enum error_code
delete_source(struct db_tx *tx, void *context, struct error *err)
{
    return source_delete(tx, *(int64_t *)context, err);
}

/*
 * Revision 2 makes records 1 to 3; 3 updates 1; 4 deletes 2 and updates 1 again
 * and makes 4; 5 makes 5. Audit rows: 1, 3, 5 without a source; 2, 4, 6 of
 * source 1; 7 says that source 2 was deleted.
 */
static void
make_world(struct fixture *f)
{
    struct audit_add_of events[] = {
        {0, "LOGIN", "one"},
        {1, "CREATED", "two"},
        {0, "LOGIN", "three"},
        {1, "UPDATED", "x"},
        {0, "LOGIN", "five"},
        {1, "UPDATED", "y"},
        {2, "NON_EMPLOYEE_SOURCE_DELETED", ""},
    };
    struct change changes[] = {
        {.create = {"a", "b", "c"}},
        {.update = 1},
        {.create = {"d"}, .update = 1, .delete = 2},
        {.create = {"e"}},
    };
    char retail[] = "Retail", gone[] = "Gone";
    int64_t second = 2;

    fixture_init(f);
    fixture_write(f, make_source, retail);
    fixture_write(f, make_source, gone);
    for (size_t i = 0; i < COUNT(changes); i++)
        fixture_write(f, change, &changes[i]);
    fixture_write(f, delete_source, &second);
    for (size_t i = 0; i < COUNT(events); i++)
        fixture_write(f, add_event, &events[i]);
}

static void
put_problem(void *context, const char *text)
{
    buf_printf(context, "%s\n", text);
}

/* What is found, one line each. */
static const char *
verify(struct fixture *f, struct buf *found, struct chain_verify *verify)
{
    verify->problem = put_problem;
    verify->context = found;
    buf_clear(found);
    buf_text(found, "");
    fixture_check(f, chain_verify(fixture_read(f), verify, &f->err));
    return found->data;
}

static void
untouched_chains_have_no_problem(void **state)
{
    CLEANUP(buf_done) struct buf found;
    struct chain_verify v = {.problems = 1};
    FIXTURE f;

    (void)state;
    buf_init(&found, 10000);
    make_world(&f);
    assert_string_equal(verify(&f, &found, &v), "");
    assert_int_equal(v.problems, 0);
    assert_int_equal(v.audit_rows, 7);
    assert_int_equal(v.changes, 4);
}

#define AUDIT1 "audit row 4 (source 1, link 2)"
#define CHANGE(n, link)          \
    "the change to revision " #n \
    " of source 1 (record_change, record_history or record; link " #link ")"

#define NO_COUNTER                                                         \
    "the counter of sources is missing or no number of one: no chain was " \
    "read\n"

/* What somebody does with sqlite3, and what is said of it. */
static const struct {
    const char *label, *sql, *found;
} tampered[] = {
    {"a time in the audit", "UPDATE audit SET at_ms = at_ms + 1 WHERE number=4",
     AUDIT1 " was changed: it is not what its hash says\n"},
    {"an event", "UPDATE audit SET event = 'NOTHING' WHERE number = 4",
     AUDIT1 " was changed: it is not what its hash says\n"},
    {"an actor", "UPDATE audit SET actor = NULL WHERE number = 4",
     AUDIT1 " was changed: it is not what its hash says\n"},
    {"a request", "UPDATE audit SET request_id = zeroblob(16) WHERE number = 4",
     AUDIT1 " was changed: it is not what its hash says\n"},
    {"an object", "UPDATE audit SET object_id = zeroblob(16) WHERE number = 4",
     AUDIT1 " was changed: it is not what its hash says\n"},
    {"a detail", "UPDATE audit SET detail = 'z' WHERE number = 4",
     AUDIT1 " was changed: it is not what its hash says\n"},
    {"a row that moves to another source",
     "UPDATE audit SET source = NULL WHERE number = 6",
     "audit row 6 (no source, link 3) is out of order: link 3 behind link 3\n"
     "the last 1 row of the audit chain of source 1 is missing: 3 were "
     "written\n"},
    {"a source that never was", "UPDATE audit SET source = 9 WHERE number = 6",
     "audit row 6 (source 9, link 3) names source 9, which there never was\n"
     "the last 1 row of the audit chain of source 1 is missing: 3 were "
     "written\n"},
    {"a removed row", "DELETE FROM audit WHERE number = 4",
     "1 row is missing before audit row 6 (source 1, link 3): its link is 3 "
     "behind link 1\n"},
    {"a removed first row", "DELETE FROM audit WHERE number IN (1, 3)",
     "2 rows are missing before audit row 5 (no source, link 3): its link is "
     "3 behind link 0\n"},
    {"removed last rows", "DELETE FROM audit WHERE number IN (4, 6)",
     "the last 2 rows of the audit chain of source 1 are missing: 3 were "
     "written\n"},
    {"all rows", "DELETE FROM audit",
     "source 2 is gone and the audit does not end with its deletion\n"
     "the last 3 rows of the audit chain of no source are missing: 3 were "
     "written\n"
     "the last 3 rows of the audit chain of source 1 are missing: 3 were "
     "written\n"
     "the last 1 row of the audit chain of source 2 is missing: 1 were "
     "written\n"},
    {"two rows in each other's place",
     "UPDATE audit SET number = -1 WHERE number = 4;"
     "UPDATE audit SET number = 4 WHERE number = 6;"
     "UPDATE audit SET number = 6 WHERE number = -1",
     "1 row is missing before audit row 4 (source 1, link 3): its link is 3 "
     "behind link 1\n"
     "audit row 6 (source 1, link 2) is out of order: link 2 behind link 3\n"},
    {"a row that was added",
     "INSERT INTO audit (at_ms, event) VALUES (1, 'LOGIN')",
     "audit row 8 (no source, link 0) is in no chain: it was not written by "
     "this program\n"},
    {"an added row with a link",
     "INSERT INTO audit (at_ms, event, link, hash) "
     "VALUES (1, 'LOGIN', 4, zeroblob(32))",
     "audit row 8 (no source, link 4) was changed: it is not what its hash "
     "says\n"
     "the head of the audit chain of no source was changed: it says 3 links "
     "and there are 4\n"},
    {"a head",
     "UPDATE chain SET hash = zeroblob(32) "
     "WHERE kind = 'CHANGE' AND source = 1",
     "the head of the change chain of source 1 was changed, or its last row: "
     "they have different hashes\n"},
    {"a head that is gone",
     "DELETE FROM chain WHERE kind = 'AUDIT' AND source = 0",
     "the head of the audit chain of no source was changed: it says 0 links "
     "and there are 3\n"},
    {"who changed records",
     "UPDATE record_change SET actor = NULL "
     "WHERE revision = 3",
     CHANGE(3, 2) " was changed: it is not what its hash says\n"},
    {"when", "UPDATE record_change SET at_ms = 5 WHERE revision = 3",
     CHANGE(3, 2) " was changed: it is not what its hash says\n"},
    {"a removed change",
     "DELETE FROM record_change WHERE revision = 3;"
     "DELETE FROM record_history WHERE revision = 3",
     CHANGE(2, 1) " was changed: it is not what its hash says\n"
                  "1 row is missing before " CHANGE(
                      4, 3) ": its link is 3 behind link 1\n"},
    {"the last change",
     "DELETE FROM record_change WHERE revision = 5;"
     "DELETE FROM record_history WHERE revision = 5",
     "the last 1 row of the change chain of source 1 is missing: 4 were "
     "written\n"},
    {"what was updated",
     "UPDATE record_history SET line = 'x' "
     "WHERE revision = 3",
     CHANGE(2, 1) " was changed: it is not what its hash says\n" CHANGE(
         3, 2) " was changed: it is not what its hash says\n"},
    {"what was deleted",
     "UPDATE record_history SET custom = NULL "
     "WHERE change = 'D'",
     CHANGE(2, 1) " was changed: it is not what its hash says\n" CHANGE(
         4, 3) " was changed: it is not what its hash says\n"},
    {"a removed row of history",
     "DELETE FROM record_history WHERE change = 'D'",
     CHANGE(2, 1) " was changed: it is not what its hash says\n" CHANGE(
         4, 3) " was changed: it is not what its hash says\n"},
    {"how many were created",
     "UPDATE record_history SET last_key = key "
     "WHERE revision = 2",
     CHANGE(2, 1) " was changed: it is not what its hash says\n"},
    {"a person who was created",
     "UPDATE record SET line = 'x' WHERE account_name = 'c'",
     CHANGE(2, 1) " was changed: it is not what its hash says\n"},
    {"a custom value",
     "UPDATE record SET custom = NULL "
     "WHERE account_name = 'e'",
     CHANGE(5, 4) " was changed: it is not what its hash says\n"},
    {"an id", "UPDATE record SET id = zeroblob(16) WHERE account_name = 'e'",
     CHANGE(5, 4) " was changed: it is not what its hash says\n"},
    {"a person who was updated",
     "UPDATE record SET line = 'x' WHERE account_name = 'a'",
     CHANGE(4, 3) " was changed: it is not what its hash says\n"},
    {"a removed person", "DELETE FROM record WHERE account_name = 'c'",
     CHANGE(2, 1) " was changed: it is not what its hash says\n"},
    {"a counter that was removed", "DELETE FROM counter", NO_COUNTER},
    {"a counter below zero", "UPDATE counter SET value = -1", NO_COUNTER},
    {"a counter beyond all keys", "UPDATE counter SET value = 1 << 62",
     NO_COUNTER},
    {"a head below zero",
     "UPDATE chain SET links = -9223372036854775807 WHERE kind = 'CHANGE'",
     "the head of the change chain of source 1 was changed: it says "
     "-9223372036854775807 links and there are 4\n"},
    {"a removed source",
     "DELETE FROM record; DELETE FROM record_history;"
     "DELETE FROM record_change; DELETE FROM chain WHERE kind = 'CHANGE';"
     "DELETE FROM source",
     "source 1 is gone and the audit does not end with its deletion\n"},
};

static void
every_kind_of_tampering_is_found_and_named(void **state)
{
    CLEANUP(buf_done) struct buf found;

    (void)state;
    buf_init(&found, 10000);
    for (size_t i = 0; i < COUNT(tampered); i++) {
        struct chain_verify v = {.problems = 0};
        FIXTURE f;

        print_message("%s\n", tampered[i].label);
        make_world(&f);
        execute(&f, tampered[i].sql);
        assert_string_equal(verify(&f, &found, &v), tampered[i].found);
        assert_true(v.problems > 0);
    }
}

struct heads {
    struct chain_head head[8];
    size_t count;
};

static bool
put_head(void *context, const struct chain_head *head)
{
    struct heads *heads = context;

    heads->head[heads->count++] = *head;
    return true;
}

static void
rewritten_chain_is_found_by_a_head_noted_elsewhere(void **state)
{
    CLEANUP(buf_done) struct buf found;
    struct heads heads = {.count = 0};
    struct chain_anchor anchors[8] = {{.found = false}};
    struct chain_verify v = {.anchors = anchors};
    FIXTURE f;

    (void)state;
    buf_init(&found, 10000);
    make_world(&f);
    fixture_check(&f, chain_each(fixture_read(&f), put_head, &heads, &f.err));
    assert_int_equal(heads.count, 4); /* audit of 0, 1, 2; changes of 1 */
    for (size_t i = 0; i < heads.count; i++)
        memcpy(anchors[i].hash, heads.head[i].last.hash, CHAIN_HASH);
    v.anchor_count = heads.count;
    fixture_write(&f, add_event, &(struct audit_add_of){1, "LATER", ""});
    assert_string_equal(verify(&f, &found, &v), "");

    /* Who can write everything can make new chains of what he likes. */
    execute(&f, "DELETE FROM audit WHERE number = 4;"
                "DELETE FROM chain WHERE kind = 'AUDIT' AND source = 1;"
                "UPDATE audit SET link = NULL, hash = NULL WHERE source = 1");
    fixture_write(&f, chain_seal, NULL);
    for (size_t i = 0; i < heads.count; i++)
        anchors[i].found = false;
    assert_string_equal(verify(&f, &found, &v),
                        "head 2 that was given is in no chain: what it stood "
                        "for was rewritten or removed\n");
}

/* Rows from before there were chains are what these are without them; the
 * links are the same as if they had been made at once. */
static void
upgrade_links_the_rows_that_are_there(void **state)
{
    CLEANUP(buf_done) struct buf found;
    struct heads before = {.count = 0}, after = {.count = 0};
    struct chain_verify v = {.problems = 1};
    FIXTURE f;

    (void)state;
    buf_init(&found, 10000);
    make_world(&f);
    fixture_check(&f, chain_each(fixture_read(&f), put_head, &before, &f.err));
    execute(&f, "DELETE FROM chain;"
                "UPDATE audit SET link = NULL, hash = NULL;"
                "UPDATE record_change SET link = NULL, hash = NULL");
    fixture_write(&f, chain_seal, NULL);
    assert_string_equal(verify(&f, &found, &v), "");
    fixture_check(&f, chain_each(fixture_read(&f), put_head, &after, &f.err));
    assert_int_equal(before.count, after.count);
    for (size_t i = 0; i < after.count; i++) {
        assert_true(before.head[i].last.link == after.head[i].last.link);
        assert_memory_equal(before.head[i].last.hash, after.head[i].last.hash,
                            CHAIN_HASH);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(untouched_chains_have_no_problem),
        cmocka_unit_test(every_kind_of_tampering_is_found_and_named),
        cmocka_unit_test(rewritten_chain_is_found_by_a_head_noted_elsewhere),
        cmocka_unit_test(upgrade_links_the_rows_that_are_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

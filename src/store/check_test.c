#include "store/check.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/fixture.h"
#include "store/identity_store.h"
#include "store/record_store.h"
#include "store/source_store.h"

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

static struct record
person(const char *name)
{
    struct record record = {.text = {str_of(name), STR("J\xc3\xb6n"),
                                     STR("Smith, Jr"), STR("1"), STR("a@b"),
                                     STR("jim")},
                            .start = {1586109600000, -600},
                            .end = {1596837600123, 0},
                            .custom = STR("9:8:Auditing")};

    return record;
}

/* Records 1 to 3 in revision 2, 1 updated in 3, 2 deleted in 4, 4 made in 5. */
static enum error_code
change_records(struct db_tx *tx, void *context, struct error *err)
{
    const int *step = context;
    struct record_writer writer;
    struct record record = person("Anna");
    enum error_code rc = record_write_begin(
        &writer, tx, 1, clock_now_ms(), &(struct actor){.known = false}, err);

    if (rc != ERR_OK)
        return rc;
    record.key = record_first_key(1) + 1;
    if (*step == 0) {
        static const char *const names[] = {"Anna", "Bert", "Cleo"};

        for (size_t i = 0; rc == ERR_OK && i < COUNT(names); i++) {
            record = person(names[i]);
            rc = record_insert(&writer, &record, err);
        }
    } else if (*step == 1) {
        record.text[FIELD_LAST_NAME] = STR("Jones");
        rc = record_update(&writer, &record, err);
    } else if (*step == 2) {
        record.key++;
        rc = record_delete(&writer, &record, err);
    } else {
        record = person("Dora");
        rc = record_insert(&writer, &record, err);
    }
    enum error_code finished = record_write_finish(&writer, rc ? NULL : err);

    return rc != ERR_OK ? rc : finished;
}

static enum error_code
make_rest(struct db_tx *tx, void *context UNUSED, struct error *err)
{
    struct identity jim = {.alias = STR("Jim.Smith"),
                           .name = STR("Jim"),
                           .email = STR("J@x"),
                           .levels = STR("")};
    struct source source = {.name = STR("Retail"), .description = STR("")};
    struct attribute attribute = {.type = STR("TEXT"),
                                  .label = STR("l"),
                                  .technical_name = STR("costCenter")};
    enum error_code rc = identity_insert(tx, &jim, err);

    source.has_owner = true;
    source.owner_id = jim.id;
    if (rc == ERR_OK)
        rc = source_insert(tx, &source, err);
    if (rc == ERR_OK)
        rc = schema_insert(tx, source.number, &attribute, err);
    if (rc == ERR_OK)
        rc = source_set_members(tx, source.number, "APPROVER", &jim.id, 1, err);
    if (rc == ERR_OK)
        rc = audit_add(tx, &(struct audit_event){.event = "A", .source = 1},
                       err);
    return rc;
}

#define REQUEST(id, status, completion)                                       \
    "INSERT INTO request SELECT CAST('" id "' AS BLOB), 1, id, '" status      \
    "', '" id "', lower('" id "'), 'f', 'l', '1', 'a@b', 'jim', 0, 0, 1, 0, " \
    "'9:1:x', " completion ", 1, 1 FROM identity;"

static void
make_world(struct fixture *f)
{
    fixture_init(f);
    fixture_write(f, make_rest, NULL);
    for (int step = 0; step < 4; step++)
        fixture_write(f, change_records, &step);
    execute(
        f,
        REQUEST("Rpending........", "PENDING", "NULL") REQUEST(
            "Rdone...........", "APPROVED",
            "1") "INSERT INTO approval_item VALUES"
                 " (CAST('item1' AS BLOB), CAST('Rpending........' AS BLOB), 0,"
                 "  CAST('who' AS BLOB), 'w', 'APPROVED', NULL, 1, 1),"
                 " (CAST('item2' AS BLOB), CAST('Rpending........' AS BLOB), 1,"
                 "  CAST('who' AS BLOB), 'w', 'PENDING', NULL, 1, 1),"
                 " (CAST('item3' AS BLOB), CAST('Rdone...........' AS BLOB), 0,"
                 "  CAST('who' AS BLOB), 'w', 'APPROVED', NULL, 1, 1);"
                 "INSERT INTO upload_job (id, source, status, length, sha256,"
                 "  created_ms, modified_ms) VALUES"
                 " (CAST('job' AS BLOB), 1, 'PENDING', 5, zeroblob(32), 1, 1);"
                 "INSERT INTO upload_file VALUES"
                 " (CAST('file' AS BLOB), 1, 'WAITING', CAST('job' AS BLOB), "
                 "5, 1);"
                 "INSERT INTO upload_chunk VALUES"
                 " (CAST('file' AS BLOB), 0, CAST('abc' AS BLOB)),"
                 " (CAST('file' AS BLOB), 1, CAST('de' AS BLOB));");
}

static void
put_problem(void *context, const char *text)
{
    buf_printf(context, "%s\n", text);
}

static const char *
look(struct fixture *f, struct buf *found, struct check *check)
{
    struct db_tx *tx = fixture_read(f);

    check->problem = put_problem;
    check->context = found;
    buf_clear(found);
    buf_text(found, "");
    fixture_check(f, check_run(f->db, tx, check, &f->err));
    return found->data;
}

static void
a_database_as_it_was_written_has_no_problem(void **state)
{
    CLEANUP(buf_done) struct buf found;
    struct check check = {.problems = 1};
    FIXTURE f;

    (void)state;
    buf_init(&found, 10000);
    make_world(&f);
    assert_string_equal(look(&f, &found, &check), "");
    assert_int_equal(check.problems, 0);
    assert_int_equal(check.records, 3);
    assert_int_equal(check.changes, 4);
    assert_int_equal(check.audit_rows, 1);
}

#define KEY(n) "6871947673" #n /* of record n - 6 */

/* What may happen to a database, and a line that is among those that say so. */
static const struct {
    const char *label, *sql, *found;
} corrupted[] = {
    {"an identity that is gone", "DELETE FROM identity",
     "source.owner_id refers to identity "},
    {"a member of nobody", "DELETE FROM identity",
     "source_member.identity_id refers to identity "},
    {"a manager who is gone",
     "UPDATE identity SET manager_id = CAST('x' AS BLOB)",
     "identity.manager_id refers to identity 78, which is not there\n"},
    {"items of no request", "DELETE FROM request WHERE status = 'APPROVED'",
     "approval_item.request_id refers to request 52646f6e65"},
    {"chunks of no file", "DELETE FROM upload_file",
     "upload_chunk.file_id refers to upload_file 66696c65, which is not "
     "there\n"},
    {"a source that is gone", "DELETE FROM source",
     "record " KEY(7) " is of source 1, which is not there\n"},
    {"a counter that went back",
     "UPDATE counter SET value = 0 "
     "WHERE name = 'source'",
     "counter source is 0 and there is source 1\n"},
    {"a counter of identities",
     "UPDATE counter SET value = 0 "
     "WHERE name = 'identity'",
     "counter identity is 0 and there is identity number 1\n"},
    {"a counter that is gone", "DELETE FROM counter WHERE name = 'source'",
     "counter source is missing\n"},
    {"a counter below zero",
     "UPDATE counter SET value = -1 WHERE name = 'source'",
     "counter source is -1\n"},
    {"a row below zero", "UPDATE source SET next_row = -1",
     "source 1: next_row is -1, next_column is "},
    {"links below zero", "UPDATE chain SET links = -1 WHERE source = 1",
     "a chain of source 1 has -1 links\n"},
    {"record_count", "UPDATE source SET record_count = 7",
     "source 1: record_count is 7 and there are 3\n"},
    {"next_row", "UPDATE source SET next_row = 2",
     "source 1: next_row is 2 and there is row 4\n"},
    {"next_column", "UPDATE source SET next_column = 9",
     " has number 9 and next_column of source 1 is 9\n"},
    {"a built-in attribute", "DELETE FROM schema_attribute WHERE number = 3",
     "source 1 has 7 built-in attributes and not 8\n"},
    {"a member's position", "UPDATE source_member SET position = 3",
     "source 1: the positions of its APPROVER members do not count from 0\n"},
    {"a key of another source",
     "UPDATE record SET source = 2 "
     "WHERE account_name = 'Cleo'",
     "record " KEY(9) " is of source 2 and has a key of another one\n"},
    {"a record that is gone", "DELETE FROM record WHERE account_name = 'Cleo'",
     "source 1: record_count is 3 and there are 2\n"},
    {"creations with a gap",
     "UPDATE record_history SET key = key + 1, last_key = last_key + 1 "
     "WHERE revision = 6",
     "source 1, revision 6: created rows begin with 5 and not with 4\n"},
    {"a creation that is gone",
     "DELETE FROM record_history "
     "WHERE revision = 6",
     "source 1: next_row is 5 and its history has created 3 rows\n"},
    {"a deletion that is gone",
     "DELETE FROM record_history "
     "WHERE change = 'D'",
     "source 1: 1 created records are gone and its history has deleted 0\n"},
    {"a deletion that is not counted", "DELETE FROM record_gone",
     "source 1: 0 records are counted as gone from rows 0 on, and its history "
     "has deleted 1\n"},
    {"a record that came back",
     "UPDATE record SET key = key - 1 WHERE account_name = 'Cleo'",
     "record " KEY(8) " is there and its history says that revision 5 deleted "
                      "it\n"},
    {"history after the end",
     "INSERT INTO record_history SELECT source, 6, key, key, 'U', record_id, "
     "line, custom FROM record_history WHERE change = 'D'",
     "record " KEY(8) ": its history goes on in revision 6 after it was "
                      "deleted in revision 5\n"},
    {"history before the beginning",
     "UPDATE record_history SET revision = 2 WHERE change = 'U'",
     "record " KEY(7) ": its history has revision 2 and it was created in "
                      "revision 3\n"},
    {"history without a state",
     "UPDATE record_history SET line = NULL "
     "WHERE change = 'U'",
     "source 1, revision 4: the history of record " KEY(7) " is not whole\n"},
    {"an id that changed",
     "UPDATE record SET id = zeroblob(16) "
     "WHERE account_name = 'Anna'",
     "record " KEY(7) " had another id before revision 4: "},
    {"a change that is gone", "DELETE FROM record_change WHERE revision = 4",
     "source 1: revision 4 has history and no record_change\n"},
    {"history that is gone", "DELETE FROM record_history WHERE revision = 4",
     "source 1: revision 4 has a record_change and no history\n"},
    {"a revision that went back", "UPDATE source SET revision = 4",
     "source 1 has revision 4 and a change to revision 6\n"},
    {"a request that nobody decides",
     "UPDATE approval_item SET status = "
     "'APPROVED'",
     "is PENDING and has 0 approval items that wait for somebody\n"},
    {"an item of a request that is done",
     "UPDATE approval_item SET status = 'NOT_READY' "
     "WHERE id = CAST('item3' AS BLOB)",
     "is APPROVED and has an approval item whose turn is still to come\n"},
    {"an end without a time", "UPDATE request SET completion_ms = NULL",
     "is APPROVED and its completion says otherwise\n"},
    {"a chain of approvers",
     "UPDATE approval_item SET position = 5 "
     "WHERE id = CAST('item2' AS BLOB)",
     ": the positions of its approval items do not count from 0\n"},
    {"an upload without its file",
     "DELETE FROM upload_chunk; "
     "DELETE FROM upload_file",
     "upload_job 6a6f62 is PENDING and has no file\n"},
    {"an upload that nobody runs",
     "UPDATE upload_job SET status = "
     "'IN_PROGRESS'",
     "upload_job 6a6f62 is IN_PROGRESS and its node says otherwise\n"},
    {"a chunk that is gone", "DELETE FROM upload_chunk WHERE number = 0",
     "upload_file 66696c65 has 5 bytes and its chunks have 2\n"},
    {"a folded alias", "UPDATE identity SET alias_key = alias",
     ": alias_key is not alias folded\n"},
    {"a folded name",
     "UPDATE record SET account_key = account_name "
     "WHERE account_name = 'Anna'",
     "record " KEY(7) ": account_key is not account_name folded\n"},
    {"a folded attribute",
     "UPDATE schema_attribute SET technical_key = 'x' "
     "WHERE number = 9",
     ": technical_key is not technical_name folded\n"},
    {"a column behind the line's back",
     "UPDATE record SET last_name = 'X' "
     "WHERE account_name = 'Anna'",
     "record " KEY(7) ": line is not what its columns make\n"},
    {"a date behind the line's back",
     "UPDATE record SET end_offset = 60 "
     "WHERE account_name = 'Anna'",
     "record " KEY(7) ": line is not what its columns make\n"},
    {"custom values that are too long",
     "UPDATE record SET custom = '9:9:Auditing' WHERE account_name = 'Dora'",
     ": custom cannot be read\n"},
    {"custom values in no order", "UPDATE request SET custom = '10:1:x9:1:y'",
     ": custom cannot be read\n"},
    {"custom values in the history",
     "UPDATE record_history SET custom = 'x' "
     "WHERE change = 'U'",
     "record_history 1 4 " KEY(7) ": custom cannot be read\n"},
    {"a state in the history",
     "UPDATE record_history SET line = 'x' "
     "WHERE change = 'D'",
     "the change to revision 5 of source 1 "},
    {"the audit", "UPDATE audit SET event = 'B'",
     "audit row 1 (source 1, link 1) was changed: "},
    {"an index of SQLite's",
     "PRAGMA writable_schema = ON;"
     "UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX record_account ON "
     "record (source, account_name)' WHERE name = 'record_account'",
     "SQLite: "},
};

static void
every_kind_of_corruption_is_found(void **state)
{
    CLEANUP(buf_done) struct buf found;

    (void)state;
    buf_init(&found, 100000);
    for (size_t i = 0; i < COUNT(corrupted); i++) {
        struct check check = {.problems = 0};
        FIXTURE f;

        print_message("%s\n", corrupted[i].label);
        make_world(&f);
        execute(&f, corrupted[i].sql);
        if (strstr(look(&f, &found, &check), corrupted[i].found) == NULL)
            fail_msg("%s\nnot among\n%s", corrupted[i].found, found.data);
        assert_true(check.problems > 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_database_as_it_was_written_has_no_problem),
        cmocka_unit_test(every_kind_of_corruption_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "store/table.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/fixture.h"

/* Tables that are not copied, and why. */
static const char *const left_out[] = {
    "schema_migration", /* made by whoever makes the schema */
    "record_find",      /* made of `record` again */
    "record_find_done",
};

static bool
is_left_out(const char *table)
{
    for (size_t i = 0; i < COUNT(left_out); i++)
        if (strcmp(left_out[i], table) == 0)
            return true;
    return false;
}

/* How often a column of the schema is in the list, with this kind. */
static int
count_listed(const char *table, const char *column, const char *type)
{
    static const char *const types[] = {"INTEGER", "TEXT", "BLOB"};
    int count = 0;

    for (size_t i = 0; i < table_count; i++) {
        const struct table *t = &table_list[i];

        if (strcmp(t->of ? t->of : t->name, table) != 0)
            continue;
        for (size_t j = t->of ? t->keys : 0; j < table_columns(t); j++)
            if (strcmp(t->column[j].name, column) == 0 &&
                strcmp(types[t->column[j].kind], type) == 0)
                count++;
    }
    return count;
}

static void
list_has_every_column_of_the_schema_once(void **state)
{
    FIXTURE f;
    sqlite3 *handle = NULL;
    sqlite3_stmt *stmt = NULL;
    size_t columns = 0, listed = 0;

    (void)state;
    fixture_init(&f);
    assert_int_equal(sqlite3_open(scratch_path(&f.scratch), &handle),
                     SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(handle,
                           "SELECT t.name, c.name, c.type, c.pk FROM "
                           "sqlite_schema t, pragma_table_info(t.name) c "
                           "WHERE t.type = 'table' AND t.name NOT LIKE "
                           "'sqlite_%'",
                           -1, &stmt, NULL),
        SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *table = (const char *)sqlite3_column_text(stmt, 0);
        const char *column = (const char *)sqlite3_column_text(stmt, 1);
        const char *type = (const char *)sqlite3_column_text(stmt, 2);

        if (is_left_out(table))
            continue;
        columns++;
        if (count_listed(table, column, type) != 1)
            fail_msg("%s.%s (%s) is not in table_list of src/store/table.c, so "
                     "backups would lose it: add it there, behind what it "
                     "refers to, the primary key first. What can be made anew "
                     "from other tables goes into left_out of this test",
                     table, column, type);
    }
    sqlite3_finalize(stmt);
    sqlite3_close(handle);
    for (size_t i = 0; i < table_count; i++)
        listed += table_columns(&table_list[i]) -
                  (table_list[i].of ? table_list[i].keys : 0);
    assert_int_equal(columns, listed);
}

static void
keys_are_the_primary_keys(void **state)
{
    FIXTURE f;
    sqlite3 *handle = NULL;

    (void)state;
    fixture_init(&f);
    assert_int_equal(sqlite3_open(scratch_path(&f.scratch), &handle),
                     SQLITE_OK);
    for (size_t i = 0; i < table_count; i++) {
        const struct table *t = &table_list[i];
        sqlite3_stmt *stmt = NULL;
        size_t keys = 0;

        assert_int_equal(
            sqlite3_prepare_v2(handle,
                               "SELECT name FROM pragma_table_info(?1) "
                               "WHERE pk > 0 ORDER BY pk",
                               -1, &stmt, NULL),
            SQLITE_OK);
        sqlite3_bind_text(stmt, 1, t->of ? t->of : t->name, -1, SQLITE_STATIC);
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            assert_true(keys < t->keys);
            assert_string_equal((const char *)sqlite3_column_text(stmt, 0),
                                t->column[keys++].name);
        }
        sqlite3_finalize(stmt);
        assert_int_equal(keys, t->keys);
    }
    sqlite3_close(handle);
}

/* ---- rows ------------------------------------------------------------- */

static const struct table *
find(const char *name)
{
    for (size_t i = 0; i < table_count; i++)
        if (strcmp(table_list[i].name, name) == 0)
            return &table_list[i];
    fail_msg("%s", name);
    return NULL;
}

#define MEMBERS 1201 /* more than two pages, and no whole number of batches */

static enum error_code
write_rows(struct db_tx *tx, void *context UNUSED, struct error *err)
{
    static char groups[MEMBERS][8];
    struct table_writer writer;
    struct cell row[TABLE_COLUMNS_MAX];
    char id[16] = "0123456789abcde";
    enum error_code rc = table_clear_all(tx, err);

    /* Two people who are each other's managers. */
    table_write_begin(&writer, tx, find("identity"));
    for (int i = 0; rc == ERR_OK && i < 2; i++) {
        static const char *const name[] = {"x", "y"};

        for (size_t j = 0; j < writer.columns; j++)
            row[j] = (struct cell){.bytes = str_of(name[i]), .number = i};
        row[0].bytes = str_n(i ? id : "aaaaaaaaaaaaaaaa", 16);
        row[9] = (struct cell){.null = true}; /* password_hash */
        rc = table_write(&writer, row, err);
    }
    if (rc == ERR_OK)
        rc = table_flush(&writer, err);
    table_write_end(&writer);
    table_write_begin(&writer, tx, find("identity_manager"));
    for (int i = 0; rc == ERR_OK && i < 2; i++) {
        row[i] = (struct cell){.bytes = str_n(id, 16)};
        row[1 - i] = (struct cell){.bytes = STR("aaaaaaaaaaaaaaaa")};
        rc = table_write(&writer, row, err);
    }
    if (rc == ERR_OK)
        rc = table_flush(&writer, err);
    table_write_end(&writer);
    table_write_begin(&writer, tx, find("workgroup_member"));
    for (int i = 0; rc == ERR_OK && i < MEMBERS; i++) {
        snprintf(groups[i], sizeof(groups[i]), "%05d", i);
        row[0] = (struct cell){.bytes = str_of(groups[i])};
        row[1] = (struct cell){.bytes = str_n(id, 16)};
        rc = table_write(&writer, row, err);
    }
    if (rc == ERR_OK)
        rc = table_flush(&writer, err);
    table_write_end(&writer);
    return rc;
}

static void
rows_come_back_as_they_were_written(void **state)
{
    FIXTURE f;
    struct table_reader reader;
    struct cell row[TABLE_COLUMNS_MAX];
    enum error_code rc;
    int count = 0;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, write_rows, NULL);
    table_read_begin(&reader, fixture_read(&f), find("workgroup_member"));
    while ((rc = table_read(&reader, row, &f.err)) == ERR_OK) {
        char want[8];

        snprintf(want, sizeof(want), "%05d", count++);
        assert_true(str_eq(row[0].bytes, str_of(want)));
        assert_int_equal(row[1].bytes.len, 16);
        assert_false(row[1].null);
    }
    table_read_end(&reader);
    assert_int_equal(rc, ERR_END);
    assert_int_equal(count, MEMBERS);

    table_read_begin(&reader, f.read, find("identity"));
    assert_int_equal(table_read(&reader, row, &f.err), ERR_OK);
    assert_true(row[9].null);
    assert_int_equal(row[1].number, 1);
    assert_true(str_eq(row[2].bytes, STR("y")));
    table_read_end(&reader);

    table_read_begin(&reader, f.read, find("identity_manager"));
    for (count = 0; table_read(&reader, row, &f.err) == ERR_OK; count++)
        assert_false(str_eq(row[0].bytes, row[1].bytes));
    table_read_end(&reader);
    assert_int_equal(count, 2);

    table_read_begin(&reader, f.read, find("record"));
    assert_int_equal(table_read(&reader, row, &f.err), ERR_END);
    table_read_end(&reader);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_has_every_column_of_the_schema_once),
        cmocka_unit_test(keys_are_the_primary_keys),
        cmocka_unit_test(rows_come_back_as_they_were_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

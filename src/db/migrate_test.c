#include "db/migrate.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "db/scratch.h"

static const struct db_options options = {.busy_ms = 10000,
                                          .cache_bytes = 1 << 20};

static struct db *
open_db(const struct scratch *scratch)
{
    struct db *db = NULL;

    assert_int_equal(db_open(scratch->url, &options, true, &db, NULL), ERR_OK);
    return db;
}

static void
migrate_makes_the_schema_once(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_db(&scratch);
    struct error err = ERROR_INIT;
    int version = -1, from = -1;

    (void)state;
    assert_int_equal(migrate_version(db, &version, &err), ERR_OK);
    assert_int_equal(version, 0);
    assert_int_equal(migrate_run(db, NULL, &from, &err), ERR_OK);
    assert_int_equal(from, 0);
    assert_int_equal(migrate_version(db, &version, &err), ERR_OK);
    assert_int_equal(version, migrate_latest());
    assert_int_equal(migrate_run(db, NULL, &from, &err), ERR_OK);
    assert_int_equal(from, migrate_latest());
    assert_int_equal(migrate_check(db, &err), ERR_OK);
    db_close(db);
}

static void
migrate_check_says_what_to_do(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_db(&scratch);
    struct error err = ERROR_INIT;
    char want[256];
    sqlite3 *other = NULL;

    (void)state;
    assert_int_equal(migrate_check(db, &err), ERR_CONFLICT);
    snprintf(want, sizeof(want),
             "the database has schema version 0 and this program needs "
             "version %d: run \"nelm migrate --database URL\"",
             migrate_latest());
    assert_string_equal(err.text, want);

    assert_int_equal(migrate_run(db, NULL, NULL, &err), ERR_OK);
    assert_int_equal(sqlite3_open(scratch_path(&scratch), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other,
                                  "INSERT INTO schema_migration VALUES "
                                  "(900, 'later', 0)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(other);
    snprintf(want, sizeof(want),
             "the database has schema version 900 and this program knows "
             "versions up to %d: use a newer nelm",
             migrate_latest());
    assert_int_equal(migrate_check(db, &err), ERR_CONFLICT);
    assert_string_equal(err.text, want);
    err = ERROR_INIT;
    assert_int_equal(migrate_run(db, NULL, NULL, &err), ERR_CONFLICT);
    assert_string_equal(err.text, want);
    db_close(db);
}

static void
migrate_may_run_in_many_processes_at_once(void **state)
{
    enum { PROCESSES = 8 };
    SCRATCH scratch = scratch_make();
    int did_it = 0;

    (void)state;
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            struct error err = ERROR_INIT;
            struct db *db = NULL;
            int from = 0;
            enum error_code rc = db_open(scratch.url, &options, true, &db,
                                         &err);

            if (rc == ERR_OK)
                rc = migrate_run(db, NULL, &from, &err);
            db_close(db);
            if (rc != ERR_OK)
                fprintf(stderr, "%s | %s\n", err.text, err.detail);
            _exit(rc != ERR_OK ? 2 : from == 0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;

        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status));
        assert_in_range(WEXITSTATUS(status), 0, 1);
        did_it += WEXITSTATUS(status);
    }
    assert_int_equal(did_it, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(migrate_may_run_in_many_processes_at_once),
        cmocka_unit_test(migrate_makes_the_schema_once),
        cmocka_unit_test(migrate_check_says_what_to_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

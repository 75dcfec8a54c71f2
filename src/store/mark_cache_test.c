#include "store/mark_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/fixture.h"

static enum error_code
make_source(struct db_tx *tx, void *context, struct error *err)
{
    return source_insert(tx, context, err);
}

static enum error_code
touch(struct db_tx *tx, void *context, struct error *err)
{
    const struct source *source = context;
    int64_t revision;

    return source_touch(tx, source->number, 1000, &revision, err);
}

static void
stamp_moves_with_every_commit_and_with_nothing_else(void **state UNUSED)
{
    FIXTURE fixture;
    struct source source = {.name = STR("One"), .description = STR("d")};
    struct db_stamp before, after;
    struct db *other;

    fixture_init(&fixture);
    fixture_write(&fixture, make_source, &source);
    assert_true(db_stamp(fixture.db, &before));
    fixture_read(&fixture);
    assert_true(db_stamp(fixture.db, &after));
    assert_true(db_stamp_eq(&before, &after));

    /* Whoever commits, whoever looks. */
    fixture_check(&fixture,
                  store_open(fixture.scratch.url, false, &other, &fixture.err));
    for (int i = 0; i < 50; i++) {
        struct db_stamp there;

        fixture_check(&fixture, db_write(i % 2 ? other : fixture.db, touch,
                                         &source, &fixture.err));
        assert_true(db_stamp(fixture.db, &after));
        assert_true(db_stamp(other, &there));
        assert_false(db_stamp_eq(&before, &after));
        assert_true(db_stamp_eq(&there, &after));
        before = after;
    }
    db_close(other);
}

static void
marks_are_those_of_now(void **state UNUSED)
{
    FIXTURE fixture;
    struct source source = {.name = STR("One"), .description = STR("d")};
    struct mark_cache *cache;
    struct source_mark mark;
    struct uuid unknown = {{1}};
    struct db *other;
    int64_t revision;

    fixture_init(&fixture);
    fixture_write(&fixture, make_source, &source);
    cache = mark_cache_new(fixture.db);
    assert_non_null(cache);
    assert_int_equal(mark_cache_get(cache, &unknown, &mark, NULL),
                     ERR_NOT_FOUND);
    fixture_check(&fixture,
                  mark_cache_get(cache, &source.id, &mark, &fixture.err));
    revision = mark.revision;
    fixture_check(&fixture,
                  store_open(fixture.scratch.url, false, &other, &fixture.err));
    for (int i = 0; i < 20; i++) {
        fixture_check(&fixture, db_write(i % 2 ? other : fixture.db, touch,
                                         &source, &fixture.err));
        revision++;
        for (int again = 0; again < 3; again++) {
            fixture_check(&fixture, mark_cache_get(cache,
                                                   again % 2 ? &source.source_id
                                                             : &source.id,
                                                   &mark, &fixture.err));
            assert_int_equal(mark.revision, revision);
            assert_true(uuid_eq(&mark.id, &source.id));
        }
    }
    mark_cache_free(cache);
    db_close(other);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamp_moves_with_every_commit_and_with_nothing_else),
        cmocka_unit_test(marks_are_those_of_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

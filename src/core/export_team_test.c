#include "core/export_team.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/fixture.h"
#include "fmt/digest.h"

#define ROWS 50000

/* A CSV's bytes and the segments that were told of. */
struct told {
    unsigned char bytes[32], segments[32];
    int64_t rows;
    uint64_t length;
};

struct telling {
    struct digest_sink out;
    struct tally segments;
    int64_t rows, fails_at;
};

static enum error_code
tell(void *context, int64_t segment, int64_t rows, struct error *err)
{
    struct telling *telling = context;

    tally_int(&telling->segments, segment);
    tally_int(&telling->segments, rows);
    tally_int(&telling->segments, (int64_t)telling->out.length);
    telling->rows += rows;
    return segment == telling->fails_at ? error_busy(err, "full") : ERR_OK;
}

/* What so many helpers make of the source while `meanwhile` happens behind the
 * caller's transaction. */
static enum error_code
tell_source(struct fixture *f, unsigned helpers, unsigned variant,
            int64_t fails_at, void (*meanwhile)(struct fixture *f),
            struct told *ret)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(export_done) struct export export;
    struct telling telling = {.fails_at = fails_at};
    struct error err = ERROR_INIT;
    struct schema schema;
    struct db_tx *tx;
    enum error_code rc;

    arena_init(&arena, 1 << 20);
    digest_begin(&telling.out, NULL);
    tally_begin(&telling.segments);
    assert_int_equal(db_read_begin(f->db, &tx, &err), ERR_OK);
    assert_int_equal(schema_load(tx, &f->source.id, &arena, &schema, &err),
                     ERR_OK);
    if (meanwhile != NULL)
        meanwhile(f);
    export_begin(&export, tx, &schema, variant, &telling.out.sink);
    rc = export_team_segments(f->db, helpers, &export, EXPORT_HEAD,
                              export_last_segment(&schema, variant), tell,
                              &telling, &err);
    db_read_end(tx);
    ret->rows = telling.rows;
    ret->length = telling.out.length;
    digest_finish(&telling.out, ret->bytes);
    tally_finish(&telling.segments, ret->segments);
    return rc;
}

static void
check_same(const struct told *a, const struct told *b)
{
    assert_int_equal(a->rows, b->rows);
    assert_memory_equal(a->bytes, b->bytes, sizeof(a->bytes));
    assert_memory_equal(a->segments, b->segments, sizeof(a->segments));
}

static void
helpers_make_the_same_bytes(void **state UNUSED)
{
    struct fixture f;

    fixture_init(&f);
    fixture_fill(&f, &f.source, ROWS, "O\"Neil, Jr.");
    for (unsigned variant = 0; variant < EXPORT_VARIANTS; variant++) {
        struct told alone, helped;

        assert_int_equal(tell_source(&f, 0, variant, INT64_MAX, NULL, &alone),
                         ERR_OK);
        for (unsigned helpers = 1; helpers <= EXPORT_HELPERS_MAX; helpers++) {
            assert_int_equal(
                tell_source(&f, helpers, variant, INT64_MAX, NULL, &helped),
                ERR_OK);
            check_same(&alone, &helped);
        }
    }
    fixture_done(&f);
}

static void
change(struct fixture *f)
{
    fixture_fill(f, &f->source, 10, "Changed");
}

/* Helpers come to a source that has changed since. */
static void
helpers_see_what_the_caller_sees(void **state UNUSED)
{
    struct fixture f;
    struct told alone, helped;

    fixture_init(&f);
    fixture_fill(&f, &f.source, ROWS, "Doe");
    assert_int_equal(tell_source(&f, 0, 0, INT64_MAX, NULL, &alone), ERR_OK);
    assert_int_equal(tell_source(&f, 3, 0, INT64_MAX, change, &helped), ERR_OK);
    check_same(&alone, &helped);
    fixture_done(&f);
}

/* Attributes that make every chunk too long for its slot. */
static void
chunks_without_room_are_left_to_the_caller(void **state UNUSED)
{
    const char *const text[FIELD_TEXTS] = {"long", "A", "B", "1", "a@b", "m"};
    struct fixture f;
    struct told alone, helped;
    static char name[400];

    memset(name, 'x', sizeof(name) - 1);
    fixture_init(&f);
    fixture_fill(&f, &f.source, ROWS, name);
    fixture_record(&f, &f.source, text, NULL);
    assert_int_equal(tell_source(&f, 0, 0, INT64_MAX, NULL, &alone), ERR_OK);
    assert_int_equal(tell_source(&f, 3, 0, INT64_MAX, NULL, &helped), ERR_OK);
    assert_int_equal(alone.rows, ROWS + 1);
    assert_true(alone.length > ROWS * sizeof(name));
    check_same(&alone, &helped);
    fixture_done(&f);
}

static void
a_caller_that_fails_ends_it(void **state UNUSED)
{
    struct fixture f;
    struct told told;

    fixture_init(&f);
    fixture_fill(&f, &f.source, ROWS, "Doe");
    for (int64_t segment = EXPORT_HEAD; segment < 24; segment += 8)
        assert_int_equal(tell_source(&f, 2, 0, segment, NULL, &told),
                         ERR_UNAVAILABLE);
    fixture_done(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(helpers_make_the_same_bytes),
        cmocka_unit_test(helpers_see_what_the_caller_sees),
        cmocka_unit_test(chunks_without_room_are_left_to_the_caller),
        cmocka_unit_test(a_caller_that_fails_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

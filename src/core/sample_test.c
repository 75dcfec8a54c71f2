#include "core/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "core/seen.h"
#include "core/validate.h"
#include "fmt/csv_read.h"

#define ROWS 50000

static void
make(struct buf *to, uint64_t rows, uint64_t seed, bool custom)
{
    struct buf_sink sink;
    struct error err = ERROR_INIT;

    buf_init(to, 64 << 20);
    buf_sink_init(&sink, to);
    assert_int_equal(sample_write(&sink.sink, rows, seed, custom, &err),
                     ERR_OK);
}

static void
makes_the_same_people_for_the_same_seed(void **state)
{
    struct buf a, b, other;

    (void)state;
    make(&a, 5000, 1, false);
    make(&b, 5000, 1, false);
    make(&other, 5000, 2, false);
    assert_string_equal(a.data, b.data);
    assert_string_not_equal(a.data, other.data);
    buf_done(&a);
    buf_done(&b);
    buf_done(&other);
}

static void
begins_a_longer_sample_with_the_shorter_one(void **state)
{
    struct buf small, large;

    (void)state;
    make(&small, 10, 3, true);
    make(&large, 10000, 3, true);
    assert_memory_equal(small.data, large.data, small.len);
    buf_done(&small);
    buf_done(&large);
}

static void
again(void *context UNUSED, uint64_t line, uint64_t first)
{
    fail_msg("line %llu repeats the name of line %llu",
             (unsigned long long)line, (unsigned long long)first);
}

static enum error_code
find(struct manager_lookup *lookup UNUSED, struct str text,
     struct str *ret UNUSED, struct error *err UNUSED)
{
    for (unsigned i = 0; i < sample_manager_count; i++)
        if (str_eq(text, str_of(sample_managers[i].alias)))
            return ERR_OK;
    return ERR_NOT_FOUND;
}

/* What a sample has to have somewhere, or it proves little. */
enum trait {
    HAS_PLUS,
    HAS_LEADING_ZERO,
    HAS_FORMULA,
    HAS_QUOTE,
    HAS_COMMA,
    HAS_LINE_BREAK,
    HAS_LONG,
    HAS_FRACTION,
    HAS_ZULU,
    HAS_EAST,
    HAS_WEST,
    HAS_TWO_BYTES,
    HAS_THREE_BYTES,
    HAS_FOUR_BYTES,
    TRAITS
};

static void
note_traits(struct str text, bool traits[TRAITS])
{
    traits[HAS_PLUS] |= text.at[0] == '+';
    traits[HAS_LEADING_ZERO] |= text.at[0] == '0';
    traits[HAS_FORMULA] |= text.at[0] == '=';
    traits[HAS_LONG] |= utf8_length(text) > 240;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];

        traits[HAS_QUOTE] |= c == '"';
        traits[HAS_COMMA] |= c == ',';
        traits[HAS_LINE_BREAK] |= c == '\n';
        traits[HAS_TWO_BYTES] |= (c & 0xe0) == 0xc0;
        traits[HAS_THREE_BYTES] |= (c & 0xf0) == 0xe0;
        traits[HAS_FOUR_BYTES] |= (c & 0xf8) == 0xf0;
    }
}

static void
makes_valid_people_of_every_kind(void **state)
{
    static const char *const names[] = {
        "accountName", "firstName", "lastName",
        "phone",       "email",     "manager",
        "startDate",   "endDate",   SAMPLE_COST_CENTER,
        SAMPLE_NOTES};
    struct manager_lookup managers = {.find = find};
    struct schema schema = {.count = COUNT(names), .check_managers = true};
    struct csv_reader *reader = csv_read_new(1 << 16);
    struct seen *seen = seen_new(SEEN_SLOTS, again, NULL);
    struct error err = ERROR_INIT;
    bool traits[TRAITS] = {false};
    const struct csv_row *row;
    struct buf text, custom;
    uint64_t rows = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        schema.attribute[i] = (struct attribute){
            .number = (int64_t)i + 1, .technical_name = str_of(names[i])};
    buf_init(&custom, 1 << 16);
    make(&text, ROWS, 42, true);
    csv_read_feed(reader, text.data, text.len);
    assert_int_equal(csv_read_next(reader, &row), ERR_OK);
    assert_int_equal(row->fields, COUNT(names));
    while (csv_read_next(reader, &row) == ERR_OK) {
        struct values values = {0};
        struct record record;
        struct faults faults;

        rows++;
        assert_null(row->problem);
        assert_int_equal(row->fields, COUNT(names));
        for (size_t i = 0; i < row->fields; i++) {
            values.value[i] = row->field[i];
            if (row->field[i].len > 0)
                note_traits(row->field[i], traits);
        }
        assert_int_equal(validate_record(&schema, &values, NULL, &managers,
                                         &custom, &record, &faults, &err),
                         ERR_OK);
        traits[HAS_FRACTION] |= record.start.ms % 1000 != 0;
        traits[HAS_ZULU] |= record.start.offset_min == 0;
        traits[HAS_EAST] |= record.start.offset_min == 840;
        traits[HAS_WEST] |= record.start.offset_min == -600;
        assert_int_equal(
            seen_add(seen, values.value[FIELD_ACCOUNT_NAME], row->line, &err),
            ERR_OK);
    }
    assert_int_equal(rows, ROWS);
    for (int i = 0; i < TRAITS; i++)
        if (!traits[i])
            fail_msg("no row has trait %d", i);
    seen_free(seen);
    csv_read_done(reader);
    buf_done(&text);
    buf_done(&custom);
}

static void
makes_rows_of_a_usual_length(void **state)
{
    struct buf text;

    (void)state;
    make(&text, ROWS, 1, false);
    assert_in_range(text.len / ROWS, 120, 140);
    buf_done(&text);
}

static void
names_managers_once(void **state)
{
    (void)state;
    assert_int_equal(sample_manager_count, 40);
    for (unsigned i = 0; i < sample_manager_count; i++)
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(sample_managers[i].alias,
                                    sample_managers[j].alias);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_the_same_people_for_the_same_seed),
        cmocka_unit_test(begins_a_longer_sample_with_the_shorter_one),
        cmocka_unit_test(makes_valid_people_of_every_kind),
        cmocka_unit_test(makes_rows_of_a_usual_length),
        cmocka_unit_test(names_managers_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

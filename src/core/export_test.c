#include "core/export.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/fixture.h"
#include "store/custom.h"

#define DATES "2020-04-05T08:00:00-10:00,2020-08-07T19:00:00Z"
#define HEAD \
    "accountName,firstName,lastName,phone,email,manager,startDate,endDate"

/* The export of `source`, in all pieces that reach the sink. */
static int64_t
export_text(struct fixture *f, const struct source *source, unsigned variant,
            struct buf *ret)
{
    CLEANUP(arena_done) struct arena arena;
    struct error err = ERROR_INIT;
    struct schema schema;
    struct buf_sink out;
    struct db_tx *tx;
    int64_t rows = -1;

    arena_init(&arena, 1 << 20);
    buf_init(ret, 1 << 26);
    buf_sink_init(&out, ret);
    assert_int_equal(db_read_begin(f->db, &tx, &err), ERR_OK);
    assert_int_equal(schema_load(tx, &source->id, &arena, &schema, &err),
                     ERR_OK);
    assert_int_equal(export_run(tx, &schema, variant, &out.sink, &rows, &err),
                     ERR_OK);
    db_read_end(tx);
    return rows;
}

static void
check_export(struct fixture *f, const struct source *source, unsigned variant,
             const char *want)
{
    CLEANUP(buf_done) struct buf got;

    export_text(f, source, variant, &got);
    assert_string_equal(got.data, want);
}

static void
fields_are_quoted_and_guarded(void **state UNUSED)
{
    static const struct {
        const char *label, *field, *plain, *guarded;
    } cases[] = {
        {"plain", "Smith", "Smith", "Smith"},
        {"empty", "", "", ""},
        {"comma", "Smith, Jo", "\"Smith, Jo\"", "\"Smith, Jo\""},
        {"quotes", "a \"b\"", "\"a \"\"b\"\"\"", "\"a \"\"b\"\"\""},
        {"only quotes", "\"\"", "\"\"\"\"\"\"", "\"\"\"\"\"\""},
        {"quote, comma", "\",\"", "\"\"\",\"\"\"", "\"\"\",\"\"\""},
        {"line break", "a\nb", "\"a\nb\"", "\"a\nb\""},
        {"outer spaces", " a ", "\" a \"", "\" a \""},
        {"leading zeros", "007", "007", "007"},
        {"equals", "=1+1", "=1+1", "'=1+1"},
        {"plus", "+1 555", "+1 555", "'+1 555"},
        {"minus", "-1", "-1", "'-1"},
        {"at", "@SUM(A1)", "@SUM(A1)", "'@SUM(A1)"},
        {"tab", "\tx", "\tx", "'\tx"},
        {"CR", "\rx", "\"\rx\"", "\"'\rx\""},
        {"apostrophe", "'x", "'x", "''x"},
        {"equals, comma", "=A,B", "\"=A,B\"", "\"'=A,B\""},
        {"letters", "\xc3\x85sa \xe6\x9d\x8e", "\xc3\x85sa \xe6\x9d\x8e",
         "\xc3\x85sa \xe6\x9d\x8e"},
    };
    struct fixture f;

    fixture_init(&f);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct source source = fixture_source(&f, cases[i].label);
        const char *text[FIELD_TEXTS] = {"a", "b", "c", "d", "e", "f"};
        char want[512];

        /* Where it begins a row, within it, and last of the texts. */
        text[FIELD_ACCOUNT_NAME] = *cases[i].field ? cases[i].field : "a";
        text[FIELD_LAST_NAME] = text[FIELD_MANAGER] = cases[i].field;
        fixture_record(&f, &source, text, NULL);
        snprintf(want, sizeof(want), HEAD "\n%s,b,%s,d,e,%s," DATES "\n",
                 *cases[i].plain ? cases[i].plain : "a", cases[i].plain,
                 cases[i].plain);
        check_export(&f, &source, 0, want);
        snprintf(want, sizeof(want), HEAD "\n%s,b,%s,d,e,%s," DATES "\n",
                 *cases[i].guarded ? cases[i].guarded : "a", cases[i].guarded,
                 cases[i].guarded);
        check_export(&f, &source, EXPORT_GUARD, want);
    }
    fixture_done(&f);
}

static void
custom_columns_follow_in_order_of_creation(void **state UNUSED)
{
    static const char *const text[] = {"jo", "Jo", "Doe", "1", "j@x", "m"};
    CLEANUP(buf_done) struct buf both, last, gone;
    struct fixture f;

    fixture_init(&f);
    int64_t unit = fixture_attribute(&f, &f.source, "unit");
    int64_t badge = fixture_attribute(&f, &f.source, "badge");

    buf_init(&both, 1000);
    custom_add(&both, unit, STR("Audit, 2"));
    custom_add(&both, badge, STR("=7"));
    buf_init(&last, 1000);
    custom_add(&last, badge, STR("b"));
    buf_init(&gone, 1000);
    custom_add(&gone, badge + 1, STR("of a deleted attribute"));

    static const char *const other[] = {"al", "Al", "Doe", "1", "a@x", "m"};
    static const char *const third[] = {"bo", "Bo", "Doe", "1", "b@x", "m"};
    static const char *const none[] = {"cy", "Cy", "Doe", "1", "c@x", "m"};

    fixture_record(&f, &f.source, text, both.data);
    fixture_record(&f, &f.source, other, last.data);
    fixture_record(&f, &f.source, third, gone.data);
    fixture_record(&f, &f.source, none, NULL);
    check_export(&f, &f.source, 0,
                 HEAD ",unit,badge\n"
                      "jo,Jo,Doe,1,j@x,m," DATES ",\"Audit, 2\",=7\n"
                      "al,Al,Doe,1,a@x,m," DATES ",,b\n"
                      "bo,Bo,Doe,1,b@x,m," DATES ",,\n"
                      "cy,Cy,Doe,1,c@x,m," DATES ",,\n");
    check_export(&f, &f.source, EXPORT_GUARD | EXPORT_CRLF | EXPORT_BOM,
                 "\xef\xbb\xbf" HEAD ",unit,badge\r\n"
                 "jo,Jo,Doe,1,j@x,m," DATES ",\"Audit, 2\",'=7\r\n"
                 "al,Al,Doe,1,a@x,m," DATES ",,b\r\n"
                 "bo,Bo,Doe,1,b@x,m," DATES ",,\r\n"
                 "cy,Cy,Doe,1,c@x,m," DATES ",,\r\n");
    fixture_done(&f);
}

static void
line_ends_within_values_stay(void **state UNUSED)
{
    static const char *const text[] = {"jo", "a\nb", "c\r\nd", "1", "j@x", "m"};
    struct fixture f;

    fixture_init(&f);
    fixture_record(&f, &f.source, text, NULL);
    check_export(&f, &f.source, EXPORT_CRLF,
                 HEAD "\r\njo,\"a\nb\",\"c\r\nd\",1,j@x,m," DATES "\r\n");
    fixture_done(&f);
}

static void
empty_source_equals_template(void **state UNUSED)
{
    struct source full;
    struct fixture f;

    fixture_init(&f);
    full = fixture_source(&f, "Full");
    fixture_fill(&f, &full, 3, "Doe");
    for (unsigned variant = 0; variant < EXPORT_TEMPLATE; variant++) {
        CLEANUP(buf_done) struct buf empty, template;

        assert_int_equal(export_text(&f, &f.source, variant, &empty), 0);
        assert_int_equal(
            export_text(&f, &full, variant | EXPORT_TEMPLATE, &template), 0);
        assert_string_equal(empty.data, template.data);
    }
    check_export(&f, &full, EXPORT_TEMPLATE, HEAD "\n");
    check_export(&f, &full, EXPORT_TEMPLATE | EXPORT_BOM | EXPORT_CRLF,
                 "\xef\xbb\xbf" HEAD "\r\n");
    fixture_done(&f);
}

static void
rows_beyond_the_buffer_are_all_there(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf got;
    struct fixture f;
    char want[200];

    fixture_init(&f);
    fixture_fill(&f, &f.source, 10000, "Doe");
    assert_int_equal(export_text(&f, &f.source, 0, &got), 10000);
    assert_true(got.len > 2 * EXPORT_BUFFER);

    const char *at = got.data + strlen(HEAD "\n");

    for (unsigned i = 0; i < 10000; i++) {
        snprintf(want, sizeof(want),
                 "person.%u,Some Text,Doe,Some Text,Some Text,Some Text," DATES
                 "\n",
                 i);
        assert_memory_equal(at, want, strlen(want));
        at += strlen(want);
    }
    assert_int_equal(*at, '\0');
    fixture_done(&f);
}

static enum error_code
refuse(struct sink *sink UNUSED, const void *bytes UNUSED, size_t len UNUSED,
       struct error *err)
{
    return error_busy(err, "full");
}

static void
failure_of_the_sink_ends_the_export(void **state UNUSED)
{
    CLEANUP(arena_done) struct arena arena;
    struct sink full = {.write = refuse};
    struct error err = ERROR_INIT;
    struct schema schema;
    struct fixture f;
    struct db_tx *tx;
    int64_t rows = -1;

    fixture_init(&f);
    fixture_fill(&f, &f.source, 5000, "Doe");
    arena_init(&arena, 1 << 20);
    assert_int_equal(db_read_begin(f.db, &tx, &err), ERR_OK);
    assert_int_equal(schema_load(tx, &f.source.id, &arena, &schema, &err),
                     ERR_OK);
    assert_int_equal(export_run(tx, &schema, 0, &full, &rows, &err),
                     ERR_UNAVAILABLE);
    assert_int_equal(rows, -1);
    /* The statement is free again. */
    CLEANUP(buf_done) struct buf got;
    struct buf_sink out;

    buf_init(&got, 1 << 24);
    buf_sink_init(&out, &got);
    assert_int_equal(export_run(tx, &schema, 0, &out.sink, &rows, &err),
                     ERR_OK);
    assert_int_equal(rows, 5000);
    db_read_end(tx);
    fixture_done(&f);
}

static void
file_names_are_made_safe(void **state UNUSED)
{
    static const struct {
        const char *name, *want;
        bool changed;
    } cases[] = {
        {"Contractors", "p_Contractors.csv", false},
        {"A-b_c.9", "p_A-b_c.9.csv", false},
        {"a b", "p_a_b.csv", true},
        {"../x\"\r\n;", "p_.._x____.csv", true},
        {"\xc3\x85sa", "p__sa.csv", true},
        {"\xe6\x9d\x8e\xf0\x9f\x98\x80", "p___.csv", true},
        {"", "p_.csv", false},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        CLEANUP(buf_done) struct buf name;
        bool changed;

        buf_init(&name, 1000);
        export_file_name("p_", str_of(cases[i].name), &name, &changed);
        assert_string_equal(name.data, cases[i].want);
        assert_int_equal(changed, cases[i].changed);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_quoted_and_guarded),
        cmocka_unit_test(custom_columns_follow_in_order_of_creation),
        cmocka_unit_test(line_ends_within_values_stay),
        cmocka_unit_test(empty_source_equals_template),
        cmocka_unit_test(rows_beyond_the_buffer_are_all_there),
        cmocka_unit_test(failure_of_the_sink_ends_the_export),
        cmocka_unit_test(file_names_are_made_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

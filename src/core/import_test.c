#include "core/import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/export.h"
#include "core/fixture.h"
#include "core/sample.h"
#include "fmt/csv_write.h"
#include "store/identity_store.h"
#include "store/record_store.h"

#define HEADER \
    "accountName,firstName,lastName,phone,email,manager,startDate,endDate\n"
#define TAIL ",A,B,1,a@b,jane.doe,2020-01-01,2020-12-31\n"

static struct fixture f;

static enum error_code
add_identities(struct db_tx *tx, void *context UNUSED, struct error *err)
{
    enum error_code rc = ERR_OK;

    for (unsigned i = 0; rc == ERR_OK && i < sample_manager_count; i++) {
        const struct sample_manager *manager = &sample_managers[i];
        struct identity identity = {.alias = str_of(manager->alias),
                                    .name = str_of(manager->name),
                                    .email = str_of(manager->email)};

        rc = identity_insert(tx, &identity, err);
    }
    for (int i = 0; rc == ERR_OK && i < 2; i++) {
        struct identity twin = {.alias = i ? STR("twin.2") : STR("twin.1"),
                                .name = STR("Twin Name"),
                                .email = STR("twin@example.com")};

        rc = identity_insert(tx, &twin, err);
    }
    return rc;
}

static int
setup(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    fixture_init(&f);
    assert_int_equal(db_write(f.db, add_identities, NULL, &err), ERR_OK);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    fixture_done(&f);
    return 0;
}

/* What an import did, and said. */
struct outcome {
    enum error_code rc;
    struct import_result result;
    struct error err;
};

static int
file_of(struct str text)
{
    int fd = memfd_create("csv", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.at, text.len), text.len);
    return fd;
}

static struct outcome
import_with(struct import_options options, struct str text, bool check)
{
    struct outcome outcome = {.err = ERROR_INIT};
    int fd = file_of(text);

    if (uuid_eq(&options.source_id, &(struct uuid){0}))
        options.source_id = f.source.id;
    options.check_managers = true;
    import_result_init(&outcome.result);
    outcome.rc = (check ? import_check : import_apply)(
        f.db, fd, text.len, &options, &outcome.result, &outcome.err);
    close(fd);
    return outcome;
}

static struct outcome
import(const char *text)
{
    return import_with((struct import_options){0}, str_of(text), false);
}

static void
must_import(const char *text, int64_t created, int64_t updated,
            int64_t unchanged)
{
    struct outcome outcome = import(text);

    if (outcome.rc != ERR_OK)
        fail_msg("%s\n%s", error_text(&outcome.err),
                 outcome.result.errors.data);
    assert_int_equal(outcome.result.created, created);
    assert_int_equal(outcome.result.updated, updated);
    assert_int_equal(outcome.result.unchanged, unchanged);
    import_result_done(&outcome.result);
}

/* The CSV of the fixture's source. */
static void export(struct buf *to)
{
    CLEANUP(arena_done) struct arena arena;
    struct schema schema;
    struct buf_sink sink;
    struct error err = ERROR_INIT;
    struct db_tx *tx;
    int64_t rows;

    arena_init(&arena, 1 << 20);
    buf_init(to, 64 << 20);
    buf_sink_init(&sink, to);
    assert_int_equal(db_read_begin(f.db, &tx, &err), ERR_OK);
    assert_int_equal(schema_load(tx, &f.source.id, &arena, &schema, &err),
                     ERR_OK);
    assert_int_equal(export_run(tx, &schema, 0, &sink.sink, &rows, &err),
                     ERR_OK);
    db_read_end(tx);
}

static void
must_hold(const char *want)
{
    struct buf have;

    export(&have);
    assert_string_equal(have.data, want);
    buf_done(&have);
}

static void
imports_the_published_sample(void **state)
{
    (void)state;
    must_import(HEADER "Jon.Smith, Jon, Smith, 555-555-5555, "
                       "jon@jon.doe.nope.com, Jim Smith, "
                       "2020-04-05T08:00:00-10:00,2020-08-07T19:00:00-10:00\n"
                       "William.Chaffin, William, Chaffin, 555-555-5555, "
                       "william@chaffin.nope.com, Jane Doe, "
                       "2020-04-05T08:00:00-10:00,2020-08-07T19:00:00-10:00\n",
                2, 0, 0);
    must_hold(HEADER "Jon.Smith,Jon,Smith,555-555-5555,jon@jon.doe.nope.com,"
                     "jim.smith,2020-04-05T08:00:00-10:00,"
                     "2020-08-07T19:00:00-10:00\n"
                     "William.Chaffin,William,Chaffin,555-555-5555,"
                     "william@chaffin.nope.com,jane.doe,"
                     "2020-04-05T08:00:00-10:00,2020-08-07T19:00:00-10:00\n");
}

static void
reads_marks_line_ends_blank_lines_and_any_order_of_columns(void **state)
{
    (void)state;
    must_import("\xef\xbb\xbf\r\nENDDATE,startdate, Manager ,email,phone,"
                "\"lastName\",firstname,ACCOUNTNAME\r\n\r\n"
                "2020-12-31T23:59:59.123+14:00,2020-01-01,"
                "jane.doe@example.com,a@b,007,\"La, st\",F,acc\r\n\r\n",
                1, 0, 0);
    must_hold(HEADER "acc,F,\"La, st\",007,a@b,jane.doe,2020-01-01T00:00:00Z,"
                     "2020-12-31T23:59:59.123+14:00\n");
}

static void
refuses_bad_headers(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "No files were supplied for import."},
        {"\xef\xbb\xbf\r\n\n", "No files were supplied for import."},
        {"accountName,firstName,lastName,phone,mail,manager,startDate\n\n",
         "Column: \"[mail]\" is unknown and/or column: \"[email, endDate]\" "
         "is missing"},
        {"colour," HEADER,
         "Column: \"[colour]\" is unknown and/or column: \"[]\" is missing"},
        {"colour," HEADER "\n",
         "Column: \"[colour]\" is unknown and/or column: \"[]\" is missing"},
        {"Phone," HEADER "\n", "Column: \"[phone]\" is there more than once"},
        {"accountName,firstName,lastName,phone,email,manager,startDate,endDate "
         "Jon.Smith,Jon,Smith,5,a@b,jane.doe,2020-01-01,2020-12-31\n",
         "Column: \"[endDate Jon.Smith, Jon, Smith, 5, a@b, jane.doe, "
         "2020-01-01, 2020-12-31]\" is unknown and/or column: \"[endDate]\" "
         "is missing. The whole file is one line: its line breaks were lost "
         "on the way (in PowerShell, read it with Get-Content -Raw)"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct outcome outcome = import(cases[i].text);

        assert_int_equal(outcome.rc, ERR_VALUE);
        assert_string_equal(outcome.err.text, cases[i].want);
        import_result_done(&outcome.result);
    }
}

static void
reports_a_long_flattened_file_in_a_few_words(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 4 << 20);
    buf_text(&text, "accountName,firstName,lastName,phone,email,manager,"
                    "startDate,endDate");
    for (int i = 0; i < 50000; i++)
        buf_text(&text, " acc,A,B,1,a@b,jane.doe,2020-01-01,2020-12-31");
    struct outcome outcome = import_with((struct import_options){0},
                                         buf_view(&text), false);

    assert_int_equal(outcome.rc, ERR_VALUE);
    assert_non_null(strstr(outcome.err.text, "The whole file is one line"));
    assert_true(strlen(outcome.err.text) < 1000);
    import_result_done(&outcome.result);
    buf_done(&text);
}

static void
reads_a_header_line_alone(void **state)
{
    (void)state;
    must_import(HEADER, 0, 0, 0);
    must_hold(HEADER);
}

static void
reports_every_bad_line_with_its_number(void **state)
{
    static const char text[] = HEADER
        "ok1" TAIL                                          /* 2 */
        "\"multi\r\nline\"" TAIL                            /* 3, 4 */
        "a,,B,1,,jane.doe,2020-01-01,2020-12-31\n"          /* 5 */
        "\n"                                                /* 6 */
        "b,A,B,1,a@b,jane.doe,soon,2020-12-31\n"            /* 7 */
        "c,A,B,1,a@b,nobody,2020-01-01,2020-12-31\n"        /* 8 */
        "d,A,B,1,a@b,Twin Name,2020-01-01,2020-12-31\n"     /* 9 */
        "OK1" TAIL                                          /* 10 */
        "short,A\n"                                         /* 11 */
        "e,A,\"B\"x,1,a@b,jane.doe,2020-01-01,2020-12-31\n" /* 12 */
        "f,A,B,1,a@b,jane.doe,2020-01-02,2020-01-01,\n"     /* 13 */
        "g,A,B,1,a@b,jane.doe,2020-01-02,2020-01-01\n";     /* 14 */
    static const char want[] =
        "Line 3: Value of \"accountName\" is empty or contains invalid "
        "data.\n"
        "Line 5: firstName is required; email is required;\n"
        "Line 7: Value of \"startDate\" is empty or contains invalid data.\n"
        "Line 8: Value of \"manager\" is empty or contains invalid data.\n"
        "Line 9: Value of \"manager\" is empty or contains invalid data.\n"
        "Line 10: accountName is already used on line 2;\n"
        "Line 11: 2 cells where the header has 8;\n"
        "Line 12: ";
    static const char rest[] =
        "\nLine 13: 9 cells where the header has 8;\n"
        "Line 14: Value of \"endDate\" is empty or contains invalid data.";

    (void)state;
    for (int check = 0; check <= 1; check++) {
        struct outcome outcome = import_with((struct import_options){0},
                                             str_of(text), check);
        const char *have = outcome.result.errors.data;

        assert_int_equal(outcome.rc, ERR_CONTENT);
        assert_string_equal(outcome.err.text,
                            "The file has 10 bad lines; nothing was imported.");
        assert_int_equal(outcome.result.error_count, 10);
        assert_int_equal(outcome.result.rows, 11);
        if (strncmp(have, want, sizeof(want) - 1) != 0)
            assert_string_equal(have, want);
        assert_string_equal(strstr(have, "\nLine 13"), rest);
        import_result_done(&outcome.result);
    }
    must_hold(HEADER);
    assert_int_equal(fixture_mark(&f, &f.source).revision, f.source.revision);
}

static void
updates_what_is_there_and_leaves_equal_records_alone(void **state)
{
    struct source_mark before;

    (void)state;
    must_import(HEADER "one" TAIL "two" TAIL, 2, 0, 0);
    before = fixture_mark(&f, &f.source);
    must_import(HEADER "two" TAIL "one" TAIL, 0, 0, 2);
    assert_int_equal(fixture_mark(&f, &f.source).revision, before.revision);
    assert_int_equal(fixture_mark(&f, &f.source).changed_ms, before.changed_ms);

    must_import(HEADER "TWO" TAIL "three" TAIL "one" TAIL, 1, 1, 1);
    assert_int_equal(fixture_mark(&f, &f.source).revision, before.revision + 1);
    must_hold(HEADER "one,A,B,1,a@b,jane.doe,2020-01-01T00:00:00Z,"
                     "2020-12-31T00:00:00Z\n"
                     "TWO,A,B,1,a@b,jane.doe,2020-01-01T00:00:00Z,"
                     "2020-12-31T00:00:00Z\n"
                     "three,A,B,1,a@b,jane.doe,2020-01-01T00:00:00Z,"
                     "2020-12-31T00:00:00Z\n");
}

static enum error_code
delete_jane(struct db_tx *tx, void *context UNUSED, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct identity jane;

    arena_init(&arena, 1 << 16);
    enum error_code rc = identity_by_alias(tx, STR("jane.doe"), &arena, &jane,
                                           err);

    return rc == ERR_OK ? identity_delete(tx, &jane.id, err) : rc;
}

static enum error_code
add_required(struct db_tx *tx, void *context UNUSED, struct error *err)
{
    struct attribute attribute = {.type = STR("TEXT"),
                                  .label = STR("Badge"),
                                  .technical_name = STR("badge"),
                                  .required = true};

    return schema_insert(tx, f.source.number, &attribute, err);
}

static void
must_refuse(const char *text, const char *want)
{
    for (int check = 0; check <= 1; check++) {
        struct outcome outcome = import_with((struct import_options){0},
                                             str_of(text), check);

        assert_int_not_equal(outcome.rc, ERR_OK);
        assert_string_equal(outcome.rc == ERR_CONTENT
                                ? outcome.result.errors.data
                                : outcome.err.text,
                            want);
        import_result_done(&outcome.result);
    }
}

static void
must_stay(struct str text)
{
    struct source_mark before = fixture_mark(&f, &f.source);
    struct outcome outcome = import_with((struct import_options){0}, text,
                                         true);

    assert_int_equal(outcome.rc, ERR_OK);
    import_result_done(&outcome.result);
    must_import(text.at, 0, 0, 2);
    assert_int_equal(fixture_mark(&f, &f.source).revision, before.revision);
}

static void
takes_an_export_back_when_its_manager_is_gone(void **state)
{
    struct error err = ERROR_INIT;
    struct buf text;

    (void)state;
    must_import(HEADER "one" TAIL "two" TAIL, 2, 0, 0);
    assert_int_equal(db_write(f.db, delete_jane, NULL, &err), ERR_OK);
    export(&text);
    must_stay(buf_view(&text));
    buf_done(&text);
    must_refuse(
        HEADER "three" TAIL "one" TAIL,
        "Line 2: Value of \"manager\" is empty or contains invalid data.");
    must_import(HEADER "one,X,B,1,a@b,jane.doe,2020-01-01,2020-12-31\n", 0, 1,
                0);
}

static void
takes_an_export_back_when_an_attribute_became_required(void **state)
{
    static const char header[] = "accountName,firstName,lastName,phone,email,"
                                 "manager,startDate,endDate,badge\n";
    static const char lacking[] =
        "Column: \"[]\" is unknown and/or column: \"[badge]\" is missing";
    struct error err = ERROR_INIT;
    struct buf before, after, text;

    (void)state;
    must_import(HEADER "one" TAIL "two" TAIL, 2, 0, 0);
    export(&before);
    assert_int_equal(db_write(f.db, add_required, NULL, &err), ERR_OK);
    export(&after);
    assert_memory_equal(after.data, header, sizeof(header) - 1);
    must_stay(buf_view(&before));
    must_stay(buf_view(&after));
    buf_done(&before);
    buf_done(&after);

    must_refuse(HEADER, lacking);
    must_refuse(HEADER "one" TAIL "three" TAIL, lacking);
    must_refuse(HEADER "one" TAIL "x,y\n", lacking);
    must_refuse(HEADER "two,X,B,1,a@b,jane.doe,2020-01-01,2020-12-31\n",
                lacking);
    buf_init(&text, 1 << 16);
    buf_printf(&text, "%sone,X,B,1,a@b,jane.doe,2020-01-01,2020-12-31,\n",
               header);
    must_refuse(text.data, "Line 2: badge is required;");
    buf_done(&text);
}

static void
refuses_a_record_twice_in_a_file_that_updates(void **state)
{
    (void)state;
    must_import(HEADER "one" TAIL "two" TAIL, 2, 0, 0);
    struct outcome outcome = import(
        HEADER "one,X,B,1,a@b,jane.doe,2020-01-01,2020-12-31\n" /* 2 */
               "new" TAIL                                       /* 3 */
               "ONE,Y,B,1,a@b,jane.doe,2020-01-01,2020-12-31\n" /* 4 */
               "two" TAIL                                       /* 5 */
               "NEW" TAIL                                       /* 6 */
               "two" TAIL);                                     /* 7 */

    assert_int_equal(outcome.rc, ERR_CONTENT);
    assert_string_equal(outcome.result.errors.data,
                        "Line 4: accountName is already used on line 2;\n"
                        "Line 6: accountName is already used on line 3;\n"
                        "Line 7: accountName is already used on line 5;");
    import_result_done(&outcome.result);
    must_hold(HEADER "one,A,B,1,a@b,jane.doe,2020-01-01T00:00:00Z,"
                     "2020-12-31T00:00:00Z\n"
                     "two,A,B,1,a@b,jane.doe,2020-01-01T00:00:00Z,"
                     "2020-12-31T00:00:00Z\n");
}

static void
keeps_clears_and_overwrites_custom_values(void **state)
{
    static const char with[] =
        "accountName,firstName,lastName,phone,email,manager,startDate,"
        "endDate,notes,costCenter\n";
#define DATES "A,B,1,a@b,jane.doe,2020-01-01T00:00:00Z,2020-12-31T00:00:00Z"
    char text[512];

    (void)state;
    fixture_attribute(&f, &f.source, "notes");
    fixture_attribute(&f, &f.source, "costCenter");
    snprintf(text, sizeof(text),
             "%sone," DATES ",\"two\r\nlines, \"\"q\"\"\",0042\n", with);
    must_import(text, 1, 0, 0);
    must_hold(text);
    must_import(text, 0, 0, 1);

    /* Columns that are not there. */
    must_import(HEADER "one" TAIL, 0, 0, 1);
    must_hold(text);

    /* One that is, and is empty. */
    snprintf(text, sizeof(text),
             "COSTCENTER,accountName,firstName,lastName,phone,email,manager,"
             "startDate,endDate\n,one," DATES "\n");
    must_import(text, 0, 1, 0);
    snprintf(text, sizeof(text),
             "%sone," DATES ",\"two\r\nlines, \"\"q\"\"\",\n", with);
    must_hold(text);
#undef DATES
}

static void
takes_the_guard_off(void **state)
{
    struct import_options options = {.unguard = true};

    (void)state;
    struct outcome outcome = import_with(
        options,
        STR(HEADER "'=a,'+1,''q,'-1,a@b,jane.doe,2020-01-01,2020-12-31\n"),
        false);

    assert_int_equal(outcome.rc, ERR_OK);
    import_result_done(&outcome.result);
    must_hold(HEADER "=a,+1,'q,-1,a@b,jane.doe,2020-01-01T00:00:00Z,"
                     "2020-12-31T00:00:00Z\n");
    must_import(HEADER "'=b" TAIL, 1, 0, 0);
}

static void
keeps_the_limit_of_records(void **state)
{
    static const struct {
        int64_t max;
        enum error_code rc;
    } cases[] = {{0, ERR_OK}, {2, ERR_LIMIT}, {3, ERR_OK}};

    (void)state;
    must_import(HEADER "one" TAIL "two" TAIL, 2, 0, 0);
    for (int check = 1; check >= 0; check--)
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct import_options options = {.max_records = cases[i].max};
            struct str text = STR(HEADER "two" TAIL "three" TAIL);

            if (!check && cases[i].max == 0)
                continue; /* would make room for none of the others */
            struct outcome outcome = import_with(options, text, check);

            assert_int_equal(outcome.rc, cases[i].rc);
            if (cases[i].rc == ERR_LIMIT)
                assert_string_equal(outcome.err.text,
                                    "You have reached the current limit of 2 "
                                    "non-employee records.");
            import_result_done(&outcome.result);
        }
}

static void
stops_listing_after_a_thousand_lines(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 1 << 20);
    buf_text(&text, HEADER);
    for (int i = 0; i < 2503; i++)
        buf_printf(&text, "x%d,A,B,1,bad,jane.doe,2020-01-01,2020-12-31\n", i);
    struct outcome outcome = import_with((struct import_options){0},
                                         buf_view(&text), false);
    const char *errors = outcome.result.errors.data;
    size_t lines = 1;

    assert_int_equal(outcome.rc, ERR_CONTENT);
    for (const char *at = errors; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, IMPORT_MAX_ERRORS + 1);
    assert_non_null(strstr(errors, "\nLine 1001: "));
    assert_string_equal(strrchr(errors, '\n') + 1, "... and 1503 more errors");
    import_result_done(&outcome.result);
    buf_done(&text);
}

static void
knows_no_source(void **state)
{
    struct import_options options = {.source_id = uuid_mint()};

    (void)state;
    for (int check = 0; check <= 1; check++) {
        struct outcome outcome = import_with(options, STR(HEADER "one" TAIL),
                                             check);

        assert_int_equal(outcome.rc, ERR_NOT_FOUND);
        import_result_done(&outcome.result);
    }
}

static void
checks_without_changing_anything(void **state)
{
    (void)state;
    struct outcome outcome = import_with((struct import_options){0},
                                         STR(HEADER "one" TAIL), true);

    assert_int_equal(outcome.rc, ERR_OK);
    assert_int_equal(outcome.result.rows, 1);
    import_result_done(&outcome.result);
    must_hold(HEADER);
}

static void
sample(struct buf *to, uint64_t rows, uint64_t seed)
{
    struct buf_sink sink;
    struct error err = ERROR_INIT;

    buf_init(to, 64 << 20);
    buf_sink_init(&sink, to);
    assert_int_equal(sample_write(&sink.sink, rows, seed, true, &err), ERR_OK);
}

static void
gives_a_sample_back_byte_for_byte(void **state)
{
    struct source_mark before;
    struct buf text;

    (void)state;
    fixture_attribute(&f, &f.source, SAMPLE_COST_CENTER);
    fixture_attribute(&f, &f.source, SAMPLE_NOTES);
    sample(&text, 10000, 7);
    must_import(text.data, 10000, 0, 0);
    must_hold(text.data);
    before = fixture_mark(&f, &f.source);
    must_import(text.data, 0, 0, 10000);
    assert_int_equal(fixture_mark(&f, &f.source).revision, before.revision);
    buf_done(&text);
}

/* A field of up to `max` characters, of those that break naive readers, with
 * nothing to trim at its ends. */
static void
random_field(struct buf *to, unsigned *seed, int max, bool built_in)
{
    static const char *const any[] = {",", "\"", "'",    "=", ";",  "x",
                                      "é", "中", "🙂", " ", "\\", "|"};
    static const char *const breaks[] = {"\n", "\r\n", "\r", "\t", " "};
    int length = rand_r(seed) % max;
    struct buf text;

    buf_init(&text, 1 << 16);
    buf_text(&text, built_in ? "<" : "");
    for (int i = 0; i < length; i++)
        buf_text(&text, !built_in && rand_r(seed) % 4 == 0
                            ? breaks[(unsigned)rand_r(seed) % COUNT(breaks)]
                            : any[(unsigned)rand_r(seed) % COUNT(any)]);
    buf_text(&text, built_in ? ">" : "");
    csv_field(to, buf_view(&text), false);
    buf_done(&text);
}

static void
gives_random_records_back_byte_for_byte(void **state)
{
    unsigned seed = 20201105;
    struct buf text;

    (void)state;
    fixture_attribute(&f, &f.source, "notes");
    buf_init(&text, 16 << 20);
    buf_text(&text, "accountName,firstName,lastName,phone,email,manager,"
                    "startDate,endDate,notes\n");
    for (int i = 0; i < 2000; i++) {
        struct moment m = {
            .ms = (int64_t)rand_r(&seed) * 1000 + rand_r(&seed) % 1000,
            .offset_min = (int16_t)(rand_r(&seed) % 2879 - 1439)};
        char date[MOMENT_TEXT];

        buf_printf(&text, "%d-", i);
        for (int n = FIELD_FIRST_NAME; n <= FIELD_PHONE; n++) {
            buf_char(&text, ',');
            random_field(&text, &seed, 30, true);
        }
        buf_printf(&text, ",%d@x,jane.doe", i);
        moment_csv(m, date);
        buf_printf(&text, ",%s,%s,", date, date);
        random_field(&text, &seed, 60, false);
        buf_char(&text, '\n');
    }
    must_import(text.data, 2000, 0, 0);
    must_hold(text.data);
    must_import(text.data, 0, 0, 2000);
    buf_done(&text);
}

static void
finds_repeated_names_far_apart(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 64 << 20);
    buf_text(&text, HEADER);
    for (int i = 0; i < 20000; i++)
        buf_printf(&text, "acc%d" TAIL, i);
    buf_text(&text, "ACC0" TAIL "acc19999" TAIL);
    for (int check = 0; check <= 1; check++) {
        struct outcome outcome = import_with((struct import_options){0},
                                             buf_view(&text), check);

        assert_int_equal(outcome.rc, ERR_CONTENT);
        assert_string_equal(
            outcome.result.errors.data,
            "Line 20002: accountName is already used on line 2;\n"
            "Line 20003: accountName is already used on line 20001;");
        import_result_done(&outcome.result);
    }
    buf_done(&text);
}

struct seen_progress {
    unsigned calls;
    uint64_t bytes, rows;
};

static void
note_progress(void *context, uint64_t bytes, uint64_t rows)
{
    struct seen_progress *seen = context;

    assert_true(bytes >= seen->bytes && rows >= seen->rows);
    *seen = (struct seen_progress){seen->calls + 1, bytes, rows};
}

static void
tells_how_far_it_is(void **state)
{
    struct seen_progress seen = {0};
    struct import_options options = {.progress = note_progress,
                                     .context = &seen};
    struct buf text;

    (void)state;
    fixture_attribute(&f, &f.source, SAMPLE_COST_CENTER);
    fixture_attribute(&f, &f.source, SAMPLE_NOTES);
    sample(&text, 20000, 1);
    struct outcome outcome = import_with(options, buf_view(&text), true);

    assert_int_equal(outcome.rc, ERR_OK);
    assert_true(seen.calls >= 3);
    assert_int_equal(seen.bytes, text.len);
    assert_int_equal(seen.rows, 20000);
    import_result_done(&outcome.result);
    buf_done(&text);
}

static void
list_fault(void *context, const struct import_fault *fault)
{
    buf_printf(context, "%llu|%.*s|%s|%.*s\n", (unsigned long long)fault->line,
               STR_ARG(fault->column), fault->reason, STR_ARG(fault->text));
}

static void
tells_what_would_change_and_what_is_wrong(void **state)
{
    struct buf faults;
    struct import_options options = {
        .count = true, .fault = list_fault, .context = &faults};

    (void)state;
    buf_init(&faults, 1 << 20);
    must_import(HEADER "same" TAIL "other" TAIL, 2, 0, 0);
    struct outcome outcome = import_with(
        options,
        STR(HEADER "same" TAIL "OTHER" TAIL "new" TAIL "x,y\n"
                   "late,A,B,1,bad,jane.doe,never,2020-12-31\n"
                   "New" TAIL "newer" TAIL),
        true);

    assert_int_equal(outcome.rc, ERR_CONTENT);
    assert_int_equal(outcome.result.rows, 7);
    assert_int_equal(outcome.result.unchanged, 1);
    assert_int_equal(outcome.result.updated, 1);
    assert_int_equal(outcome.result.created, 3); /* "New" alone is good */
    assert_string_equal(
        faults.data,
        "5||has another number of cells than the header|"
        "Line 5: 2 cells where the header has 8;\n"
        "6|email|is not an e-mail address|Line 6: Value of \"email\" is empty "
        "or contains invalid data. Value of \"startDate\" is empty or contains "
        "invalid data.\n"
        "7|accountName|is already used on line 4|Line 7: accountName is "
        "already used on line 4;\n");
    import_result_done(&outcome.result);
    buf_done(&faults);
    must_import(HEADER "same" TAIL "other" TAIL, 0, 0, 2);
}

static void
skips_the_notes_of_refused_lines(void **state)
{
    struct buf text;

    (void)state;
    must_import("_line,_error,accountName,firstName,lastName,phone,email,"
                "manager,startDate,endDate,_Error\n"
                "7,\"Line 7: no, no;\",joe"
                ",A,B,1,a@b,jane.doe,2020-01-01,"
                "2020-12-31,\n",
                1, 0, 0);
    export(&text);
    assert_string_equal(text.data, HEADER "joe,A,B,1,a@b,jane.doe,"
                                          "2020-01-01T00:00:00Z,"
                                          "2020-12-31T00:00:00Z\n");
    buf_done(&text);
}

/* Ten values too long, in columns with long names. */
static void
stops_listing_long_lines(void **state)
{
    static char value[4002], name[129];
    struct buf text, tail;
    unsigned long long more = 0, rows = 300;

    (void)state;
    buf_init(&text, 64 << 20);
    buf_init(&tail, 1 << 20);
    memset(value, 'v', sizeof(value) - 1);
    buf_text(&text, "accountName,firstName,lastName,phone,email,manager,"
                    "startDate,endDate");
    for (int i = 0; i < SCHEMA_CUSTOM_MAX; i++) {
        memset(name, 'a' + i, sizeof(name) - 1);
        fixture_attribute(&f, &f.source, name);
        buf_printf(&text, ",%s", name);
        buf_printf(&tail, ",%s", value);
    }
    for (unsigned long long i = 0; i < rows; i++)
        buf_printf(&text, "\nx%llu,A,B,1,a@b,jane.doe,2020-01-01,2020-12-31%s",
                   i, tail.data);
    struct outcome outcome = import_with((struct import_options){0},
                                         buf_view(&text), true);

    assert_int_equal(outcome.rc, ERR_CONTENT);
    assert_int_equal(outcome.result.error_count, rows);
    assert_in_range(outcome.result.errors.len, IMPORT_ERROR_BYTES,
                    IMPORT_ERROR_BYTES + 4096);
    const char *last = strrchr(outcome.result.errors.data, '\n') + 1;
    size_t lines = 0;

    for (const char *at = outcome.result.errors.data; at < last; at++)
        lines += *at == '\n';
    assert_int_equal(sscanf(last, "... and %llu more errors", &more), 1);
    assert_int_equal(lines + more, rows);
    import_result_done(&outcome.result);
    buf_done(&tail);
    buf_done(&text);
}

static void
stops_when_it_is_told(void **state)
{
    atomic_bool stop = true;
    struct import_options options = {.stop = &stop};

    (void)state;
    for (int check = 0; check < 2; check++) {
        struct outcome outcome = import_with(options, STR(HEADER "one" TAIL),
                                             check);

        assert_int_equal(outcome.rc, ERR_UNAVAILABLE);
        import_result_done(&outcome.result);
    }
    must_import(HEADER "one" TAIL, 1, 0, 0);
}

#define IN_FRESH_SOURCE(test) \
    cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FRESH_SOURCE(imports_the_published_sample),
        IN_FRESH_SOURCE(
            reads_marks_line_ends_blank_lines_and_any_order_of_columns),
        IN_FRESH_SOURCE(refuses_bad_headers),
        IN_FRESH_SOURCE(reports_a_long_flattened_file_in_a_few_words),
        IN_FRESH_SOURCE(reads_a_header_line_alone),
        IN_FRESH_SOURCE(reports_every_bad_line_with_its_number),
        IN_FRESH_SOURCE(updates_what_is_there_and_leaves_equal_records_alone),
        IN_FRESH_SOURCE(takes_an_export_back_when_its_manager_is_gone),
        IN_FRESH_SOURCE(takes_an_export_back_when_an_attribute_became_required),
        IN_FRESH_SOURCE(refuses_a_record_twice_in_a_file_that_updates),
        IN_FRESH_SOURCE(keeps_clears_and_overwrites_custom_values),
        IN_FRESH_SOURCE(takes_the_guard_off),
        IN_FRESH_SOURCE(keeps_the_limit_of_records),
        IN_FRESH_SOURCE(stops_listing_after_a_thousand_lines),
        IN_FRESH_SOURCE(knows_no_source),
        IN_FRESH_SOURCE(checks_without_changing_anything),
        IN_FRESH_SOURCE(gives_a_sample_back_byte_for_byte),
        IN_FRESH_SOURCE(gives_random_records_back_byte_for_byte),
        IN_FRESH_SOURCE(finds_repeated_names_far_apart),
        IN_FRESH_SOURCE(tells_how_far_it_is),
        IN_FRESH_SOURCE(tells_what_would_change_and_what_is_wrong),
        IN_FRESH_SOURCE(skips_the_notes_of_refused_lines),
        IN_FRESH_SOURCE(stops_listing_long_lines),
        IN_FRESH_SOURCE(stops_when_it_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

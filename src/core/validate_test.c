#include "core/validate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/custom.h"

#define NUMBER_NOTES 9
#define NUMBER_COST 10

/* The eight built-in attributes, an optional and a required custom one. */
static struct schema
make_schema(void)
{
    static const char *const names[] = {
        "accountName", "firstName", "lastName", "phone", "email",
        "manager",     "startDate", "endDate",  "notes", "costCenter"};
    struct schema schema = {.count = COUNT(names), .check_managers = true};

    for (size_t i = 0; i < COUNT(names); i++)
        schema.attribute[i] = (struct attribute){
            .number = (int64_t)i + 1,
            .technical_name = str_of(names[i]),
            .required = i != NUMBER_NOTES - 1,
            .system = i < FIELD_COUNT,
        };
    return schema;
}

/* Knows one manager, by two texts. */
static enum error_code
find(struct manager_lookup *lookup UNUSED, struct str text, struct str *ret,
     struct error *err UNUSED)
{
    if (!str_eq(text, STR("Jane Doe")) && !str_eq(text, STR("jane.doe")))
        return ERR_NOT_FOUND;
    *ret = STR("jane.doe");
    return ERR_OK;
}

static struct manager_lookup managers = {.find = find};

static struct values
good_values(void)
{
    return (struct values){{STR("Abby.Smith"), STR("Abby"), STR("Smith"),
                            STR("5125555555"), STR("abby@example.com"),
                            STR("jane.doe"), STR("2020-04-05T08:00:00-10:00"),
                            STR("2020-08-07"), STR("n"), STR("0042")}};
}

struct outcome {
    enum error_code rc;
    struct record record;
    struct faults faults;
    struct buf custom;
};

static struct outcome
validate(const struct schema *schema, const struct values *values,
         const struct record *old)
{
    struct outcome outcome = {0};
    struct error err = ERROR_INIT;

    buf_init(&outcome.custom, 1 << 20);
    outcome.rc = validate_record(schema, values, old, &managers,
                                 &outcome.custom, &outcome.record,
                                 &outcome.faults, &err);
    return outcome;
}

static void
assert_str(struct str have, const char *want)
{
    assert_int_equal(have.len, strlen(want));
    assert_memory_equal(have.at, want, have.len);
}

static void
keeps_good_values(void **state)
{
    struct schema schema = make_schema();
    struct values values = good_values();

    (void)state;
    values.value[FIELD_FIRST_NAME] = STR(" \t\xc2\xa0"
                                         "Ábby Jo\xe3\x80\x80 ");
    values.value[FIELD_MANAGER] = STR(" Jane Doe ");
    values.value[NUMBER_NOTES - 1] = STR(" kept,\n\"exactly\" ");
    struct outcome outcome = validate(&schema, &values, NULL);

    assert_int_equal(outcome.rc, ERR_OK);
    assert_int_equal(outcome.faults.count, 0);
    assert_str(outcome.record.text[FIELD_ACCOUNT_NAME], "Abby.Smith");
    assert_str(outcome.record.text[FIELD_FIRST_NAME], "Ábby Jo");
    assert_str(outcome.record.text[FIELD_MANAGER], "jane.doe");
    assert_int_equal(outcome.record.start.ms, 1586109600000);
    assert_int_equal(outcome.record.start.offset_min, -600);
    assert_int_equal(outcome.record.end.ms, 1596758400000);
    assert_str(custom_find(outcome.record.custom, NUMBER_NOTES),
               " kept,\n\"exactly\" ");
    assert_str(custom_find(outcome.record.custom, NUMBER_COST), "0042");
    buf_done(&outcome.custom);
}

static void
finds_the_fault_of_each_value(void **state)
{
    static const struct {
        size_t at;
        const char *value; /* NULL: absent */
        int kind;          /* -1: fine */
    } cases[] = {
        {FIELD_ACCOUNT_NAME, NULL, FAULT_REQUIRED},
        {FIELD_ACCOUNT_NAME, "", FAULT_REQUIRED},
        {FIELD_LAST_NAME, " \t ", FAULT_REQUIRED},
        {FIELD_LAST_NAME, "\xe3\x80\x80", FAULT_REQUIRED},
        {FIELD_LAST_NAME, "a\tb", FAULT_VALUE},
        {FIELD_LAST_NAME, "a\nb", FAULT_VALUE},
        {FIELD_LAST_NAME, "a\x7f", FAULT_VALUE},
        {FIELD_LAST_NAME, "a\xc2\x85z", FAULT_VALUE},
        {FIELD_LAST_NAME, "=SUM(A1)", -1},
        {FIELD_PHONE, "+0 (0)", -1},
        {FIELD_EMAIL, "a@b", -1},
        {FIELD_EMAIL, "a", FAULT_VALUE},
        {FIELD_EMAIL, "@b", FAULT_VALUE},
        {FIELD_EMAIL, "a@", FAULT_VALUE},
        {FIELD_EMAIL, "a@b@c", FAULT_VALUE},
        {FIELD_EMAIL, "a b@c", FAULT_VALUE},
        {FIELD_EMAIL, " a@b ", -1},
        {FIELD_MANAGER, "nobody", FAULT_VALUE},
        {FIELD_START_DATE, "2020-04-05T08:00Z", -1},
        {FIELD_START_DATE, "05.04.2020", FAULT_VALUE},
        {FIELD_START_DATE, "2020-02-30", FAULT_VALUE},
        {FIELD_START_DATE, NULL, FAULT_REQUIRED},
        {FIELD_END_DATE, "2020-04-05T18:00:00Z", -1}, /* the same instant */
        {FIELD_END_DATE, "2020-04-05T17:59:59.999Z", FAULT_VALUE},
        {NUMBER_NOTES - 1, NULL, -1},
        {NUMBER_NOTES - 1, "a\r\nb\x01", -1},
        {NUMBER_COST - 1, NULL, FAULT_REQUIRED},
        {NUMBER_COST - 1, "  ", FAULT_REQUIRED},
    };
    struct schema schema = make_schema();

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct values values = good_values();

        values.value[cases[i].at] = str_of(cases[i].value);
        struct outcome outcome = validate(&schema, &values, NULL);

        if ((outcome.rc == ERR_OK) != (cases[i].kind < 0))
            fail_msg("field %zu, value \"%s\"", cases[i].at,
                     cases[i].value ? cases[i].value : "(absent)");
        if (cases[i].kind < 0) {
            assert_int_equal(outcome.rc, ERR_OK);
            assert_int_equal(outcome.faults.count, 0);
        } else {
            assert_int_equal(outcome.rc, ERR_VALUE);
            assert_int_equal(outcome.faults.count, 1);
            assert_int_equal(outcome.faults.fault[0].kind, cases[i].kind);
            assert_non_null(outcome.faults.fault[0].reason);
            assert_true(str_eq(outcome.faults.fault[0].field,
                               schema.attribute[cases[i].at].technical_name));
        }
        buf_done(&outcome.custom);
    }
}

static void
counts_lengths_in_code_points(void **state)
{
    static const struct {
        size_t at;
        const char *character;
        size_t count;
        bool fits;
    } cases[] = {
        {FIELD_FIRST_NAME, "x", 256, true},
        {FIELD_FIRST_NAME, "x", 257, false},
        {FIELD_FIRST_NAME, "\xf0\x9f\x99\x82", 256, true},
        {FIELD_FIRST_NAME, "\xf0\x9f\x99\x82", 257, false},
        {NUMBER_NOTES - 1, "\xe4\xb8\xad", 4000, true},
        {NUMBER_NOTES - 1, "\xe4\xb8\xad", 4001, false},
    };
    struct schema schema = make_schema();

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct values values = good_values();
        struct buf text;

        buf_init(&text, 1 << 20);
        for (size_t n = 0; n < cases[i].count; n++)
            buf_text(&text, cases[i].character);
        values.value[cases[i].at] = buf_view(&text);
        struct outcome outcome = validate(&schema, &values, NULL);

        assert_int_equal(outcome.rc, cases[i].fits ? ERR_OK : ERR_VALUE);
        if (!cases[i].fits)
            assert_int_equal(outcome.faults.fault[0].kind, FAULT_LENGTH);
        buf_done(&outcome.custom);
        buf_done(&text);
    }
}

static void
refuses_a_nul_in_a_custom_value(void **state)
{
    struct schema schema = make_schema();
    struct values values = good_values();

    (void)state;
    values.value[NUMBER_NOTES - 1] = STR("a\0b");
    struct outcome outcome = validate(&schema, &values, NULL);

    assert_int_equal(outcome.rc, ERR_VALUE);
    buf_done(&outcome.custom);
}

static void
keeps_absent_custom_values_of_an_old_record(void **state)
{
    struct schema schema = make_schema();
    struct record old = {.custom = STR("9:3:old10:4:keep")};
    struct values values = good_values();

    (void)state;
    values.value[NUMBER_NOTES - 1] = STR("");
    values.value[NUMBER_COST - 1] = str_of(NULL);
    struct outcome outcome = validate(&schema, &values, &old);

    assert_int_equal(outcome.rc, ERR_OK);
    assert_str(outcome.record.custom, "10:4:keep");
    buf_done(&outcome.custom);
}

static void
checks_only_what_an_old_record_has_not(void **state)
{
    static const struct {
        const char *manager, *phone, *cost; /* cost NULL: absent */
        const char *faulty;                 /* the only fault; NULL: none */
    } cases[] = {
        {"gone", "1", "", NULL},           {" gone ", "1", NULL, NULL},
        {"gone", "1", " ", "costCenter"},  {"gone", "2", "", "costCenter"},
        {"gone", "2", NULL, "costCenter"}, {"gone", "2", "5", NULL},
        {"Gone", "1", "5", "manager"},     {"jane.doe", "1", "", "costCenter"},
    };
    struct schema schema = make_schema();
    struct values values = good_values();
    struct outcome old;

    (void)state;
    schema.check_managers = schema.attribute[NUMBER_COST - 1].required = false;
    values.value[FIELD_MANAGER] = STR("gone");
    values.value[FIELD_PHONE] = STR("1");
    values.value[NUMBER_COST - 1] = STR("");
    old = validate(&schema, &values, NULL);
    assert_int_equal(old.rc, ERR_OK);
    schema.check_managers = schema.attribute[NUMBER_COST - 1].required = true;
    for (size_t i = 0; i < COUNT(cases); i++) {
        values.value[FIELD_MANAGER] = str_of(cases[i].manager);
        values.value[FIELD_PHONE] = str_of(cases[i].phone);
        values.value[NUMBER_COST - 1] = str_of(cases[i].cost);
        struct outcome outcome = validate(&schema, &values, &old.record);

        assert_int_equal(outcome.faults.count, cases[i].faulty != NULL);
        assert_int_equal(outcome.rc, cases[i].faulty ? ERR_VALUE : ERR_OK);
        if (cases[i].faulty != NULL)
            assert_str(outcome.faults.fault[0].field, cases[i].faulty);
        buf_done(&outcome.custom);
    }
    buf_done(&old.custom);
}

static void
stores_managers_as_sent_when_they_are_not_checked(void **state)
{
    struct schema schema = make_schema();
    struct values values = good_values();

    (void)state;
    schema.check_managers = false;
    values.value[FIELD_MANAGER] = STR(" anybody ");
    struct outcome outcome = validate(&schema, &values, NULL);

    assert_int_equal(outcome.rc, ERR_OK);
    assert_str(outcome.record.text[FIELD_MANAGER], "anybody");
    buf_done(&outcome.custom);
}

static void
names_faults_as_the_contract_does(void **state)
{
    static const struct {
        struct {
            size_t at;
            const char *value;
        } set[10];
        enum error_code rc;
        const char *text, *line, *cause;
    } cases[] = {
        {{{FIELD_ACCOUNT_NAME, ""}, {FIELD_FIRST_NAME, ""}},
         ERR_REQUIRED,
         "firstName is required; accountName is required;",
         "Line 3: firstName is required; accountName is required;",
         ""},
        {{{0, ""},
          {1, ""},
          {2, ""},
          {3, ""},
          {4, ""},
          {5, ""},
          {6, ""},
          {7, ""},
          {8, ""},
          {9, ""}},
         ERR_REQUIRED,
         "firstName is required; lastName is required; accountName is "
         "required; email is required; phone is required; manager is "
         "required; startDate is required; endDate is required; costCenter "
         "is required; notes is required;",
         "Line 3: firstName is required; lastName is required; accountName "
         "is required; email is required; phone is required; manager is "
         "required; startDate is required; endDate is required; costCenter "
         "is required; notes is required;",
         ""},
        {{{FIELD_START_DATE, "soon"}},
         ERR_VALUE,
         "Value of \"startDate\" is empty or contains invalid data.",
         "Line 3: Value of \"startDate\" is empty or contains invalid data.",
         "\"startDate\" is not a date"},
        {{{FIELD_EMAIL, "x"}, {FIELD_PHONE, ""}, {FIELD_END_DATE, "1999"}},
         ERR_REQUIRED,
         "phone is required;",
         "Line 3: phone is required; Value of \"email\" is empty or contains "
         "invalid data. Value of \"endDate\" is empty or contains invalid "
         "data.",
         ""},
    };
    struct schema schema = make_schema();

    (void)state;
    schema.attribute[NUMBER_NOTES - 1].required = true;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct values values = good_values();
        struct error err = ERROR_INIT;
        struct buf line;

        for (size_t n = 0; n < COUNT(cases[i].set); n++)
            if (cases[i].set[n].value != NULL)
                values.value[cases[i].set[n].at] = str_of(
                    cases[i].set[n].value);
        struct outcome outcome = validate(&schema, &values, NULL);

        assert_int_equal(outcome.rc, ERR_VALUE);
        assert_int_equal(faults_error(&schema, &outcome.faults, &err),
                         cases[i].rc);
        assert_string_equal(err.text, cases[i].text);
        assert_string_equal(err.cause, cases[i].cause);
        buf_init(&line, 1 << 16);
        faults_line(&schema, &outcome.faults, 3, false, &line);
        assert_string_equal(line.data, cases[i].line);
        buf_done(&line);
        buf_done(&outcome.custom);
    }
}

static void
gives_reasons_to_people(void **state)
{
    struct schema schema = make_schema();
    struct values values = good_values();
    struct buf line;

    (void)state;
    values.value[FIELD_END_DATE] = STR("2019-01-01");
    struct outcome outcome = validate(&schema, &values, NULL);

    buf_init(&line, 1 << 16);
    faults_line(&schema, &outcome.faults, 12, true, &line);
    assert_string_equal(line.data,
                        "Line 12: Value of \"endDate\" is empty or contains "
                        "invalid data. (It is before startDate.)");
    buf_done(&line);
    buf_done(&outcome.custom);
}

static void
places_the_source_in_the_order_of_required_names(void **state)
{
    struct schema schema = make_schema();
    struct faults faults = {.fault = {{FAULT_REQUIRED, STR("notes"), ""},
                                      {FAULT_REQUIRED, STR("startDate"), ""},
                                      {FAULT_REQUIRED, STR("sourceId"), ""},
                                      {FAULT_REQUIRED, STR("manager"), ""}},
                            .count = 4};
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(faults_error(&schema, &faults, &err), ERR_REQUIRED);
    assert_string_equal(err.text, "manager is required; sourceId is required; "
                                  "startDate is required; notes is required;");
}

static void
says_which_lengths_are_allowed(void **state)
{
    struct schema schema = make_schema();
    const struct {
        struct str field;
        const char *text;
    } cases[] = {
        {STR("phone"), "Field \"phone\" length is outside of range [1,256]."},
        {STR("notes"), "Field \"notes\" length is outside of range [0,4000]."},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct faults faults = {
            .fault = {{FAULT_LENGTH, cases[i].field, "is too long"}},
            .count = 1};
        struct error err = ERROR_INIT;

        assert_int_equal(faults_error(&schema, &faults, &err), ERR_LENGTH);
        assert_string_equal(err.text, cases[i].text);
    }
}

static void
tells_records_apart_by_what_they_show(void **state)
{
    struct schema schema = make_schema();
    struct record base = {
        .text = {STR("a"), STR("b"), STR("c"), STR("d"), STR("e"), STR("f")},
        .start = {1000, 60},
        .end = {2000, 0},
        .custom = STR("9:1:x")};

    (void)state;
    for (int change = 0; change <= 6; change++) {
        struct record other = base;
        bool same = false;

        switch (change) {
        case 0: /* left by an attribute that was deleted */
            other.custom = STR("9:1:x77:1:y");
            other.modified_ms = 5;
            same = true;
            break;
        case 1:
            other.text[FIELD_PHONE] = STR("D");
            break;
        case 2:
            other.start.ms++;
            break;
        case 3:
            other.start.offset_min = 0;
            break;
        case 4:
            other.end.offset_min = -60;
            break;
        case 5:
            other.custom = STR("9:1:y");
            break;
        default:
            other.custom = STR("");
        }
        assert_int_equal(record_same(&schema, &base, &other), same);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_good_values),
        cmocka_unit_test(finds_the_fault_of_each_value),
        cmocka_unit_test(counts_lengths_in_code_points),
        cmocka_unit_test(refuses_a_nul_in_a_custom_value),
        cmocka_unit_test(keeps_absent_custom_values_of_an_old_record),
        cmocka_unit_test(checks_only_what_an_old_record_has_not),
        cmocka_unit_test(stores_managers_as_sent_when_they_are_not_checked),
        cmocka_unit_test(names_faults_as_the_contract_does),
        cmocka_unit_test(gives_reasons_to_people),
        cmocka_unit_test(places_the_source_in_the_order_of_required_names),
        cmocka_unit_test(says_which_lengths_are_allowed),
        cmocka_unit_test(tells_records_apart_by_what_they_show),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

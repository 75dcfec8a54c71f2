/* Every list: what its filters and sorters choose, and what they refuse. */
#include "store/where.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "store/audit_store.h"
#include "store/fixture.h"
#include "store/identity_store.h"
#include "store/record_store.h"
#include "store/request_store.h"

enum { ANN, BOB, ZOE, PEOPLE };
enum { RETAIL, BANK, ECO, SOURCES };

/* What every test begins with. */
struct world {
    struct identity people[PEOPLE];
    struct source sources[SOURCES];
    struct record records[6];
    struct uuid events[2];
};

static const struct {
    const char *alias, *name, *email;
} people[PEOPLE] = {
    [ANN] = {"Ann.Lee", "Ann Lee", "ann@example.com"},
    [BOB] = {"bob", "Bob de la Cruz", "Bob@Example.com"},
    [ZOE] = {"ZO\xc3\x8b", "Zo\xc3\xab", "z%_@example.com"},
};

static const struct {
    int source;
    const char *account, *first, *last;
    int64_t start_ms;
} records[] = {
    {RETAIL, "r1", "\xc3\x89mile", "Young", 300},
    {RETAIL, "R2", "adam", "young", 100},
    {RETAIL, "r3", "Zed", "Abel", 200},
    {BANK, "b1", "\xc3\xa9lise", "abel", 300},
    {BANK, "B0", "Bert", "O'Neil", 100},
    {ECO, "e1", "Carl", "Quinn", 50},
};

static enum error_code
make_people(struct db_tx *tx, struct world *world, struct error *err)
{
    enum error_code rc = ERR_OK;

    for (int i = 0; rc == ERR_OK && i < PEOPLE; i++) {
        world->people[i] = (struct identity){.alias = str_of(people[i].alias),
                                             .name = str_of(people[i].name),
                                             .email = str_of(people[i].email),
                                             .levels = STR("")};
        clock_set_for_test(i == BOB ? 2000 : 1000);
        rc = identity_insert(tx, &world->people[i], err);
    }
    return rc;
}

/* Ann manages two sources; Bob approves there, which is no managing. */
static enum error_code
make_sources(struct db_tx *tx, struct world *world, struct error *err)
{
    static const char *const names[] = {"Retail", "bank", "\303\211co"};
    enum error_code rc = ERR_OK;

    for (int i = 0; rc == ERR_OK && i < SOURCES; i++) {
        struct source *source = &world->sources[i];

        *source = (struct source){.name = str_of(names[i]),
                                  .description = STR("")};
        clock_set_for_test(i == RETAIL ? 1000 : 2000);
        rc = source_insert(tx, source, err);
        if (rc == ERR_OK && i != ECO)
            rc = source_set_members(tx, source->number, "MANAGER",
                                    &world->people[ANN].id, 1, err);
        if (rc == ERR_OK)
            rc = source_set_members(tx, source->number, "APPROVER",
                                    &world->people[BOB].id, 1, err);
    }
    return rc;
}

static enum error_code
make_records(struct db_tx *tx, struct world *world, struct error *err)
{
    enum error_code rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < COUNT(records); i++) {
        struct record *record = &world->records[i];
        struct record_writer writer;

        *record = (struct record){
            .text = {str_of(records[i].account), str_of(records[i].first),
                     str_of(records[i].last), STR("5"), STR("e@x"), STR("bob")},
            .start = {.ms = records[i].start_ms},
        };
        rc = record_write_begin(&writer, tx,
                                world->sources[records[i].source].number,
                                10000 + (int64_t)i, &(struct actor){0}, err);
        if (rc != ERR_OK)
            break;
        rc = record_insert(&writer, record, err);
        if (record_write_finish(&writer, err) != ERR_OK)
            return ERR_INTERNAL;
    }
    return rc;
}

/* One request for every record but the last, in turn PENDING and REJECTED,
 * asked for by Zoe; one item each for Bob, in the request's state. */
static enum error_code
make_requests(struct db_tx *tx, struct world *world, struct error *err)
{
    enum error_code rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i + 1 < COUNT(records); i++) {
        struct request request = {
            .source = world->sources[records[i].source].number,
            .has_requester = true,
            .requester_id = world->people[ZOE].id,
            .status = i % 2 == 0 ? STATUS_PENDING : STATUS_REJECTED,
            .record = world->records[i],
        };
        clock_set_for_test(20000 + (int64_t)i / 2);
        rc = request_insert(tx, &request, err);
        struct approval_item item = {
            .request_id = request.id,
            .approver_id = world->people[i == 4 ? ANN : BOB].id,
            .approver_name = STR("Bob"),
            .status = request.status,
        };
        if (rc == ERR_OK)
            rc = approval_insert(tx, &item, err);
    }
    return rc;
}

static enum error_code
make_events(struct db_tx *tx, struct world *world, struct error *err)
{
    static const char *const names[] = {"NON_EMPLOYEE_SOURCE_CREATED",
                                        "NON_EMPLOYEE_SOURCE_DELETED"};
    enum error_code rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < COUNT(names); i++) {
        clock_set_for_test(30000 + (int64_t)i * 1000);
        rc = audit_add(
            tx,
            &(struct audit_event){
                .event = names[i],
                .actor = {.known = i == 1, .id = world->people[ANN].id},
                .has_object = true,
                .object_id = world->sources[i].id,
                .detail = STR("")},
            err);
    }
    return rc;
}

static enum error_code
make_world(struct db_tx *tx, void *context, struct error *err)
{
    enum error_code rc = make_people(tx, context, err);

    if (rc == ERR_OK)
        rc = make_sources(tx, context, err);
    if (rc == ERR_OK)
        rc = make_records(tx, context, err);
    if (rc == ERR_OK)
        rc = make_requests(tx, context, err);
    if (rc == ERR_OK)
        rc = make_events(tx, context, err);
    clock_set_for_test(-1);
    return rc;
}

/* ---- calling a list by its kind --------------------------------------- */

enum kind { SOURCE, RECORD, REQUEST, ITEM, IDENTITY, EVENT, KINDS };
static const char *const kind_names[KINDS] = {
    "sources", "records", "requests", "items", "identities", "events"};

static void
put(struct buf *to, struct str text)
{
    buf_str(to, text);
    buf_char(to, ' ');
}

static bool
put_source(void *context, const struct source *source)
{
    put(context, source->name);
    return true;
}

static bool
put_record(void *context, const struct record *record, const struct uuid *id)
{
    static const struct uuid none;

    assert_false(uuid_eq(id, &none));
    put(context, record->text[FIELD_ACCOUNT_NAME]);
    return true;
}

static bool
put_request(void *context, const struct request *request)
{
    put(context, request->record.text[FIELD_ACCOUNT_NAME]);
    return true;
}

static bool
put_item(void *context, const struct approval_item *item)
{
    put(context, item->account_name);
    return true;
}

static bool
put_identity(void *context, const struct identity *identity)
{
    put(context, identity->alias);
    return true;
}

static bool
put_event(void *context, const struct audit_row *row)
{
    buf_printf(context, "%d ", (int)row->number);
    return true;
}

static enum error_code
call_list(struct fixture *f, enum kind kind, const struct uuid *only,
          const struct list_query *list, struct buf *to)
{
    CLEANUP(arena_done) struct arena scratch;
    struct db_tx *tx = fixture_read(f);

    arena_init(&scratch, 1 << 20);
    switch (kind) {
    case SOURCE:
        return source_list(tx, only, list, &scratch, put_source, to, &f->err);
    case RECORD:
        return record_list(tx, only, list, &scratch, put_record, to, &f->err);
    case REQUEST:
        return request_list(tx, only, list, &scratch, put_request, to, &f->err);
    case ITEM:
        return approval_list(tx, only, list, &scratch, put_item, to, &f->err);
    case IDENTITY:
        return identity_list(tx, list, &scratch, put_identity, to, &f->err);
    case EVENT:
    default:
        return audit_list(tx, list, &scratch, put_event, to, &f->err);
    }
}

static enum error_code
call_count(struct fixture *f, enum kind kind, const struct uuid *only,
           const struct list_query *list, int64_t *ret)
{
    struct db_tx *tx = fixture_read(f);

    switch (kind) {
    case SOURCE:
        return source_list_count(tx, only, list, ret, &f->err);
    case RECORD:
        return record_list_count(tx, only, list, ret, &f->err);
    case REQUEST:
        return request_list_count(tx, only, list, ret, &f->err);
    case ITEM:
        return approval_list_count(tx, only, list, ret, &f->err);
    case IDENTITY:
        return identity_list_count(tx, list, ret, &f->err);
    case EVENT:
    default:
        return audit_list_count(tx, list, ret, &f->err);
    }
}

/* "#R" is the underlying id of the source Retail, "#r" its own id; so B, b and
 * E, e for the others; "#A" and "#O" are Ann and bOb. */
static void
expand(struct buf *to, const struct world *world, const char *text)
{
    static const char letters[] = "RBE";
    char id[UUID_TEXT];

    buf_text(to, "");
    for (; *text != '\0'; text++) {
        if (*text != '#') {
            buf_char(to, *text);
            continue;
        }
        char c = *++text;
        const char *upper = strchr(letters, c);
        const char *lower = strchr("rbe", c);

        if (upper != NULL)
            uuid_hex(&world->sources[upper - letters].source_id, id);
        else if (lower != NULL)
            uuid_dashed(&world->sources[lower - "rbe"].id, id);
        else
            uuid_hex(&world->people[c == 'A' ? ANN : BOB].id, id);
        buf_text(to, id);
    }
}

static void
parse_list(struct fixture *f, const struct world *world, const char *filters,
           const char *sorters, struct list_query *ret)
{
    CLEANUP(buf_done) struct buf text;

    *ret = (struct list_query){.limit = 250};
    if (filters != NULL) {
        struct filter *filter = NULL;

        buf_init(&text, 10000);
        expand(&text, world, filters);
        fixture_check(
            f, filter_parse(buf_view(&text), &f->arena, &filter, &f->err));
        ret->filter = filter;
    } else {
        text = (struct buf){.max = 0};
    }
    if (sorters != NULL)
        fixture_check(f,
                      sorters_parse(str_of(sorters), &ret->sorters, &f->err));
}

/* ---- what lists answer ----------------------------------------------- */

#define NOBODY (-1)

static const struct {
    enum kind kind;
    int only; /* of the people */
    const char *filters, *sorters, *want;
} answers[] = {
    {SOURCE, NOBODY, NULL, NULL, "Retail bank \303\211co "},
    {SOURCE, NOBODY, NULL, "name", "bank Retail \303\211co "},
    {SOURCE, NOBODY, NULL, "-name", "\303\211co Retail bank "},
    {SOURCE, NOBODY, NULL, "-created", "bank \303\211co Retail "},
    {SOURCE, NOBODY, NULL, "sourceId", "Retail bank \303\211co "},
    {SOURCE, NOBODY, "whatever eq 1", "-sourceId", "\303\211co bank Retail "},
    {SOURCE, ANN, NULL, NULL, "Retail bank "},
    {SOURCE, BOB, NULL, NULL, ""},

    {RECORD, NOBODY, NULL, NULL, "r1 R2 r3 b1 B0 e1 "},
    {RECORD, NOBODY, "sourceId eq \"#R\"", NULL, "r1 R2 r3 "},
    {RECORD, NOBODY, "sourceId eq \"#b\"", NULL, "b1 B0 "},
    {RECORD, NOBODY, "sourceId eq #b", NULL, "b1 B0 "},
    {RECORD, NOBODY, "sourceId eq \"#A\"", NULL, ""}, /* no source's id */
    {RECORD, NOBODY, "sourceId eq \"' OR 1=1 --\"", NULL, ""},
    {RECORD, NOBODY, "sourceId eq \"#e\" or sourceId eq \"#R\"", NULL,
     "r1 R2 r3 e1 "},
    {RECORD, NOBODY, "sourceId eq \"#r\" and sourceId eq \"#R\"", NULL,
     "r1 R2 r3 "},
    {RECORD, NOBODY, "sourceId eq \"#b\" and sourceId eq \"#R\"", NULL, ""},
    {RECORD, NOBODY, "not sourceId eq \"#R\"", NULL, "b1 B0 e1 "},
    {RECORD, NOBODY, "not (sourceId eq \"#R\" or sourceId eq \"#b\")", NULL,
     "e1 "},
    {RECORD, NOBODY, "not sourceId eq \"x\"", NULL, "r1 R2 r3 b1 B0 e1 "},
    {RECORD, NOBODY, NULL, "accountName", "B0 b1 e1 r1 R2 r3 "},
    {RECORD, NOBODY, NULL, "firstName", "R2 B0 e1 r3 b1 r1 "},
    {RECORD, NOBODY, NULL, "lastName,-startDate", "b1 r3 B0 e1 r1 R2 "},
    {RECORD, NOBODY, NULL, "startDate", "e1 R2 B0 r3 r1 b1 "},
    {RECORD, NOBODY, NULL, "-sourceId,-id", "e1 B0 b1 r3 R2 r1 "},
    {RECORD, NOBODY, NULL, "manager,-created", "e1 B0 b1 r3 R2 r1 "},
    {RECORD, NOBODY, NULL, "email,phone,endDate,-modified",
     "e1 B0 b1 r3 R2 r1 "},
    {RECORD, NOBODY, "sourceId eq \"#R\"", "-created", "r3 R2 r1 "},
    {RECORD, NOBODY, "sourceId eq \"#R\"", "-sourceId", "r1 R2 r3 "},
    {RECORD, ANN, NULL, NULL, "r1 R2 r3 b1 B0 "},
    {RECORD, ANN, NULL, "-accountName", "r3 R2 r1 b1 B0 "},
    {RECORD, ANN, "sourceId eq \"#b\"", NULL, "b1 B0 "},
    {RECORD, ANN, "sourceId eq \"#e\"", NULL, ""},
    {RECORD, ANN, "not sourceId eq \"#b\"", NULL, "r1 R2 r3 "},
    {RECORD, BOB, NULL, NULL, ""},
    {RECORD, BOB, "sourceId eq \"#r\"", NULL, ""},

    {REQUEST, NOBODY, NULL, NULL, "r1 R2 r3 b1 B0 "},
    {REQUEST, NOBODY, "sourceId eq \"#R\"", "-created", "r3 r1 R2 "},
    {REQUEST, NOBODY, NULL, "approvalStatus,-accountName", "r3 r1 B0 R2 b1 "},
    {REQUEST, NOBODY, NULL, "-firstName", "r1 b1 r3 B0 R2 "},
    {REQUEST, NOBODY, NULL, "lastName,email,phone,startDate,endDate",
     "r3 b1 B0 R2 r1 "},
    {REQUEST, ANN, NULL, NULL, "r1 R2 r3 b1 B0 "},
    {REQUEST, ANN, "not sourceId eq \"#r\"", NULL, "b1 B0 "},
    {REQUEST, BOB, NULL, NULL, ""},

    {ITEM, NOBODY, NULL, NULL, "r1 R2 r3 b1 B0 "},
    {ITEM, BOB, NULL, NULL, "r1 R2 r3 b1 "},
    {ITEM, ANN, NULL, NULL, "B0 "},
    {ITEM, NOBODY, "approvalStatus eq \"Pending\"", NULL, "r1 r3 B0 "},
    {ITEM, BOB, "approvalStatus eq \"PENDING\"", "-created", "r3 r1 "},
    {ITEM, BOB, "not approvalStatus eq rejected", "modified", "r1 r3 "},
    {ITEM, BOB, "approvalStatus eq \"%\"", NULL, ""},

    {IDENTITY, NOBODY, NULL, NULL, "Ann.Lee ZO\xc3\x8b bob "},
    {IDENTITY, NOBODY, NULL, "-name", "ZO\xc3\x8b bob Ann.Lee "},
    {IDENTITY, NOBODY, "id eq \"#A\"", NULL, "Ann.Lee "},
    {IDENTITY, NOBODY, "id in (\"#O\", \"x\", \"#A\")", NULL, "Ann.Lee bob "},
    {IDENTITY, NOBODY, "id in (\"x\")", NULL, ""},
    {IDENTITY, NOBODY, "alias eq \"zo\xc3\xab\"", NULL, "ZO\xc3\x8b "},
    {IDENTITY, NOBODY, "alias eq \"an\"", NULL, ""},
    {IDENTITY, NOBODY, "alias sw \"AN\"", NULL, "Ann.Lee "},
    {IDENTITY, NOBODY, "alias sw \"\"", "name", "Ann.Lee bob ZO\xc3\x8b "},
    {IDENTITY, NOBODY, "email eq \"bob@example.com\"", NULL, "bob "},
    {IDENTITY, NOBODY, "email sw \"z%_\"", NULL, "ZO\xc3\x8b "},
    {IDENTITY, NOBODY, "email sw \"%\"", NULL, ""},
    {IDENTITY, NOBODY, "firstname eq \"ann\"", NULL, "Ann.Lee "},
    {IDENTITY, NOBODY, "firstname eq \"zo\xc3\x8b\"", NULL, "ZO\xc3\x8b "},
    {IDENTITY, NOBODY, "firstname eq \"an\"", NULL, ""},
    {IDENTITY, NOBODY, "firstname sw \"B\"", NULL, "bob "},
    {IDENTITY, NOBODY, "lastname eq \"LEE\"", NULL, "Ann.Lee "},
    {IDENTITY, NOBODY, "lastname eq \"de la cruz\"", NULL, "bob "},
    {IDENTITY, NOBODY, "lastname eq \"ee\"", NULL, ""},
    {IDENTITY, NOBODY, "lastname eq \"a name that is longer\"", NULL, ""},
    {IDENTITY, NOBODY, "lastname sw \"l\"", NULL, "Ann.Lee bob "},
    {IDENTITY, NOBODY, "lastname sw \"zo\"", NULL, ""},

    {EVENT, NOBODY, NULL, NULL, "1 2 "},
    {EVENT, NOBODY, NULL, "-created", "2 1 "},
    {EVENT, NOBODY, "event eq non_employee_source_deleted", NULL, "2 "},
    {EVENT, NOBODY, "actor eq \"#A\"", NULL, "2 "},
    {EVENT, NOBODY, "not actor eq \"#A\"", NULL, "1 "}, /* nobody knows who */
    {EVENT, NOBODY, "not not actor eq \"#A\"", NULL, "2 "},
    {EVENT, NOBODY, "object eq \"#r\"", NULL, "1 "},
    {EVENT, NOBODY, "created ge \"1970-01-01T00:00:31Z\"", NULL, "2 "},
    {EVENT, NOBODY, "created le \"1970-01-01T01:00:30.500+01:00\"", NULL, "1 "},
};

static int64_t
words(const char *text)
{
    int64_t count = 0;

    for (; *text != '\0'; text++)
        count += *text == ' ';
    return count;
}

/* Page by page as well, so that limit and offset are seen to cut and skip. */
static void
assert_pages(struct fixture *f, enum kind kind, const struct uuid *only,
             struct list_query list, const char *label, const char *want)
{
    int64_t count = words(want);

    for (int64_t size = 1; size <= count + 1; size++) {
        CLEANUP(buf_done) struct buf got;

        buf_init(&got, 10000);
        buf_text(&got, "");
        list.limit = size;
        for (list.offset = 0; list.offset <= count; list.offset += size)
            fixture_check(f, call_list(f, kind, only, &list, &got));
        if (strcmp(got.data, want) != 0)
            fail_msg("%s in pages of %d: %s", label, (int)size, got.data);
    }
}

static void
lists_choose_order_and_count(void **state)
{
    FIXTURE f;
    struct world world;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    for (size_t i = 0; i < COUNT(answers); i++) {
        CLEANUP(buf_done) struct buf got;
        struct list_query list;
        int64_t count = -1;
        const struct uuid *only = answers[i].only == NOBODY
                                      ? NULL
                                      : &world.people[answers[i].only].id;
        char label[200];

        snprintf(label, sizeof(label), "%s %s %s", kind_names[answers[i].kind],
                 answers[i].filters, answers[i].sorters);
        parse_list(&f, &world, answers[i].filters, answers[i].sorters, &list);
        buf_init(&got, 10000);
        buf_text(&got, "");
        fixture_check(&f, call_list(&f, answers[i].kind, only, &list, &got));
        if (strcmp(got.data, answers[i].want) != 0)
            fail_msg("%s: %s", label, got.data);
        list.limit = 1;
        list.offset = 1;
        fixture_check(&f, call_count(&f, answers[i].kind, only, &list, &count));
        if (count != words(answers[i].want))
            fail_msg("%s: counts %d", label, (int)count);
        assert_pages(&f, answers[i].kind, only, list, label, answers[i].want);

        buf_clear(&got);
        list.limit = 0;
        list.offset = 0;
        fixture_check(&f, call_list(&f, answers[i].kind, only, &list, &got));
        assert_int_equal(got.len, 0);
        list.limit = 250;
        list.offset = INT64_MAX;
        fixture_check(&f, call_list(&f, answers[i].kind, only, &list, &got));
        assert_int_equal(got.len, 0);
        arena_reset(&f.arena);
    }
}

static const struct {
    enum kind kind;
    const char *filters, *sorters, *cause;
} refusals[] = {
    {SOURCE, NULL, "description",
     "there is no field \"description\" to sort by"},
    {SOURCE, NULL, "name; DROP TABLE source",
     "there is no field \"name; DROP TABLE source\" to sort by"},
    {SOURCE, NULL, "s.name_key", "there is no field \"s.name_key\" to sort by"},
    {SOURCE, NULL, "Name", "there is no field \"Name\" to sort by"},
    {RECORD, "accountName eq \"x\"", NULL,
     "there is no field \"accountName\" to filter by"},
    {RECORD, "sourceId gt \"#R\"", NULL,
     "the field \"sourceId\" does not support \"gt\""},
    {RECORD, "sourceId in (\"#R\")", NULL,
     "the field \"sourceId\" does not support \"in\""},
    {RECORD, "sourceId pr", NULL,
     "the field \"sourceId\" does not support \"pr\""},
    {RECORD, "sourceid eq \"#R\"", NULL,
     "there is no field \"sourceid\" to filter by"},
    {RECORD, "sourceId eq \"#R\" and not (x eq 1)", NULL,
     "there is no field \"x\" to filter by"},
    {RECORD, "sourceId eq \"#R\"", "data",
     "there is no field \"data\" to sort by"},
    {REQUEST, "approvalStatus eq PENDING", NULL,
     "there is no field \"approvalStatus\" to filter by"},
    {REQUEST, NULL, "manager", "there is no field \"manager\" to sort by"},
    {ITEM, "approvalStatus ne PENDING", NULL,
     "the field \"approvalStatus\" does not support \"ne\""},
    {ITEM, NULL, "approvalStatus",
     "there is no field \"approvalStatus\" to sort by"},
    {IDENTITY, "alias co \"x\"", NULL,
     "the field \"alias\" does not support \"co\""},
    {IDENTITY, "password_hash sw \"$argon\"", NULL,
     "there is no field \"password_hash\" to filter by"},
    {IDENTITY, NULL, "alias", "there is no field \"alias\" to sort by"},
    {EVENT, "created ge yesterday", NULL, "\"yesterday\" is not a time"},
    {EVENT, "created eq \"2020-01-01\"", NULL,
     "the field \"created\" does not support \"eq\""},
};

static void
lists_refuse_what_they_do_not_have(void **state)
{
    FIXTURE f;
    struct world world;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    for (size_t i = 0; i < COUNT(refusals); i++) {
        struct list_query list;
        int64_t count = -1;
        CLEANUP(buf_done) struct buf got;

        buf_init(&got, 1000);
        parse_list(&f, &world, refusals[i].filters, refusals[i].sorters, &list);
        assert_int_equal(call_list(&f, refusals[i].kind, NULL, &list, &got),
                         ERR_VALUE);
        assert_string_equal(f.err.cause, refusals[i].cause);
        assert_int_equal(got.len, 0);
        if (refusals[i].filters == NULL || refusals[i].sorters != NULL)
            continue;
        assert_int_equal(call_count(&f, refusals[i].kind, NULL, &list, &count),
                         ERR_VALUE);
        assert_string_equal(f.err.cause, refusals[i].cause);
        assert_true(count == -1);
    }
}

/* Texts that mean something in SQL, in every field that takes a text. */
static void
values_stay_values(void **state)
{
    static const char *const hostile[] = {
        "' OR '1'='1",
        "'; DROP TABLE identity; --",
        "x' UNION SELECT * FROM signing_key --",
        "$1",
        "@",
        "%",
        "_",
        "*",
        "a' || (SELECT password_hash FROM identity) || '",
        "\\\\' OR 1=1 --",
    };
    static const char *const tests[] = {
        "id eq \"%s\"",        "id in (\"%s\")",      "alias eq \"%s\"",
        "alias sw \"%s\"",     "email eq \"%s\"",     "email sw \"%s\"",
        "firstname eq \"%s\"", "firstname sw \"%s\"", "lastname eq \"%s\"",
        "lastname sw \"%s\"",
    };
    FIXTURE f;
    struct world world;
    struct list_query list;
    int64_t count = -1;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    for (size_t i = 0; i < COUNT(hostile); i++) {
        for (size_t j = 0; j < COUNT(tests); j++) {
            char text[200];
            size_t before = strcspn(tests[j], "%");

            snprintf(text, sizeof(text), "%.*s%s%s", (int)before, tests[j],
                     hostile[i], tests[j] + before + 2);
            parse_list(&f, &world, text, NULL, &list);
            fixture_check(&f, call_count(&f, IDENTITY, NULL, &list, &count));
            if (count != 0)
                fail_msg("%s: counts %d", text, (int)count);
        }
        arena_reset(&f.arena);
    }
    parse_list(&f, &world, NULL, NULL, &list);
    fixture_check(&f, call_count(&f, IDENTITY, NULL, &list, &count));
    assert_true(count == PEOPLE);
}

static void
filter_has_only_so_many_values(void **state)
{
    FIXTURE f;
    struct world world;
    struct list_query list;
    int64_t count = -1;
    CLEANUP(buf_done) struct buf text;
    CLEANUP(buf_done) struct buf got;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    buf_init(&text, 100000);
    buf_init(&got, 100);
    for (int values = 100; values <= 101; values++) {
        buf_clear(&text);
        for (int i = 0; i < values; i++)
            buf_text(&text, i == 0 ? "id in (#A" : ",#A");
        buf_char(&text, ')');
        parse_list(&f, &world, text.data, "name", &list);
        buf_clear(&got);
        enum error_code rc = call_list(&f, IDENTITY, NULL, &list, &got);

        if (values == 100) {
            fixture_check(&f, rc);
            assert_string_equal(got.data, "Ann.Lee ");
            fixture_check(&f, call_count(&f, IDENTITY, NULL, &list, &count));
            assert_true(count == 1);
        } else {
            assert_int_equal(rc, ERR_VALUE);
            assert_string_equal(f.err.cause, "more than 100 values");
        }
    }
}

static enum error_code
delete_second(struct db_tx *tx, void *context, struct error *err)
{
    struct world *world = context;
    struct record_writer writer;
    enum error_code rc = record_write_begin(
        &writer, tx, world->sources[RETAIL].number, 1, &(struct actor){0}, err);

    if (rc != ERR_OK)
        return rc;
    rc = record_delete(&writer, &world->records[1], err);
    return record_write_finish(&writer, err) ? ERR_INTERNAL : rc;
}

static void
page_of_a_source_skips_the_right_rows_around_a_hole(void **state)
{
    FIXTURE f;
    struct world world;
    struct list_query list;
    int64_t count = -1;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    fixture_write(&f, delete_second, &world);
    parse_list(&f, &world, "sourceId eq \"#R\"", NULL, &list);
    assert_pages(&f, RECORD, NULL, list, "with a hole", "r1 r3 ");
    fixture_check(&f, call_count(&f, RECORD, NULL, &list, &count));
    assert_true(count == 2);
}

static bool
stop_at_once(void *context, const struct record *record, const struct uuid *id)
{
    (void)record;
    (void)id;
    ++*(int *)context;
    return false;
}

static void
list_ends_when_told(void **state)
{
    static const char *const filters[] = {NULL, "sourceId eq \"#R\""};
    FIXTURE f;
    struct world world;
    CLEANUP(arena_done) struct arena scratch;

    (void)state;
    arena_init(&scratch, 1 << 20);
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    for (size_t i = 0; i < COUNT(filters); i++) {
        struct list_query list;
        int calls = 0;

        parse_list(&f, &world, filters[i], NULL, &list);
        fixture_check(&f, record_list(fixture_read(&f), NULL, &list, &scratch,
                                      stop_at_once, &calls, &f.err));
        assert_int_equal(calls, 1);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_choose_order_and_count),
        cmocka_unit_test(lists_refuse_what_they_do_not_have),
        cmocka_unit_test(values_stay_values),
        cmocka_unit_test(filter_has_only_so_many_values),
        cmocka_unit_test(page_of_a_source_skips_the_right_rows_around_a_hole),
        cmocka_unit_test(list_ends_when_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

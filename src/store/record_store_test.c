#include "store/record_store.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/fixture.h"
#include "store/row.h"

#define NOW 1600000000000

static const struct record jon = {
    .text = {{"Jon.Smith", 9},
             {"Jon", 3},
             {"Smith, Jr", 9},
             {"555-555-5555", 12},
             {"jon@example.com", 15},
             {"jim.smith", 9}},
    .start = {1586109600000, -600},
    .end = {1596837600123, 0},
    .custom = {"9:8:Auditing", 12},
};

static enum error_code
make_source(struct db_tx *tx, void *context, struct error *err)
{
    struct source *source = context;

    if (source->name.at == NULL)
        source->name = STR("Retail");
    source->description = STR("");
    clock_set_for_test(1); /* before all changes */
    enum error_code rc = source_insert(tx, source, err);

    clock_set_for_test(-1);
    return rc;
}

/* One write transaction: `records`, of which those before `creates` are
 * created, then the rest updated or deleted, all by one writer. */
struct change {
    int64_t source, now_ms;
    struct actor actor;
    struct record *records;
    size_t creates, updates, deletes;
};

static enum error_code
change(struct db_tx *tx, void *context, struct error *err)
{
    struct change *c = context;
    struct record *record = c->records;
    struct record_writer writer;
    enum error_code rc = record_write_begin(&writer, tx, c->source, c->now_ms,
                                            &c->actor, err);

    if (rc != ERR_OK)
        return rc;
    for (size_t i = 0; rc == ERR_OK && i < c->creates; i++)
        rc = record_insert(&writer, record++, err);
    for (size_t i = 0; rc == ERR_OK && i < c->updates; i++)
        rc = record_update(&writer, record++, err);
    for (size_t i = 0; rc == ERR_OK && i < c->deletes; i++)
        rc = record_delete(&writer, record++, err);
    enum error_code finished = record_write_finish(&writer, rc ? NULL : err);

    return rc != ERR_OK ? rc : finished;
}

static struct source
read_source(struct fixture *f, const struct source *source)
{
    struct source now;

    fixture_check(
        f, source_find(fixture_read(f), &source->id, &f->arena, &now, &f->err));
    return now;
}

static void
assert_same(const struct record *a, const struct record *b)
{
    assert_true(a->key == b->key);
    assert_true(uuid_eq(&a->id, &b->id));
    assert_true(a->source == b->source);
    for (int i = 0; i < FIELD_TEXTS; i++)
        assert_true(str_eq(a->text[i], b->text[i]));
    assert_true(a->start.ms == b->start.ms);
    assert_true(a->start.offset_min == b->start.offset_min);
    assert_true(a->end.ms == b->end.ms);
    assert_true(a->end.offset_min == b->end.offset_min);
    assert_true(str_eq(a->custom, b->custom));
    assert_true(a->created_ms == b->created_ms);
    assert_true(a->modified_ms == b->modified_ms);
}

static void
record_line_is_the_csv_of_the_built_in_columns(void **state)
{
    CLEANUP(buf_done) struct buf line;

    (void)state;
    buf_init(&line, 1000);
    record_line(&line, &jon);
    assert_string_equal(line.data,
                        "Jon.Smith,Jon,\"Smith, Jr\",555-555-5555,"
                        "jon@example.com,jim.smith,2020-04-05T08:00:00-10:00,"
                        "2020-08-07T22:00:00.123Z");
}

static void
record_comes_back_as_it_was_written(void **state)
{
    FIXTURE f;
    struct source source = {0};
    struct record record = jon, found;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_source, &source);
    fixture_write(&f, change,
                  &(struct change){.source = source.number,
                                   .now_ms = NOW,
                                   .records = &record,
                                   .creates = 1});
    assert_true(record.key == record_first_key(source.number) + 1);
    assert_true(record.created_ms == NOW && record.modified_ms == NOW);

    fixture_check(&f, record_by_id(fixture_read(&f), &record.id, &f.arena,
                                   &found, &f.err));
    assert_same(&found, &record);
    fixture_check(&f, record_by_account(f.read, source.number, STR("jOn.sMITH"),
                                        &f.arena, &found, &f.err));
    assert_same(&found, &record);
    assert_int_equal(record_by_account(f.read, source.number, STR("jon"),
                                       &f.arena, &found, &f.err),
                     ERR_NOT_FOUND);
    assert_int_equal(record_by_id(f.read, &source.id, &f.arena, &found, &f.err),
                     ERR_NOT_FOUND);
}

/* Lines in order, each followed by its custom values in brackets. */
static void
put_lines(struct db_tx *tx, int64_t first, int64_t last, struct buf *to)
{
    struct record_lines lines;
    struct str line, custom;
    int64_t key;
    enum error_code rc;

    buf_clear(to);
    record_lines_begin(&lines, tx, first, last);
    while ((rc = record_lines_next(&lines, &key, &line, &custom, NULL)) ==
           ERR_OK)
        buf_printf(to, "%.*s[%.*s]\n", (int)MIN(line.len, 5u), line.at,
                   STR_ARG(custom));
    assert_int_equal(rc, ERR_END);
    record_lines_end(&lines);
}

static void
record_lines_are_in_the_order_of_creation(void **state)
{
    FIXTURE f;
    CLEANUP(buf_done) struct buf lines;
    struct source source = {0};
    struct record records[3] = {jon, jon, jon};

    (void)state;
    fixture_init(&f);
    buf_init(&lines, 1000);
    fixture_write(&f, make_source, &source);
    records[0].text[FIELD_ACCOUNT_NAME] = STR("zzzzz");
    records[1].text[FIELD_ACCOUNT_NAME] = STR("aaaaa");
    records[1].custom = (struct str){NULL, 0};
    records[2].text[FIELD_ACCOUNT_NAME] = STR("mmmmm");
    fixture_write(&f, change,
                  &(struct change){.source = source.number,
                                   .records = records,
                                   .creates = 3});

    int64_t first = record_first_key(source.number);

    put_lines(fixture_read(&f), first, record_last_key(source.number), &lines);
    assert_string_equal(lines.data, "zzzzz[9:8:Auditing]\naaaaa[]\n"
                                    "mmmmm[9:8:Auditing]\n");
    put_lines(f.read, first + 2, first + 2, &lines);
    assert_string_equal(lines.data, "aaaaa[]\n");
    put_lines(f.read, record_first_key(source.number + 1),
              record_last_key(source.number + 1), &lines);
    assert_int_equal(lines.len, 0);
}

static enum error_code
insert_after_conflict(struct db_tx *tx, void *context, struct error *err)
{
    struct change *c = context;
    struct record_writer writer;
    enum error_code rc = record_write_begin(&writer, tx, c->source, c->now_ms,
                                            &c->actor, err);

    if (rc != ERR_OK)
        return rc;
    assert_int_equal(record_insert(&writer, &c->records[0], err), ERR_CONFLICT);
    assert_string_equal(err->text,
                        "Unable to create Non-Employee because the "
                        "accountName \"JON.SMITH\" is already being used.");
    assert_int_equal(writer.revision, 0);
    if (c->creates > 1)
        rc = record_insert(&writer, &c->records[1], err);
    enum error_code finished = record_write_finish(&writer, err);

    return rc != ERR_OK ? rc : finished;
}

static void
record_blocks_are_the_lines_of_so_many_keys(void **state)
{
    FIXTURE f;
    CLEANUP(buf_done) struct buf lines;
    CLEANUP(record_blocks_end) struct record_blocks blocks;
    struct source source = {0};
    struct record records[3] = {jon, jon, jon};
    int64_t number, count;
    struct str text;

    (void)state;
    fixture_init(&f);
    buf_init(&lines, 10000);
    fixture_write(&f, make_source, &source);
    for (int i = 0; i < 3; i++)
        records[i].text[FIELD_ACCOUNT_NAME] = str_n(&"abc"[i], 1);
    fixture_write(&f, change,
                  &(struct change){.source = source.number,
                                   .records = records,
                                   .creates = 3});
    for (int i = 0; i < 3; i++) {
        record_line(&lines, &records[i]);
        buf_text(&lines, "\r\n");
    }

    /* Rows begin with 1; blocks 0 and 1 have them, 2 to 9 have none. */
    size_t half = lines.len / 3;

    record_blocks_begin(&blocks, fixture_read(&f), source.number, 0, 9, 2,
                        STR("\r\n"));
    assert_int_equal(record_blocks_next(&blocks, &number, &count, &text, NULL),
                     ERR_OK);
    assert_int_equal(number, 0);
    assert_int_equal(count, 1);
    assert_true(str_eq(text, str_n(lines.data, half)));
    assert_int_equal(record_blocks_next(&blocks, &number, &count, &text, NULL),
                     ERR_OK);
    assert_int_equal(number, 1);
    assert_int_equal(count, 2);
    assert_true(str_eq(text, str_n(lines.data + half, 2 * half)));
    assert_int_equal(record_blocks_next(&blocks, &number, &count, &text, NULL),
                     ERR_END);
}

static void
record_by_accounts_tells_each_name_its_record(void **state)
{
    FIXTURE f;
    struct source source = {0};
    struct record records[2] = {jon, jon}, found[3];
    const struct str keys[3] = {STR("bbb"), STR("nobody"), STR("aaa")};

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_source, &source);
    records[0].text[FIELD_ACCOUNT_NAME] = STR("AAA");
    records[1].text[FIELD_ACCOUNT_NAME] = STR("Bbb");
    fixture_write(&f, change,
                  &(struct change){.source = source.number,
                                   .records = records,
                                   .creates = 2});
    assert_int_equal(record_by_accounts(fixture_read(&f), source.number, keys,
                                        3, &f.arena, found, NULL),
                     ERR_OK);
    assert_int_equal(found[0].key, records[1].key);
    assert_true(str_eq(found[0].text[FIELD_ACCOUNT_NAME], STR("Bbb")));
    assert_int_equal(found[1].key, 0);
    assert_int_equal(found[2].key, records[0].key);
    assert_int_equal(record_by_accounts(f.read, source.number + 1, keys, 1,
                                        &f.arena, found, NULL),
                     ERR_OK);
    assert_int_equal(found[0].key, 0);
}

static void
record_insert_refuses_a_taken_name_and_goes_on(void **state)
{
    FIXTURE f;
    struct source source = {0}, before, after;
    struct record record = jon, more[2] = {jon, jon};

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_source, &source);
    fixture_write(&f, change,
                  &(struct change){.source = source.number,
                                   .now_ms = NOW,
                                   .records = &record,
                                   .creates = 1});
    before = read_source(&f, &source);
    more[0].text[FIELD_ACCOUNT_NAME] = STR("JON.SMITH");
    more[1].text[FIELD_ACCOUNT_NAME] = STR("Jane");

    struct change c = {.source = source.number,
                       .now_ms = NOW + 5,
                       .records = more,
                       .creates = 1};

    fixture_write(&f, insert_after_conflict, &c);
    after = read_source(&f, &source);
    assert_true(after.revision == before.revision);
    assert_true(after.record_count == 1 && after.next_row == before.next_row);

    c.creates = 2;
    fixture_write(&f, insert_after_conflict, &c);
    after = read_source(&f, &source);
    assert_true(after.revision == before.revision + 1);
    assert_true(after.record_count == 2);
    assert_true(more[1].key == record.key + 1); /* no gap */
}

static void
record_changes_move_the_counters_once(void **state)
{
    FIXTURE f;
    struct source source = {0}, now;
    struct record records[3] = {jon, jon, jon};

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_source, &source);
    int64_t revision = source.revision;

    records[1].text[FIELD_ACCOUNT_NAME] = STR("b");
    records[2].text[FIELD_ACCOUNT_NAME] = STR("c");
    fixture_write(&f, change,
                  &(struct change){.source = source.number,
                                   .now_ms = source.changed_ms + 10,
                                   .records = records,
                                   .creates = 3});
    now = read_source(&f, &source);
    assert_true(now.revision == revision + 1);
    assert_true(now.record_count == 3 && now.next_row == 4);
    assert_true(now.changed_ms == source.changed_ms + 10);

    /* Nothing changed: no trace. */
    fixture_write(&f, change,
                  &(struct change){.source = source.number,
                                   .now_ms = source.changed_ms + 20});
    now = read_source(&f, &source);
    assert_true(now.revision == revision + 1);
    assert_true(now.changed_ms == source.changed_ms + 10);

    /* A clock that went back takes no time with it. */
    fixture_write(&f, change,
                  &(struct change){.source = source.number,
                                   .now_ms = 5,
                                   .records = records,
                                   .updates = 1,
                                   .deletes = 2});
    now = read_source(&f, &source);
    assert_true(now.revision == revision + 2);
    assert_true(now.record_count == 1 && now.next_row == 4);
    assert_true(now.changed_ms == source.changed_ms + 10);
    assert_true(records[0].modified_ms == now.changed_ms);
}

static void
record_update_and_delete_need_the_record(void **state)
{
    FIXTURE f;
    struct source source = {0};
    struct record records[2] = {jon, jon}, none = jon;
    struct change c = {.records = &none, .now_ms = NOW};

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_source, &source);
    assert_int_equal(db_write(f.db, change, &c, &f.err), ERR_NOT_FOUND);
    c.source = source.number;
    c.updates = 1;
    none.key = record_first_key(source.number) + 77;
    assert_int_equal(db_write(f.db, change, &c, &f.err), ERR_NOT_FOUND);
    c.updates = 0;
    c.deletes = 1;
    assert_int_equal(db_write(f.db, change, &c, &f.err), ERR_NOT_FOUND);

    records[1].text[FIELD_ACCOUNT_NAME] = STR("Jane");
    c = (struct change){
        .source = source.number, .records = records, .creates = 2};
    fixture_write(&f, change, &c);
    records[1].text[FIELD_ACCOUNT_NAME] = STR("JON.smith");
    c = (struct change){
        .source = source.number, .records = &records[1], .updates = 1};
    assert_int_equal(db_write(f.db, change, &c, &f.err), ERR_CONFLICT);
    assert_string_equal(f.err.text,
                        "Unable to update Non-Employee because the "
                        "accountName \"JON.smith\" is already being used.");
    /* The failed write left its own name alone. */
    struct record found;

    fixture_check(&f, record_by_account(fixture_read(&f), source.number,
                                        STR("jane"), &f.arena, &found, &f.err));
}

/* ---- history ---------------------------------------------------------- */

static int
put_row(void *context, int columns, char **values, char **names)
{
    struct buf *to = context;

    (void)names;
    for (int i = 0; i < columns; i++)
        buf_printf(to, "%s%s", i ? "|" : "", values[i] ? values[i] : "NULL");
    buf_char(to, '\n');
    return 0;
}

static void
query_text(struct fixture *f, const char *sql, struct buf *to)
{
    sqlite3 *handle = NULL;
    char *problem = NULL;

    buf_clear(to);
    assert_int_equal(sqlite3_open(scratch_path(&f->scratch), &handle),
                     SQLITE_OK);
    if (sqlite3_exec(handle, sql, put_row, to, &problem) != SQLITE_OK)
        fail_msg("%s", problem);
    sqlite3_close(handle);
}

static void
record_history_keeps_what_was_before(void **state)
{
    FIXTURE f;
    CLEANUP(buf_done) struct buf text;
    struct source source = {0};
    struct record records[3] = {jon, jon, jon};
    struct actor actor = {.known = true, .has_request = true};

    (void)state;
    fixture_init(&f);
    buf_init(&text, 10000);
    fixture_write(&f, make_source, &source);
    records[1].text[FIELD_ACCOUNT_NAME] = STR("b");
    records[2].text[FIELD_ACCOUNT_NAME] = STR("c");
    fixture_write(&f, change,
                  &(struct change){.source = source.number,
                                   .now_ms = 1000,
                                   .records = records,
                                   .creates = 3});
    records[1].text[FIELD_FIRST_NAME] = STR("Changed");
    records[1].custom = (struct str){NULL, 0};
    memset(actor.id.bytes, 0xaa, sizeof(actor.id.bytes));
    memset(actor.request_id.bytes, 0xbb, sizeof(actor.request_id.bytes));
    fixture_write(&f, change,
                  &(struct change){.source = source.number,
                                   .now_ms = 2000,
                                   .actor = actor,
                                   .records = &records[1],
                                   .updates = 1,
                                   .deletes = 1});

    query_text(&f,
               "SELECT revision, key & 0xff, last_key & 0xff, change, "
               "record_id IS NULL, substr(line, 1, 5), custom "
               "FROM record_history ORDER BY revision, key",
               &text);
    assert_string_equal(text.data, "2|1|3|C|1|NULL|NULL\n"
                                   "3|2|2|U|0|b,Jon|9:8:Auditing\n"
                                   "3|3|3|D|0|c,Jon|9:8:Auditing\n");
    query_text(&f,
               "SELECT revision, at_ms, iif(actor IS NULL, NULL, hex(actor)), "
               "iif(request_id IS NULL, NULL, hex(request_id)) "
               "FROM record_change ORDER BY revision",
               &text);
    assert_string_equal(text.data, "2|1000|NULL|NULL\n"
                                   "3|2000|AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA|"
                                   "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB\n");

    /* As of any revision: the rule that the schema states. */
    query_text(&f,
               "WITH as_of (r) AS (VALUES (1), (2), (3)), "
               "people (key) AS (SELECT key FROM record UNION "
               "SELECT key FROM record_history WHERE change <> 'C'), "
               "state (r, key, line) AS ("
               "SELECT r, p.key, CASE WHEN h.key IS NULL THEN record.line "
               "ELSE h.line END FROM as_of CROSS JOIN people p "
               "LEFT JOIN record ON record.key = p.key "
               "LEFT JOIN record_history h "
               "ON p.key BETWEEN h.key AND h.last_key AND h.revision = ("
               "SELECT MIN(revision) FROM record_history n WHERE "
               "n.revision > r AND p.key BETWEEN n.key AND n.last_key)) "
               "SELECT r, substr(line, 1, 5) FROM state "
               "WHERE line IS NOT NULL ORDER BY r, key",
               &text);
    assert_string_equal(text.data, "2|Jon.S\n2|b,Jon\n2|c,Jon\n"
                                   "3|Jon.S\n3|b,Cha\n");
}

static void
times_of_a_source_do_not_go_back(void **state)
{
    FIXTURE f;
    struct source source = {0};
    struct record record = jon;
    struct change c = {.records = &record, .now_ms = NOW, .creates = 1};

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_source, &source);
    c.source = source.number;
    fixture_write(&f, change, &c);
    c = (struct change){.source = source.number,
                        .records = &record,
                        .now_ms = NOW - 24 * 3600 * 1000,
                        .updates = 1};
    record.text[FIELD_FIRST_NAME] = STR("Joan");
    fixture_write(&f, change, &c);
    assert_true(record.created_ms == NOW);
    assert_true(record.modified_ms == NOW);
}

/* ---- pages behind deleted records ------------------------------------ */

#define DELETED_AT_ONCE 400
#define SEGMENT (1 << RECORD_SEGMENT_BITS)

struct crowd {
    struct fixture *f;
    struct source source[2]; /* neighbours */
    int64_t *keys[2];        /* of their records, in order */
    int64_t count[2];
    unsigned random, names;
};

static unsigned
any(struct crowd *crowd, int64_t below)
{
    crowd->random = crowd->random * 1103515245 + 12345;
    return (crowd->random >> 8) % (unsigned)below;
}

static void
crowd_grow(struct crowd *crowd, int which, size_t by)
{
    struct record *records = calloc(by, sizeof(*records));
    char(*names)[16] = calloc(by, sizeof(*names));
    struct change c = {.source = crowd->source[which].number,
                       .now_ms = NOW,
                       .records = records,
                       .creates = by};

    assert_true(records != NULL && names != NULL);
    for (size_t i = 0; i < by; i++) {
        snprintf(names[i], sizeof(names[i]), "n%u", crowd->names++);
        records[i] = jon;
        records[i].text[FIELD_ACCOUNT_NAME] = str_of(names[i]);
    }
    fixture_write(crowd->f, change, &c);
    crowd->keys[which] = realloc(crowd->keys[which],
                                 ((size_t)crowd->count[which] + by) *
                                     sizeof(int64_t));
    assert_non_null(crowd->keys[which]);
    for (size_t i = 0; i < by; i++)
        crowd->keys[which][crowd->count[which]++] = records[i].key;
    free(names);
    free(records);
}

/* `by` records that follow each other go. */
static void
crowd_shrink(struct crowd *crowd, int which, int64_t at, int64_t by)
{
    int64_t *keys = crowd->keys[which];
    struct record *records = calloc((size_t)by, sizeof(*records));
    struct change c = {.source = crowd->source[which].number,
                       .now_ms = NOW,
                       .records = records,
                       .deletes = (size_t)by};

    assert_non_null(records);
    for (int64_t i = 0; i < by; i++)
        records[i].key = keys[at + i];
    fixture_write(crowd->f, change, &c);
    crowd->count[which] -= by;
    memmove(keys + at, keys + at + by,
            (size_t)(crowd->count[which] - at) * sizeof(*keys));
    free(records);
}

struct page {
    const int64_t *next;
    int64_t rows;
};

static bool
is_next(void *context, const struct record *record,
        const struct uuid *source_id UNUSED)
{
    struct page *page = context;

    assert_int_equal(record->key, *page->next++);
    page->rows++;
    return true;
}

static void
crowd_page(struct crowd *crowd, int which, int64_t offset)
{
    CLEANUP(arena_done) struct arena scratch;
    char id[UUID_HEX];
    struct str value = str_of(uuid_hex(&crowd->source[which].source_id, id));
    struct filter filter = {.kind = FILTER_TEST,
                            .field = STR("sourceId"),
                            .op = OP_EQ,
                            .values = &value,
                            .value_count = 1};
    struct list_query list = {
        .limit = 1 + any(crowd, 8), .offset = offset, .filter = &filter};
    struct page page = {.next = crowd->keys[which] + offset};

    arena_init(&scratch, 1 << 16);
    fixture_check(crowd->f,
                  record_list(fixture_read(crowd->f), NULL, &list, &scratch,
                              is_next, &page, &crowd->f->err));
    assert_int_equal(page.rows,
                     MAX(0, MIN(list.limit, crowd->count[which] - offset)));
}

static void
crowd_pages(struct crowd *crowd)
{
    for (int which = 0; which < 2; which++) {
        int64_t count = crowd->count[which];

        crowd_page(crowd, which, 0);
        crowd_page(crowd, which, count);
        crowd_page(crowd, which, count - 1);
        for (int i = 0; i < 20; i++)
            crowd_page(crowd, which, any(crowd, count));
        /* Around the ends of segments, as the keys have them. */
        for (int64_t i = 1; i < count; i++)
            if (crowd->keys[which][i] / SEGMENT !=
                crowd->keys[which][i - 1] / SEGMENT) {
                crowd_page(crowd, which, i - 1);
                crowd_page(crowd, which, i);
            }
    }
}

static void
crowd_init(struct crowd *crowd, struct fixture *f)
{
    *crowd = (struct crowd){.f = f, .random = 7};
    fixture_init(f);
    for (int which = 0; which < 2; which++) {
        crowd->source[which].name = which ? STR("Right") : STR("Left");
        fixture_write(f, make_source, &crowd->source[which]);
        crowd_grow(crowd, which, 5 * SEGMENT + 100);
    }
}

static void
crowd_done(struct crowd *crowd)
{
    free(crowd->keys[0]);
    free(crowd->keys[1]);
}

static void
pages_are_those_of_a_plain_offset_whatever_was_deleted(void **state)
{
    FIXTURE f;
    struct crowd crowd;

    (void)state;
    crowd_init(&crowd, &f);
    crowd_pages(&crowd);
    for (int round = 0; round < 30; round++) {
        int which = (int)any(&crowd, 2);
        int64_t by = 1 + any(&crowd, round % 3 ? 3 : DELETED_AT_ONCE);

        crowd_shrink(&crowd, which, any(&crowd, crowd.count[which] - by), by);
        if (round % 5 == 0)
            crowd_grow(&crowd, which, 1 + any(&crowd, 300));
        crowd_pages(&crowd);
    }
    /* Whole segments, first and last ones too. */
    crowd_shrink(&crowd, 0, 0, 2 * SEGMENT);
    crowd_pages(&crowd);
    crowd_shrink(&crowd, 1, crowd.count[1] - 2 * SEGMENT, 2 * SEGMENT);
    crowd_pages(&crowd);
    crowd_grow(&crowd, 1, SEGMENT);
    crowd_shrink(&crowd, 0, 700, crowd.count[0] - 710);
    crowd_pages(&crowd);
    crowd_done(&crowd);
}

static enum error_code
forget_source(struct db_tx *tx, void *context, struct error *err)
{
    return source_delete(tx, *(int64_t *)context, err);
}

static enum error_code
count_gone(struct db_tx *tx, void *context, struct error *err)
{
    return read_number(
        db_query_text(tx, "SELECT COALESCE(SUM(gone), 0) FROM record_gone"),
        context, err);
}

static void
deletions_are_counted_until_their_source_goes(void **state)
{
    FIXTURE f;
    struct crowd crowd;
    int64_t gone;

    (void)state;
    crowd_init(&crowd, &f);
    crowd_shrink(&crowd, 0, 1000, 100);
    crowd_shrink(&crowd, 1, 1000, 30);
    fixture_write(&f, count_gone, &gone);
    assert_int_equal(gone, 130);
    fixture_write(&f, forget_source, &crowd.source[0].number);
    fixture_write(&f, count_gone, &gone);
    assert_int_equal(gone, 30);
    crowd_done(&crowd);
}

static enum error_code
drop_counts(struct db_tx *tx, void *context UNUSED, struct error *err)
{
    return db_run(db_query_text(tx, "DELETE FROM record_gone"), NULL, err);
}

/* As a server of an older version leaves them that was not stopped. */
static void
pages_are_right_without_the_counts(void **state)
{
    FIXTURE f;
    struct crowd crowd;

    (void)state;
    crowd_init(&crowd, &f);
    crowd_shrink(&crowd, 0, 1000, 100);
    fixture_write(&f, drop_counts, NULL);
    crowd_shrink(&crowd, 0, 3000, 100);
    crowd_pages(&crowd);
    crowd_done(&crowd);
}

static enum error_code
add_deletions(struct db_tx *tx, void *context UNUSED, struct error *err)
{
    return db_run(db_query_text(tx,
                                "INSERT INTO record_history"
                                " (source, revision, key, last_key, change)"
                                " VALUES (1, 2, 68719476737, 68719476737, 'D'),"
                                " (1, 3, 68719477759, 68719477759, 'D'),"
                                " (1, 4, 68719477760, 68719477760, 'D'),"
                                " (1, 5, 68719477761, 68719477761, 'U')"),
                  NULL, err);
}

static enum error_code
gone_of(struct db_tx *tx, void *context, struct error *err)
{
    int64_t *gone = context; /* of the first two segments */
    struct db_query *query = db_query(tx, STMT_RECORD_GONE);
    enum error_code rc;

    db_int(query, 1, record_first_key(1) >> RECORD_SEGMENT_BITS);
    db_int(query, 2, record_last_key(1) >> RECORD_SEGMENT_BITS);
    while ((rc = db_step(query, err)) == ERR_OK)
        gone[db_col_int(query, 0) % 2] += db_col_int(query, 1);
    db_end(query);
    return rc == ERR_END ? ERR_OK : rc;
}

static void
upgrade_counts_the_deletions_that_are_there(void **state)
{
    FIXTURE f = {.scratch = scratch_make()};
    int64_t gone[2] = {0};

    (void)state;
    arena_init(&f.arena, 1 << 10);
    fixture_check(&f, store_open(f.scratch.url, true, &f.db, &f.err));
    fixture_check(&f, migrate_make(f.db, 6, &f.err));
    fixture_write(&f, add_deletions, NULL);
    fixture_check(&f, migrate_run(f.db, NULL, NULL, &f.err));
    fixture_write(&f, gone_of, gone);
    assert_int_equal(gone[0], 2);
    assert_int_equal(gone[1], 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_line_is_the_csv_of_the_built_in_columns),
        cmocka_unit_test(record_comes_back_as_it_was_written),
        cmocka_unit_test(record_lines_are_in_the_order_of_creation),
        cmocka_unit_test(record_blocks_are_the_lines_of_so_many_keys),
        cmocka_unit_test(record_by_accounts_tells_each_name_its_record),
        cmocka_unit_test(record_insert_refuses_a_taken_name_and_goes_on),
        cmocka_unit_test(record_changes_move_the_counters_once),
        cmocka_unit_test(record_update_and_delete_need_the_record),
        cmocka_unit_test(record_history_keeps_what_was_before),
        cmocka_unit_test(times_of_a_source_do_not_go_back),
        cmocka_unit_test(
            pages_are_those_of_a_plain_offset_whatever_was_deleted),
        cmocka_unit_test(deletions_are_counted_until_their_source_goes),
        cmocka_unit_test(pages_are_right_without_the_counts),
        cmocka_unit_test(upgrade_counts_the_deletions_that_are_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

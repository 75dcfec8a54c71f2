#include "store/record_store.h"

#include "fmt/csv_write.h"
#include "store/chain.h"
#include "store/find.h"
#include "store/row.h"

#define FOUND_NOW 1000 /* records of one writer; more wait, see find.h */
/* Eight values of 256 characters, every quote doubled, and to spare. */
#define LINE_MAX_BYTES ((size_t)256 * 1024)

void
record_line(struct buf *to, const struct record *record)
{
    char date[MOMENT_TEXT];

    for (int i = 0; i < FIELD_TEXTS; i++) {
        csv_field(to, record->text[i], false);
        buf_char(to, ',');
    }
    /* Dates need no quotes. */
    buf_add(to, date, moment_csv(record->start, date));
    buf_char(to, ',');
    buf_add(to, date, moment_csv(record->end, date));
}

/* ---- writing --------------------------------------------------------- */

enum error_code
record_write_begin(struct record_writer *writer, struct db_tx *tx,
                   int64_t source, int64_t now_ms, const struct actor *actor,
                   struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SOURCE_NEXT_ROW);
    int64_t next_row = 0, changed_ms = 0;

    db_int(query, 1, source);
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK) {
        next_row = db_col_int(query, 0);
        changed_ms = db_col_int(query, 1);
    }
    rc = row_done(query, rc, NULL, err);
    if (rc != ERR_OK)
        return rc;
    *writer = (struct record_writer){.tx = tx,
                                     .source = source,
                                     .now_ms = MAX(now_ms, changed_ms),
                                     .first_row = next_row,
                                     .next_row = next_row,
                                     .actor = *actor};
    buf_init(&writer->line, LINE_MAX_BYTES);
    buf_init(&writer->key, LINE_MAX_BYTES);
    tally_begin(&writer->made);
    return find_mark(tx, source, &writer->found_row, err);
}

void
record_write_many(struct record_writer *writer)
{
    writer->many = true;
}

/* Is this record one of those that can be found? */
static bool
is_found(const struct record_writer *writer, int64_t key)
{
    return key - record_first_key(writer->source) < writer->found_row;
}

/* Before the first change: move the revision. */
static enum error_code
first_change(struct record_writer *writer, struct error *err)
{
    if (writer->revision != 0)
        return ERR_OK;
    return source_touch(writer->tx, writer->source, writer->now_ms,
                        &writer->revision, err);
}

/* What is stored beside the values themselves: the CSV line and the folded
 * account name. */
static enum error_code
derive(struct record_writer *writer, const struct record *record,
       struct error *err)
{
    struct str name = record->text[FIELD_ACCOUNT_NAME];

    buf_clear(&writer->line);
    record_line(&writer->line, record);
    buf_clear(&writer->key);
    char *key = buf_reserve(&writer->key, 3 * name.len + 1);

    if (key != NULL)
        writer->key.len = utf8_fold(name, key);
    if (writer->line.full || writer->key.full)
        return error_set(err, ERR_LENGTH, "the record is too large");
    if (writer->line.failed || writer->key.failed)
        return error_busy(err, "no memory for a record");
    return ERR_OK;
}

/* Parameters $n.. that insert and update have in common and in one order. */
static void
bind_values(struct db_query *query, int n, const struct record *record)
{
    for (int i = FIELD_FIRST_NAME; i < FIELD_TEXTS; i++)
        db_str(query, n++, record->text[i]);
    db_int(query, n++, record->start.ms);
    db_int(query, n++, record->start.offset_min);
    db_int(query, n++, record->end.ms);
    db_int(query, n++, record->end.offset_min);
}

static void
bind_custom(struct db_query *query, int n, struct str custom)
{
    if (custom.len > 0)
        db_str(query, n, custom);
    else
        db_null(query, n);
}

enum error_code
record_insert(struct record_writer *writer, struct record *record,
              struct error *err)
{
    int64_t changes = 0;
    enum error_code rc = derive(writer, record, err);

    if (rc != ERR_OK)
        return rc;
    if (writer->next_row >> RECORD_ROW_BITS != 0)
        return error_set(err, ERR_LIMIT, NULL);
    record->id = uuid_mint();
    record->source = writer->source;
    record->key = record_first_key(writer->source) | writer->next_row;
    record->created_ms = record->modified_ms = writer->now_ms;

    if (writer->insert == NULL)
        writer->insert = db_query(writer->tx, STMT_RECORD_INSERT);
    struct db_query *query = writer->insert;

    db_int(query, 1, record->key);
    db_str(query, 2, buf_view(&writer->line));
    bind_custom(query, 3, record->custom);
    db_uuid(query, 4, &record->id);
    db_int(query, 5, writer->source);
    db_str(query, 6, record->text[FIELD_ACCOUNT_NAME]);
    db_str(query, 7, buf_view(&writer->key));
    bind_values(query, 8, record);
    db_int(query, 17, writer->now_ms);
    rc = writer->many ? db_exec_later(query, err)
                      : db_exec(query, &changes, err);
    if (rc == ERR_OK && changes == 0 && !writer->many)
        rc = account_taken("create", record->text[FIELD_ACCOUNT_NAME], err);
    if (rc == ERR_OK)
        rc = first_change(writer, err);
    if (rc != ERR_OK)
        return rc;
    chain_tally_created(
        &writer->made, record->key,
        str_n((const char *)record->id.bytes, sizeof(record->id.bytes)),
        buf_view(&writer->line), record->custom);
    writer->next_row++;
    writer->created++;
    return ERR_OK;
}

/* Keep the record as it is, before it is changed or deleted. */
static enum error_code
keep_before(struct record_writer *writer, int64_t key, struct str change,
            struct error *err)
{
    enum error_code rc = first_change(writer, err);

    if (rc != ERR_OK)
        return rc;
    struct db_query *query = db_query(writer->tx, STMT_RECORD_HISTORY_BEFORE);

    db_int(query, 1, key);
    db_int(query, 2, writer->revision);
    db_str(query, 3, change);
    rc = run_one(query, err);
    if (rc == ERR_CONFLICT)
        return error_internal(err, "one writer changed a record twice");
    return rc;
}

enum error_code
record_update(struct record_writer *writer, struct record *record,
              struct error *err)
{
    enum error_code rc = derive(writer, record, err);

    if (rc == ERR_OK)
        rc = keep_before(writer, record->key, STR("U"), err);
    if (rc == ERR_OK && is_found(writer, record->key))
        rc = find_drop(writer->tx, record->key, record->key, err);
    if (rc != ERR_OK)
        return rc;
    struct db_query *query = db_query(writer->tx, STMT_RECORD_UPDATE);

    db_int(query, 1, record->key);
    db_str(query, 2, buf_view(&writer->line));
    bind_custom(query, 3, record->custom);
    db_str(query, 4, record->text[FIELD_ACCOUNT_NAME]);
    db_str(query, 5, buf_view(&writer->key));
    bind_values(query, 6, record);
    db_int(query, 15, writer->now_ms);
    rc = run_one(query, err);
    if (rc == ERR_CONFLICT)
        return account_taken("update", record->text[FIELD_ACCOUNT_NAME], err);
    if (rc != ERR_OK)
        return rc;
    if (is_found(writer, record->key))
        rc = find_add(writer->tx, record->key, record->key, err);
    record->modified_ms = writer->now_ms;
    writer->updated++;
    return rc;
}

enum error_code
record_delete(struct record_writer *writer, const struct record *record,
              struct error *err)
{
    enum error_code rc = keep_before(writer, record->key, STR("D"), err);

    if (rc == ERR_OK && is_found(writer, record->key))
        rc = find_drop(writer->tx, record->key, record->key, err);
    if (rc != ERR_OK)
        return rc;
    struct db_query *query = db_query(writer->tx, STMT_RECORD_DELETE);

    db_int(query, 1, record->key);
    rc = run_one(query, err);
    if (rc != ERR_OK)
        return rc;
    writer->deleted++;
    query = db_query(writer->tx, STMT_RECORD_GONE_ADD);
    db_int(query, 1, record->key >> RECORD_SEGMENT_BITS);
    return db_run(query, NULL, err);
}

/* One row of history for everything that was created. */
static enum error_code
note_created(struct record_writer *writer, struct error *err)
{
    struct db_query *query = db_query(writer->tx, STMT_RECORD_HISTORY_CREATED);
    int64_t first = record_first_key(writer->source);

    db_int(query, 1, writer->source);
    db_int(query, 2, writer->revision);
    db_int(query, 3, first | writer->first_row);
    db_int(query, 4, first | (writer->next_row - 1));
    return db_run(query, NULL, err);
}

/* Who did it and when, as a link of the source's chain. */
static enum error_code
note_change(struct record_writer *writer, struct error *err)
{
    struct chain_change change = {.source = writer->source,
                                  .revision = writer->revision,
                                  .at_ms = writer->now_ms,
                                  .actor = writer->actor};
    unsigned char digest[CHAIN_HASH];
    enum error_code rc = chain_change_digest(writer->tx, &change, &writer->made,
                                             digest, err);

    if (rc == ERR_OK)
        rc = chain_add(writer->tx, CHAIN_CHANGE, change.source, digest,
                       &change.link, err);
    if (rc != ERR_OK)
        return rc;
    struct db_query *query = db_query(writer->tx, STMT_RECORD_CHANGE_INSERT);

    db_int(query, 1, change.source);
    db_int(query, 2, change.revision);
    db_int(query, 3, change.at_ms);
    bind_actor(query, 4, &change.actor);
    chain_bind(query, 6, &change.link);
    return db_run(query, NULL, err);
}

enum error_code
record_write_finish(struct record_writer *writer, struct error *err)
{
    enum error_code rc = ERR_OK;
    int64_t created = 0;

    if (writer->many && writer->insert != NULL) {
        rc = db_settle(writer->insert, &created, err);
        if (rc == ERR_OK && created < writer->created)
            rc = error_set(err, ERR_CONFLICT,
                           "an account name is there already");
    }
    db_end(writer->insert);
    if (rc == ERR_OK && writer->created > 0)
        rc = note_created(writer, err);
    if (rc == ERR_OK && writer->created > 0 && writer->created <= FOUND_NOW &&
        writer->found_row == writer->first_row)
        rc = find_extend(writer->tx, writer->source, writer->first_row,
                         writer->next_row, err);
    if (rc == ERR_OK && writer->revision != 0)
        rc = note_change(writer, err);
    if (rc == ERR_OK && writer->revision != 0)
        rc = source_advance(writer->tx, writer->source,
                            writer->created - writer->deleted, writer->next_row,
                            err);
    buf_done(&writer->line);
    buf_done(&writer->key);
    return rc;
}

/* ---- reading --------------------------------------------------------- */

#define COLUMNS                                                           \
    "r.key, r.id, r.source, r.account_name, r.first_name, r.last_name, "  \
    "r.phone, r.email, r.manager, r.start_ms, r.start_offset, r.end_ms, " \
    "r.end_offset, r.custom, r.created_ms, r.modified_ms"

struct record
record_row(struct db_query *query, struct arena *arena)
{
    struct record record = {
        .key = db_col_int(query, 0),
        .id = db_col_uuid(query, 1),
        .source = db_col_int(query, 2),
        .start = {.ms = db_col_int(query, 9),
                  .offset_min = (int16_t)db_col_int(query, 10)},
        .end = {.ms = db_col_int(query, 11),
                .offset_min = (int16_t)db_col_int(query, 12)},
        .custom = row_optional(query, 13, arena),
        .created_ms = db_col_int(query, 14),
        .modified_ms = db_col_int(query, 15),
    };

    for (int i = 0; i < FIELD_TEXTS; i++)
        record.text[i] = row_str(query, 3 + i, arena);
    return record;
}

static enum error_code
read_record(struct db_query *query, struct arena *arena, struct record *ret,
            struct error *err)
{
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK)
        *ret = record_row(query, arena);
    return row_done(query, rc, arena, err);
}

enum error_code
record_by_id(struct db_tx *tx, const struct uuid *id, struct arena *arena,
             struct record *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_RECORD_BY_ID);

    db_uuid(query, 1, id);
    return read_record(query, arena, ret, err);
}

enum error_code
record_by_account(struct db_tx *tx, int64_t source, struct str account_name,
                  struct arena *arena, struct record *ret, struct error *err)
{
    FOLDED key = {0};
    struct db_query *query = db_query(tx, STMT_RECORD_BY_ACCOUNT);

    db_int(query, 1, source);
    enum error_code rc = bind_folded(query, 2, &key, account_name, err);

    if (rc != ERR_OK) {
        db_end(query);
        return rc;
    }
    return read_record(query, arena, ret, err);
}

enum error_code
record_by_accounts(struct db_tx *tx, int64_t source, const struct str *keys,
                   size_t count, struct arena *arena, struct record *ret,
                   struct error *err)
{
    struct db_query *query = db_query(tx, STMT_RECORD_BY_ACCOUNTS);
    enum error_code rc;

    db_int(query, 1, source);
    for (size_t i = 0; i < RECORD_ACCOUNTS_MAX; i++)
        db_str(query, 2 + (int)i, keys[MIN(i, count - 1)]);
    for (size_t i = 0; i < count; i++)
        ret[i].key = 0;
    while ((rc = db_step(query, err)) == ERR_OK) {
        const struct record record = record_row(query, arena);

        for (size_t i = 0; i < count; i++)
            if (str_eq(keys[i], db_col_str(query, 16)))
                ret[i] = record;
    }
    db_end(query);
    if (rc != ERR_END)
        return rc;
    return arena->failed ? error_busy(err, "no memory for records") : ERR_OK;
}

void
record_lines_begin(struct record_lines *lines, struct db_tx *tx, int64_t first,
                   int64_t last)
{
    lines->query = db_query(tx, STMT_RECORD_LINES);
    db_int(lines->query, 1, first);
    db_int(lines->query, 2, last);
}

enum error_code
record_lines_next(struct record_lines *lines, int64_t *ret_key,
                  struct str *ret_line, struct str *ret_custom,
                  struct error *err)
{
    enum error_code rc = db_step(lines->query, err);

    if (rc != ERR_OK)
        return rc;
    *ret_key = db_col_int(lines->query, 0);
    *ret_line = db_col_str(lines->query, 1);
    *ret_custom = db_col_str(lines->query, 2);
    return ERR_OK;
}

void
record_lines_end(struct record_lines *lines)
{
    db_end(lines->query);
    lines->query = NULL;
}

void
record_blocks_begin(struct record_blocks *blocks, struct db_tx *tx,
                    int64_t source, int64_t first, int64_t last, int64_t keys,
                    struct str line_end)
{
    blocks->query = db_query(tx, STMT_RECORD_BLOCKS);
    db_int(blocks->query, 1, record_first_key(source));
    db_int(blocks->query, 2, first);
    db_int(blocks->query, 3, last);
    db_str(blocks->query, 4, line_end);
    db_int(blocks->query, 5, keys);
}

enum error_code
record_blocks_next(struct record_blocks *blocks, int64_t *ret_number,
                   int64_t *ret_records, struct str *ret_text,
                   struct error *err)
{
    struct str text, count;
    int64_t records = 0;

    do {
        enum error_code rc = db_step(blocks->query, err);

        if (rc != ERR_OK)
            return rc;
    } while (db_col_is_null(blocks->query, 1));
    text = db_col_str(blocks->query, 1);
    count = str_cut(&text, ' ');
    for (size_t i = 0; i < count.len; i++)
        records = records * 10 + (count.at[i] - '0');
    *ret_number = db_col_int(blocks->query, 0);
    *ret_records = records;
    *ret_text = text;
    return ERR_OK;
}

void
record_blocks_end(struct record_blocks *blocks)
{
    db_end(blocks->query);
    blocks->query = NULL;
}

enum error_code
record_changed_at(struct db_tx *tx, int64_t source, int64_t revision,
                  int64_t at_ms, bool *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_RECORD_CHANGE_AT);

    db_int(query, 1, source);
    db_int(query, 2, revision);
    db_int(query, 3, at_ms);
    return row_exists(query, ret, err);
}

/* How many of the revisions after one changed records. */
static enum error_code
count_changes(struct db_tx *tx, int64_t source, int64_t after, int64_t *ret,
              struct error *err)
{
    struct db_query *query = db_query(tx, STMT_RECORD_CHANGE_COUNT);

    db_int(query, 1, source);
    db_int(query, 2, after);
    return read_number(query, ret, err);
}

enum error_code
record_changed(struct db_tx *tx, const struct source *source, int64_t since,
               int64_t since_ms, record_changed_visit *visit, void *context,
               struct error *err)
{
    bool known = false;
    int64_t changes = 0;
    enum error_code rc = record_changed_at(tx, source->number, since, since_ms,
                                           &known, err);

    if (rc == ERR_OK && known)
        rc = count_changes(tx, source->number, since, &changes, err);
    if (rc != ERR_OK)
        return rc;
    if (!known || changes != source->revision - since)
        return ERR_END;

    struct db_query *query = db_query(tx, STMT_RECORD_CHANGED);

    db_int(query, 1, source->number);
    db_int(query, 2, since);
    while ((rc = db_step(query, err)) == ERR_OK)
        visit(context, db_col_int(query, 0), db_col_int(query, 1));
    db_end(query);
    return rc == ERR_END ? ERR_OK : rc;
}

/* ---- lists ----------------------------------------------------------- */

#define MANAGED                                     \
    "s.number IN (SELECT source FROM source_member" \
    " WHERE identity_id = $1 AND role = 'MANAGER')"

/* Not a join: what an offset skips is then read from an index alone. */
#define SOURCE_ID "(SELECT o.source_id FROM source o WHERE o.number = r.source)"

static const struct where_test tests[] = {
    {"sourceId", WHERE_OP(OP_EQ), WHERE_SOURCE, "s.number = @"},
};
static const struct where_sort sorts[] = {
    {"id", "r.id"},
    {"accountName", "r.account_key"},
    {"sourceId", SOURCE_ID},
    {"manager", "lower(r.manager)"},
    {"firstName", "lower(r.first_name)"},
    {"lastName", "lower(r.last_name)"},
    {"email", "lower(r.email)"},
    {"phone", "lower(r.phone)"},
    {"startDate", "r.start_ms"},
    {"endDate", "r.end_ms"},
    {"created", "r.created_ms"},
    {"modified", "r.modified_ms"},
};

static const struct where_list all_records = {
    .columns = COLUMNS ", " SOURCE_ID,
    .from = "record r WHERE TRUE",
    .order = "r.id",
    .sorts = sorts,
    .sort_count = COUNT(sorts),
};

/* Those of some sources are read source by source, where they lie together:
 * SQLite takes CROSS JOIN for the order to read in. */
static const struct where_list some_records = {
    .columns = COLUMNS ", " SOURCE_ID,
    .from = "source s CROSS JOIN record r"
            " WHERE r.key > s.number * 68719476736"
            " AND r.key < (s.number + 1) * 68719476736",
    .only = MANAGED,
    .order = "r.id",
    .tests = tests,
    .test_count = COUNT(tests),
    .sorts = sorts,
    .sort_count = COUNT(sorts),
};
_Static_assert(INT64_C(1) << RECORD_ROW_BITS == 68719476736,
               "the keys of a source in SQL");

/* Filters are about the source only, so its counters are enough. */
static const struct where_list record_counts = {
    .count = "CAST(COALESCE(SUM(s.record_count), 0) AS BIGINT)",
    .from = "source s WHERE TRUE",
    .only = MANAGED,
    .tests = tests,
    .test_count = COUNT(tests),
};

static enum error_code
visit_records(struct db_query *query, const struct uuid *source_id,
              struct arena *scratch, record_visit *visit, void *context,
              struct error *err)
{
    enum error_code rc;

    while ((rc = db_step(query, err)) == ERR_OK) {
        arena_reset(scratch);
        struct record record = record_row(query, scratch);
        struct uuid id = source_id ? *source_id : db_col_uuid(query, 16);

        if (scratch->failed || !visit(context, &record, &id))
            break;
    }
    if (rc == ERR_END)
        rc = ERR_OK;
    return row_done(query, rc, scratch, err);
}

/* Is this the unsorted list of one source? Then its id as it was sent. */
static bool
is_page(const struct list_query *list, struct str *ret_source)
{
    const struct filter *filter = list->filter;

    if (filter == NULL || filter->kind != FILTER_TEST || filter->op != OP_EQ ||
        !str_eq(filter->field, STR("sourceId")) || list->sorters.count > 0)
        return false;
    *ret_source = filter->values[0];
    return true;
}

/* A key of the source, and how many of its records from there on are left out.
 */
struct place {
    int64_t key, skip;
};

/* Where is the record that has `offset` others of its source before it? Every
 * key was given to a record, and record_gone says how many are gone, so all but
 * the last segment before it is counted and not walked over. */
static enum error_code
find_place(struct db_tx *tx, const struct source *source, int64_t offset,
           struct place *ret, struct error *err)
{
    const int64_t base = record_first_key(source->number);
    const int64_t missing = source->next_row - 1 - source->record_count;
    struct place place = {base + 1 + offset, 0};
    int64_t before = 0; /* gone from the segments so far */
    enum error_code rc;

    if (missing == 0) {
        *ret = place;
        return ERR_OK;
    }
    if (offset >> RECORD_SEGMENT_BITS == 0) { /* a walk that short is cheaper */
        *ret = (struct place){base + 1, offset};
        return ERR_OK;
    }
    struct db_query *query = db_query(tx, STMT_RECORD_GONE);

    db_int(query, 1, base >> RECORD_SEGMENT_BITS);
    db_int(query, 2, record_last_key(source->number) >> RECORD_SEGMENT_BITS);
    while ((rc = db_step(query, err)) == ERR_OK) {
        int64_t segment = db_col_int(query, 0), gone = db_col_int(query, 1);
        int64_t first = MAX(segment << RECORD_SEGMENT_BITS, base + 1);
        int64_t behind = (segment + 1) << RECORD_SEGMENT_BITS;
        int64_t rank = first - (base + 1) - before; /* of the first one in it */

        before += gone;
        if (rank > offset)
            continue;
        int64_t there = behind - first - gone;

        /* Behind it no record is gone until the next segment of the list. */
        place = offset - rank < there
                    ? (struct place){first, offset - rank}
                    : (struct place){behind + offset - rank - there, 0};
    }
    db_end(query);
    if (rc != ERR_END)
        return rc;
    /* A server of an older version that was left running does not count. */
    *ret = before == missing ? place : (struct place){base + 1, offset};
    return ERR_OK;
}

static enum error_code
visit_page(struct db_tx *tx, const struct source *source,
           const struct list_query *list, struct arena *scratch,
           record_visit *visit, void *context, struct error *err)
{
    struct place place;
    enum error_code rc;

    if (list->offset >= source->record_count)
        return ERR_OK;
    rc = find_place(tx, source, list->offset, &place, err);
    if (rc != ERR_OK)
        return rc;
    struct db_query *query = db_query(tx, STMT_RECORD_PAGE);

    db_int(query, 1, place.key);
    db_int(query, 2, record_last_key(source->number));
    db_int(query, 3, list->limit);
    db_int(query, 4, place.skip);
    return visit_records(query, &source->source_id, scratch, visit, context,
                         err);
}

/* The page of one source; nothing when there is none, or `manager` does not
 * manage it. */
static enum error_code
list_page(struct db_tx *tx, const struct uuid *manager, struct str source_id,
          const struct list_query *list, struct arena *scratch,
          record_visit *visit, void *context, struct error *err)
{
    struct source source;
    struct uuid id;
    bool visible = true;

    if (!uuid_parse(source_id, &id))
        return ERR_OK;
    arena_reset(scratch);
    enum error_code rc = source_find(tx, &id, scratch, &source, err);

    if (rc == ERR_NOT_FOUND)
        return ERR_OK;
    if (rc == ERR_OK && manager != NULL)
        rc = source_has_member(tx, source.number, "MANAGER", manager, &visible,
                               err);
    if (rc == ERR_OK && visible)
        rc = visit_page(tx, &source, list, scratch, visit, context, err);
    return rc;
}

enum error_code
record_list(struct db_tx *tx, const struct uuid *manager,
            const struct list_query *list, struct arena *scratch,
            record_visit *visit, void *context, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    const struct where_list *which = manager || list->filter ? &some_records
                                                             : &all_records;
    struct db_query *query = NULL;
    struct str source_id;

    arena_init(&arena, WHERE_BYTES);
    if (is_page(list, &source_id))
        return list_page(tx, manager, source_id, list, scratch, visit, context,
                         err);
    enum error_code rc = where_rows(tx, which, list, manager, &arena, &query,
                                    err);

    if (rc == ERR_OK)
        rc = visit_records(query, NULL, scratch, visit, context, err);
    return rc;
}

enum error_code
record_list_count(struct db_tx *tx, const struct uuid *manager,
                  const struct list_query *list, int64_t *ret,
                  struct error *err)
{
    return where_count(tx, &record_counts, list, manager, ret, err);
}

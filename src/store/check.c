#include "store/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/secret.h"
#include "store/custom.h"
#include "store/record_store.h"
#include "store/row.h"
#include "store/table.h"

#define TEXT_BYTES ((size_t)1 << 20) /* of a text derived from a row */

struct run {
    struct db_tx *tx;
    struct check *check;
    struct buf derived;
};

static void PRINTF_LIKE(2, 3) problem(struct run *run, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    run->check->problems++;
    if (run->check->problem != NULL)
        run->check->problem(run->check->context, text);
}

/* ---- what SQL can say ------------------------------------------------ */

static const enum stmt statements[] = {
    STMT_CHECK_REFERENCES,   STMT_CHECK_SOURCES,       STMT_CHECK_COUNTERS,
    STMT_CHECK_RECORD_COUNT, STMT_CHECK_RECORD_KEY,    STMT_CHECK_NEXT_ROW,
    STMT_CHECK_ATTRIBUTES,   STMT_CHECK_NEXT_COLUMN,   STMT_CHECK_MEMBERS,
    STMT_CHECK_CREATED,      STMT_CHECK_DELETED,       STMT_CHECK_AFTER_DELETE,
    STMT_CHECK_GONE,         STMT_CHECK_BEFORE_CREATE, STMT_CHECK_HISTORY_SHAPE,
    STMT_CHECK_HISTORY_ID,   STMT_CHECK_CHANGES,       STMT_CHECK_REQUESTS,
    STMT_CHECK_APPROVALS,    STMT_CHECK_JOBS,          STMT_CHECK_FILES,
};

/* A text, an id or NULL, a text. */
static enum error_code
ask(struct run *run, enum stmt statement, struct error *err)
{
    struct db_query *query = db_query(run->tx, statement);
    enum error_code rc;

    while ((rc = db_step(query, err)) == ERR_OK) {
        struct str before = db_col_str(query, 0);
        struct str id = db_col_str(query, 1);
        struct str behind = db_col_str(query, 2);
        char hex[2 * 32 + 1];

        hex_encode(id.at, MIN(id.len, (size_t)32), hex);
        problem(run, "%.*s%s%.*s", STR_ARG(before), hex, STR_ARG(behind));
    }
    db_end(query);
    return rc == ERR_END ? ERR_OK : rc;
}

/* ---- row by row ------------------------------------------------------ */

/* Texts and what they are folded to for comparing. */
static const struct {
    const char *table, *text, *key;
} folded[] = {
    {"identity", "alias", "alias_key"},
    {"identity", "name", "name_key"},
    {"identity", "email", "email_key"},
    {"source", "name", "name_key"},
    {"schema_attribute", "technical_name", "technical_key"},
    {"record", "account_name", "account_key"},
    {"request", "account_name", "account_key"},
};

static const struct cell *
cell_of(const struct table *table, const struct cell *row, const char *name)
{
    for (size_t i = 0; table->column[i].name != NULL; i++)
        if (strcmp(table->column[i].name, name) == 0)
            return &row[i];
    return NULL;
}

/* "record 17", "identity 0123..." */
static void
row_name(const struct table *table, const struct cell *row, char to[160])
{
    size_t len = (size_t)snprintf(to, 160, "%s", table->name);
    char hex[2 * 32 + 1];

    for (size_t i = 0; i < table->keys && len < 100; i++) {
        struct str bytes = row[i].bytes;

        if (table->column[i].kind == COLUMN_INT) {
            len += (size_t)snprintf(to + len, 160 - len, " %" PRId64,
                                    row[i].number);
        } else if (table->column[i].kind == COLUMN_BLOB) {
            hex_encode(bytes.at, MIN(bytes.len, (size_t)32), hex);
            len += (size_t)snprintf(to + len, 160 - len, " %s", hex);
        }
    }
}

static void
check_folded(struct run *run, const struct table *table, const struct cell *row,
             const char *name)
{
    for (size_t i = 0; i < COUNT(folded); i++) {
        if (strcmp(folded[i].table, table->name) != 0)
            continue;
        struct str text = cell_of(table, row, folded[i].text)->bytes;
        struct str key = cell_of(table, row, folded[i].key)->bytes;

        buf_clear(&run->derived);
        char *at = buf_reserve(&run->derived, 3 * text.len + 1);

        if (at != NULL && !str_eq(key, str_n(at, utf8_fold(text, at))))
            problem(run, "%s: %s is not %s folded", name, folded[i].key,
                    folded[i].text);
    }
}

/* Packed values: numbers rise, lengths fit, nothing stands behind. */
static bool
is_packed(struct str custom)
{
    struct custom_value value;
    int64_t last = SCHEMA_FIRST_CUSTOM - 1;

    while (custom.len > 0) {
        if (!custom_next(&custom, &value) || value.number <= last ||
            value.value.len == 0)
            return false;
        last = value.number;
    }
    return true;
}

static void
check_custom(struct run *run, const struct table *table, const struct cell *row,
             const char *name)
{
    const struct cell *custom = cell_of(table, row, "custom");

    if (custom != NULL && !custom->null && !is_packed(custom->bytes))
        problem(run, "%s: custom cannot be read", name);
}

/* The line that the export copies against the columns that the API shows. */
static void
check_line(struct run *run, const struct table *table, const struct cell *row,
           const char *name)
{
    static const char *const texts[FIELD_TEXTS] = {
        "account_name", "first_name", "last_name", "phone", "email", "manager"};
    struct record record = {
        .start = {.ms = cell_of(table, row, "start_ms")->number,
                  .offset_min =
                      (int16_t)cell_of(table, row, "start_offset")->number},
        .end = {.ms = cell_of(table, row, "end_ms")->number,
                .offset_min =
                    (int16_t)cell_of(table, row, "end_offset")->number},
    };

    for (size_t i = 0; i < FIELD_TEXTS; i++)
        record.text[i] = cell_of(table, row, texts[i])->bytes;
    buf_clear(&run->derived);
    record_line(&run->derived, &record);
    if (!str_eq(buf_view(&run->derived), cell_of(table, row, "line")->bytes))
        problem(run, "%s: line is not what its columns make", name);
    run->check->records++;
}

static enum error_code
check_table(struct run *run, const struct table *table, struct error *err)
{
    struct cell row[TABLE_COLUMNS_MAX];
    struct table_reader reader;
    bool is_record = strcmp(table->name, "record") == 0;
    char name[160];
    enum error_code rc;

    table_read_begin(&reader, run->tx, table);
    while ((rc = table_read(&reader, row, err)) == ERR_OK) {
        row_name(table, row, name);
        check_folded(run, table, row, name);
        check_custom(run, table, row, name);
        if (is_record)
            check_line(run, table, row, name);
        run->check->rows++;
    }
    table_read_end(&reader);
    run->check->tables += !table->update;
    return rc == ERR_END ? ERR_OK : rc;
}

/* ---- all ------------------------------------------------------------- */

/* What SQLite says of its own pages and indexes: "ok", or what is wrong. */
static enum error_code
check_file(struct run *run, struct error *err)
{
    struct db_query *query = db_query_text(run->tx, "PRAGMA integrity_check");
    enum error_code rc;

    while ((rc = db_step(query, err)) == ERR_OK) {
        struct str text = db_col_str(query, 0);

        if (!str_eq(text, STR("ok")))
            problem(run, "SQLite: %.*s", STR_ARG(text));
    }
    db_end(query);
    return rc == ERR_END ? ERR_OK : rc;
}

static enum error_code
check_all(struct run *run, struct db *db, struct error *err)
{
    struct check *check = run->check;
    struct chain_verify chains = {.problem = check->problem,
                                  .context = check->context};
    enum error_code rc = ask(run, STMT_CHECK_NUMBERS, err);

    check->changes = check->audit_rows = 0;
    if (rc != ERR_OK || check->problems > 0)
        return rc;
    if (!db_is_remote(db))
        rc = check_file(run, err);
    for (size_t i = 0; rc == ERR_OK && i < COUNT(statements); i++)
        rc = ask(run, statements[i], err);
    for (size_t i = 0; rc == ERR_OK && i < table_count; i++)
        rc = check_table(run, &table_list[i], err);
    if (rc == ERR_OK)
        rc = chain_verify(run->tx, &chains, err);
    check->changes = chains.changes;
    check->audit_rows = chains.audit_rows;
    check->problems += chains.problems;
    if (rc == ERR_OK && run->derived.failed)
        return error_busy(err, "no memory for a row");
    return rc;
}

enum error_code
check_numbers(struct db_tx *tx, struct check *check, struct error *err)
{
    struct run run = {.tx = tx, .check = check};

    check->problems = 0;
    return ask(&run, STMT_CHECK_NUMBERS, err);
}

enum error_code
check_run(struct db *db, struct db_tx *tx, struct check *check,
          struct error *err)
{
    struct run run = {.tx = tx, .check = check};

    check->tables = check->rows = check->records = check->problems = 0;
    buf_init(&run.derived, TEXT_BYTES);
    enum error_code rc = check_all(&run, db, err);

    buf_done(&run.derived);
    return rc;
}

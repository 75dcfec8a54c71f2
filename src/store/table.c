#include "store/table.h"

#include <assert.h>
#include <stdio.h>

#include "base/buf.h"
#include "store/row.h"

#define SQL_BYTES ((size_t)16 << 10)
#define PAGE 500
#define PARAMS_MAX 128 /* of a statement, as src/db/driver.h has it */

/* clang-format off */
#define INT(column) {column, COLUMN_INT}
#define TEXT(column) {column, COLUMN_TEXT}
#define BLOB(column) {column, COLUMN_BLOB}

const struct table table_list[] = {
    {.name = "registry", .keys = 1, .column = {
        INT("one"), BLOB("id"), TEXT("tenant_name"), INT("auth_epoch"),
        INT("created_ms")}},
    {.name = "counter", .keys = 1, .column = {TEXT("name"), INT("value")}},
    {.name = "identity", .keys = 1, .column = {
        BLOB("id"), INT("number"), TEXT("alias"), TEXT("alias_key"),
        TEXT("name"), TEXT("name_key"), TEXT("email"), TEXT("email_key"),
        TEXT("levels"), TEXT("password_hash"), INT("created_ms"),
        INT("modified_ms")}},
    {.name = "identity_manager", .of = "identity", .keys = 1, .update = true,
     .column = {BLOB("id"), BLOB("manager_id")}},
    {.name = "workgroup_member", .keys = 2, .column = {
        TEXT("workgroup"), BLOB("identity_id")}},
    {.name = "client", .keys = 1, .column = {
        BLOB("id"), TEXT("kind"), TEXT("name"), BLOB("secret_sha256"),
        BLOB("identity_id"), TEXT("scopes"), TEXT("grants"),
        TEXT("redirect_uris"), INT("token_seconds"), INT("expires_ms"),
        INT("created_ms"), INT("modified_ms"), INT("last_used_ms"),
        TEXT("business_name"), TEXT("homepage_url"), TEXT("description"),
        INT("refresh_seconds"), INT("online"), INT("disabled")}},
    {.name = "signing_key", .keys = 1, .column = {
        TEXT("kid"), BLOB("private_der"), INT("created_ms"),
        INT("expires_ms")}},
    {.name = "source", .keys = 1, .column = {
        INT("number"), BLOB("id"), BLOB("source_id"), TEXT("name"),
        TEXT("name_key"), TEXT("description"), BLOB("owner_id"),
        TEXT("workgroup"), INT("revision"), INT("changed_ms"),
        INT("record_count"), INT("next_row"), INT("next_column"),
        INT("created_ms"), INT("modified_ms")}},
    {.name = "source_member", .keys = 3, .column = {
        INT("source"), TEXT("role"), INT("position"), BLOB("identity_id")}},
    {.name = "schema_attribute", .keys = 1, .column = {
        BLOB("id"), INT("source"), INT("number"), TEXT("type"), TEXT("label"),
        TEXT("technical_name"), TEXT("technical_key"), TEXT("help_text"),
        TEXT("placeholder"), INT("required"), INT("created_ms"),
        INT("modified_ms")}},
    {.name = "record", .keys = 1, .column = {
        INT("key"), TEXT("line"), TEXT("custom"), BLOB("id"), INT("source"),
        TEXT("account_name"), TEXT("account_key"), TEXT("first_name"),
        TEXT("last_name"), TEXT("phone"), TEXT("email"), TEXT("manager"),
        INT("start_ms"), INT("start_offset"), INT("end_ms"),
        INT("end_offset"), INT("created_ms"), INT("modified_ms")}},
    {.name = "record_change", .keys = 2, .column = {
        INT("source"), INT("revision"), INT("at_ms"), BLOB("actor"),
        BLOB("request_id"), INT("link"), BLOB("hash")}},
    {.name = "record_history", .keys = 3, .column = {
        INT("source"), INT("revision"), INT("key"), INT("last_key"),
        TEXT("change"), BLOB("record_id"), TEXT("line"), TEXT("custom")}},
    {.name = "record_gone", .keys = 1, .column = {
        INT("segment"), INT("gone")}},
    {.name = "audit", .keys = 1, .numbers = true, .column = {
        INT("number"), INT("at_ms"), TEXT("event"), BLOB("actor"),
        BLOB("request_id"), BLOB("object_id"), INT("source"), TEXT("detail"),
        INT("link"), BLOB("hash")}},
    {.name = "chain", .keys = 2, .column = {
        TEXT("kind"), INT("source"), INT("links"), BLOB("hash")}},
    {.name = "request", .keys = 1, .column = {
        BLOB("id"), INT("source"), BLOB("requester_id"), TEXT("status"),
        TEXT("account_name"), TEXT("account_key"), TEXT("first_name"),
        TEXT("last_name"), TEXT("phone"), TEXT("email"), TEXT("manager"),
        INT("start_ms"), INT("start_offset"), INT("end_ms"),
        INT("end_offset"), TEXT("custom"), INT("completion_ms"),
        INT("created_ms"), INT("modified_ms")}},
    {.name = "approval_item", .keys = 1, .column = {
        BLOB("id"), BLOB("request_id"), INT("position"), BLOB("approver_id"),
        TEXT("approver_name"), TEXT("status"), TEXT("comment"),
        INT("created_ms"), INT("modified_ms")}},
    {.name = "node", .keys = 1, .column = {BLOB("id"), INT("beat")}},
    {.name = "upload_job", .keys = 1, .column = {
        BLOB("id"), INT("source"), TEXT("status"), BLOB("actor"),
        BLOB("request_id"), INT("length"), BLOB("sha256"),
        TEXT("idempotency_key"), INT("records_created"),
        INT("records_updated"), TEXT("errors"), INT("created_ms"),
        INT("modified_ms"), INT("guarded"), BLOB("node")}},
    {.name = "upload_file", .keys = 1, .column = {
        BLOB("id"), INT("source"), TEXT("kind"), BLOB("upload_id"),
        INT("length"), INT("created_ms")}},
    {.name = "upload_chunk", .keys = 2, .page = 8, .column = {
        BLOB("file_id"), INT("number"), BLOB("bytes")}},
    {.name = "login_session", .keys = 1, .column = {
        BLOB("hash"), BLOB("identity_id"), TEXT("password"),
        INT("created_ms"), INT("expires_ms")}},
    {.name = "login_attempt", .keys = 1, .column = {
        BLOB("key"), INT("tries"), INT("locked_ms"), INT("expires_ms")}},
    {.name = "consent", .keys = 2, .column = {
        BLOB("identity_id"), BLOB("client_id"), TEXT("scopes"),
        INT("created_ms")}},
    {.name = "auth_code", .keys = 1, .column = {
        BLOB("hash"), BLOB("client_id"), BLOB("identity_id"),
        TEXT("redirect_uri"), TEXT("scopes"), TEXT("challenge"),
        BLOB("grant_id"), INT("used"), INT("created_ms"),
        INT("expires_ms")}},
    {.name = "token_family", .keys = 1, .column = {
        BLOB("id"), BLOB("client_id"), BLOB("identity_id"), TEXT("scopes"),
        BLOB("refresh_id"), INT("created_ms"), INT("expires_ms")}},
};
/* clang-format on */
const size_t table_count = COUNT(table_list);

size_t
table_columns(const struct table *table)
{
    size_t count = 0;

    while (count < TABLE_COLUMNS_MAX && table->column[count].name != NULL)
        count++;
    return count;
}

static const char *
stored_in(const struct table *table)
{
    return table->of ? table->of : table->name;
}

/* "a, b, c" of the first `count` columns. */
static void
add_names(struct buf *to, const struct table *table, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(to, "%s%s", i > 0 ? ", " : "", table->column[i].name);
}

/* "$4, $5, $6" */
static void
add_params(struct buf *to, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(to, "%s$%zu", i > 0 ? ", " : "", first + i);
}

/* ---- reading --------------------------------------------------------- */

void
table_read_begin(struct table_reader *reader, struct db_tx *tx,
                 const struct table *table)
{
    *reader = (struct table_reader){.tx = tx,
                                    .table = table,
                                    .columns = table_columns(table),
                                    .page = table->page ? table->page : PAGE};
    assert(table->keys >= 1 && table->keys <= TABLE_KEYS_MAX);
}

static void
bind_cell(struct db_query *query, int n, const struct column *column,
          const struct cell *cell)
{
    if (cell->null)
        db_null(query, n);
    else if (column->kind == COLUMN_INT)
        db_int(query, n, cell->number);
    else if (column->kind == COLUMN_TEXT)
        db_str(query, n, cell->bytes);
    else
        db_blob(query, n, cell->bytes);
}

/* The rows behind the last one that was read: by key, so that a page costs the
 * same wherever it begins, and is all that is in memory. */
static enum error_code
next_page(struct table_reader *reader, struct error *err)
{
    const struct table *table = reader->table;
    CLEANUP(buf_done) struct buf sql;

    buf_init(&sql, SQL_BYTES);
    buf_text(&sql, "SELECT ");
    add_names(&sql, table, reader->columns);
    buf_printf(&sql, " FROM %s WHERE ", stored_in(table));
    if (table->update)
        buf_printf(&sql, "%s IS NOT NULL",
                   table->column[reader->columns - 1].name);
    else
        buf_text(&sql, "TRUE");
    if (reader->any) {
        buf_text(&sql, " AND (");
        add_names(&sql, table, table->keys);
        buf_text(&sql, ") > (");
        add_params(&sql, 1, table->keys);
        buf_char(&sql, ')');
    }
    buf_text(&sql, " ORDER BY ");
    add_names(&sql, table, table->keys);
    buf_printf(&sql, " LIMIT %u", reader->page);
    if (sql.failed)
        return error_busy(err, "no memory for a statement");
    reader->query = db_query_text(reader->tx, sql.data);
    reader->in_page = 0;
    for (size_t i = 0; reader->any && i < table->keys; i++)
        bind_cell(reader->query, (int)i + 1, &table->column[i],
                  &reader->key[i]);
    return ERR_OK;
}

static enum error_code
keep_key(struct table_reader *reader, const struct cell *row, struct error *err)
{
    size_t used = 0;

    for (size_t i = 0; i < reader->table->keys; i++) {
        reader->key[i] = row[i];
        if (reader->table->column[i].kind == COLUMN_INT)
            continue;
        if (row[i].bytes.len > sizeof(reader->key_bytes) - used)
            return error_internal(err, "%s: a key is too long",
                                  reader->table->name);
        if (row[i].bytes.len > 0)
            memcpy(reader->key_bytes + used, row[i].bytes.at, row[i].bytes.len);
        reader->key[i].bytes.at = reader->key_bytes + used;
        used += row[i].bytes.len;
    }
    reader->any = true;
    return ERR_OK;
}

enum error_code
table_read(struct table_reader *reader, struct cell row[TABLE_COLUMNS_MAX],
           struct error *err)
{
    enum error_code rc = ERR_OK;

    if (reader->query == NULL)
        rc = next_page(reader, err);
    if (rc == ERR_OK)
        rc = db_step(reader->query, err);
    if (rc == ERR_END && reader->in_page == reader->page) {
        table_read_end(reader);
        rc = next_page(reader, err);
        if (rc == ERR_OK)
            rc = db_step(reader->query, err);
    }
    if (rc != ERR_OK)
        return rc;
    reader->in_page++;
    for (size_t i = 0; i < reader->columns; i++) {
        row[i] = (struct cell){.null = db_col_is_null(reader->query, (int)i)};
        if (reader->table->column[i].kind == COLUMN_INT)
            row[i].number = db_col_int(reader->query, (int)i);
        else
            row[i].bytes = db_col_str(reader->query, (int)i);
    }
    return keep_key(reader, row, err);
}

void
table_read_end(struct table_reader *reader)
{
    db_end(reader->query);
    reader->query = NULL;
}

/* ---- writing --------------------------------------------------------- */

/* Make the statement that writes `rows` rows. */
static enum error_code
prepare(struct table_writer *writer, unsigned rows, struct error *err)
{
    const struct table *table = writer->table;
    CLEANUP(buf_done) struct buf sql;

    buf_init(&sql, SQL_BYTES);
    if (writer->query != NULL && writer->batch == rows)
        return ERR_OK;
    table_write_end(writer);
    if (table->update) {
        buf_printf(&sql, "UPDATE %s SET ", stored_in(table));
        for (size_t i = table->keys; i < writer->columns; i++)
            buf_printf(&sql, "%s%s = $%zu", i > table->keys ? ", " : "",
                       table->column[i].name, i + 1);
        for (size_t i = 0; i < table->keys; i++)
            buf_printf(&sql, " %s %s = $%zu", i > 0 ? "AND" : "WHERE",
                       table->column[i].name, i + 1);
    } else {
        buf_printf(&sql, "INSERT INTO %s (", stored_in(table));
        add_names(&sql, table, writer->columns);
        buf_text(&sql, ") VALUES ");
        for (unsigned i = 0; i < rows; i++) {
            buf_text(&sql, i > 0 ? ", (" : "(");
            add_params(&sql, i * writer->columns + 1, writer->columns);
            buf_char(&sql, ')');
        }
    }
    if (sql.failed)
        return error_busy(err, "no memory for a statement");
    writer->batch = rows;
    writer->query = db_query_text(writer->tx, sql.data);
    return ERR_OK;
}

void
table_write_begin(struct table_writer *writer, struct db_tx *tx,
                  const struct table *table)
{
    writer->tx = tx;
    writer->table = table;
    writer->columns = table_columns(table);
    writer->query = NULL;
    writer->batch = writer->waiting = 0;
    _Static_assert(COUNT(writer->row) == PARAMS_MAX,
                   "a statement's parameters");
}

static unsigned
rows_at_once(const struct table_writer *writer)
{
    return writer->table->update ? 1 : (unsigned)(PARAMS_MAX / writer->columns);
}

enum error_code
table_write(struct table_writer *writer,
            const struct cell row[TABLE_COLUMNS_MAX], struct error *err)
{
    memcpy(writer->row + writer->waiting * writer->columns, row,
           writer->columns * sizeof(*row));
    writer->waiting++;
    if (writer->waiting < rows_at_once(writer))
        return ERR_OK;
    return table_flush(writer, err);
}

enum error_code
table_flush(struct table_writer *writer, struct error *err)
{
    size_t cells = 0;
    enum error_code rc;

    if (writer->waiting == 0)
        return ERR_OK;
    rc = prepare(writer, writer->waiting, err);
    if (rc != ERR_OK)
        return rc;
    for (size_t row = 0; row < writer->waiting; row++)
        for (size_t i = 0; i < writer->columns; i++, cells++)
            bind_cell(writer->query, (int)cells + 1, &writer->table->column[i],
                      &writer->row[cells]);
    writer->waiting = 0;
    return db_exec_later(writer->query, err);
}

void
table_write_end(struct table_writer *writer)
{
    db_end(writer->query);
    writer->query = NULL;
}

/* ---- all ------------------------------------------------------------- */

enum error_code
table_clear(struct db_tx *tx, const struct table *table, struct error *err)
{
    char sql[120];

    if (table->update)
        return ERR_OK;
    snprintf(sql, sizeof(sql), "DELETE FROM %.63s", stored_in(table));
    return db_run(db_query_text(tx, sql), NULL, err);
}

enum error_code
table_clear_all(struct db_tx *tx, struct error *err)
{
    enum error_code rc = ERR_OK;

    for (size_t i = table_count; rc == ERR_OK && i-- > 0;)
        rc = table_clear(tx, &table_list[i], err);
    return rc;
}

/* SQLite goes on behind the last row by itself. */
enum error_code
table_renumber_all(struct db *db, struct db_tx *tx, struct error *err)
{
    enum error_code rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < table_count && db_is_remote(db);
         i++) {
        const struct table *table = &table_list[i];
        const char *column = table->column[0].name;
        int64_t next;
        char sql[240];

        if (!table->numbers)
            continue;
        snprintf(sql, sizeof(sql),
                 "SELECT setval(pg_get_serial_sequence('%s', '%s'),"
                 " (SELECT COALESCE(MAX(%s), 0) + 1 FROM %s), FALSE)",
                 table->name, column, column, table->name);
        rc = read_number(db_query_text(tx, sql), &next, err);
    }
    return rc;
}

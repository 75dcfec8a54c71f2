#include "core/export.h"

#include "fmt/csv_write.h"
#include "store/custom.h"
#include "store/record_store.h"

/* A row over this is a broken database, not a long row: all texts have
 * limits. */
#define MAX_PENDING (EXPORT_BUFFER + ((size_t)16 << 20))

/* Rows on their way to the sink. */
struct writer {
    const struct schema *schema;
    unsigned variant;
    struct sink *sink;
    struct buf pending;
    struct buf cell; /* one field without its quotes */
};

static void
end_row(struct buf *to, unsigned variant)
{
    buf_text(to, variant & EXPORT_CRLF ? "\r\n" : "\n");
}

void
export_header(const struct schema *schema, unsigned variant, struct buf *to)
{
    if (variant & EXPORT_BOM)
        buf_text(to, "\xef\xbb\xbf");
    for (size_t i = 0; i < schema->count; i++) {
        if (i > 0)
            buf_char(to, ',');
        csv_field(to, schema->attribute[i].technical_name,
                  variant & EXPORT_GUARD);
    }
    end_row(to, variant);
}

/* Take the first field off a stored line, without its quotes. The line is
 * our own writing, so it is well-formed. */
static struct str
next_cell(struct str *line, struct buf *cell)
{
    if (line->len == 0 || line->at[0] != '"')
        return str_cut(line, ',');

    struct str rest = str_n(line->at + 1, line->len - 1);

    buf_clear(cell);
    for (;;) {
        buf_str(cell, str_cut(&rest, '"'));
        if (rest.len == 0 || rest.at[0] != '"')
            break;
        buf_char(cell, '"');
        rest = str_n(rest.at + 1, rest.len - 1);
    }
    str_cut(&rest, ','); /* nothing stands before it */
    *line = rest;
    return buf_view(cell);
}

static void
add_row(struct writer *writer, struct str line, struct str custom)
{
    struct buf *to = &writer->pending;
    const struct schema *schema = writer->schema;
    bool guard = writer->variant & EXPORT_GUARD;

    if (!guard) {
        buf_str(to, line);
    } else {
        const char *separator = "";

        for (; line.at != NULL; separator = ",") {
            struct str cell = next_cell(&line, &writer->cell);

            buf_text(to, separator);
            csv_field(to, cell, true);
        }
    }
    for (size_t i = FIELD_COUNT; i < schema->count; i++) {
        buf_char(to, ',');
        csv_field(to, custom_find(custom, schema->attribute[i].number), guard);
    }
    end_row(to, writer->variant);
}

static enum error_code
flush(struct writer *writer, struct error *err)
{
    struct buf *pending = &writer->pending;
    enum error_code rc;

    if (pending->failed || writer->cell.failed)
        return error_internal(err, "export: no memory for a row");
    rc = sink_write(writer->sink, pending->data, pending->len, err);
    buf_clear(pending);
    return rc;
}

/* The rows with keys in [first, last]. */
static enum error_code
add_rows(struct writer *writer, struct db_tx *tx, int64_t first, int64_t last,
         int64_t *ret_rows, struct error *err)
{
    CLEANUP(record_lines_end) struct record_lines lines;
    struct str line, custom;
    int64_t key, before = first - 1;
    enum error_code rc;

    record_lines_begin(&lines, tx, first, last);
    for (;; before = key) {
        rc = record_lines_next(&lines, &key, &line, &custom, err);
        if (rc != ERR_OK)
            return rc == ERR_END ? ERR_OK : rc;
        if (key <= before || line.len == 0)
            return error_internal(err, "export: the database is damaged");
        add_row(writer, line, custom);
        ++*ret_rows;
        if (writer->pending.len >= EXPORT_BUFFER || writer->pending.failed) {
            rc = flush(writer, err);
            if (rc != ERR_OK)
                return rc;
        }
    }
}

enum error_code
export_run(struct db_tx *tx, const struct schema *schema, unsigned variant,
           struct sink *sink, int64_t *ret_rows, struct error *err)
{
    struct writer writer = {.schema = schema, .variant = variant, .sink = sink};
    int64_t source = schema->source.number;
    int64_t rows = 0;
    enum error_code rc = ERR_OK;

    buf_init(&writer.pending, MAX_PENDING);
    buf_init(&writer.cell, MAX_PENDING);
    /* The row that fills the buffer must not make it grow. */
    buf_reserve(&writer.pending, EXPORT_BUFFER + EXPORT_BUFFER / 4);
    export_header(schema, variant, &writer.pending);
    if (!(variant & EXPORT_TEMPLATE))
        rc = add_rows(&writer, tx, record_first_key(source),
                      record_last_key(source), &rows, err);
    if (rc == ERR_OK)
        rc = flush(&writer, err);
    /* A damaged page can end a walk over the table as if all had been seen. */
    if (rc == ERR_OK && !(variant & EXPORT_TEMPLATE) &&
        rows != schema->source.record_count)
        rc = error_internal(err,
                            "export: %lld records of %lld: the database is "
                            "damaged",
                            (long long)rows,
                            (long long)schema->source.record_count);
    if (rc == ERR_OK)
        *ret_rows = rows;
    buf_done(&writer.pending);
    buf_done(&writer.cell);
    return rc;
}

static bool
is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

void
export_file_name(const char *prefix, struct str source_name, struct buf *to,
                 bool *ret_changed)
{
    bool changed = false;

    buf_text(to, prefix);
    for (size_t i = 0; i < source_name.len; i++) {
        unsigned char c = (unsigned char)source_name.at[i];

        if (is_plain(c)) {
            buf_char(to, (char)c);
            continue;
        }
        changed = true;
        if ((c & 0xc0) != 0x80) /* once per character, not per byte */
            buf_char(to, '_');
    }
    buf_text(to, ".csv");
    *ret_changed = changed;
}

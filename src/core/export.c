#include "core/export.h"

#include "fmt/csv_write.h"
#include "store/custom.h"

/* A row over this is a broken database, not a long row: all texts have
 * limits. */
#define MAX_PENDING (EXPORT_BUFFER + ((size_t)16 << 20))

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
add_row(struct export *export, struct str line, struct str custom)
{
    struct buf *to = &export->pending;
    const struct schema *schema = export->schema;
    bool guard = export->variant & EXPORT_GUARD;

    if (!guard) {
        buf_str(to, line);
    } else {
        const char *separator = "";

        for (; line.at != NULL; separator = ",") {
            struct str cell = next_cell(&line, &export->cell);

            buf_text(to, separator);
            csv_field(to, cell, true);
        }
    }
    for (size_t i = FIELD_COUNT; i < schema->count; i++) {
        buf_char(to, ',');
        csv_field(to, custom_find(custom, schema->attribute[i].number), guard);
    }
    end_row(to, export->variant);
}

static enum error_code
flush(struct export *export, struct error *err)
{
    struct buf *pending = &export->pending;
    enum error_code rc;

    if (pending->failed || export->cell.failed)
        return error_internal(err, "export: no memory for a row");
    rc = sink_write(export->sink, pending->data, pending->len, err);
    buf_clear(pending);
    return rc;
}

void
export_begin(struct export *export, struct db_tx *tx,
             const struct schema *schema, unsigned variant, struct sink *sink)
{
    *export = (struct export){
        .tx = tx, .schema = schema, .variant = variant, .sink = sink};
    buf_init(&export->pending, MAX_PENDING);
    buf_init(&export->cell, MAX_PENDING);
    /* The row that fills the buffer must not make it grow. */
    buf_reserve(&export->pending, EXPORT_BUFFER + EXPORT_BUFFER / 4);
}

void
export_done(struct export *export)
{
    buf_done(&export->pending);
    buf_done(&export->cell);
}

int64_t
export_last_segment(const struct schema *schema, unsigned variant)
{
    return variant & EXPORT_TEMPLATE
               ? EXPORT_HEAD
               : export_segment_of(schema->source.next_row);
}

/* Segment numbers from 0. */
static enum error_code
add_rows(struct export *export, int64_t first, int64_t last,
         export_ended *ended, void *context, struct error *err)
{
    CLEANUP(record_lines_end) struct record_lines lines;
    int64_t base = record_first_key(export->schema->source.number);
    int64_t segment = 0, rows = 0, key;
    struct str line, custom;
    int64_t before = -1;
    enum error_code rc;

    buf_clear(&export->pending); /* of a range that failed */
    record_lines_begin(&lines, export->tx,
                       base + (first << EXPORT_SEGMENT_BITS),
                       base + ((last + 1) << EXPORT_SEGMENT_BITS) - 1);
    for (;; before = key) {
        rc = record_lines_next(&lines, &key, &line, &custom, err);
        if (rc != ERR_OK && rc != ERR_END)
            return rc;
        if (rows > 0 && (rc == ERR_END || export_segment_of(key) != segment)) {
            enum error_code flushed = flush(export, err);

            if (flushed == ERR_OK)
                flushed = ended(context, segment, rows, err);
            if (flushed != ERR_OK)
                return flushed;
            rows = 0;
        }
        if (rc == ERR_END)
            return ERR_OK;
        if (key <= before || line.len == 0)
            return error_internal(err, "export: the database is damaged");
        segment = export_segment_of(key);
        rows++;
        add_row(export, line, custom);
        if (export->pending.len >= EXPORT_BUFFER || export->pending.failed) {
            rc = flush(export, err);
            if (rc != ERR_OK)
                return rc;
        }
    }
}

/* Are the stored lines the rows as they are? */
static bool
is_plain_copy(const struct export *export)
{
    return !(export->variant & EXPORT_GUARD) &&
           export->schema->count == FIELD_COUNT;
}

/* The same a segment at a time. */
static enum error_code
add_blocks(struct export *export, int64_t first, int64_t last,
           export_ended *ended, void *context, struct error *err)
{
    CLEANUP(record_blocks_end) struct record_blocks blocks;
    int64_t segment, rows;
    struct str text;
    enum error_code rc;

    record_blocks_begin(&blocks, export->tx, export->schema->source.number,
                        first, last, INT64_C(1) << EXPORT_SEGMENT_BITS,
                        str_of(export->variant & EXPORT_CRLF ? "\r\n" : "\n"));
    while ((rc = record_blocks_next(&blocks, &segment, &rows, &text, err)) ==
           ERR_OK) {
        rc = sink_write(export->sink, text.at, text.len, err);
        if (rc == ERR_OK)
            rc = ended(context, segment, rows, err);
        if (rc != ERR_OK)
            return rc;
    }
    return rc == ERR_END ? ERR_OK : rc;
}

enum error_code
export_segments(struct export *export, int64_t first, int64_t last,
                export_ended *ended, void *context, struct error *err)
{
    enum error_code rc = ERR_OK;

    if (first == EXPORT_HEAD) {
        first++;
        export_header(export->schema, export->variant, &export->pending);
        rc = flush(export, err);
        if (rc == ERR_OK)
            rc = ended(context, EXPORT_HEAD, 0, err);
    }
    if (rc != ERR_OK || first > last)
        return rc;
    if (db_tx_is_remote(export->tx) && is_plain_copy(export))
        return add_blocks(export, first, last, ended, context, err);
    return add_rows(export, first, last, ended, context, err);
}

enum error_code
export_check(const struct schema *schema, unsigned variant, int64_t rows,
             struct error *err)
{
    if (variant & EXPORT_TEMPLATE || rows == schema->source.record_count)
        return ERR_OK;
    return error_internal(err,
                          "export: %lld records of %lld: the database is "
                          "damaged",
                          (long long)rows,
                          (long long)schema->source.record_count);
}

static enum error_code
count_rows(void *context, int64_t segment UNUSED, int64_t rows,
           struct error *err UNUSED)
{
    *(int64_t *)context += rows;
    return ERR_OK;
}

enum error_code
export_run(struct db_tx *tx, const struct schema *schema, unsigned variant,
           struct sink *sink, int64_t *ret_rows, struct error *err)
{
    CLEANUP(export_done) struct export export;
    int64_t rows = 0;
    enum error_code rc;

    export_begin(&export, tx, schema, variant, sink);
    rc = export_segments(&export, EXPORT_HEAD,
                         export_last_segment(schema, variant), count_rows,
                         &rows, err);
    if (rc == ERR_OK)
        rc = export_check(schema, variant, rows, err);
    if (rc == ERR_OK)
        *ret_rows = rows;
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

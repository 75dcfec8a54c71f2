/*
 * export.h - a source as CSV, from rows to bytes (contract 16.2, 16.3).
 *
 * Memory:  one buffer of EXPORT_BUFFER bytes for any size of source.
 * Errors:  as db.h and sink.h.
 * Threads: each call is on its own.
 */
#ifndef NELM_CORE_EXPORT_H
#define NELM_CORE_EXPORT_H

#include "base/sink.h"
#include "core/validate.h"
#include "store/record_store.h"

/* Variants of the standard form, as bits; each has bytes of its own. */
enum export_variant {
    EXPORT_CRLF = 1 << 0,     /* lineEnd=crlf */
    EXPORT_BOM = 1 << 1,      /* bom=true */
    EXPORT_GUARD = 1 << 2,    /* formulaGuard=true */
    EXPORT_TEMPLATE = 1 << 3, /* the header line alone */
    EXPORT_VARIANTS = 1 << 4
};

/* Counts the changes of this program after which the same rows make other
 * bytes, coded ones too; part of every ETag. */
#define EXPORT_FORMAT 2
#define EXPORT_BUFFER ((size_t)256 * 1024)

/* The header line with its line end (and byte order mark): the template, and
 * the beginning of every export. */
void export_header(const struct schema *schema, unsigned variant,
                   struct buf *to);

/* The rows of a source in pieces: a segment is a range of so many keys, so
 * where one ends is the same on every node and after every change. */
#define EXPORT_SEGMENT_BITS RECORD_SEGMENT_BITS
#define EXPORT_HEAD (-1) /* the header line's number; rows begin with 0 */

static inline int64_t
export_segment_of(int64_t key)
{
    return (key & (record_last_key(0))) >> EXPORT_SEGMENT_BITS;
}

/* A CSV in the making. */
struct export
{
    struct db_tx *tx;
    const struct schema *schema;
    unsigned variant;
    struct sink *sink;
    struct buf pending; /* rows on their way to the sink */
    struct buf cell;    /* one field without its quotes */
};

/* Behind the bytes of a segment; one without rows is not told of. */
typedef enum error_code export_ended(void *context, int64_t segment,
                                     int64_t rows, struct error *err);

/* What is passed in is borrowed until export_done(). */
void export_begin(struct export *export, struct db_tx *tx,
                  const struct schema *schema, unsigned variant,
                  struct sink *sink);
/* The segments from `first` to `last`, EXPORT_HEAD among them. */
enum error_code export_segments(struct export *export, int64_t first,
                                int64_t last, export_ended *ended,
                                void *context, struct error *err) MUST_USE;
void export_done(struct export *export);

/* A damaged page can end a walk over the table as if all had been seen: are
 * `rows` all that the source counts? */
enum error_code export_check(const struct schema *schema, unsigned variant,
                             int64_t rows, struct error *err) MUST_USE;

/* The last segment that the schema's source can have. */
int64_t export_last_segment(const struct schema *schema, unsigned variant);

/* Write the whole CSV of the schema's source, as `tx` sees it, to `sink`. The
 * rows of a template are 0. */
enum error_code export_run(struct db_tx *tx, const struct schema *schema,
                           unsigned variant, struct sink *sink,
                           int64_t *ret_rows, struct error *err) MUST_USE;

/* "non_employees_for_source_NAME.csv" with NAME made safe; *ret_changed when
 * that changed it. `prefix` is "non_employees_for_source_" or the template's.
 */
void export_file_name(const char *prefix, struct str source_name,
                      struct buf *to, bool *ret_changed);

#endif

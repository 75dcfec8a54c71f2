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

/* Variants of the standard form, as bits; each has bytes of its own. */
enum export_variant {
    EXPORT_CRLF = 1 << 0,     /* lineEnd=crlf */
    EXPORT_BOM = 1 << 1,      /* bom=true */
    EXPORT_GUARD = 1 << 2,    /* formulaGuard=true */
    EXPORT_TEMPLATE = 1 << 3, /* the header line alone */
    EXPORT_VARIANTS = 1 << 4
};

/* Counts the changes of this program after which the same rows make other
 * bytes; part of every ETag. */
#define EXPORT_FORMAT 1
#define EXPORT_BUFFER ((size_t)256 * 1024)

/* The header line with its line end (and byte order mark): the template, and
 * the beginning of every export. */
void export_header(const struct schema *schema, unsigned variant,
                   struct buf *to);

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

/*
 * row_text.h - rows of tables as text, one line each, in the format of
 * PostgreSQL's COPY: cells with tabs between them, \N for NULL, a backslash
 * before what would be taken for something else, and bytes as \\x and hex
 * digits. So \copy reads what is in a backup.
 *
 * Memory:  row_text_read() decodes in place; cells point into the line.
 * Errors:  row_text_read() says false for what is no such line.
 * Threads: safe everywhere.
 */
#ifndef NELM_CORE_ROW_TEXT_H
#define NELM_CORE_ROW_TEXT_H

#include "base/buf.h"
#include "store/table.h"

/* Append the row with its line end. */
void row_text_add(struct buf *to, const struct table *table,
                  const struct cell row[TABLE_COLUMNS_MAX]);

/* Take the first line off *at, which ends at `end`, as one cell per column. */
bool row_text_read(char **at, char *end, const struct table *table,
                   struct cell row[TABLE_COLUMNS_MAX]) MUST_USE;

#endif

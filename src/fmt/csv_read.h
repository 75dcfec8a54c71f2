/*
 * csv_read.h - RFC 4180 rows out of bytes that arrive in any pieces.
 *
 * UTF-8 with or without a byte order mark; LF or CRLF ends a row, a lone CR is
 * data; blank lines are skipped; spaces around a field, quoted or not, are
 * dropped, those inside quotes are kept; "" inside quotes is one quote.
 *
 * A row that lies whole in the bytes fed is not copied: its fields point there.
 *
 * Memory:  owns two row buffers, for a row in pieces and for fields with
 * doubled quotes, that grow to at most max_row_bytes each; csv_read_done()
 * frees them. The fields of a row are valid until the next csv_read_next() or
 * csv_read_feed(). Errors:  a malformed row (text behind a closing quote, a
 * quote inside an unquoted field is data and fine, unterminated quote at the
 * end, row too long, too many fields, NUL byte, malformed UTF-8) is reported as
 * a row with `problem` set and without fields; reading goes on behind it.
 * Threads: one thread at a time.
 */
#ifndef NELM_FMT_CSV_READ_H
#define NELM_FMT_CSV_READ_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#define CSV_MAX_FIELDS 64

struct csv_row {
    uint64_t line;       /* physical line on which the row begins, from 1 */
    const char *problem; /* NULL, or what is wrong: a static English text */
    size_t fields;
    struct str field[CSV_MAX_FIELDS];
};

struct csv_reader;

/* NULL without memory. */
struct csv_reader *csv_read_new(size_t max_row_bytes);
void csv_read_done(struct csv_reader *reader);

/* Hand over the next bytes. They are borrowed until csv_read_next() has
 * returned ERR_END for them. len 0 says that the input is over. */
void csv_read_feed(struct csv_reader *reader, const char *bytes, size_t len);

/* The next row: ERR_OK, or ERR_END when more bytes are needed (or, after the
 * end was fed, when there are no more rows). *ret points into the reader. */
enum error_code csv_read_next(struct csv_reader *reader,
                              const struct csv_row **ret);

#endif

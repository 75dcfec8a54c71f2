/*
 * csv_write.h - RFC 4180 fields into a buffer (contract 16.2).
 *
 * Memory:  the caller's buf.
 * Errors:  the buf's sticky `failed`.
 * Threads: one thread at a time.
 */
#ifndef NELM_FMT_CSV_WRITE_H
#define NELM_FMT_CSV_WRITE_H

#include "base/buf.h"
#include "base/str.h"

/* One field without a separator: quoted only when it holds a comma, a quote,
 * CR or LF, or begins or ends with a space. With `guard` a field that begins
 * with = + - @ tab CR or ' gets a ' in front (contract 16.2, formula guard).
 */
void csv_field(struct buf *to, struct str field, bool guard);

/* Would csv_field() without guard change the text? For callers that copy
 * ready-made fields. */
bool csv_needs_quotes(struct str field);

#endif

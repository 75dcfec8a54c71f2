/*
 * buf.h - growable bytes with a maximum set at birth.
 *
 * Memory:  owns buf->data (malloc); buf_done() frees it. data is always
 *          NUL-terminated once something was added (the NUL is not in len).
 * Errors:  sticky: an addition over the maximum, or without memory, adds
 *          nothing and sets buf->failed, after which every call is a no-op.
 * Threads: one thread at a time.
 */
#ifndef NELM_BASE_BUF_H
#define NELM_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/str.h"

struct buf {
    char *data;
    size_t len, size, max;
    bool failed; /* what was added last is not there */
    bool full;   /* because of `max`, not for want of memory */
};

void buf_init(struct buf *buf, size_t max);
void buf_done(struct buf *buf);
void buf_clear(struct buf *buf); /* empties, keeps the memory */

/* Make room for `more` bytes behind len and return where they go; the caller
 * writes there and adds to len. NULL on failure. */
char *buf_reserve(struct buf *buf, size_t more);

void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_str(struct buf *buf, struct str text);
void buf_text(struct buf *buf, const char *text);
void buf_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What was written so far. */
struct str buf_view(const struct buf *buf);

#endif

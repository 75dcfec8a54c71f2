#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_BYTES ((size_t)256)

void
buf_init(struct buf *buf, size_t max)
{
    /* One byte more than the maximum is taken for the NUL. */
    *buf = (struct buf){.max = MIN(max, SIZE_MAX / 2)};
}

void
buf_done(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){.max = buf->max};
}

void
buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = buf->full = false;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

/* Room for more than there is; out of line, off the hot path. */
static __attribute__((noinline)) bool
grow(struct buf *buf, size_t more)
{
    if (more > buf->max - buf->len) {
        buf->failed = buf->full = true;
        return false;
    }
    size_t size = MAX(MAX(buf->size * 2, buf->len + more), FIRST_BYTES);

    size = MIN(size, buf->max);

    char *data = realloc(buf->data, size + 1);

    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->size = size;
    return true;
}

char *
buf_reserve(struct buf *buf, size_t more)
{
    if (buf->failed)
        return NULL;
    if ((more > buf->size - buf->len || buf->data == NULL) && !grow(buf, more))
        return NULL;
    return buf->data + buf->len;
}

void
buf_add(struct buf *buf, const void *bytes, size_t len)
{
    char *to = buf_reserve(buf, len);

    if (to == NULL)
        return;
    if (len > 0)
        memcpy(to, bytes, len);
    to[len] = '\0';
    buf->len += len;
}

void
buf_str(struct buf *buf, struct str text)
{
    buf_add(buf, text.at, text.len);
}

void
buf_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void
buf_char(struct buf *buf, char c)
{
    char *to = buf_reserve(buf, 1);

    if (to == NULL)
        return;
    to[0] = c;
    to[1] = '\0';
    buf->len++;
}

void
buf_printf(struct buf *buf, const char *fmt, ...)
{
    char *to = buf_reserve(buf, 0);
    va_list args;

    if (to == NULL)
        return;
    size_t room = buf->size - buf->len;

    va_start(args, fmt);
    int len = vsnprintf(to, room + 1, fmt, args);
    va_end(args);

    if (len >= 0 && (size_t)len > room) {
        to[0] = '\0';
        to = buf_reserve(buf, (size_t)len);
        if (to == NULL)
            return;
        va_start(args, fmt);
        len = vsnprintf(to, (size_t)len + 1, fmt, args);
        va_end(args);
    }
    if (len < 0) {
        to[0] = '\0';
        buf->failed = true;
        return;
    }
    buf->len += (size_t)len;
}

struct str
buf_view(const struct buf *buf)
{
    return str_n(buf->data, buf->len);
}

#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

#define LINE_BYTES 4096

static const char *const names[] = {"error", "warn", "info", "debug"};

static _Atomic enum log_level limit = LOG_INFO;

void
log_set_level(enum log_level level)
{
    atomic_store(&limit, level);
}

bool
log_level_parse(struct str name, enum log_level *ret)
{
    for (size_t i = 0; i < COUNT(names); i++)
        if (str_eq(name, str_of(names[i]))) {
            *ret = (enum log_level)i;
            return true;
        }
    return false;
}

bool
log_on(enum log_level level)
{
    return level <= atomic_load_explicit(&limit, memory_order_relaxed);
}

/* What snprintf() has really put into `room` bytes. */
static size_t
put_length(int len, size_t room)
{
    return len < 0 ? 0 : MIN((size_t)len, room - 1);
}

void
log_line(enum log_level level, const char *event, const char *fmt, ...)
{
    char line[LINE_BYTES + 1], time[MOMENT_TEXT];
    size_t len;
    va_list args;

    if (!log_on(level))
        return;
    moment_utc(clock_now_ms(), time);
    /* The place of the line's end is kept free throughout. */
    len = put_length(snprintf(line, LINE_BYTES, "time=%s level=%s event=%s ",
                              time, names[level], event),
                     LINE_BYTES);
    va_start(args, fmt);
    len += put_length(vsnprintf(line + len, LINE_BYTES - len, fmt, args),
                      LINE_BYTES - len);
    va_end(args);
    if (line[len - 1] == ' ')
        len--;
    line[len++] = '\n';

    ssize_t ignored UNUSED = write(STDERR_FILENO, line, len);
}

static bool
is_plain(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
}

const char *
log_quote(struct str text, char *to, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t plain = 0, used = 0;

    while (plain < text.len && is_plain((unsigned char)text.at[plain]))
        plain++;
    if (text.len > 0 && plain == text.len && text.len < size) {
        memcpy(to, text.at, text.len);
        to[text.len] = '\0';
        return to;
    }
    if (size < 3) {
        if (size > 0)
            to[0] = '\0';
        return to;
    }
    to[used++] = '"';
    while (text.len > 0) {
        char hex[4];
        struct str put = str_n(text.at, 1);
        uint32_t point = 0;
        size_t len = utf8_decode(text, &point);
        unsigned char c = (unsigned char)text.at[0];

        if (len == 0 || point < ' ' || (point >= 0x7f && point < 0xa0)) {
            /* A control character could move a terminal's cursor. */
            len = MAX(len, (size_t)1);
            c = len == 1 ? c : (unsigned char)point;
            memcpy(hex, (char[4]){'\\', 'x', digits[c >> 4], digits[c & 15]},
                   4);
            put = str_n(hex, 4);
        } else if (c == '"' || c == '\\') {
            put = str_n((hex[0] = '\\', hex[1] = (char)c, hex), 2);
        } else {
            put.len = len;
        }
        if (put.len > size - used - 2)
            break;
        memcpy(to + used, put.at, put.len);
        used += put.len;
        text = str_n(text.at + len, text.len - len);
    }
    to[used++] = '"';
    to[used] = '\0';
    return to;
}

#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"

#define LINE_BYTES 4096

static const char *const names[] = {"error", "warn", "info", "debug"};

static _Atomic enum log_level limit = LOG_INFO;
static _Atomic enum log_format form = LOG_LOGFMT;

void
log_set_format(enum log_format format)
{
    atomic_store(&form, format);
}

bool
log_format_parse(struct str name, enum log_format *ret)
{
    bool json = str_eq(name, STR("json"));

    if (!json && !str_eq(name, STR("logfmt")))
        return false;
    *ret = json ? LOG_JSON : LOG_LOGFMT;
    return true;
}

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

/* A number that every reader of JSON reads as it stands. */
static bool
is_number(struct str text)
{
    size_t first = text.len > 1 && text.at[0] == '-';

    if (text.len == first || text.len > 15 ||
        (text.at[first] == '0' && text.len > first + 1))
        return false;
    for (size_t i = first; i < text.len; i++)
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    return true;
}

/* What stands in a logfmt value, as log_quote() made it: the escapes of quotes
 * and backslashes are JSON's too, those of control characters are not. */
static void
put_value(struct buf *json, struct str value)
{
    bool quoted = value.len > 0 && value.at[0] == '"';

    if (is_number(value)) {
        buf_str(json, value);
        return;
    }
    if (quoted)
        value = str_n(value.at + 1, value.len - 1);
    buf_char(json, '"');
    for (size_t i = 0; i < value.len && !(quoted && value.at[i] == '"'); i++) {
        char c = value.at[i];

        if (c == '\\' && quoted && i + 1 < value.len) {
            c = value.at[++i];
            buf_text(json, c == 'x' ? "\\u00" : "\\");
            if (c == 'x')
                continue;
        } else if (c == '"' || c == '\\') {
            buf_char(json, '\\');
        }
        buf_char(json, c);
    }
    buf_char(json, '"');
}

/* Take one "name=value" off the front of a line. */
static struct str
take_pair(struct str *line, struct str *ret_name)
{
    bool quoted = false;
    size_t end = 0;

    *ret_name = str_cut(line, '=');
    for (; end < line->len && (quoted || line->at[end] != ' '); end++) {
        if (line->at[end] == '"')
            quoted = !quoted;
        else if (line->at[end] == '\\' && quoted && end + 1 < line->len)
            end++;
    }
    struct str value = str_n(line->at, end);
    size_t used = MIN(end + 1, line->len);

    *line = str_n(line->at + used, line->len - used);
    return value;
}

/* The same line as a JSON object. */
static void
write_json(struct str line)
{
    CLEANUP(buf_done) struct buf json;
    struct str name;

    buf_init(&json, (size_t)4 * LINE_BYTES);
    while (line.len > 0) {
        struct str value = take_pair(&line, &name);

        buf_printf(&json, "%c\"%.*s\":", json.len > 0 ? ',' : '{',
                   STR_ARG(name));
        put_value(&json, value);
    }
    buf_text(&json, "}\n");

    ssize_t ignored UNUSED = write(STDERR_FILENO, json.data, json.len);
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
    if (atomic_load_explicit(&form, memory_order_relaxed) == LOG_JSON) {
        write_json(str_n(line, len));
        return;
    }
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

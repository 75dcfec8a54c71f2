#include "fmt/jw.h"

#include <assert.h>
#include <inttypes.h>

#include "base/utf8.h"
#include "fmt/scan.h"

void
jw_init(struct jw *json, struct buf *to)
{
    *json = (struct jw){.to = to};
}

/* What goes before any value; the next one in line needs a comma. */
static void
begin_value(struct jw *json)
{
    if (json->comma)
        buf_char(json->to, ',');
    json->comma = true;
}

static void
open_value(struct jw *json, char bracket)
{
    begin_value(json);
    buf_char(json->to, bracket);
    json->comma = false;
    json->depth++;
}

static void
close_value(struct jw *json, char bracket)
{
    assert(json->depth > 0);
    json->depth--;
    buf_char(json->to, bracket);
    json->comma = true;
}

void
jw_object(struct jw *json)
{
    open_value(json, '{');
}

void
jw_object_end(struct jw *json)
{
    close_value(json, '}');
}

void
jw_array(struct jw *json)
{
    open_value(json, '[');
}

void
jw_array_end(struct jw *json)
{
    close_value(json, ']');
}

static bool
is_plain(char c)
{
    return (unsigned char)c >= ' ' && (unsigned char)c < 0x80 && c != '"' &&
           c != '\\';
}

/* Bytes at the front that go out as they are. */
static size_t
plain_run(struct str text)
{
    size_t run = 0;

    for (; text.len - run >= SCAN_BYTES; run += SCAN_BYTES) {
        uint64_t word = scan_load(text.at + run);
        uint64_t marks = scan_below(word, ' ') | scan_equal(word, '"') |
                         scan_equal(word, '\\') | (word & SCAN_HIGH);

        if (marks != 0)
            return run + scan_first(marks);
    }
    while (run < text.len && is_plain(text.at[run]))
        run++;
    return run;
}

static void
put_escape(struct buf *to, char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *hit = memchr(from, c, sizeof(from) - 1);

    if (hit != NULL)
        buf_add(to, (char[2]){'\\', names[hit - from]}, 2);
    else
        buf_printf(to, "\\u%04x", (unsigned)c);
}

/* Bytes at the front that are not ASCII but whole characters. */
static size_t
wide_run(struct str text)
{
    uint32_t point;
    size_t run = 0, len = 0;

    do {
        run += len;
        len = utf8_decode(str_n(text.at + run, text.len - run), &point);
    } while (len > 1);
    return run;
}

static void
put_string(struct buf *to, struct str text)
{
    size_t from = 0, at = 0, run;

    buf_char(to, '"');
    while (at < text.len) {
        struct str rest = str_n(text.at + at, text.len - at);

        if ((run = plain_run(rest)) > 0 || (run = wide_run(rest)) > 0) {
            at += run;
            continue;
        }
        buf_add(to, text.at + from, at - from);
        if ((unsigned char)rest.at[0] < 0x80)
            put_escape(to, rest.at[0]);
        else
            buf_text(to, "\xef\xbf\xbd");
        from = ++at;
    }
    if (at > from)
        buf_add(to, text.at + from, at - from);
    buf_char(to, '"');
}

void
jw_key_str(struct jw *json, struct str name)
{
    begin_value(json);
    put_string(json->to, name);
    buf_char(json->to, ':');
    json->comma = false;
}

void
jw_key(struct jw *json, const char *name)
{
    begin_value(json);
    buf_char(json->to, '"');
    buf_text(json->to, name);
    buf_add(json->to, "\":", 2);
    json->comma = false;
}

void
jw_str(struct jw *json, struct str text)
{
    begin_value(json);
    put_string(json->to, text);
}

void
jw_text(struct jw *json, const char *text)
{
    if (text == NULL)
        jw_null(json);
    else
        jw_str(json, str_of(text));
}

void
jw_int(struct jw *json, int64_t value)
{
    begin_value(json);
    buf_printf(json->to, "%" PRId64, value);
}

void
jw_bool(struct jw *json, bool value)
{
    begin_value(json);
    buf_text(json->to, value ? "true" : "false");
}

void
jw_null(struct jw *json)
{
    begin_value(json);
    buf_text(json->to, "null");
}

void
jw_member(struct jw *json, const char *name, struct str text)
{
    jw_key(json, name);
    jw_str(json, text);
}

void
jw_member_text(struct jw *json, const char *name, const char *text)
{
    jw_key(json, name);
    jw_text(json, text);
}

void
jw_member_int(struct jw *json, const char *name, int64_t value)
{
    jw_key(json, name);
    jw_int(json, value);
}

void
jw_member_bool(struct jw *json, const char *name, bool value)
{
    jw_key(json, name);
    jw_bool(json, value);
}

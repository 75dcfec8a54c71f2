#include "fmt/csv_read.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "fmt/scan.h"

/* Where the next byte is. This, the marks below and the row's length are all
 * that has to survive between two pieces of a row. */
enum state {
    AT_START,  /* of a field, or in the spaces before it */
    IN_TEXT,   /* of an unquoted field, or behind a closing quote */
    IN_QUOTES, /* of a quoted field */
    AT_QUOTE,  /* behind a quote in there: the field's end, or one of two */
};

/* A field as offsets from the row's first byte, since the row may yet move. It
 * begins behind the end of the one before. */
struct mark {
    size_t end;     /* its comma or line end */
    size_t quote;   /* its closing quote; 0: not quoted */
    bool has_pairs; /* "" in it */
};

struct csv_reader {
    struct csv_row row;

    const char *at, *end; /* fed and not yet read */
    bool over;            /* nothing will be fed any more */
    size_t bom;           /* bytes of a byte order mark seen; 3: past it */
    uint64_t line;        /* of the byte behind the last whole row */

    /* The row that is being read. */
    enum state state;
    size_t length, fields;
    uint64_t breaks; /* line ends inside of quotes */
    /* One too many makes the row a bad one; the last mark is for all behind. */
    struct mark marks[CSV_MAX_FIELDS + 2];

    size_t max_row_bytes;
    struct buf pieces; /* the row, when it came in more than one piece */
    struct buf text;   /* fields whose pairs of quotes became one */
};

static void
begin_row(struct csv_reader *r)
{
    r->state = AT_START;
    r->length = 0;
    r->fields = 0;
    r->breaks = 0;
    r->marks[0] = (struct mark){0};
}

struct csv_reader *
csv_read_new(size_t max_row_bytes)
{
    struct csv_reader *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->line = 1;
    r->max_row_bytes = max_row_bytes;
    buf_init(&r->pieces, max_row_bytes + 2); /* and its line end */
    buf_init(&r->text, max_row_bytes);
    begin_row(r);
    return r;
}

void
csv_read_done(struct csv_reader *r)
{
    if (r == NULL)
        return;
    buf_done(&r->pieces);
    buf_done(&r->text);
    free(r);
}

void
csv_read_feed(struct csv_reader *r, const char *bytes, size_t len)
{
    r->at = bytes;
    r->end = len > 0 ? bytes + len : bytes;
    r->over = r->over || len == 0;
}

/* The first `a` or `b`, or `end`. */
static inline const char *
find(const char *at, const char *end, char a, char b)
{
    for (; (size_t)(end - at) >= SCAN_BYTES; at += SCAN_BYTES) {
        uint64_t word = scan_load(at);
        uint64_t marks = scan_equal(word, a) | scan_equal(word, b);

        if (marks != 0)
            return at + scan_first(marks);
    }
    /* The analyzer takes eight bytes out of the three of a mark.
     * NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
    while (at < end && *at != a && *at != b)
        at++;
    return at;
}

static void
end_field(struct csv_reader *r, size_t offset)
{
    r->marks[r->fields].end = offset;
    if (r->fields <= CSV_MAX_FIELDS)
        r->fields++;
    r->marks[r->fields] = (struct mark){0};
}

/* Read on in the row. Returns the place behind its line end, or NULL when that
 * is not among these bytes. */
static const char *
read_row(struct csv_reader *r, const char *begin, const char *end)
{
    const char *at = begin;

    while (at < end) {
        switch (r->state) {
        case AT_START:
            if (*at == ' ') {
                at++;
            } else if (*at == '"') {
                at++;
                r->state = IN_QUOTES;
            } else {
                r->state = IN_TEXT;
            }
            break;
        case IN_TEXT:
            at = find(at, end, ',', '\n');
            if (at == end)
                break;
            end_field(r, r->length + (size_t)(at - begin));
            if (*at++ == '\n') {
                r->length += (size_t)(at - begin);
                return at;
            }
            r->state = AT_START;
            break;
        case IN_QUOTES:
            at = find(at, end, '"', '\n');
            if (at == end)
                break;
            if (*at == '"') {
                r->marks[r->fields].quote = r->length + (size_t)(at - begin);
                r->state = AT_QUOTE;
            } else {
                r->breaks++;
            }
            at++;
            break;
        case AT_QUOTE:
            if (*at == '"') {
                r->marks[r->fields].has_pairs = true;
                r->state = IN_QUOTES;
                at++;
            } else {
                r->state = IN_TEXT;
            }
            break;
        }
    }
    r->length += (size_t)(end - begin);
    return NULL;
}

static const char out_of_memory[] = "there is not enough memory for the row";

/* `raw` with one quote for each pair, added to `to`. */
static struct str
join_pairs(struct buf *to, struct str raw)
{
    size_t start = to->len;

    for (;;) {
        buf_str(to, str_cut(&raw, '"'));
        if (raw.at == NULL)
            return str_n(to->data + start, to->len - start);
        buf_char(to, '"');
        raw = str_n(raw.at + 1, raw.len - 1);
    }
}

static struct str
trim_spaces(struct str s)
{
    while (s.len > 0 && s.at[0] == ' ')
        s = str_n(s.at + 1, s.len - 1);
    while (s.len > 0 && s.at[s.len - 1] == ' ')
        s.len--;
    return s;
}

/* Cut the row's bytes at the marks. NULL, or what is wrong. */
static const char *
cut_fields(struct csv_reader *r, struct str bytes)
{
    const char *from = bytes.at;

    buf_clear(&r->text);
    for (size_t i = 0; i < r->fields; i++) {
        const struct mark *mark = &r->marks[i];
        const char *end = bytes.at + mark->end;
        struct str field = trim_spaces(str_n(from, (size_t)(end - from)));

        if (mark->quote != 0) {
            if (field.at + field.len != bytes.at + mark->quote + 1)
                return "text follows a closing quote";
            field = str_n(field.at + 1, field.len - 2);
            if (mark->has_pairs) {
                /* Room for all that may come: the buffer stays in place. */
                if (!buf_reserve(&r->text, bytes.len - r->text.len))
                    return out_of_memory;
                field = join_pairs(&r->text, field);
            }
        }
        r->row.field[i] = field;
        from = end + 1;
    }
    r->row.fields = r->fields;
    return NULL;
}

/* Fill r->row but for its line. `bytes` is the row without its line end. */
static const char *
make_row(struct csv_reader *r, struct str bytes)
{
    r->row.fields = 0;
    if (r->state == IN_QUOTES)
        return "a quoted field is not closed";
    if (bytes.len > r->max_row_bytes)
        return "the row is too long";
    if (r->pieces.failed)
        return out_of_memory;
    if (memchr(bytes.at, '\0', bytes.len) != NULL)
        return "the row contains a NUL byte";
    if (!utf8_valid(bytes))
        return "the row is not well-formed UTF-8";
    if (r->fields > CSV_MAX_FIELDS)
        return "the row has too many fields";
    return cut_fields(r, bytes);
}

/* The row ends here; `base` is its first byte. False for a blank line. */
static bool
end_row(struct csv_reader *r, const char *base, bool has_line_end)
{
    size_t length = r->length - has_line_end;
    struct mark *last = &r->marks[r->fields - 1];

    if (has_line_end && !r->pieces.failed && length > 0 &&
        base[length - 1] == '\r') {
        length--;
        last->end--;
    }
    r->row.line = r->line;
    r->line += r->breaks + has_line_end;
    r->row.problem = make_row(r, str_n(base, length));

    bool is_blank = r->row.problem == NULL && r->fields == 1 &&
                    r->row.field[0].len == 0 && last->quote == 0;

    begin_row(r);
    return !is_blank;
}

/* Drop a byte order mark, which may come in pieces too. What only looked like
 * the beginning of one belongs to the first row. */
static void
skip_bom(struct csv_reader *r)
{
    static const char bom[] = "\xef\xbb\xbf";

    while (r->bom < 3 && r->at < r->end && *r->at == bom[r->bom]) {
        r->at++;
        r->bom++;
    }
    if (r->bom == 3 || (r->at == r->end && !r->over))
        return;
    buf_add(&r->pieces, bom, r->bom);
    read_row(r, bom, bom + r->bom);
    r->bom = 3;
}

enum error_code
csv_read_next(struct csv_reader *r, const struct csv_row **ret)
{
    if (r->bom < 3)
        skip_bom(r);
    if (r->bom < 3)
        return ERR_END;
    for (;;) {
        if (r->length == 0)
            buf_clear(&r->pieces);

        const char *base = r->at;
        const char *behind = read_row(r, base, r->end);
        size_t len = (size_t)((behind ? behind : r->end) - base);

        r->at = behind ? behind : r->end;
        if (behind == NULL || r->length > len) {
            buf_add(&r->pieces, base, len);
            base = r->pieces.data;
        }
        if (behind == NULL) {
            if (!r->over || r->length == 0)
                return ERR_END;
            end_field(r, r->length);
        }
        if (end_row(r, base, behind != NULL)) {
            *ret = &r->row;
            return ERR_OK;
        }
    }
}

#include "core/row_text.h"

#include <inttypes.h>

#include "base/secret.h"

/* What stands behind the backslash for `c`; 0: it stands for itself. */
static char
escaped(char c)
{
    switch (c) {
    case '\\':
        return '\\';
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    default:
        return 0;
    }
}

static void
add_text(struct buf *to, struct str text)
{
    size_t from = 0;

    for (size_t i = 0; i < text.len; i++) {
        char letter = escaped(text.at[i]);

        if (letter == 0)
            continue;
        buf_add(to, text.at + from, i - from);
        buf_char(to, '\\');
        buf_char(to, letter);
        from = i + 1;
    }
    if (text.len > from)
        buf_add(to, text.at + from, text.len - from);
}

static void
add_bytes(struct buf *to, struct str bytes)
{
    buf_text(to, "\\\\x");
    char *at = buf_reserve(to, 2 * bytes.len + 1);

    if (at == NULL)
        return;
    hex_encode(bytes.at, bytes.len, at);
    to->len += 2 * bytes.len;
}

void
row_text_add(struct buf *to, const struct table *table,
             const struct cell row[TABLE_COLUMNS_MAX])
{
    for (size_t i = 0; table->column[i].name != NULL; i++) {
        if (i > 0)
            buf_char(to, '\t');
        if (row[i].null)
            buf_text(to, "\\N");
        else if (table->column[i].kind == COLUMN_INT)
            buf_printf(to, "%" PRId64, row[i].number);
        else if (table->column[i].kind == COLUMN_TEXT)
            add_text(to, row[i].bytes);
        else
            add_bytes(to, row[i].bytes);
    }
    buf_char(to, '\n');
}

/* In place, since it only gets shorter. */
static bool
unescape(struct str text, char *to, size_t *ret_len)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        if (c == '\\') {
            if (++i == text.len)
                return false;
            switch (text.at[i]) {
            case '\\':
                break;
            case 't':
                c = '\t';
                break;
            case 'n':
                c = '\n';
                break;
            case 'r':
                c = '\r';
                break;
            default:
                return false;
            }
        }
        to[len++] = c;
    }
    *ret_len = len;
    return true;
}

static bool
read_number(struct str text, int64_t *ret)
{
    bool negative = text.len > 0 && text.at[0] == '-';
    unsigned long long most = INT64_MAX, value;

    if (negative) {
        text = str_n(text.at + 1, text.len - 1);
        most++;
    }
    if (!str_to_u64(text, most, &value))
        return false;
    *ret = (int64_t)(negative ? -value : value);
    return true;
}

static bool
read_cell(char *at, size_t len, enum column_kind kind, struct cell *ret)
{
    struct str text = str_n(at, len);

    *ret = (struct cell){.null = str_eq(text, STR("\\N"))};
    if (ret->null)
        return true;
    if (kind == COLUMN_INT)
        return read_number(text, &ret->number);
    if (memchr(at, '\\', len) != NULL && !unescape(text, at, &len))
        return false;
    ret->bytes = str_n(at, len);
    if (kind == COLUMN_TEXT)
        return true;
    if (len < 2 || len % 2 != 0 || at[0] != '\\' || at[1] != 'x')
        return false;
    ret->bytes.len = len / 2 - 1;
    return hex_decode(str_n(at + 2, len - 2), at, ret->bytes.len);
}

bool
row_text_read(char **at, char *end, const struct table *table,
              struct cell row[TABLE_COLUMNS_MAX])
{
    char *line = *at;
    char *stop = memchr(line, '\n', (size_t)(end - line));

    if (stop == NULL)
        return false;
    *at = stop + 1;
    for (size_t i = 0; table->column[i].name != NULL; i++) {
        bool last = table->column[i + 1].name == NULL;
        char *tab = memchr(line, '\t', (size_t)(stop - line));

        if (last != (tab == NULL) ||
            !read_cell(line, (size_t)((last ? stop : tab) - line),
                       table->column[i].kind, &row[i]))
            return false;
        line = last ? stop : tab + 1;
    }
    return true;
}

#include "fmt/csv_write.h"

#include "fmt/scan.h"

static bool
is_special(char c)
{
    return c == ',' || c == '"' || c == '\r' || c == '\n';
}

static bool
has_special(struct str field)
{
    const char *at = field.at, *end = at + field.len;

    if (field.len < SCAN_BYTES) {
        for (; at < end; at++)
            if (is_special(*at))
                return true;
        return false;
    }
    /* The last word may overlap the one before it. */
    for (;;) {
        uint64_t word = scan_load(at);

        if ((scan_equal(word, ',') | scan_equal(word, '"') |
             scan_equal(word, '\r') | scan_equal(word, '\n')) != 0)
            return true;
        if ((size_t)(end - at) == SCAN_BYTES)
            return false;
        at = (size_t)(end - at) >= 2 * SCAN_BYTES ? at + SCAN_BYTES
                                                  : end - SCAN_BYTES;
    }
}

bool
csv_needs_quotes(struct str field)
{
    if (field.len == 0)
        return false;
    return field.at[0] == ' ' || field.at[field.len - 1] == ' ' ||
           has_special(field);
}

/* Would a spreadsheet take the cell for a formula, or the guard's own quote for
 * ours? */
static bool
needs_guard(struct str field)
{
    return field.len > 0 && memchr("=+-@\t\r'", field.at[0], 7) != NULL;
}

void
csv_field(struct buf *to, struct str field, bool guard)
{
    bool quotes = csv_needs_quotes(field);

    guard = guard && needs_guard(field);
    if (!quotes) {
        if (guard)
            buf_char(to, '\'');
        buf_str(to, field);
        return;
    }
    buf_text(to, guard ? "\"'" : "\"");
    for (struct str rest = field; rest.at != NULL;) {
        buf_str(to, str_cut(&rest, '"'));
        if (rest.at != NULL)
            buf_text(to, "\"\"");
    }
    buf_char(to, '"');
}

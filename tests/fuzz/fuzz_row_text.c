/* Rows of a backup: whatever a line says, what was read is written as a line
 * that says the same. */
#include <inttypes.h>
#include <string.h>

#include "core/row_text.h"
#include "fuzz.h"

static const struct table table = {.name = "t",
                                   .keys = 1,
                                   .column = {{"i", COLUMN_INT},
                                              {"t", COLUMN_TEXT},
                                              {"b", COLUMN_BLOB},
                                              {"u", COLUMN_TEXT}}};

static void
check_same(const struct cell *a, const struct cell *b)
{
    for (size_t i = 0; table.column[i].name != NULL; i++)
        FUZZ_CHECK(a[i].null == b[i].null && a[i].number == b[i].number &&
                   str_eq(a[i].bytes, b[i].bytes));
}

/* The first cell's digits, but for zeros in front, are those of its number. */
static void
check_number(struct str line, const struct cell *cell)
{
    char digits[24];
    struct str text = str_cut(&line, '\t');

    if (cell->null)
        return;
    snprintf(digits, sizeof(digits), "%" PRId64, cell->number);
    while (text.len > 1 && (text.at[0] == '0' || text.at[0] == '-'))
        text = str_n(text.at + 1, text.len - 1);
    FUZZ_CHECK(str_eq(text, str_of(digits + (digits[0] == '-'))));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cell row[TABLE_COLUMNS_MAX], again[TABLE_COLUMNS_MAX];
    char *copy = malloc(size + 1), *at = copy, *end = copy + size;
    const char *line = copy;
    struct buf text;

    FUZZ_CHECK(copy != NULL);
    memcpy(copy, data, size);
    buf_init(&text, 4 * size + 100);
    while (row_text_read(&at, end, &table, row)) {
        FUZZ_CHECK(at > copy && at <= end && at[-1] == '\n');
        check_number(str_n(line, (size_t)(at - line)), row);
        line = at;
        buf_clear(&text);
        row_text_add(&text, &table, row);
        FUZZ_CHECK(!text.failed);
        char *written = text.data;

        FUZZ_CHECK(
            row_text_read(&written, text.data + text.len, &table, again));
        FUZZ_CHECK(written == text.data + text.len);
        check_same(row, again);
    }
    buf_done(&text);
    free(copy);
    return 0;
}

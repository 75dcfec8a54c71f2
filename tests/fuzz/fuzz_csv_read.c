/* CSV in: pieces of any size must give the rows that the whole gives, and what
 * was read must survive being written and read again. */
#include <string.h>

#include "base/utf8.h"
#include "fmt/csv_read.h"
#include "fmt/csv_write.h"
#include "fuzz.h"

/* Small, so that the fuzzer finds its way to longer rows. */
#define MAX_ROW_BYTES 300

/* Add what the row says to `to`. */
static void
put_row(struct buf *to, const struct csv_row *row)
{
    FUZZ_CHECK(row->fields <= CSV_MAX_FIELDS);
    FUZZ_CHECK((row->fields == 0) == (row->problem != NULL));
    if (row->problem != NULL)
        buf_text(to, row->problem);
    for (size_t i = 0; i < row->fields; i++) {
        FUZZ_CHECK(utf8_valid(row->field[i]));
        buf_printf(to, "%zu ", row->field[i].len);
        buf_str(to, row->field[i]);
    }
    buf_char(to, '\n');
}

static void
put_csv(struct buf *to, const struct csv_row *row)
{
    for (size_t i = 0; i < row->fields; i++) {
        if (i > 0)
            buf_char(to, ',');
        csv_field(to, row->field[i], false);
    }
    buf_char(to, '\n');
}

/* Read `bytes` in pieces. `all` gets every row with its line; `good`, if any,
 * those that can be written again, and `csv` gets them written. One empty field
 * alone would be a blank line. */
static void
read_all(struct str bytes, size_t piece, size_t max, struct buf *all,
         struct buf *good, struct buf *csv)
{
    struct csv_reader *reader = csv_read_new(max);
    const struct csv_row *row;
    size_t len;

    FUZZ_CHECK(reader != NULL);
    do {
        len = bytes.len < piece ? bytes.len : piece;
        /* A copy of its own, so that a read beyond the piece is seen. */
        char *copy = malloc(len ? len : 1);

        FUZZ_CHECK(copy != NULL);
        if (len > 0)
            memcpy(copy, bytes.at, len);
        csv_read_feed(reader, copy, len);
        while (csv_read_next(reader, &row) == ERR_OK) {
            buf_printf(all, "%ju ", (uintmax_t)row->line);
            put_row(all, row);
            if (row->fields > 1 && good != NULL) {
                put_row(good, row);
                put_csv(csv, row);
            }
        }
        free(copy);
        bytes = str_n(bytes.at + len, bytes.len - len);
    } while (len > 0);
    FUZZ_CHECK(csv_read_next(reader, &row) == ERR_END);
    csv_read_done(reader);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t pieces[] = {1, 2, 3, 7, 8, 61};
    struct str bytes = str_n((const char *)data, size);
    struct buf all, good, csv, other, other_csv;

    buf_init(&all, 1 << 26);
    buf_init(&good, 1 << 26);
    buf_init(&csv, 1 << 26);
    buf_init(&other, 1 << 26);
    buf_init(&other_csv, 1 << 26);

    /* A header in front: a byte order mark may be data only behind it. */
    buf_text(&csv, "a,b\n");
    buf_text(&good, "1 a1 b\n");
    read_all(bytes, size ? size : 1, MAX_ROW_BYTES, &all, &good, &csv);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        buf_clear(&other);
        read_all(bytes, pieces[i], MAX_ROW_BYTES, &other, NULL, NULL);
        FUZZ_CHECK(str_eq(buf_view(&all), buf_view(&other)));
    }
    FUZZ_CHECK(!all.failed && !good.failed && !csv.failed);

    buf_clear(&other);
    buf_clear(&all);
    read_all(buf_view(&csv), csv.len, csv.len, &all, &other, &other_csv);
    FUZZ_CHECK(str_eq(buf_view(&good), buf_view(&other)));
    FUZZ_CHECK(str_eq(buf_view(&csv), buf_view(&other_csv)));

    buf_done(&all);
    buf_done(&good);
    buf_done(&csv);
    buf_done(&other);
    buf_done(&other_csv);
    return 0;
}

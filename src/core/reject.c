#include "core/reject.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fmt/csv_read.h"
#include "fmt/csv_write.h"

#define PIECE_BYTES ((size_t)256 << 10)
#define ROW_BYTES ((size_t)1 << 20)
#define OUT_BYTES ((size_t)64 << 10)

void
reject_init(struct reject *reject)
{
    reject->count = 0;
    reject->faults = 0;
    buf_init(&reject->texts, 2 * IMPORT_ERROR_BYTES);
}

void
reject_done(struct reject *reject)
{
    buf_done(&reject->texts);
}

void
reject_clear(struct reject *reject)
{
    reject->count = 0;
    reject->faults = 0;
    buf_clear(&reject->texts);
}

void
reject_add(struct reject *reject, const struct import_fault *fault)
{
    reject->faults++;
    if (reject->count > 0 &&
        reject->lines[reject->count - 1].line == fault->line)
        return;
    if (reject->count == IMPORT_MAX_ERRORS)
        return;
    reject->lines[reject->count].line = fault->line;
    reject->lines[reject->count].at = reject->texts.len;
    reject->lines[reject->count].len = fault->text.len;
    reject->count++;
    buf_str(&reject->texts, fault->text);
}

struct split {
    const struct reject *reject;
    size_t next; /* the refused line to come */
    bool header_read;
    bool is_note[CSV_MAX_FIELDS]; /* columns that we add ourselves */
    struct buf refused, rest;
};

static void
add_cells(const struct split *split, const struct csv_row *row, struct buf *to)
{
    bool comma = false;

    for (size_t i = 0; i < row->fields; i++) {
        if (split->is_note[i])
            continue;
        if (comma)
            buf_char(to, ',');
        comma = true;
        csv_field(to, row->field[i], false);
    }
    buf_char(to, '\n');
}

static void
split_row(struct split *split, const struct csv_row *row)
{
    const struct reject *reject = split->reject;
    struct buf *refused = &split->refused;
    size_t next = split->next;

    if (!split->header_read) {
        split->header_read = true;
        for (size_t i = 0; i < row->fields; i++)
            split->is_note[i] = import_is_note(row->field[i]);
        buf_str(refused, IMPORT_LINE_COLUMN);
        buf_char(refused, ',');
        buf_str(refused, IMPORT_ERROR_COLUMN);
        buf_char(refused, ',');
        add_cells(split, row, refused);
        add_cells(split, row, &split->rest);
    } else if (next < reject->count && reject->lines[next].line == row->line) {
        split->next++;
        buf_printf(refused, "%llu,", (unsigned long long)row->line);
        csv_field(refused,
                  str_n(reject->texts.data + reject->lines[next].at,
                        reject->lines[next].len),
                  false);
        buf_char(refused, ',');
        add_cells(split, row, refused);
    } else {
        add_cells(split, row, &split->rest);
    }
}

static enum error_code
flush(struct buf *from, struct sink *to, size_t keep, struct error *err)
{
    enum error_code rc = ERR_OK;

    if (from->failed)
        return error_busy(err, "no memory for a CSV row");
    if (from->len <= keep)
        return ERR_OK;
    if (to != NULL)
        rc = sink_write(to, from->data, from->len, err);
    buf_clear(from);
    return rc;
}

static enum error_code
split_rows(struct split *split, struct csv_reader *reader, struct sink *refused,
           struct sink *rest, struct error *err)
{
    const struct csv_row *row;
    enum error_code rc, flushed = ERR_OK;

    while (flushed == ERR_OK && (rc = csv_read_next(reader, &row)) == ERR_OK) {
        split_row(split, row);
        flushed = flush(&split->refused, refused, OUT_BYTES, err);
        if (flushed == ERR_OK)
            flushed = flush(&split->rest, rest, OUT_BYTES, err);
    }
    if (flushed != ERR_OK)
        return flushed;
    return rc == ERR_END ? ERR_OK : error_busy(err, "no memory for a CSV row");
}

enum error_code
reject_split(const struct reject *reject, int fd, uint64_t length,
             struct sink *refused, struct sink *rest, struct error *err)
{
    struct split split = {.reject = reject};
    struct csv_reader *reader = csv_read_new(ROW_BYTES);
    char *piece = malloc(PIECE_BYTES);
    enum error_code rc = ERR_OK;
    uint64_t offset = 0;
    ssize_t n = 1;

    buf_init(&split.refused, 16 * ROW_BYTES);
    buf_init(&split.rest, 16 * ROW_BYTES);
    if (reader == NULL || piece == NULL || reject->texts.failed)
        rc = error_busy(err, "no memory for refused lines");
    while (rc == ERR_OK && n > 0) {
        n = pread(fd, piece, (size_t)MIN(PIECE_BYTES, length - offset),
                  (off_t)offset);
        if (n < 0 && errno == EINTR) {
            n = 1;
            continue;
        }
        if (n < 0) {
            rc = error_errno(err, "file to split");
            break;
        }
        offset += (uint64_t)n;
        csv_read_feed(reader, piece, (size_t)n);
        rc = split_rows(&split, reader, refused, rest, err);
    }
    if (rc == ERR_OK)
        rc = flush(&split.refused, refused, 0, err);
    if (rc == ERR_OK)
        rc = flush(&split.rest, rest, 0, err);
    buf_done(&split.refused);
    buf_done(&split.rest);
    csv_read_done(reader);
    free(piece);
    return rc;
}

/* Both files are there, and are the caller's whatever the result. */
static enum error_code
keep(const struct reject *reject, struct db *db, const struct uuid *source_id,
     int fd, uint64_t length, int refused_fd, int rest_fd, struct uuid *ret_id,
     struct error *err)
{
    struct fd_sink refused, rest;
    struct stat status;

    fd_sink_init(&refused, refused_fd);
    fd_sink_init(&rest, rest_fd);
    enum error_code rc = reject_split(reject, fd, length, &refused.sink,
                                      rest_fd >= 0 ? &rest.sink : NULL, err);

    if (rc == ERR_OK && fstat(refused_fd, &status) != 0)
        rc = error_errno(err, "stat");
    if (rc != ERR_OK)
        return rc;
    return upload_file_write(db, source_id, UPLOAD_REFUSED, refused_fd,
                             (uint64_t)status.st_size, ret_id, err);
}

enum error_code
reject_keep(const struct reject *reject, struct db *db,
            const struct spool *spool, const struct uuid *source_id, int fd,
            uint64_t length, int *ret_rest_fd, struct uuid *ret_id,
            struct error *err)
{
    int refused_fd = -1, rest_fd = -1;
    enum error_code rc = spool_create(spool, &refused_fd, err);

    if (rc == ERR_OK && ret_rest_fd != NULL)
        rc = spool_create(spool, &rest_fd, err);
    if (rc == ERR_OK)
        rc = keep(reject, db, source_id, fd, length, refused_fd, rest_fd,
                  ret_id, err);
    if (refused_fd >= 0)
        close(refused_fd);
    if (rc == ERR_OK && ret_rest_fd != NULL)
        *ret_rest_fd = rest_fd;
    else if (rest_fd >= 0)
        close(rest_fd);
    return rc;
}

#include "core/upload_file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/sink.h"
#include "store/source_store.h"

#define CHUNKS_AT_ONCE 4 /* per transaction */
#define ARENA_BYTES ((size_t)64 << 10)

struct writing {
    const struct uuid *source_id;
    enum upload_kind kind;
    struct uuid id;
    int fd;
    uint64_t length;
    int64_t number; /* of the next chunk */
    char *chunk;
};

static enum error_code
begin(struct db_tx *tx, void *context, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct writing *writing = context;
    struct source source;

    arena_init(&arena, ARENA_BYTES);
    enum error_code rc = source_find(tx, writing->source_id, &arena, &source,
                                     err);

    if (rc == ERR_OK)
        rc = upload_insert(tx, source.number, writing->kind, &writing->id, err);
    return rc;
}

static enum error_code
read_chunk(const struct writing *writing, uint64_t offset, size_t len,
           struct error *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(writing->fd, writing->chunk + done, len - done,
                          (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_errno(err, "file to keep");
        done += (size_t)n;
    }
    return ERR_OK;
}

/* Leaves `number` alone: it may be run again. */
static enum error_code
write_some(struct db_tx *tx, void *context, struct error *err)
{
    const struct writing *writing = context;
    int64_t number = writing->number;
    uint64_t offset = (uint64_t)number * UPLOAD_CHUNK_BYTES;
    enum error_code rc = ERR_OK;

    for (int i = 0;
         i < CHUNKS_AT_ONCE && offset < writing->length && rc == ERR_OK; i++) {
        size_t len = (size_t)MIN(UPLOAD_CHUNK_BYTES, writing->length - offset);

        rc = read_chunk(writing, offset, len, err);
        if (rc == ERR_OK)
            rc = upload_add(tx, &writing->id, number,
                            str_n(writing->chunk, len), err);
        number++;
        offset += len;
    }
    return rc;
}

enum error_code
upload_file_write(struct db *db, const struct uuid *source_id,
                  enum upload_kind kind, int fd, uint64_t length,
                  struct uuid *ret_id, struct error *err)
{
    struct writing writing = {.source_id = source_id,
                              .kind = kind,
                              .fd = fd,
                              .length = length,
                              .chunk = malloc(UPLOAD_CHUNK_BYTES)};
    enum error_code rc = writing.chunk
                             ? db_write(db, begin, &writing, err)
                             : error_busy(err, "no memory for a chunk");

    if (rc != ERR_OK) {
        free(writing.chunk);
        return rc;
    }
    while (rc == ERR_OK &&
           (uint64_t)writing.number * UPLOAD_CHUNK_BYTES < length) {
        rc = db_write(db, write_some, &writing, err);
        writing.number += CHUNKS_AT_ONCE;
    }
    free(writing.chunk);
    if (rc == ERR_OK)
        *ret_id = writing.id;
    else
        upload_file_drop(db, &writing.id);
    return rc;
}

static enum error_code
drop(struct db_tx *tx, void *context, struct error *err)
{
    return upload_drop(tx, context, err);
}

void
upload_file_drop(struct db *db, const struct uuid *id)
{
    struct uuid copy = *id;
    /* What stays is swept away. */
    enum error_code dropped UNUSED = db_write(db, drop, &copy, NULL);
}

static enum error_code
copy(struct db_tx *tx, const struct upload_file *file, struct sink *to,
     struct error *err)
{
    uint64_t left = (uint64_t)file->length;

    for (int64_t number = 0; left > 0; number++) {
        struct db_query *query;
        struct str bytes;
        enum error_code rc = upload_chunk(tx, &file->id, number, &query, &bytes,
                                          err);

        if (rc == ERR_NOT_FOUND)
            return error_internal(err, "a file lacks a chunk");
        if (rc != ERR_OK)
            return rc;
        left -= MIN(left, bytes.len);
        rc = sink_write(to, bytes.at, bytes.len, err);
        db_end(query);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

static enum error_code
read_to(struct db_tx *tx, const struct spool *spool, enum upload_kind kind,
        const struct uuid *upload_id, int64_t source, int *ret_fd,
        uint64_t *ret_length, struct error *err)
{
    struct upload_file file;
    struct fd_sink sink;
    int fd;
    enum error_code rc = upload_find(tx, kind, upload_id, &file, err);

    if (rc == ERR_OK && file.source != source)
        rc = error_set(err, ERR_NOT_FOUND, NULL);
    if (rc == ERR_OK)
        rc = spool_create(spool, &fd, err);
    if (rc != ERR_OK)
        return rc;
    fd_sink_init(&sink, fd);
    rc = copy(tx, &file, &sink.sink, err);
    if (rc != ERR_OK) {
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    *ret_length = (uint64_t)file.length;
    return ERR_OK;
}

enum error_code
upload_file_read(struct db *db, const struct spool *spool,
                 enum upload_kind kind, const struct uuid *upload_id,
                 int64_t source, int *ret_fd, uint64_t *ret_length,
                 struct error *err)
{
    struct db_tx *tx;
    enum error_code rc = db_read_begin(db, &tx, err);

    if (rc != ERR_OK)
        return rc;
    rc = read_to(tx, spool, kind, upload_id, source, ret_fd, ret_length, err);
    db_read_end(tx);
    return rc;
}

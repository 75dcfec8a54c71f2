#include "core/bundle.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define BLOCK_BYTES ((size_t)256 << 10)
#define LEVEL "3" /* 1.3 times smaller than 1, at hardly any cost here */

static enum error_code
no_memory(struct error *err)
{
    return error_busy(err, "no memory for an archive");
}

static enum error_code
write_failed(const struct bundle *bundle, struct error *err)
{
    return error_set(err, ERR_UNAVAILABLE, "could not write the archive: %s",
                     archive_error_string(bundle->archive));
}

enum error_code
bundle_create(struct bundle *bundle, int fd, struct error *err)
{
    *bundle = (struct bundle){.archive = archive_write_new(),
                              .now_s = clock_now_ms() / 1000};
    struct archive *a = bundle->archive;

    if (a == NULL)
        return no_memory(err);
    if (archive_write_set_format_pax_restricted(a) != ARCHIVE_OK ||
        archive_write_add_filter_zstd(a) != ARCHIVE_OK ||
        archive_write_set_filter_option(a, "zstd", "compression-level",
                                        LEVEL) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
        archive_write_open_fd(a, fd) != ARCHIVE_OK)
        return write_failed(bundle, err);
    return ERR_OK;
}

enum error_code
bundle_add(struct bundle *bundle, const char *name, struct str bytes,
           struct error *err)
{
    struct archive_entry *entry = archive_entry_new();

    if (entry == NULL)
        return no_memory(err);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0600);
    archive_entry_set_size(entry, (int64_t)bytes.len);
    archive_entry_set_mtime(entry, bundle->now_s, 0);
    bool done = archive_write_header(bundle->archive, entry) == ARCHIVE_OK &&
                archive_write_data(bundle->archive, bytes.at, bytes.len) ==
                    (ssize_t)bytes.len;

    archive_entry_free(entry);
    return done ? ERR_OK : write_failed(bundle, err);
}

enum error_code
bundle_finish(struct bundle *bundle, struct error *err)
{
    return archive_write_close(bundle->archive) == ARCHIVE_OK
               ? ERR_OK
               : write_failed(bundle, err);
}

enum error_code
bundle_open(struct bundle *bundle, int fd, struct error *err)
{
    *bundle = (struct bundle){.archive = archive_read_new()};
    struct archive *a = bundle->archive;

    if (a == NULL)
        return no_memory(err);
    if (lseek(fd, 0, SEEK_SET) != 0)
        return error_set(err, ERR_UNAVAILABLE, "could not read the archive: %s",
                         strerrordesc_np(errno));
    if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(a) != ARCHIVE_OK)
        return no_memory(err);
    if (archive_read_open_fd(a, fd, BLOCK_BYTES) != ARCHIVE_OK)
        return error_set(err, ERR_CONTENT, "the file is no archive of nelm: %s",
                         archive_error_string(a));
    return ERR_OK;
}

static enum error_code
damaged(const struct bundle *bundle, struct error *err)
{
    const char *reason = archive_error_string(bundle->archive);

    if (bundle->name[0] == '\0')
        return error_set(err, ERR_CONTENT,
                         "the file is no archive of nelm, or its beginning is "
                         "damaged: %s",
                         reason);
    return error_set(err, ERR_CONTENT,
                     "the archive is damaged or was cut in or behind \"%s\": "
                     "%s",
                     bundle->name, reason);
}

enum error_code
bundle_next(struct bundle *bundle, struct buf *piece, struct error *err)
{
    struct archive_entry *entry;
    int code = archive_read_next_header(bundle->archive, &entry);

    if (code == ARCHIVE_EOF)
        return ERR_END;
    if (code != ARCHIVE_OK)
        return damaged(bundle, err);
    const char *name = archive_entry_pathname(entry);
    int64_t size = archive_entry_size(entry);

    if (name == NULL || archive_entry_filetype(entry) != AE_IFREG ||
        (size_t)snprintf(bundle->name, sizeof(bundle->name), "%s", name) >=
            sizeof(bundle->name) ||
        size < 0 || size > (int64_t)BUNDLE_PIECE_MAX)
        return error_set(err, ERR_CONTENT,
                         "the archive has a piece that nelm never writes");
    buf_clear(piece);
    char *at = buf_reserve(piece, (size_t)size + 1);

    if (at == NULL)
        return no_memory(err);
    if (archive_read_data(bundle->archive, at, (size_t)size) != size)
        return damaged(bundle, err);
    at[size] = '\0';
    piece->len = (size_t)size;
    return ERR_OK;
}

void
bundle_done(struct bundle *bundle)
{
    archive_free(bundle->archive);
    bundle->archive = NULL;
}

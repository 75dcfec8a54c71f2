#include "core/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/spool.h"

#define CHUNK 2048 /* entries written or read at once */

struct entry {
    uint64_t high;
    uint32_t low;
    uint32_t line; /* 0: a free slot */
};

struct seen {
    seen_again *again;
    void *context;
    EVP_MD_CTX *digest;

    struct entry *table;
    uint32_t slots, used;

    /* Waiting entries: `written` of them in the file, `pending` in memory. */
    int fd;
    uint64_t written;
    size_t pending;
    struct entry out[CHUNK], in[CHUNK];
};

struct seen *
seen_new(uint32_t max_slots, seen_again *again, void *context)
{
    struct seen *seen = calloc(1, sizeof(*seen));

    if (seen == NULL)
        return NULL;
    *seen = (struct seen){.again = again,
                          .context = context,
                          .digest = EVP_MD_CTX_new(),
                          .table = calloc(max_slots, sizeof(struct entry)),
                          .slots = max_slots,
                          .fd = -1};
    if (seen->digest == NULL || seen->table == NULL ||
        EVP_DigestInit_ex(seen->digest, EVP_sha256(), NULL) != 1) {
        seen_free(seen);
        return NULL;
    }
    return seen;
}

void
seen_free(struct seen *seen)
{
    if (seen == NULL)
        return;
    EVP_MD_CTX_free(seen->digest);
    free(seen->table);
    if (seen->fd >= 0)
        close(seen->fd);
    free(seen);
}

/* An unlinked file where big temporary files belong: /tmp may be memory. */
static enum error_code
open_file(struct seen *seen, struct error *err)
{
    const char *directory = getenv("TMPDIR");

    if (directory == NULL)
        directory = "/var/tmp";
    int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    seen->fd = dir < 0 ? -1 : spool_nameless(dir);
    int saved = errno;

    if (dir >= 0)
        close(dir);
    if (seen->fd < 0)
        return error_busy(err, "temporary file in %s: %s", directory,
                          strerrordesc_np(saved));
    return ERR_OK;
}

/* Move the pending entries to the end of the file. */
static enum error_code
flush(struct seen *seen, struct error *err)
{
    const char *at = (const char *)seen->out;
    size_t left = seen->pending * sizeof(struct entry);
    uint64_t offset = seen->written * sizeof(struct entry);

    while (left > 0) {
        ssize_t n = pwrite(seen->fd, at, left, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_busy(err, "temporary file: %s",
                              strerrordesc_np(errno));
        at += n;
        left -= (size_t)n;
        offset += (uint64_t)n;
    }
    seen->written += seen->pending;
    seen->pending = 0;
    return ERR_OK;
}

static enum error_code
read_back(struct seen *seen, uint64_t first, size_t count, struct error *err)
{
    char *at = (char *)seen->in;
    size_t left = count * sizeof(struct entry);
    uint64_t offset = first * sizeof(struct entry);

    while (left > 0) {
        ssize_t n = pread(seen->fd, at, left, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_errno(err, "temporary file");
        at += n;
        left -= (size_t)n;
        offset += (uint64_t)n;
    }
    return ERR_OK;
}

/* Look the entry up; a new one takes a slot, or waits when the table is two
 * thirds full. */
static enum error_code
take(struct seen *seen, const struct entry *entry, struct error *err)
{
    uint32_t mask = seen->slots - 1;
    uint32_t slot = entry->low & mask;

    for (; seen->table[slot].line != 0; slot = (slot + 1) & mask) {
        const struct entry *there = &seen->table[slot];

        if (there->high == entry->high && there->low == entry->low) {
            seen->again(seen->context, entry->line, there->line);
            return ERR_OK;
        }
    }
    if (seen->used < seen->slots / 3 * 2) {
        seen->table[slot] = *entry;
        seen->used++;
        return ERR_OK;
    }
    if (seen->fd < 0) {
        enum error_code rc = open_file(seen, err);

        if (rc != ERR_OK)
            return rc;
    }
    seen->out[seen->pending++] = *entry;
    return seen->pending < CHUNK ? ERR_OK : flush(seen, err);
}

enum error_code
seen_add(struct seen *seen, struct str name, uint64_t line, struct error *err)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    struct entry entry;

    if (line > UINT32_MAX)
        return error_set(err, ERR_LIMIT, "The file has too many lines.");
    if (EVP_DigestInit_ex(seen->digest, NULL, NULL) != 1 ||
        EVP_DigestUpdate(seen->digest, name.at, name.len) != 1 ||
        EVP_DigestFinal_ex(seen->digest, sum, NULL) != 1)
        return error_internal(err, "SHA-256 failed");
    memcpy(&entry.high, sum, sizeof(entry.high));
    memcpy(&entry.low, sum + sizeof(entry.high), sizeof(entry.low));
    entry.line = (uint32_t)line;
    return take(seen, &entry, err);
}

enum error_code
seen_finish(struct seen *seen, struct error *err)
{
    enum error_code rc = ERR_OK;

    while (rc == ERR_OK && seen->written + seen->pending > 0) {
        rc = flush(seen, err);
        memset(seen->table, 0, seen->slots * sizeof(struct entry));
        seen->used = 0;

        /* Those that have to wait again go to the front of the same file,
         * behind which nothing unread lies: never more of them than were
         * read. */
        uint64_t waiting = seen->written;

        seen->written = 0;
        for (uint64_t at = 0; rc == ERR_OK && at < waiting; at += CHUNK) {
            size_t count = (size_t)MIN(waiting - at, CHUNK);

            rc = read_back(seen, at, count, err);
            for (size_t i = 0; rc == ERR_OK && i < count; i++)
                rc = take(seen, &seen->in[i], err);
        }
    }
    return rc;
}

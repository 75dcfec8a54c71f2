#include "core/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"
#include "core/compress.h"
#include "core/snapshot_file.h"

#define BUCKETS 512
#define RENDERINGS 4 /* at once; more wait their turn */
#define SCHEMA_BYTES ((size_t)1 << 20)

/* One file of the index. */
struct file {
    struct snapshot about; /* fd -1 */
    struct slot *slot;
    struct file *newer, *older; /* by last use; `older` also links trash */
};

/* What there is, or will be, for one key. Lives while it has a file or is
 * rendered. */
struct slot {
    struct snapshot_key key;
    struct slot *next; /* of the bucket */
    struct file *file;
    bool rendering;
    struct snapshot_waiter *waiters;
};

struct snapshot_cache {
    struct db *db;
    struct snapshot_directory directory;
    uint64_t max_bytes;
    char registry[13];
    char coder[SNAPSHOT_CODINGS][16]; /* the ETag's last part */
    sem_t renderings;
    struct snapshot_stats stats;
    pthread_mutex_t lock; /* of everything below */
    struct slot *slots[BUCKETS];
    struct file *newest, *oldest;
    struct file *trash; /* to be unlinked by unlock() */
    uint64_t bytes;
};

static const enum compress_method method[SNAPSHOT_CODINGS] = {
    [SNAPSHOT_GZIP] = COMPRESS_GZIP, [SNAPSHOT_ZSTD] = COMPRESS_ZSTD};

/*
 * Names.
 */

void
snapshot_etag(const struct snapshot_cache *cache,
              const struct snapshot_key *key, int64_t revision,
              int64_t changed_ms, char to[SNAPSHOT_ETAG])
{
    char source[UUID_HEX];

    snprintf(to, SNAPSHOT_ETAG, "\"%s-%s-%" PRIx64 "-%" PRIx64 "-%x.%x%s\"",
             cache->registry, uuid_hex(&key->source_id, source), revision,
             changed_ms, EXPORT_FORMAT, key->variant,
             cache->coder[key->coding]);
}

/* The coded bytes depend on the library's version and on which of its
 * routines the processor can run. Nodes that differ in that must differ in
 * their ETags, or a resumed download would mix two files: so the ETag holds
 * a digest of a sample. */
static enum error_code
name_coder(enum compress_method how, const char *prefix, char to[16],
           struct error *err)
{
    struct digest_sink digest;
    struct compressor *compressor = NULL;
    struct buf sample;
    unsigned char sha256[32];
    char hex[9];
    unsigned random = 1;
    enum error_code rc;

    buf_init(&sample, 1 << 20);
    while (sample.len < 200000 && !sample.failed) {
        random = random * 1103515245 + 12345;
        buf_printf(&sample, "person.%u,Given%u,Name,+1 555 %u,p@%u.example\n",
                   random >> 16, random >> 26, random >> 12, random >> 24);
    }
    rc = digest_begin(&digest, NULL, err);
    if (rc == ERR_OK) {
        compressor = compress_new(how, &digest.sink);
        if (compressor == NULL || sample.failed)
            rc = error_internal(err, "no memory to compress");
    }
    if (rc == ERR_OK)
        rc = sink_write(compress_sink(compressor), sample.data, sample.len,
                        err);
    if (rc == ERR_OK)
        rc = compress_finish(compressor, err);
    if (rc == ERR_OK)
        rc = digest_finish(&digest, sha256, err);
    if (rc == ERR_OK) {
        hex_encode(sha256, 4, hex);
        snprintf(to, 16, "-%s%s", prefix, hex);
    }
    compress_free(compressor);
    digest_done(&digest);
    buf_done(&sample);
    return rc;
}

/*
 * The index. All of it with the lock held.
 */

static void
lock(struct snapshot_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
}

/* Unlock, and only then do the slow part of forgetting files. */
static void
unlock(struct snapshot_cache *cache)
{
    struct file *trash = cache->trash;

    cache->trash = NULL;
    pthread_mutex_unlock(&cache->lock);
    while (trash != NULL) {
        struct file *file = trash;
        char name[SNAPSHOT_NAME];

        trash = file->older;
        snapshot_file_name(file->about.etag, name);
        snapshot_file_remove(&cache->directory, name);
        free(file);
    }
}

static bool
key_eq(const struct snapshot_key *a, const struct snapshot_key *b)
{
    return uuid_eq(&a->source_id, &b->source_id) && a->variant == b->variant &&
           a->coding == b->coding;
}

/* Where the pointer to the key's slot is, or would be. */
static struct slot **
slot_at(struct snapshot_cache *cache, const struct snapshot_key *key)
{
    const unsigned char *id = key->source_id.bytes;
    unsigned hash = id[15] + 256u * id[14] + 5 * key->variant + key->coding;
    struct slot **at = &cache->slots[hash % BUCKETS];

    while (*at != NULL && !key_eq(&(*at)->key, key))
        at = &(*at)->next;
    return at;
}

static struct slot *
slot_make(struct snapshot_cache *cache, const struct snapshot_key *key)
{
    struct slot **at = slot_at(cache, key);

    if (*at == NULL) {
        *at = calloc(1, sizeof(**at));
        if (*at != NULL)
            (*at)->key = *key;
    }
    return *at;
}

static void
slot_drop_unused(struct snapshot_cache *cache, struct slot *slot)
{
    struct slot **at = slot_at(cache, &slot->key);

    if (slot->file != NULL || slot->rendering)
        return;
    *at = slot->next;
    free(slot);
}

static void
age_unlink(struct snapshot_cache *cache, struct file *file)
{
    *(file->newer ? &file->newer->older : &cache->newest) = file->older;
    *(file->older ? &file->older->newer : &cache->oldest) = file->newer;
}

static void
age_newest(struct snapshot_cache *cache, struct file *file)
{
    file->newer = NULL;
    file->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = file;
    cache->newest = file;
}

/* Forget a file; its slot stays. The caller unlinks or frees it. */
static void
detach(struct snapshot_cache *cache, struct file *file)
{
    age_unlink(cache, file);
    count_up(&cache->stats.evicted, 1);
    cache->bytes -= snapshot_file_bytes(&file->about);
    file->slot->file = NULL;
}

static void
evict(struct snapshot_cache *cache, struct file *file)
{
    struct slot *slot = file->slot;

    detach(cache, file);
    file->older = cache->trash;
    cache->trash = file;
    slot_drop_unused(cache, slot);
}

/* The newest stays whatever its size: whoever waited for it is about to ask
 * for it. */
static void
evict_surplus(struct snapshot_cache *cache)
{
    while (cache->bytes > cache->max_bytes && cache->oldest != cache->newest)
        evict(cache, cache->oldest);
}

static void
evict_all(struct snapshot_cache *cache)
{
    lock(cache);
    while (cache->oldest != NULL)
        evict(cache, cache->oldest);
    unlock(cache);
}

/* Put a file that is in the directory into the index. */
static enum error_code
insert(struct snapshot_cache *cache, const struct snapshot_key *key,
       const struct snapshot *about, struct error *err)
{
    struct file *file = calloc(1, sizeof(*file));
    struct slot *slot;

    lock(cache);
    slot = slot_make(cache, key);
    if (file == NULL || slot == NULL) {
        unlock(cache);
        free(file);
        return error_internal(err, "snapshot: no memory");
    }
    if (slot->file != NULL) {
        struct file *old = slot->file;

        detach(cache, old);
        if (strcmp(old->about.etag, about->etag) == 0) {
            free(old); /* the new file has its name */
        } else {
            old->older = cache->trash;
            cache->trash = old;
        }
    }
    file->about = *about;
    file->about.fd = -1;
    file->slot = slot;
    slot->file = file;
    cache->bytes += snapshot_file_bytes(about);
    age_newest(cache, file);
    evict_surplus(cache);
    unlock(cache);
    return ERR_OK;
}

/*
 * Rendering.
 */

/* What the database shows now, and its file if there is one. ERR_END: there
 * is none. */
static enum error_code
adopt(struct snapshot_cache *cache, struct db_tx *tx,
      const struct snapshot_key *key, struct snapshot *ret, struct error *err)
{
    struct source_mark mark;
    struct snapshot_trailer trailer;
    char etag[SNAPSHOT_ETAG], name[SNAPSHOT_NAME];
    enum error_code rc;
    int fd;

    rc = source_mark(tx, &key->source_id, &mark, err);
    if (rc != ERR_OK)
        return rc;
    snapshot_etag(cache, key, mark.revision, mark.changed_ms, etag);
    snapshot_file_name(etag, name);
    fd = snapshot_file_open_sealed(&cache->directory, name, &trailer);
    if (fd < 0)
        return ERR_END;
    rc = insert(cache, key, &trailer.file, err);
    if (rc != ERR_OK) {
        close(fd);
        return rc;
    }
    *ret = trailer.file;
    ret->fd = fd;
    return ERR_OK;
}

/* The rows as one read transaction sees them. */
static enum error_code
render(struct snapshot_cache *cache, const struct snapshot_key *key,
       struct snapshot_draft *draft, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct snapshot *file = &draft->trailer.file;
    struct schema schema;
    struct db_tx *tx;
    enum error_code rc;

    arena_init(&arena, SCHEMA_BYTES);
    rc = db_read_begin(cache->db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = schema_load(tx, &key->source_id, &arena, &schema, err);
    if (rc == ERR_OK)
        rc = export_run(tx, &schema, key->variant, &draft->out.sink,
                        &file->rows, err);
    db_read_end(tx);
    if (rc == ERR_OK) {
        file->revision = schema.source.revision;
        file->changed_ms = schema.source.changed_ms;
    }
    return rc;
}

/* The same from the snapshot without coding. */
static enum error_code
encode(const struct snapshot *plain, enum compress_method how,
       struct snapshot_draft *draft, struct error *err)
{
    struct snapshot *file = &draft->trailer.file;
    struct compressor *compressor = compress_new(how, &draft->out.sink);
    char *chunk = malloc(EXPORT_BUFFER);
    enum error_code rc = ERR_OK;

    if (compressor == NULL || chunk == NULL)
        rc = error_internal(err, "snapshot: no memory to compress");
    for (uint64_t at = 0; rc == ERR_OK && at < plain->length;) {
        size_t want = (size_t)MIN(EXPORT_BUFFER, plain->length - at);
        ssize_t got = pread(plain->fd, chunk, want, (off_t)at);

        if (got <= 0) {
            rc = error_errno(err, "snapshot: read");
            break;
        }
        at += (uint64_t)got;
        rc = sink_write(compress_sink(compressor), chunk, (size_t)got, err);
    }
    if (rc == ERR_OK)
        rc = compress_finish(compressor, err);
    file->rows = plain->rows;
    file->revision = plain->revision;
    file->changed_ms = plain->changed_ms;
    compress_free(compressor);
    free(chunk);
    return rc;
}

/* Render or encode into a file with a name and put it into the index. */
static enum error_code
produce(struct snapshot_cache *cache, const struct snapshot_key *key,
        const struct snapshot *plain, struct snapshot *ret, bool *ret_full,
        struct error *err)
{
    CLEANUP(snapshot_draft_done) struct snapshot_draft draft;
    struct snapshot *file = &draft.trailer.file;
    enum error_code rc;

    rc = snapshot_draft_begin(&draft, &cache->directory, err);
    if (rc == ERR_OK)
        rc = plain->fd < 0 ? render(cache, key, &draft, err)
                           : encode(plain, method[key->coding], &draft, err);
    if (rc == ERR_OK) {
        snapshot_etag(cache, key, file->revision, file->changed_ms, file->etag);
        rc = snapshot_draft_finish(&draft, key, ret, err);
    }
    *ret_full = draft.out.full;
    if (rc == ERR_OK) {
        rc = insert(cache, key, ret, err);
        if (rc != ERR_OK)
            snapshot_release(ret);
    }
    return rc;
}

/* The key's snapshot as of now, by whoever got to make it. */
static enum error_code
fly(struct snapshot_cache *cache, const struct snapshot_key *key,
    int64_t min_revision, struct snapshot *ret, struct error *err)
{
    CLEANUP(snapshot_release) struct snapshot plain = {.fd = -1};
    struct snapshot_key plain_key = *key;
    struct db_tx *tx;
    bool full = false;
    enum error_code rc;

    rc = db_read_begin(cache->db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = adopt(cache, tx, key, ret, err);
    db_read_end(tx);
    if (rc != ERR_END)
        return rc;

    /* Before the turn is taken, so that no turn waits for another. */
    if (key->coding != SNAPSHOT_IDENTITY) {
        plain_key.coding = SNAPSHOT_IDENTITY;
        rc = snapshot_get(cache, &plain_key, min_revision, true, NULL, &plain,
                          err);
        if (rc != ERR_OK)
            return rc;
    }
    while (sem_wait(&cache->renderings) != 0)
        ;
    int64_t began_us = clock_mono_us();

    rc = produce(cache, key, &plain, ret, &full, err);
    if (full) {
        evict_all(cache);
        rc = produce(cache, key, &plain, ret, &full, err);
    }
    sem_post(&cache->renderings);
    histogram_add(&cache->stats.rendered, clock_mono_us() - began_us);
    return rc;
}

/* Open the slot's file. One that is gone was deleted from outside. */
static bool
open_cached(struct snapshot_cache *cache, struct slot *slot,
            struct snapshot *ret)
{
    struct file *file = slot->file;
    char name[SNAPSHOT_NAME];
    int fd;

    snapshot_file_name(file->about.etag, name);
    fd = snapshot_file_open(&cache->directory, name);
    if (fd < 0) {
        if (errno == ENOENT)
            evict(cache, file);
        return false;
    }
    if (file != cache->newest) {
        age_unlink(cache, file);
        age_newest(cache, file);
    }
    *ret = file->about;
    ret->fd = fd;
    return true;
}

/* A waiter for those who may block. */
struct sleeper {
    struct snapshot_waiter waiter;
    sem_t woken;
};

static void
wake_sleeper(struct snapshot_waiter *waiter)
{
    sem_post(&((struct sleeper *)waiter)->woken);
}

/* Called with the lock held, returns without. */
static enum error_code
sleep_until_rendered(struct snapshot_cache *cache, struct slot *slot)
{
    struct sleeper self = {.waiter.wake = wake_sleeper,
                           .waiter.next = slot->waiters};

    sem_init(&self.woken, 0, 0);
    slot->waiters = &self.waiter;
    unlock(cache);
    while (sem_wait(&self.woken) != 0)
        ;
    sem_destroy(&self.woken);
    return self.waiter.failed;
}

/* Be the one who renders, and tell the others. */
static enum error_code
lead(struct snapshot_cache *cache, struct slot *slot, int64_t min_revision,
     struct snapshot *ret, struct error *err)
{
    struct snapshot_waiter *waiter;
    count_up(&cache->stats.rendering, 1);
    enum error_code rc = fly(cache, &slot->key, min_revision, ret, err);

    count_down(&cache->stats.rendering);
    if (rc != ERR_OK)
        count_up(&cache->stats.failed, 1);
    lock(cache);
    slot->rendering = false;
    waiter = slot->waiters;
    slot->waiters = NULL;
    slot_drop_unused(cache, slot);
    unlock(cache);
    while (waiter != NULL) {
        struct snapshot_waiter *next = waiter->next;

        waiter->failed = rc;
        waiter->wake(waiter);
        waiter = next;
    }
    return rc;
}

enum error_code
snapshot_get(struct snapshot_cache *cache, const struct snapshot_key *key,
             int64_t min_revision, bool may_block,
             struct snapshot_waiter *waiter, struct snapshot *ret,
             struct error *err)
{
    bool missed = waiter != NULL && waiter->missed;
    struct snapshot got;
    enum error_code rc;

    for (;;) {
        lock(cache);
        struct slot *slot = *slot_at(cache, key);

        if (slot != NULL && slot->file != NULL &&
            slot->file->about.revision >= min_revision &&
            open_cached(cache, slot, ret)) {
            unlock(cache);
            if (!missed)
                count_up(&cache->stats.hits, 1);
            return ERR_OK;
        }
        if (waiter != NULL && waiter->failed != ERR_OK) {
            unlock(cache);
            rc = waiter->failed;
            waiter->failed = ERR_OK;
            return error_set(err, rc, NULL);
        }
        if (!may_block) {
            unlock(cache);
            return ERR_LATER;
        }
        if (!missed)
            count_up(&cache->stats.misses, 1);
        missed = true;
        if (waiter != NULL)
            waiter->missed = true;
        slot = slot_make(cache, key);
        if (slot == NULL) {
            unlock(cache);
            return error_internal(err, "snapshot: no memory");
        }
        if (!slot->rendering) {
            slot->rendering = true;
            unlock(cache);
            rc = lead(cache, slot, min_revision, &got, err);
            break;
        }
        if (waiter != NULL) {
            waiter->next = slot->waiters;
            slot->waiters = waiter;
            unlock(cache);
            return ERR_LATER;
        }
        rc = sleep_until_rendered(cache, slot);
        if (rc != ERR_OK)
            return error_set(err, rc, NULL);
    }
    if (rc != ERR_OK)
        return rc;
    /* A standby that lags behind the server that told the revision. */
    if (got.revision < min_revision) {
        snapshot_release(&got);
        return error_busy(err,
                          "snapshot: the database shows revision %" PRId64
                          " and not yet %" PRId64,
                          got.revision, min_revision);
    }
    *ret = got;
    return ERR_OK;
}

const struct snapshot_stats *
snapshot_stats(const struct snapshot_cache *cache)
{
    return &cache->stats;
}

uint64_t
snapshot_cache_bytes(struct snapshot_cache *cache, uint64_t *ret_max_bytes)
{
    lock(cache);
    uint64_t bytes = cache->bytes;

    unlock(cache);
    *ret_max_bytes = cache->max_bytes;
    return bytes;
}

void
snapshot_release(struct snapshot *snapshot)
{
    if (snapshot->fd >= 0)
        close(snapshot->fd);
    snapshot->fd = -1;
}

/*
 * Start and end.
 */

/* Take over what an earlier process left, as far as it is still what the
 * database shows. */
static enum error_code
sweep(struct snapshot_cache *cache, struct db_tx *tx, struct error *err)
{
    int fd = openat(cache->directory.fd, ".",
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *item;
    enum error_code rc = ERR_OK;

    if (dir == NULL) {
        rc = error_errno(err, "snapshot: list");
        if (fd >= 0)
            close(fd);
        return rc;
    }
    while ((rc == ERR_OK || rc == ERR_END || rc == ERR_NOT_FOUND) &&
           (item = readdir(dir)) != NULL) {
        CLEANUP(snapshot_release) struct snapshot found = {.fd = -1};
        struct snapshot_trailer trailer;
        char current[SNAPSHOT_NAME] = "";

        if (!snapshot_file_sweep(&cache->directory, item->d_name))
            continue;
        fd = snapshot_file_open_sealed(&cache->directory, item->d_name,
                                       &trailer);
        if (fd >= 0) {
            close(fd);
            rc = adopt(cache, tx, &trailer.key, &found, err);
            if (rc == ERR_OK)
                snapshot_file_name(found.etag, current);
        }
        if (strcmp(current, item->d_name) != 0)
            snapshot_file_remove(&cache->directory, item->d_name);
    }
    closedir(dir);
    return rc == ERR_END || rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum error_code
snapshot_cache_open(struct db *db, const char *directory, uint64_t max_bytes,
                    const struct uuid *registry_id, struct snapshot_cache **ret,
                    struct error *err)
{
    struct snapshot_cache *cache = calloc(1, sizeof(*cache));
    struct db_tx *tx;
    enum error_code rc;

    if (cache == NULL)
        return error_internal(err, "snapshot: no memory");
    cache->db = db;
    cache->max_bytes = max_bytes;
    pthread_mutex_init(&cache->lock, NULL);
    sem_init(&cache->renderings, 0, RENDERINGS);
    /* The end of a UUID is its random part. */
    hex_encode(registry_id->bytes + 10, 6, cache->registry);

    cache->directory.fd = -1;
    rc = snapshot_directory_open(directory, &cache->directory, err);
    if (rc == ERR_OK)
        rc = name_coder(COMPRESS_GZIP, "gz", cache->coder[SNAPSHOT_GZIP], err);
    if (rc == ERR_OK)
        rc = name_coder(COMPRESS_ZSTD, "zs", cache->coder[SNAPSHOT_ZSTD], err);
    if (rc == ERR_OK)
        rc = db_read_begin(db, &tx, err);
    if (rc == ERR_OK) {
        rc = sweep(cache, tx, err);
        db_read_end(tx);
    }
    if (rc != ERR_OK) {
        snapshot_cache_close(cache);
        return rc;
    }
    *ret = cache;
    return ERR_OK;
}

void
snapshot_cache_close(struct snapshot_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (cache->slots[i] != NULL) {
            struct slot *slot = cache->slots[i];

            cache->slots[i] = slot->next;
            free(slot->file);
            free(slot);
        }
    snapshot_directory_done(&cache->directory);
    sem_destroy(&cache->renderings);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

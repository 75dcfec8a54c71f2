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
#include "base/cores.h"
#include "base/secret.h"
#include "core/compress.h"
#include "core/export_team.h"
#include "core/snapshot_file.h"
#include "store/record_store.h"

#define BUCKETS 512
#define RENDERINGS 4 /* at once, unless set */
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
    unsigned helpers; /* of each */
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
    uint32_t check;
    enum error_code rc = ERR_OK;

    buf_init(&sample, 1 << 20);
    while (sample.len < 200000 && !sample.failed) {
        random = random * 1103515245 + 12345;
        buf_printf(&sample, "person.%u,Given%u,Name,+1 555 %u,p@%u.example\n",
                   random >> 16, random >> 26, random >> 12, random >> 24);
    }
    digest_begin(&digest, NULL);
    compressor = compress_new(how, &digest.sink);
    if (compressor == NULL || sample.failed)
        rc = error_internal(err, "no memory to compress");
    if (rc == ERR_OK)
        rc = sink_write(compress_sink(compressor), sample.data, sample.len,
                        err);
    if (rc == ERR_OK)
        rc = compress_end_segment(compressor, &check, err);
    if (rc == ERR_OK) {
        digest_finish(&digest, sha256);
        hex_encode(sha256, 4, hex);
        snprintf(to, 16, "-%s%s", prefix, hex);
    }
    compress_free(compressor);
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

/* An older file of the same key, whose segments may still be good. */
struct base {
    struct snapshot file; /* fd -1: there is none */
    struct segments segments;
};

static void
base_done(struct base *base)
{
    snapshot_release(&base->file);
    segments_done(&base->segments);
}

/* Without one, or when it cannot be read, everything is made anew. */
static void
base_open(struct base *base, struct error *err)
{
    if (base->file.fd >= 0 &&
        snapshot_file_segments(base->file.fd, &base->file, &base->segments,
                               err) != ERR_OK)
        base_done(base);
}

/* The segments that a change has touched. */
struct touched {
    unsigned char *bits; /* of segments from 0 */
    int64_t last;
};

static void
touch(void *context, int64_t first, int64_t last)
{
    struct touched *touched = context;
    int64_t end = MIN(export_segment_of(last), touched->last);

    for (int64_t i = export_segment_of(first); i <= end; i++)
        touched->bits[i / 8] |= (unsigned char)(1 << i % 8);
}

static bool
is_touched(const struct touched *touched, int64_t segment)
{
    return segment > touched->last ||
           (segment >= 0 && touched->bits[segment / 8] >> segment % 8 & 1);
}

/* ERR_END: nobody knows, render everything. */
static enum error_code
find_touched(struct db_tx *tx, const struct source *source,
             const struct snapshot *base, struct touched *ret,
             struct error *err)
{
    enum error_code rc;

    ret->last = export_segment_of(source->next_row);
    ret->bits = calloc(1, (size_t)ret->last / 8 + 1);
    if (ret->bits == NULL)
        return error_busy(err, "snapshot: no memory");
    rc = record_changed(tx, source, base->revision, base->changed_ms, touch,
                        ret, err);
    if (rc != ERR_OK) {
        free(ret->bits);
        ret->bits = NULL;
    }
    return rc;
}

/* Segments on their way from rows to the draft. */
struct rendering {
    struct db *db;
    unsigned helpers;
    struct export export;
    struct snapshot_draft *draft;
    uint64_t length; /* of the draft before the segment */
    int64_t revision;
};

static enum error_code
segment_ended(void *context, int64_t number, int64_t rows, struct error *err)
{
    struct rendering *rendering = context;
    struct snapshot_draft *draft = rendering->draft;
    const struct segment segment = {.number = number,
                                    .revision = rendering->revision,
                                    .rows = rows,
                                    .plain = draft->out.length -
                                             rendering->length};

    rendering->length = draft->out.length;
    return snapshot_draft_segment(draft, &segment, err);
}

static enum error_code
render_range(struct rendering *rendering, int64_t first, int64_t last,
             struct error *err)
{
    return export_team_segments(rendering->db, rendering->helpers,
                                &rendering->export, first, last, segment_ended,
                                rendering, err);
}

/* Segments up to `last`: those of the base that nothing touched are copied,
 * all between them are rendered. Rows only come behind the last one, so a
 * segment that the base did not have has no rows now either. */
static enum error_code
render_around(struct rendering *rendering, const struct base *base,
              const struct touched *touched, int64_t last, struct error *err)
{
    const struct segment *old = base->segments.at;
    uint64_t count = base->segments.count;
    int64_t next = EXPORT_HEAD; /* the first that is not there yet */
    enum error_code rc = ERR_OK;

    for (uint64_t i = 0, end; rc == ERR_OK && i < count; i = end + 1) {
        for (end = i; end < count && !is_touched(touched, old[end].number);)
            end++;
        if (end == i)
            continue;
        if (next < old[i].number)
            rc = render_range(rendering, next, old[i].number - 1, err);
        if (rc == ERR_OK)
            rc = snapshot_draft_copy(rendering->draft, base->file.fd,
                                     &base->segments, i, end, err);
        rendering->length = rendering->draft->out.length;
        next = old[end - 1].number + 1;
    }
    if (rc == ERR_OK && next <= last)
        rc = render_range(rendering, next, last, err);
    return rc;
}

/* The rows as one read transaction sees them. */
static enum error_code
render(struct snapshot_cache *cache, struct db_tx *tx,
       const struct schema *schema, const struct snapshot_key *key,
       const struct base *base, struct snapshot_draft *draft, struct error *err)
{
    struct snapshot *file = &draft->trailer.file;
    struct rendering rendering = {
        .db = cache->db,
        .helpers = db_tx_on_standby(tx) ? 0 : cache->helpers,
        .draft = draft,
        .revision = schema->source.revision};
    int64_t last = export_last_segment(schema, key->variant);
    struct touched touched = {.bits = NULL};
    enum error_code rc = ERR_END;

    file->revision = schema->source.revision;
    file->changed_ms = schema->source.changed_ms;
    export_begin(&rendering.export, tx, schema, key->variant, &draft->out.sink);
    if (base->file.fd >= 0)
        rc = find_touched(tx, &schema->source, &base->file, &touched, err);
    if (rc == ERR_OK)
        rc = render_around(&rendering, base, &touched, last, err);
    else if (rc == ERR_END)
        rc = render_range(&rendering, EXPORT_HEAD, last, err);
    free(touched.bits);
    export_done(&rendering.export);
    return rc == ERR_OK ? export_check(schema, key->variant, file->rows, err)
                        : rc;
}

struct render_job {
    struct snapshot_cache *cache;
    const struct snapshot_key *key;
    const struct base *base;
    struct snapshot_draft *draft;
};

/* Perhaps not for the first time. */
static enum error_code
render_job(struct db_tx *tx, void *context, struct error *err)
{
    const struct render_job *job = context;
    CLEANUP(arena_done) struct arena arena;
    struct schema schema;
    enum error_code rc = ERR_OK;

    arena_init(&arena, SCHEMA_BYTES);
    if (job->draft->out.length > 0)
        rc = snapshot_draft_again(job->draft, err);
    if (rc == ERR_OK)
        rc = schema_load(tx, &job->key->source_id, &arena, &schema, err);
    if (rc == ERR_OK)
        rc = render(job->cache, tx, &schema, job->key, job->base, job->draft,
                    err);
    return rc;
}

/* One segment of the plain file through the compressor. */
static enum error_code
encode_segment(const struct base *plain, uint64_t which,
               struct compressor *compressor, char *buffer,
               struct snapshot_draft *draft, struct error *err)
{
    struct segment segment = plain->segments.at[which];
    uint64_t at = segment.end - segment.plain;
    enum error_code rc = ERR_OK;

    if (segment.number == EXPORT_HEAD)
        rc = compress_head(compressor, err);
    while (rc == ERR_OK && at < segment.end) {
        size_t want = (size_t)MIN(EXPORT_BUFFER, segment.end - at);
        ssize_t got = pread(plain->file.fd, buffer, want, (off_t)at);

        if (got <= 0)
            return error_errno(err, "snapshot: read");
        at += (uint64_t)got;
        rc = sink_write(compress_sink(compressor), buffer, (size_t)got, err);
    }
    if (rc == ERR_OK)
        rc = compress_end_segment(compressor, &segment.check, err);
    return rc == ERR_OK ? snapshot_draft_segment(draft, &segment, err) : rc;
}

/* The same rows, rendered at the same time? */
static bool
same_segment(const struct segment *a, const struct segment *b)
{
    return a->number == b->number && a->revision == b->revision &&
           a->plain == b->plain;
}

/* The plain file's segments: those that the base has are copied. */
static enum error_code
encode_segments(const struct base *plain, const struct base *base,
                struct compressor *compressor, char *buffer,
                struct snapshot_draft *draft, struct error *err)
{
    const struct segments *want = &plain->segments, *have = &base->segments;
    uint64_t at = 0; /* in `have` */
    enum error_code rc = ERR_OK;

    for (uint64_t i = 0; rc == ERR_OK && i < want->count;) {
        uint64_t same = 0;

        while (at < have->count && have->at[at].number < want->at[i].number)
            at++;
        while (at + same < have->count && i + same < want->count &&
               same_segment(&have->at[at + same], &want->at[i + same]))
            same++;
        if (same > 0)
            rc = snapshot_draft_copy(draft, base->file.fd, have, at, at + same,
                                     err);
        else
            rc = encode_segment(plain, i, compressor, buffer, draft, err);
        i += MAX(same, 1u);
    }
    return rc;
}

static enum error_code
encode_tail(const struct snapshot_draft *draft, struct compressor *compressor,
            struct error *err)
{
    uint64_t length = 0;
    uint32_t check = 0;

    for (uint64_t i = 0; i < draft->segments.count; i++) {
        const struct segment *segment = &draft->segments.at[i];

        check = compress_check(check, segment->check, segment->plain);
        length += segment->plain;
    }
    return compress_tail(compressor, check, length, err);
}

/* Is what the base says of its segments true of this database? */
static enum error_code
base_check(struct snapshot_cache *cache, const struct snapshot_key *key,
           struct base *base, struct error *err)
{
    struct source_mark mark;
    struct db_tx *tx;
    bool known = false;
    enum error_code rc;

    if (base->file.fd < 0)
        return ERR_OK;
    rc = db_read_begin(cache->db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = source_mark(tx, &key->source_id, &mark, err);
    if (rc == ERR_OK)
        rc = record_changed_at(tx, mark.number, base->file.revision,
                               base->file.changed_ms, &known, err);
    db_read_end(tx);
    if (rc == ERR_OK && !known)
        base_done(base);
    return rc;
}

/* The plain file coded. */
static enum error_code
encode(struct snapshot_cache *cache, const struct snapshot_key *key,
       const struct base *plain, struct base *base,
       struct snapshot_draft *draft, struct error *err)
{
    struct snapshot *file = &draft->trailer.file;
    struct compressor *compressor = compress_new(method[key->coding],
                                                 &draft->out.sink);
    char *buffer = malloc(EXPORT_BUFFER);
    enum error_code rc = base_check(cache, key, base, err);

    if (rc == ERR_OK && (compressor == NULL || buffer == NULL))
        rc = error_busy(err, "snapshot: no memory to compress");
    if (rc == ERR_OK)
        rc = encode_segments(plain, base, compressor, buffer, draft, err);
    if (rc == ERR_OK)
        rc = encode_tail(draft, compressor, err);
    file->revision = plain->file.revision;
    file->changed_ms = plain->file.changed_ms;
    compress_free(compressor);
    free(buffer);
    return rc;
}

/* Render or encode into a file with a name and put it into the index. */
static enum error_code
produce(struct snapshot_cache *cache, const struct snapshot_key *key,
        const struct base *plain, struct base *base, struct snapshot *ret,
        bool *ret_full, struct error *err)
{
    CLEANUP(snapshot_draft_done) struct snapshot_draft draft;
    struct snapshot *file = &draft.trailer.file;
    struct render_job job = {cache, key, base, &draft};
    enum error_code rc;

    rc = snapshot_draft_begin(&draft, &cache->directory, err);
    if (rc == ERR_OK)
        rc = plain->file.fd < 0 ? db_read_long(cache->db, render_job, &job, err)
                                : encode(cache, key, plain, base, &draft, err);
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

/* The newest file that there is for the key. */
static void
find_base(struct snapshot_cache *cache, const struct snapshot_key *key,
          struct base *ret)
{
    struct slot *slot;

    lock(cache);
    slot = *slot_at(cache, key);
    if (slot != NULL && slot->file != NULL)
        open_cached(cache, slot, &ret->file);
    unlock(cache);
    base_open(ret, NULL);
}

/* The key's snapshot as of now, by whoever got to make it. */
static enum error_code
fly(struct snapshot_cache *cache, const struct snapshot_key *key,
    int64_t min_revision, struct snapshot *ret, struct error *err)
{
    CLEANUP(base_done) struct base plain = {.file.fd = -1};
    CLEANUP(base_done) struct base base = {.file.fd = -1};
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
        rc = snapshot_get(cache, &plain_key, min_revision, true, NULL,
                          &plain.file, err);
        if (rc == ERR_OK)
            rc = snapshot_file_segments(plain.file.fd, &plain.file,
                                        &plain.segments, err);
        if (rc != ERR_OK)
            return rc;
    }
    while (sem_wait(&cache->renderings) != 0)
        ;
    int64_t began_us = clock_mono_us();

    find_base(cache, key, &base);
    rc = produce(cache, key, &plain, &base, ret, &full, err);
    if (full) {
        base_done(&base); /* also its room */
        evict_all(cache);
        rc = produce(cache, key, &plain, &base, ret, &full, err);
    }
    sem_post(&cache->renderings);
    histogram_add(&cache->stats.rendered, clock_mono_us() - began_us);
    return rc;
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
    /* cppcheck-suppress autoVariables ; it is here until it is woken */
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

    count_down(&cache->stats.rendering, 1);
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

/* One for every other core; of connections to a server there are few. */
static unsigned
helpers_for(struct db *db)
{
    unsigned others = cores_usable() - 1;

    return MIN(others, db_is_remote(db) ? 1u : EXPORT_HELPERS_MAX);
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
    cache->helpers = helpers_for(db);
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
snapshot_cache_limit(struct snapshot_cache *cache, unsigned renderings)
{
    sem_destroy(&cache->renderings);
    sem_init(&cache->renderings, 0, renderings);
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

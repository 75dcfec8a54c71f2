/*
 * snapshot.h - the cache of rendered exports: one file per source, revision,
 * variant and coding; rendered once however many ask (single flight), kept
 * until the cache is full (least recently used go first) or a newer revision
 * takes its place, and safe to delete at any time. Several processes on one
 * machine may share a directory: each finds what the others rendered.
 *
 * Memory:  struct snapshot_cache owns an index of the files. A snapshot handed
 *          out holds an open descriptor until snapshot_release(), so its bytes
 *          stay whatever happens to the cache.
 * Errors:  ERR_UNAVAILABLE when the disk is full; ERR_NOT_FOUND when the
 *          source is gone. Whoever waited for a rendering that failed gets
 *          its error.
 * Threads: safe everywhere.
 */
#ifndef NELM_CORE_SNAPSHOT_H
#define NELM_CORE_SNAPSHOT_H

#include "core/export.h"

enum snapshot_coding {
    SNAPSHOT_IDENTITY,
    SNAPSHOT_GZIP,
    SNAPSHOT_ZSTD,
    SNAPSHOT_CODINGS
};

#define SNAPSHOT_ETAG 112 /* enough for the text and its NUL */

struct snapshot_cache;

struct snapshot {
    int fd;            /* -1: none */
    uint64_t length;   /* bytes */
    uint64_t segments; /* core/export.h; only snapshot*.c cares */
    int64_t rows;      /* records, without the header line */
    int64_t revision;
    int64_t changed_ms;       /* Last-Modified */
    unsigned char sha256[32]; /* of the bytes of this file */
    char etag[SNAPSHOT_ETAG]; /* with its quotes */
};

struct snapshot_key {
    struct uuid source_id; /* source.id, as source_mark() tells it */
    unsigned variant;
    enum snapshot_coding coding;
};

/* Somebody who cannot block and waits for a rendering. */
struct snapshot_waiter {
    void (*wake)(struct snapshot_waiter *waiter); /* from any thread, once */
    struct snapshot_waiter *next;                 /* the cache's, as is: */
    enum error_code failed; /* how the rendering ended; begin with ERR_OK */
    bool missed;            /* it was counted; begin with false */
};

/* `directory` is made when missing, and its files that are not of this
 * database or were not written since the machine started are removed: files
 * are not synced, so a power cut may have torn them. The newest snapshot stays
 * even when it alone is larger than `max_bytes`. `registry_id` is part of
 * every ETag. */
enum error_code snapshot_cache_open(struct db *db, const char *directory,
                                    uint64_t max_bytes,
                                    const struct uuid *registry_id,
                                    struct snapshot_cache **ret,
                                    struct error *err) MUST_USE;
/* Most renderings at once, the others wait their turn. Before the first
 * snapshot_get(). */
void snapshot_cache_limit(struct snapshot_cache *cache, unsigned renderings);
void snapshot_cache_close(struct snapshot_cache *cache);

/* The ETag that a snapshot of this revision has or would have: what a
 * conditional request is compared with before anything is rendered. The time
 * of the revision's change is part of it because a database that was restored
 * from a backup counts the same revisions again, with other content. */
void snapshot_etag(const struct snapshot_cache *cache,
                   const struct snapshot_key *key, int64_t revision,
                   int64_t changed_ms, char to[SNAPSHOT_ETAG]);

/* The snapshot of `key` at `min_revision` or a later revision.
 * ERR_OK: *ret is open. Never blocks for a snapshot that is there.
 * ERR_LATER: not here without blocking. With may_block false: call again
 * where blocking is allowed. With may_block true: somebody else is rendering
 * and the waiter was queued; call again (with the same min_revision and
 * waiter) after its wake(). A NULL waiter blocks until the rendering is done
 * instead. `ret` is untouched unless ERR_OK. */
enum error_code snapshot_get(struct snapshot_cache *cache,
                             const struct snapshot_key *key,
                             int64_t min_revision, bool may_block,
                             struct snapshot_waiter *waiter,
                             struct snapshot *ret, struct error *err) MUST_USE;

/* Counters for metrics. */
struct snapshot_stats {
    struct histogram rendered; /* without the wait for a turn */
    counter rendering, failed;
    counter hits, misses, evicted;
};
const struct snapshot_stats *snapshot_stats(const struct snapshot_cache *cache);
/* Bytes of all files now, and as many as there may be. */
uint64_t snapshot_cache_bytes(struct snapshot_cache *cache,
                              uint64_t *ret_max_bytes);

void snapshot_release(struct snapshot *snapshot);

#endif

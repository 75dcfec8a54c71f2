#include "store/mark_cache.h"

#include <pthread.h>
#include <stdlib.h>

#define ENTRIES 1024

struct entry {
    struct uuid id; /* as it was asked for */
    bool used;
    struct db_stamp stamp; /* before `mark` was read */
    struct source_mark mark;
};

struct mark_cache {
    struct db *db;
    pthread_mutex_t lock; /* of all entries, held for some 20 ns */
    struct entry entries[ENTRIES];
};

struct mark_cache *
mark_cache_new(struct db *db)
{
    struct mark_cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL)
        return NULL;
    cache->db = db;
    pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

void
mark_cache_free(struct mark_cache *cache)
{
    if (cache == NULL)
        return;
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static struct entry *
entry_of(struct mark_cache *cache, const struct uuid *id)
{
    /* The end of a UUID is its random part. */
    return &cache->entries[(id->bytes[14] << 8 | id->bytes[15]) % ENTRIES];
}

enum error_code
mark_cache_get(struct mark_cache *cache, const struct uuid *id,
               struct source_mark *ret, struct error *err)
{
    struct entry *entry = entry_of(cache, id);
    struct db_stamp stamp;
    struct db_tx *tx;
    bool stamped = db_stamp(cache->db, &stamp), known = false;
    enum error_code rc;

    if (stamped) {
        pthread_mutex_lock(&cache->lock);
        known = entry->used && uuid_eq(&entry->id, id) &&
                db_stamp_eq(&entry->stamp, &stamp);
        if (known)
            *ret = entry->mark;
        pthread_mutex_unlock(&cache->lock);
    }
    if (known)
        return ERR_OK;
    rc = db_read_begin(cache->db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = source_mark(tx, id, ret, err);
    db_read_end(tx);
    if (rc == ERR_OK && stamped) {
        pthread_mutex_lock(&cache->lock);
        *entry = (struct entry){
            .id = *id, .used = true, .stamp = stamp, .mark = *ret};
        pthread_mutex_unlock(&cache->lock);
    }
    return rc;
}

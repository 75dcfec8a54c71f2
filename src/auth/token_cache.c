#include "auth/token_cache.h"

#include <pthread.h>
#include <stdlib.h>

#define WAYS 4
#define SETS 1024 /* powers of two, both */
#define LOCKS 64

struct entry {
    unsigned char digest[TOKEN_DIGEST];
    int64_t epoch, until_ms; /* until_ms 0: free */
    struct principal principal;
};

struct token_cache {
    struct {
        _Alignas(64) pthread_mutex_t mutex; /* a cache line each */
    } locks[LOCKS];
    struct entry entries[SETS][WAYS];
};

struct token_cache *
token_cache_new(void)
{
    struct token_cache *cache = aligned_alloc(64, sizeof(*cache));

    if (cache == NULL)
        return NULL;
    memset(cache, 0, sizeof(*cache));
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&cache->locks[i].mutex, NULL);
    return cache;
}

void
token_cache_free(struct token_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&cache->locks[i].mutex);
    free(cache);
}

/* A digest is evenly spread by nature. */
static unsigned
set_of(const unsigned char digest[TOKEN_DIGEST])
{
    return (digest[0] | (unsigned)digest[1] << 8) % SETS;
}

bool
token_cache_get(struct token_cache *cache,
                const unsigned char digest[TOKEN_DIGEST], int64_t epoch,
                int64_t now_ms, struct principal *ret)
{
    unsigned set = set_of(digest);
    pthread_mutex_t *mutex = &cache->locks[set % LOCKS].mutex;
    bool found = false;

    pthread_mutex_lock(mutex);
    for (size_t way = 0; way < WAYS && !found; way++) {
        const struct entry *entry = &cache->entries[set][way];

        found = entry->until_ms > now_ms && entry->epoch == epoch &&
                memcmp(entry->digest, digest, TOKEN_DIGEST) == 0;
        if (found)
            *ret = entry->principal;
    }
    pthread_mutex_unlock(mutex);
    return found;
}

void
token_cache_put(struct token_cache *cache,
                const unsigned char digest[TOKEN_DIGEST], int64_t epoch,
                int64_t until_ms, const struct principal *principal)
{
    unsigned set = set_of(digest);
    pthread_mutex_t *mutex = &cache->locks[set % LOCKS].mutex;

    pthread_mutex_lock(mutex);
    struct entry *victim = &cache->entries[set][0];

    for (size_t way = 0; way < WAYS; way++) {
        struct entry *entry = &cache->entries[set][way];

        if (memcmp(entry->digest, digest, TOKEN_DIGEST) == 0) {
            victim = entry; /* verified again: one entry per token */
            break;
        }
        /* Entries of another epoch are worth nothing. */
        int64_t worth = entry->epoch == epoch ? entry->until_ms : 0;
        int64_t least = victim->epoch == epoch ? victim->until_ms : 0;

        if (worth < least)
            victim = entry;
    }
    memcpy(victim->digest, digest, TOKEN_DIGEST);
    victim->epoch = epoch;
    victim->until_ms = until_ms;
    victim->principal = *principal;
    pthread_mutex_unlock(mutex);
}

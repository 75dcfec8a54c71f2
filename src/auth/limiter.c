#include "auth/limiter.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/counter.h"
#include "base/secret.h"

#define SHARDS 16
#define NONE UINT32_MAX

struct window {
    int64_t start_ms;
    unsigned taken;
    uint32_t next; /* in its bucket's chain */
    unsigned char len;
    unsigned char key[LIMITER_KEY_MAX];
};

/* All windows last equally long, so they end in the order in which they
 * began: a ring, oldest first, is all the bookkeeping that expiry needs. */
struct shard {
    pthread_mutex_t mutex;
    uint32_t oldest, used; /* of the ring `windows` */
    struct window *windows;
    uint32_t *buckets; /* first of a chain, or NONE; as many as windows */
};

struct limiter {
    unsigned limit;
    int64_t window_ms;
    uint32_t per_shard;
    counter refused;
    uint64_t seed; /* so that nobody can aim at one chain */
    struct shard shards[SHARDS];
};

struct limiter *
limiter_new(unsigned limit, int64_t window_ms, size_t max_keys)
{
    struct limiter *limiter = calloc(1, sizeof(*limiter));

    if (limiter == NULL)
        return NULL;
    limiter->limit = limit;
    limiter->window_ms = window_ms;
    limiter->per_shard = (uint32_t)MAX(max_keys / SHARDS, (size_t)1);
    secret_random(&limiter->seed, sizeof(limiter->seed));
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &limiter->shards[i];
        size_t count = limiter->per_shard;

        pthread_mutex_init(&shard->mutex, NULL);
        shard->windows = calloc(count, sizeof(*shard->windows));
        shard->buckets = malloc(count * sizeof(*shard->buckets));
        if (shard->windows == NULL || shard->buckets == NULL) {
            limiter_free(limiter);
            return NULL;
        }
        memset(shard->buckets, 0xff, count * sizeof(*shard->buckets));
    }
    return limiter;
}

void
limiter_free(struct limiter *limiter)
{
    if (limiter == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        free(limiter->shards[i].windows);
        free(limiter->shards[i].buckets);
    }
    free(limiter);
}

/* FNV-1a with a secret start and a final mix. */
static uint64_t
hash(uint64_t seed, const unsigned char *key, size_t len)
{
    uint64_t h = seed;

    for (size_t i = 0; i < len; i++)
        h = (h ^ key[i]) * UINT64_C(0x100000001b3);
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    return h ^ h >> 32;
}

/* The link that leads to the window of `key`, or the NONE that ends its
 * chain. */
static uint32_t *
find(struct shard *shard, uint32_t bucket, const void *key, size_t len)
{
    uint32_t *link = &shard->buckets[bucket];

    while (*link != NONE) {
        struct window *window = &shard->windows[*link];

        if (window->len == len && memcmp(window->key, key, len) == 0)
            break;
        link = &window->next;
    }
    return link;
}

static uint32_t
bucket_of(const struct limiter *limiter, const void *key, size_t len)
{
    return (uint32_t)(hash(limiter->seed, key, len) / SHARDS %
                      limiter->per_shard);
}

static void
drop_oldest(const struct limiter *limiter, struct shard *shard)
{
    struct window *window = &shard->windows[shard->oldest];
    uint32_t *link = find(shard, bucket_of(limiter, window->key, window->len),
                          window->key, window->len);

    *link = window->next;
    shard->oldest = (shard->oldest + 1) % limiter->per_shard;
    shard->used--;
}

static struct window *
add(const struct limiter *limiter, struct shard *shard, const void *key,
    size_t len, int64_t now_ms)
{
    if (shard->used == limiter->per_shard)
        drop_oldest(limiter, shard);

    uint32_t at = (shard->oldest + shard->used++) % limiter->per_shard;
    uint32_t bucket = bucket_of(limiter, key, len);
    struct window *window = &shard->windows[at];

    window->start_ms = now_ms;
    window->taken = 0;
    window->next = shard->buckets[bucket];
    window->len = (unsigned char)len;
    memcpy(window->key, key, len);
    shard->buckets[bucket] = at;
    return window;
}

bool
limiter_take(struct limiter *limiter, const void *key, size_t len,
             int64_t now_ms, unsigned *ret_retry_after_s)
{
    if (limiter->limit == 0)
        return true;
    len = MIN(len, (size_t)LIMITER_KEY_MAX);

    uint64_t h = hash(limiter->seed, key, len);
    struct shard *shard = &limiter->shards[h % SHARDS];

    pthread_mutex_lock(&shard->mutex);
    while (shard->used > 0 &&
           shard->windows[shard->oldest].start_ms + limiter->window_ms <=
               now_ms)
        drop_oldest(limiter, shard);

    uint32_t at = *find(shard, bucket_of(limiter, key, len), key, len);
    struct window *window = at != NONE ? &shard->windows[at]
                                       : add(limiter, shard, key, len, now_ms);
    bool allowed = window->taken < limiter->limit;

    if (allowed) {
        window->taken++;
    } else {
        int64_t left_ms = window->start_ms + limiter->window_ms - now_ms;

        *ret_retry_after_s = (unsigned)MAX((left_ms + 999) / 1000, INT64_C(1));
    }
    pthread_mutex_unlock(&shard->mutex);
    if (!allowed)
        count_up(&limiter->refused, 1);
    return allowed;
}

uint64_t
limiter_refused(const struct limiter *limiter)
{
    return counted(&limiter->refused);
}

/*
 * mark_cache.h - source_mark() without asking the database again while nothing
 * was committed: what a conditional download of an unchanged source costs.
 *
 * Memory:  owns a fixed number of entries; a new one takes the place of
 *          another.
 * Errors:  as db.h; ERR_NOT_FOUND when there is no such source.
 * Threads: safe everywhere.
 */
#ifndef NELM_STORE_MARK_CACHE_H
#define NELM_STORE_MARK_CACHE_H

#include "store/source_store.h"

struct mark_cache;

/* NULL without memory. `db` is borrowed. */
struct mark_cache *mark_cache_new(struct db *db);
void mark_cache_free(struct mark_cache *cache);

/* As of now or later. */
enum error_code mark_cache_get(struct mark_cache *cache, const struct uuid *id,
                               struct source_mark *ret,
                               struct error *err) MUST_USE;

#endif

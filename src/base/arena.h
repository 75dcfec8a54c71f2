/*
 * arena.h - a capped bump allocator for what lives and dies together.
 *
 * Memory:  arena_init() takes nothing; blocks come from malloc as needed, in
 *          all at most `max_bytes`, and go back with arena_done().
 *          arena_reset() keeps a block of some KiB for the next round.
 * Errors:  an allocation over the cap, or without memory, returns NULL and
 *          sets arena->failed, which stays set until arena_reset(): a builder
 *          may allocate freely and ask once.
 * Threads: one thread at a time.
 */
#ifndef NELM_BASE_ARENA_H
#define NELM_BASE_ARENA_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes in all blocks, headers excluded */
    size_t max_bytes;
    bool failed;
};

void arena_init(struct arena *arena, size_t max_bytes);
void arena_done(struct arena *arena);
void arena_reset(struct arena *arena);
/* Overwrite everything in it; before arena_reset() or arena_done(). */
void arena_wipe(struct arena *arena);

/* Uninitialised and zeroed memory, aligned for any type. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zalloc(struct arena *arena, size_t size);

/* Copies with a NUL behind them; a str's `at` is NULL on failure. */
char *arena_strdup(struct arena *arena, const char *text);
struct str arena_str(struct arena *arena, struct str text);

char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif

#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"

#ifndef __has_feature
#define __has_feature(name) 0
#endif

/* The first block's size, small enough for malloc's quickest way with its head;
 * each further one doubles it. Under the address sanitizer every allocation is
 * a block of its own and a reset gives all of them back, so that a stray access
 * is seen. */
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define FIRST_BYTES ((size_t)0)
#else
#define FIRST_BYTES ((size_t)960)
#endif
#define LARGEST_BYTES ((size_t)256 * 1024)
#define KEPT_BYTES (8 * FIRST_BYTES)

struct arena_block {
    struct arena_block *next; /* older */
    size_t size, used;
    max_align_t data[];
};

void
arena_init(struct arena *arena, size_t max_bytes)
{
    *arena = (struct arena){.max_bytes = max_bytes};
}

static void
free_blocks(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;

        arena->blocks = block->next;
        free(block);
    }
    arena->used = 0;
}

void
arena_done(struct arena *arena)
{
    free_blocks(arena);
}

void
arena_reset(struct arena *arena)
{
    struct arena_block **link = &arena->blocks;

    /* One that is enough next time too, if that is not much. */
    while (*link != NULL && (*link)->size > KEPT_BYTES)
        link = &(*link)->next;
    struct arena_block *kept = *link;

    if (kept != NULL)
        *link = kept->next;
    free_blocks(arena);
    if (kept != NULL) {
        *kept = (struct arena_block){.size = kept->size};
        arena->blocks = kept;
        arena->used = kept->size;
    }
    arena->failed = false;
}

void
arena_wipe(struct arena *arena)
{
    for (struct arena_block *at = arena->blocks; at != NULL; at = at->next)
        secret_wipe(at->data, at->used);
}

/* A block with room for `size` bytes. A large one goes behind the newest, so
 * that what is left of that one is still used. */
static struct arena_block *
add_block(struct arena *arena, size_t size)
{
    struct arena_block *newest = arena->blocks;
    size_t left = arena->max_bytes - arena->used;
    size_t want = newest ? newest->size * 2 : FIRST_BYTES;

    if (size > left)
        return NULL;

    size_t largest = FIRST_BYTES ? LARGEST_BYTES : 0;

    want = MIN(MAX(MIN(want, largest), size), left);

    struct arena_block *block = malloc(sizeof(*block) + want);

    if (block == NULL)
        return NULL;
    block->size = want;
    block->used = 0;
    arena->used += want;
    if (newest != NULL && size >= LARGEST_BYTES) {
        block->next = newest->next;
        newest->next = block;
    } else {
        block->next = newest;
        arena->blocks = block;
    }
    return block;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    struct arena_block *block = arena->blocks;

    if (size > SIZE_MAX - align)
        goto fail;
    size = MAX((size + align - 1) / align * align, align);
    if (block == NULL || block->size - block->used < size) {
        block = add_block(arena, size);
        if (block == NULL)
            goto fail;
    }
    void *at = (char *)block->data + block->used;

    block->used += size;
    return at;
fail:
    arena->failed = true;
    return NULL;
}

void *
arena_zalloc(struct arena *arena, size_t size)
{
    void *at = arena_alloc(arena, size);

    return at ? memset(at, 0, size) : NULL;
}

struct str
arena_str(struct arena *arena, struct str text)
{
    char *at = text.len < SIZE_MAX ? arena_alloc(arena, text.len + 1) : NULL;

    if (at == NULL)
        return (struct str){NULL, 0};
    if (text.len > 0)
        memcpy(at, text.at, text.len);
    at[text.len] = '\0';
    return str_n(at, text.len);
}

char *
arena_strdup(struct arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    char *at = arena_alloc(arena, size);

    return at ? memcpy(at, text, size) : NULL;
}

char *
arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);

    char *at = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);

    if (at == NULL) {
        arena->failed = true;
        return NULL;
    }
    va_start(args, fmt);
    vsnprintf(at, (size_t)len + 1, fmt, args);
    va_end(args);
    return at;
}

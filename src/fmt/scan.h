/*
 * scan.h - look at eight bytes of text at a time.
 *
 * A mark is the top bit of a byte of a 64-bit word. The lowest mark of a result
 * is exact, those above it may be false: ask for the first one only.
 *
 * Memory:  none.
 * Errors:  none.
 * Threads: safe everywhere.
 */
#ifndef NELM_FMT_SCAN_H
#define NELM_FMT_SCAN_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SCAN_BYTES sizeof(uint64_t)
#define SCAN_EACH(byte) (UINT64_C(0x0101010101010101) * (unsigned char)(byte))
#define SCAN_HIGH SCAN_EACH(0x80)

/* The first byte of the text becomes the lowest one of the word. */
static inline uint64_t
scan_load(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return le64toh(word);
}

/* Marks of the bytes below `limit`, which is at most 128. */
static inline uint64_t
scan_below(uint64_t word, unsigned char limit)
{
    return (word - SCAN_EACH(limit)) & ~word & SCAN_HIGH;
}

/* Marks of the bytes that are `c`. */
static inline uint64_t
scan_equal(uint64_t word, char c)
{
    return scan_below(word ^ SCAN_EACH(c), 1);
}

/* The place of the first mark; there must be one. */
static inline size_t
scan_first(uint64_t marks)
{
    return (size_t)__builtin_ctzll(marks) / 8;
}

#endif

/*
 * seen.h - which names of a long list came before: exact, for any number of
 * names, in constant memory.
 *
 * A name is known by 96 bits of its SHA-256. Names fill a table; those that
 * come when it is full wait in a temporary file (unlinked, 16 bytes each) and
 * go through the emptied table in further rounds.
 *
 * Memory:  a table of at most 16 MiB and 64 KiB for the file.
 * Errors:  ERR_UNAVAILABLE without memory or when the temporary file cannot
 *          grow.
 * Threads: one thread at a time.
 */
#ifndef NELM_CORE_SEEN_H
#define NELM_CORE_SEEN_H

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct seen;

/* The name on `line` came before, first on `first_line`. Called from
 * seen_add() for names in the table, from seen_finish() for the rest; lines
 * rise within a round, not over all. */
typedef void seen_again(void *context, uint64_t line, uint64_t first_line);

/* `max_slots` is a power of two and bounds the table, SEEN_SLOTS but in tests.
 * NULL without memory. */
#define SEEN_SLOTS (UINT32_C(1) << 20)
struct seen *seen_new(uint32_t max_slots, seen_again *again, void *context);
void seen_free(struct seen *seen);

/* Lines count from 1 and rise. */
enum error_code seen_add(struct seen *seen, struct str name, uint64_t line,
                         struct error *err) MUST_USE;

/* Look at those that still wait; once, at the end. */
enum error_code seen_finish(struct seen *seen, struct error *err) MUST_USE;

#endif

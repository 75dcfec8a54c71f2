/*
 * sums.h - what the CSV of every source is: its revision, length and digest.
 * Two databases with equal sums answer every download with the same bytes.
 *
 * Memory:  sums_done() frees the list.
 * Errors:  as db.h and core/export.h.
 * Threads: each call is on its own.
 */
#ifndef NELM_CORE_SUMS_H
#define NELM_CORE_SUMS_H

#include "core/validate.h"

struct sum {
    struct uuid id; /* source.id */
    int64_t revision, changed_ms, records;
    uint64_t bytes;
    unsigned char sha256[32];
};

struct sums {
    struct sum *sum; /* in the order of the sources' numbers */
    size_t count, size;
};

#define SUMS_INIT ((struct sums){.sum = NULL})

/* Render all sources, as `tx` sees them. */
enum error_code sums_read(struct db_tx *tx, struct sums *ret,
                          struct error *err) MUST_USE;
enum error_code sums_add(struct sums *sums, const struct sum *sum,
                         struct error *err) MUST_USE;
/* ERR_CONTENT, naming the first source that differs. */
enum error_code sums_compare(const struct sums *want, const struct sums *found,
                             struct error *err) MUST_USE;
void sums_done(struct sums *sums);

#define SUMS CLEANUP(sums_done) struct sums

#endif

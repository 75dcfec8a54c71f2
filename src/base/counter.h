/*
 * counter.h - numbers that many threads count up and somebody reads now and
 * then: for metrics. Nothing is ordered by them and nothing waits for them.
 *
 * Memory:  plain values inside whatever counts; zeroed is empty.
 * Errors:  none.
 * Threads: safe everywhere.
 */
#ifndef NELM_BASE_COUNTER_H
#define NELM_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/compiler.h"

typedef atomic_uint_fast64_t counter;

static inline void
count_up(counter *to, uint64_t by)
{
    atomic_fetch_add_explicit(to, by, memory_order_relaxed);
}

static inline void
count_down(counter *from, uint64_t by)
{
    atomic_fetch_sub_explicit(from, by, memory_order_relaxed);
}

static inline uint64_t
counted(const counter *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

/* Upper bounds in microseconds; what is longer is in the bucket behind. */
#define HISTOGRAM_BOUNDS                                                \
    500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, \
        1000000, 2500000, 5000000, 10000000, 30000000, 120000000
#define HISTOGRAM_BUCKETS 16
extern const uint64_t histogram_bounds_us[HISTOGRAM_BUCKETS];

/* How long things took. */
struct histogram {
    counter buckets[HISTOGRAM_BUCKETS + 1];
    counter sum_us;
};

void histogram_add(struct histogram *histogram, int64_t us);
/* How many there were. */
uint64_t histogram_count(const struct histogram *histogram);

#endif

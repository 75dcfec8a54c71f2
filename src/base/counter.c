#include "base/counter.h"

const uint64_t histogram_bounds_us[HISTOGRAM_BUCKETS] = {HISTOGRAM_BOUNDS};

void
histogram_add(struct histogram *histogram, int64_t us)
{
    uint64_t value = us > 0 ? (uint64_t)us : 0;
    unsigned at = 0;

    while (at < HISTOGRAM_BUCKETS && value > histogram_bounds_us[at])
        at++;
    count_up(&histogram->buckets[at], 1);
    count_up(&histogram->sum_us, value);
}

uint64_t
histogram_count(const struct histogram *histogram)
{
    uint64_t count = 0;

    for (unsigned i = 0; i <= HISTOGRAM_BUCKETS; i++)
        count += counted(&histogram->buckets[i]);
    return count;
}

/*
 * near.h - what somebody who mistyped a name may have meant.
 *
 * Memory:  borrows the word and the candidates.
 * Errors:  none.
 * Threads: a value; one thread at a time.
 */
#ifndef NELM_BASE_NEAR_H
#define NELM_BASE_NEAR_H

#include "base/str.h"

struct near {
    struct str word;
    const char *best; /* NULL while nothing resembles the word */
    unsigned distance;
};

/* Offer any number of candidates, then look at `best`: the first of those
 * with the fewest letters to add, drop, change or swap, when these are few for
 * the word's length. */
void near_init(struct near *near, struct str word);
void near_offer(struct near *near, const char *candidate);

#endif

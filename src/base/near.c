#include "base/near.h"

#include "base/compiler.h"

#define LONGEST 32 /* names are short; longer words resemble nothing */

/* Insertions, deletions, substitutions and swaps of neighbours. */
static unsigned
distance(struct str a, struct str b)
{
    unsigned cost[LONGEST + 1][LONGEST + 1];

    for (unsigned i = 0; i <= a.len; i++)
        cost[i][0] = i;
    for (unsigned j = 0; j <= b.len; j++)
        cost[0][j] = j;
    for (unsigned i = 1; i <= a.len; i++)
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned least = cost[i - 1][j - 1] + (a.at[i - 1] != b.at[j - 1]);

            least = MIN(least, cost[i - 1][j] + 1);
            least = MIN(least, cost[i][j - 1] + 1);
            if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] &&
                a.at[i - 2] == b.at[j - 1])
                least = MIN(least, cost[i - 2][j - 2] + 1);
            cost[i][j] = least;
        }
    return cost[a.len][b.len];
}

void
near_init(struct near *near, struct str word)
{
    *near = (struct near){.word = word, .distance = (unsigned)word.len / 3 + 1};
}

void
near_offer(struct near *near, const char *candidate)
{
    struct str other = str_of(candidate);

    if (near->word.len > LONGEST || other.len > LONGEST)
        return;
    unsigned found = distance(near->word, other);

    if (found < near->distance || (found == near->distance && !near->best)) {
        near->best = candidate;
        near->distance = found;
    }
}

/*
 * cores.h - how many processors this process may use.
 *
 * Memory:  none.
 * Errors:  1 when nobody can tell.
 * Threads: safe everywhere.
 */
#ifndef NELM_BASE_CORES_H
#define NELM_BASE_CORES_H

unsigned cores_usable(void);

#endif

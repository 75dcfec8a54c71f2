/*
 * sample.h - believable people, the same ones for the same seed: for demos,
 * tests and benchmarks.
 *
 * Memory:  one buffer of 256 KiB.
 * Errors:  the sink's.
 * Threads: each call is on its own.
 */
#ifndef NELM_CORE_SAMPLE_H
#define NELM_CORE_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sink.h"

/* Aliases of the managers that sample rows name: `nelm init` of the demo and
 * the tests make identities of them. */
struct sample_manager {
    const char *alias, *name, *email;
};
extern const struct sample_manager sample_managers[];
extern const unsigned sample_manager_count;

/* What the two custom columns below are called; optional, of type TEXT. */
#define SAMPLE_COST_CENTER "costCenter"
#define SAMPLE_NOTES "notes"

/* `rows` lines of contract 16.1's eight columns, header first, to `sink`; with
 * `custom` also a cost centre and notes, which hold commas, quotes and line
 * breaks. Account names are unique for any number of rows. The bytes are those
 * that an export of the imported file has, line for line. */
enum error_code sample_write(struct sink *sink, uint64_t rows, uint64_t seed,
                             bool custom, struct error *err) MUST_USE;

#endif

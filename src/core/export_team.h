/*
 * export_team.h - ranges of segments rendered by several threads, each in a
 * read transaction of its own, into the same bytes.
 *
 * What a source's CSV shows moves its revision, so transactions that see the
 * same revision see the same rows, on every database. A helper that sees
 * another one, or gets no transaction, leaves; one that fails leaves its
 * segments to the caller, who would meet the same error.
 *
 * Memory:  some 2 MiB for each thread, whatever the size of the source.
 * Errors:  as export_segments().
 * Threads: each call is on its own; `ended` and the sink are the caller's.
 */
#ifndef NELM_CORE_EXPORT_TEAM_H
#define NELM_CORE_EXPORT_TEAM_H

#include "core/export.h"

#define EXPORT_HELPERS_MAX 3

/* As export_segments(), with up to so many helpers when the range is worth
 * it. */
enum error_code export_team_segments(struct db *db, unsigned helpers,
                                     struct export *export, int64_t first,
                                     int64_t last, export_ended *ended,
                                     void *context, struct error *err) MUST_USE;

#endif

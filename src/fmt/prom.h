/*
 * prom.h - metrics as Prometheus reads them (text exposition format 0.0.4).
 *
 * Memory:  the caller's buf.
 * Errors:  the buf's sticky `failed`.
 * Threads: one thread at a time.
 */
#ifndef NELM_FMT_PROM_H
#define NELM_FMT_PROM_H

#include "base/buf.h"
#include "base/counter.h"

#define PROM_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* What comes before the samples of a metric. */
void prom_head(struct buf *to, const char *name, const char *type,
               const char *help);

/* `labels` is what stands between the braces, or "": made with
 * prom_label(). */
void prom_value(struct buf *to, const char *name, const char *labels,
                uint64_t value);
/* A time in microseconds as seconds. */
void prom_seconds(struct buf *to, const char *name, const char *labels,
                  uint64_t us);
void prom_histogram(struct buf *to, const char *name, const char *labels,
                    const struct histogram *histogram);

/* Append name="value" to a list of labels, escaped. */
void prom_label(struct buf *labels, const char *name, struct str value);

#endif

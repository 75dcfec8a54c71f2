#include "fmt/prom.h"

#include <inttypes.h>

void
prom_head(struct buf *to, const char *name, const char *type, const char *help)
{
    buf_printf(to, "# HELP %s ", name);
    for (; *help != '\0'; help++) {
        if (*help == '\\' || *help == '\n')
            buf_char(to, '\\');
        buf_char(to, *help == '\n' ? 'n' : *help);
    }
    buf_printf(to, "\n# TYPE %s %s\n", name, type);
}

static void
begin(struct buf *to, const char *name, const char *labels)
{
    buf_text(to, name);
    if (labels[0] != '\0')
        buf_printf(to, "{%s}", labels);
    buf_char(to, ' ');
}

void
prom_value(struct buf *to, const char *name, const char *labels, uint64_t value)
{
    begin(to, name, labels);
    buf_printf(to, "%" PRIu64 "\n", value);
}

void
prom_seconds(struct buf *to, const char *name, const char *labels, uint64_t us)
{
    begin(to, name, labels);
    buf_printf(to, "%" PRIu64 ".%06" PRIu64 "\n", us / 1000000, us % 1000000);
}

/* Buckets are read one after the other while others count: the sum over them
 * is the count, so that they always fit together. */
void
prom_histogram(struct buf *to, const char *name, const char *labels,
               const struct histogram *histogram)
{
    const char *comma = labels[0] != '\0' ? "," : "";
    uint64_t count = 0;

    for (unsigned i = 0; i <= HISTOGRAM_BUCKETS; i++) {
        count += counted(&histogram->buckets[i]);
        buf_printf(to, "%s_bucket{%s%sle=\"", name, labels, comma);
        if (i < HISTOGRAM_BUCKETS)
            buf_printf(to, "%g", (double)histogram_bounds_us[i] / 1e6);
        else
            buf_text(to, "+Inf");
        buf_printf(to, "\"} %" PRIu64 "\n", count);
    }
    buf_printf(to, "%s_sum", name);
    prom_seconds(to, "", labels, counted(&histogram->sum_us));
    buf_printf(to, "%s_count", name);
    prom_value(to, "", labels, count);
}

void
prom_label(struct buf *labels, const char *name, struct str value)
{
    if (labels->len > 0)
        buf_char(labels, ',');
    buf_printf(labels, "%s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];

        if (c == '\\' || c == '"' || c == '\n')
            buf_char(labels, '\\');
        buf_char(labels, c == '\n' ? 'n' : c);
    }
    buf_char(labels, '"');
}

#include "api/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/spool.h"
#include "fmt/prom.h"
#include "store/job_store.h"

#define CLASSES 6 /* of a status: its first digit; 0: no answer was made */
#define LABEL_BYTES 1024

/* The calls of one route; those of none come last. */
struct route_metrics {
    counter by_class[CLASSES];
    struct histogram duration;
};

struct metrics {
    int64_t started_ms;
    counter received, sent, incomplete;
    struct route_metrics routes[];
};

enum metric {
#define METRIC(id, ...) METRIC_##id,
#include "api/metrics.def"
#undef METRIC
    METRICS
};

static const struct row {
    const char *name, *type, *labels, *help;
} rows[METRICS] = {
#define METRIC(id, ...) [METRIC_##id] = {__VA_ARGS__},
#include "api/metrics.def"
#undef METRIC
};

struct metrics *
metrics_new(void)
{
    struct metrics *metrics = calloc(
        1, sizeof(*metrics) + (api_route_count + 1) * sizeof(*metrics->routes));

    if (metrics != NULL)
        metrics->started_ms = clock_now_ms();
    return metrics;
}

void
metrics_free(struct metrics *metrics)
{
    free(metrics);
}

void
metrics_count(struct metrics *metrics, const struct call *call)
{
    const struct http_exchange *exchange = call->exchange;
    size_t at = call->route ? (size_t)(call->route - api_routes)
                            : api_route_count;
    unsigned class = (unsigned)exchange->response.status / 100;

    count_up(&metrics->routes[at].by_class[class < CLASSES ? class : 0], 1);
    histogram_add(&metrics->routes[at].duration,
                  clock_mono_us() - exchange->began_us);
    if (exchange->received > 0)
        count_up(&metrics->received, exchange->received);
    count_up(&metrics->sent, exchange->sent);
    if (!exchange->complete)
        count_up(&metrics->incomplete, 1);
}

/* --- the look-up --------------------------------------------------------- */

/* All that the samples come from. */
struct look {
    struct buf *to;
    const struct metrics *metrics;
    const struct api_options *options;
    struct http_stats http;
    struct rusage usage;
    bool db_up;
    int64_t uploads[JOB_STATUSES];
};

static void
head(const struct look *look, enum metric id)
{
    prom_head(look->to, rows[id].name, rows[id].type, rows[id].help);
}

/* A metric of one sample. */
static void
one(const struct look *look, enum metric id, uint64_t value)
{
    head(look, id);
    prom_value(look->to, rows[id].name, "", value);
}

static void
one_histogram(const struct look *look, enum metric id,
              const struct histogram *histogram)
{
    head(look, id);
    prom_histogram(look->to, rows[id].name, "", histogram);
}

static void
one_labelled(const struct look *look, enum metric id, const char *label,
             const char *text, uint64_t value)
{
    CLEANUP(buf_done) struct buf labels;

    buf_init(&labels, LABEL_BYTES);
    prom_label(&labels, label, str_of(text));
    prom_value(look->to, rows[id].name, labels.data, value);
}

static void
write_process(const struct look *look)
{
    const struct rusage *usage = &look->usage;
    const struct timeval *user = &usage->ru_utime, *system = &usage->ru_stime;
    CLEANUP(buf_done) struct buf labels;
    struct rlimit files;
    unsigned long pages;
    FILE *statm = fopen("/proc/self/statm", "re");

    buf_init(&labels, LABEL_BYTES);
    prom_label(&labels, "version", STR(NELM_VERSION));
    prom_label(&labels, "database", str_of(db_engine(look->options->db)));
    head(look, METRIC_BUILD);
    prom_value(look->to, rows[METRIC_BUILD].name, labels.data, 1);
    one(look, METRIC_START, (uint64_t)look->metrics->started_ms / 1000);
    head(look, METRIC_CPU);
    prom_seconds(look->to, rows[METRIC_CPU].name, "",
                 (uint64_t)(user->tv_sec + system->tv_sec) * 1000000 +
                     (uint64_t)(user->tv_usec + system->tv_usec));
    if (statm != NULL) {
        if (fscanf(statm, "%*u %lu", &pages) == 1)
            one(look, METRIC_MEMORY, pages * (uint64_t)sysconf(_SC_PAGESIZE));
        fclose(statm);
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        one(look, METRIC_MAX_FDS, files.rlim_cur);
}

/* method="GET",route="/x/{id}"; what no route took is "-". */
static void
route_labels(size_t at, struct buf *labels)
{
    const struct route *route = at < api_route_count ? &api_routes[at] : NULL;

    prom_label(labels, "method",
               str_of(route ? call_method_name(route->method) : "-"));
    prom_label(labels, "route", str_of(route ? route->path : "-"));
}

static bool
was_called(const struct route_metrics *route)
{
    uint64_t calls = 0;

    for (size_t i = 0; i < CLASSES; i++)
        calls += counted(&route->by_class[i]);
    return calls > 0;
}

static void
write_routes(const struct look *look)
{
    static const char *const classes[CLASSES] = {"none", "1xx", "2xx",
                                                 "3xx",  "4xx", "5xx"};
    const struct metrics *metrics = look->metrics;

    head(look, METRIC_REQUESTS);
    for (size_t at = 0; at <= api_route_count; at++)
        for (size_t i = 0; i < CLASSES; i++) {
            uint64_t count = counted(&metrics->routes[at].by_class[i]);
            CLEANUP(buf_done) struct buf labels;

            buf_init(&labels, LABEL_BYTES);
            if (count == 0)
                continue;
            route_labels(at, &labels);
            prom_label(&labels, "status", str_of(classes[i]));
            prom_value(look->to, rows[METRIC_REQUESTS].name, labels.data,
                       count);
        }
    head(look, METRIC_DURATION);
    for (size_t at = 0; at <= api_route_count; at++) {
        CLEANUP(buf_done) struct buf labels;

        buf_init(&labels, LABEL_BYTES);
        route_labels(at, &labels);
        if (was_called(&metrics->routes[at]))
            prom_histogram(look->to, rows[METRIC_DURATION].name, labels.data,
                           &metrics->routes[at].duration);
    }
}

static void
write_http(const struct look *look)
{
    const struct http_stats *http = &look->http;
    const struct api_options *options = look->options;
    const struct {
        const char *name;
        const struct limiter *limiter;
    } limits[] = {
        {"rate-limit", options->requests},
        {"token-rate-limit", options->token_clients},
        {"token-address-rate-limit", options->token_addresses},
    };

    write_routes(look);
    one(look, METRIC_ACTIVE, http->active);
    one(look, METRIC_RECEIVED, counted(&look->metrics->received));
    one(look, METRIC_SENT, counted(&look->metrics->sent));
    one(look, METRIC_INCOMPLETE, counted(&look->metrics->incomplete));
    one(look, METRIC_REFUSED, http->refused);
    one(look, METRIC_CONNECTIONS, http->connections);
    one(look, METRIC_OPEN, http->open);
    one(look, METRIC_MAX_OPEN, http->max_open);
    one(look, METRIC_TIMED_OUT, http->timed_out);
    one(look, METRIC_SHED, http->shed);
    one(look, METRIC_TURNED_AWAY, http->turned_away);
    one(look, METRIC_WAITING, http->waiting);
    one(look, METRIC_MAX_WAITING, http->max_waiting);
    one(look, METRIC_BUSY, http->busy);
    one(look, METRIC_WORKERS, http->workers);
    if (http->certificate_ends_s != 0)
        one(look, METRIC_CERTIFICATE, (uint64_t)http->certificate_ends_s);
    head(look, METRIC_LIMITED);
    for (size_t i = 0; i < COUNT(limits); i++)
        one_labelled(look, METRIC_LIMITED, "limit", limits[i].name,
                     limiter_refused(limits[i].limiter));
}

static void
write_issuer(const struct look *look)
{
    const struct issuer_stats *stats;

    if (look->options->issuer == NULL)
        return;
    stats = issuer_stats(look->options->issuer);
    one(look, METRIC_ISSUER_FETCHES, counted(&stats->fetches));
    one(look, METRIC_ISSUER_FAILURES, counted(&stats->failures));
    one(look, METRIC_ISSUER_KEYS, counted(&stats->keys));
}

static void
write_core(const struct look *look)
{
    const struct snapshot_stats *cache = snapshot_stats(
        look->options->snapshots);
    const struct db_stats *db = db_stats(look->options->db);
    uint64_t max_bytes;
    uint64_t bytes = snapshot_cache_bytes(look->options->snapshots, &max_bytes);

    one(look, METRIC_HITS, counted(&cache->hits));
    one(look, METRIC_MISSES, counted(&cache->misses));
    one(look, METRIC_EVICTED, counted(&cache->evicted));
    one(look, METRIC_CACHE, bytes);
    one(look, METRIC_MAX_CACHE, max_bytes);
    one(look, METRIC_RENDERING, counted(&cache->rendering));
    one_histogram(look, METRIC_RENDERED, &cache->rendered);
    one(look, METRIC_RENDER_FAILED, counted(&cache->failed));
    bytes = spool_bytes(look->options->spool, &max_bytes);
    one(look, METRIC_SPOOL, bytes);
    one(look, METRIC_MAX_SPOOL, max_bytes);
    one(look, METRIC_DB_UP, look->db_up);
    one_histogram(look, METRIC_WRITES, &db->writes);
    one(look, METRIC_WRITE_ERRORS, counted(&db->write_errors));
    one(look, METRIC_WRITES_WAITING, counted(&db->writing));
    one(look, METRIC_READ_ERRORS, counted(&db->read_errors));
    one(look, METRIC_STANDBY_READS, counted(&db->standby_reads));
    one(look, METRIC_STANDBY_MISSES, counted(&db->standby_misses));
    head(look, METRIC_UPLOADS);
    for (size_t i = 0; look->db_up && i < JOB_STATUSES; i++)
        one_labelled(look, METRIC_UPLOADS, "status",
                     job_status_name((enum job_status)i),
                     (uint64_t)look->uploads[i]);
}

void
metrics_write(const struct call *call, struct buf *to)
{
    const struct api *api = call->api;
    struct look look = {
        .to = to, .metrics = api->metrics, .options = &api->options};
    struct db_tx *tx;

    http_server_stats(http_exchange_server(call->exchange), &look.http);
    getrusage(RUSAGE_SELF, &look.usage);
    if (db_read_begin(api->options.db, &tx, NULL) == ERR_OK) {
        look.db_up = job_statuses(tx, look.uploads, NULL) == ERR_OK;
        db_read_end(tx);
    }
    write_process(&look);
    write_http(&look);
    write_issuer(&look);
    write_core(&look);
}

void
metrics_doc(struct buf *to)
{
    for (size_t i = 0; i < METRICS; i++)
        buf_printf(to, "| `%s` | %s | %s | %s |\n", rows[i].name, rows[i].type,
                   rows[i].labels, rows[i].help);
}

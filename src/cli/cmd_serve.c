/*
 * cmd_serve.c - the server in the foreground, from start to drain.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "api/api.h"
#include "auth/fetch.h"
#include "base/cleanup.h"
#include "cli/sandbox.h"
#include "cli/view.h"
#include "core/job.h"
#include "store/auth_store.h"

#define LIMITER_KEYS 65536
#define ARENA_BYTES ((size_t)4 * 1024 * 1024)
#define AUTHORITIES_MAX ((size_t)4 * 1024 * 1024)
#define POLL_MS 20
#define STOP_MS 1000

/* What a running server is made of, in the order of its making. */
struct service {
    struct cli *cli;
    const char *cache_dir, *spool_dir;
    struct sandbox sandbox;
    struct error sandbox_fault; /* what it lacks */
    struct buf authorities;     /* of the issuer's certificate */
    struct issuer *issuer;
    bool issuer_known; /* its keys came; the thread's own */
    struct token_service *tokens;
    struct snapshot_cache *snapshots;
    struct limiter *requests, *token_clients, *token_addresses;
    struct spool *spool;
    struct job_runner *jobs;
    struct api *api;
    struct http_server *http;
};

static void
service_done(struct service *service)
{
    /* While the calls are still there that it may wake. */
    issuer_stop(service->issuer);
    http_server_stop(service->http);
    api_free(service->api);
    job_runner_stop(service->jobs);
    spool_close(service->spool);
    limiter_free(service->token_addresses);
    limiter_free(service->token_clients);
    limiter_free(service->requests);
    snapshot_cache_close(service->snapshots);
    token_service_close(service->tokens);
    issuer_free(service->issuer);
    buf_done(&service->authorities);
}

static enum error_code MUST_USE
check_settings(struct cli *cli, struct error *err)
{
    const struct settings *settings = &cli->settings;

    if ((settings->tls_cert[0] == '\0') != (settings->tls_key[0] == '\0'))
        return cli_wrong(cli, err, "tls-cert and tls-key go together");
    if ((settings->issuer[0] == '\0') != (settings->issuer_audience[0] == '\0'))
        return cli_wrong(cli, err, "issuer and issuer-audience go together");
    if (settings->issuer[0] != '\0' && !issuer_url_good(settings->issuer))
        return cli_wrong(cli, err,
                         "issuer must be an https:// URL without query and "
                         "fragment; http:// is for this machine only");
    return ERR_OK;
}

/* A directory beside the database file, unless its setting names one. NULL: the
 * database is no file. */
static const char *
own_directory(struct cli *cli, const char *set, const char *kind)
{
    static const char scheme[] = "sqlite:";
    const char *database = cli->settings.database;

    if (set[0] != '\0')
        return set;
    if (strncmp(database, scheme, strlen(scheme)) != 0)
        return NULL;
    return arena_printf(&cli->arena, "%s-%s", database + strlen(scheme), kind);
}

static enum error_code MUST_USE
need_directory(struct cli *cli, const char *path, const char *kind,
               struct error *err)
{
    if (path != NULL)
        return ERR_OK;
    return cli_wrong(cli, err,
                     "%s-dir must be set: the database is no file that it "
                     "could be beside",
                     kind);
}

/* Where files go; temporary ones, of libraries too, to the spool. */
static void
find_directories(struct service *service)
{
    struct cli *cli = service->cli;

    service->cache_dir = own_directory(cli, cli->settings.cache_dir, "cache");
    service->spool_dir = own_directory(cli, cli->settings.spool_dir, "spool");
    if (service->spool_dir != NULL) {
        setenv("TMPDIR", service->spool_dir, 1);
        setenv("SQLITE_TMPDIR", service->spool_dir, 1);
    }
}

static void
allow_database(void *sandbox, const char *path, bool written)
{
    if (written)
        sandbox_allow(sandbox, path, SANDBOX_WRITE);
    else
        sandbox_allow_file(sandbox, path);
}

/* A directory is allowed when it is there; one beside the database lies in one
 * that is. Whoever opens it says what is wrong with it. */
static void
allow_directory(struct sandbox *sandbox, const char *path, const char *set)
{
    if (set[0] != '\0')
        mkdir(path, 0700);
    if (path != NULL)
        sandbox_allow(sandbox, path, SANDBOX_WRITE);
}

/* What there is of it is in force then, and told by report_sandbox(). */
static enum error_code MUST_USE
enter_sandbox(struct service *service, struct error *err)
{
    const struct settings *settings = &service->cli->settings;
    struct sandbox *sandbox = &service->sandbox;

    if (settings->sandbox == SANDBOX_OFF)
        return ERR_OK;
    sandbox_init(sandbox);
    db_files(settings->database, allow_database, sandbox);
    if (settings->database_read[0] != '\0')
        db_files(settings->database_read, allow_database, sandbox);
    allow_directory(sandbox, service->cache_dir, settings->cache_dir);
    allow_directory(sandbox, service->spool_dir, settings->spool_dir);
    sandbox_allow_file(sandbox, settings->tls_cert);
    sandbox_allow_file(sandbox, settings->tls_key);
    enum error_code rc = sandbox_enter(sandbox, err);

    sandbox_done(sandbox);
    if (rc == ERR_OK || settings->sandbox == SANDBOX_ON)
        return rc;
    service->sandbox_fault = *err;
    *err = ERROR_INIT;
    return ERR_OK;
}

static void
report_sandbox(const struct service *service)
{
    const struct sandbox *sandbox = &service->sandbox;
    const char *fault = service->sandbox_fault.text;
    char quoted[2 * sizeof(service->sandbox_fault.text)];

    log_line(fault[0] ? LOG_WARN : LOG_INFO, "sandbox",
             "landlock_abi=%d seccomp=%s%s%s",
             sandbox->files ? sandbox->abi : 0, sandbox->calls ? "on" : "off",
             fault[0] ? " reason=" : "",
             fault[0] ? log_quote(str_of(fault), quoted, sizeof(quoted)) : "");
}

static enum error_code MUST_USE
open_snapshots(struct service *service, struct error *err)
{
    struct cli *cli = service->cli;
    struct registry registry;
    struct db_tx *tx;
    enum error_code rc = need_directory(cli, service->cache_dir, "cache", err);

    if (rc == ERR_OK)
        rc = db_read_begin(cli->db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = registry_find(tx, &cli->arena, &registry, err);
    db_read_end(tx);
    if (rc == ERR_OK)
        rc = snapshot_cache_open(cli->db, service->cache_dir,
                                 cli->settings.cache_bytes, &registry.id,
                                 &service->snapshots, err);
    if (rc == ERR_OK)
        snapshot_cache_limit(service->snapshots,
                             (unsigned)cli->settings.max_renderings);
    return rc;
}

static void
report_job(void *context UNUSED, const struct job *job, const struct error *err)
{
    char id[UUID_HEX], source[UUID_HEX], quoted[2 * sizeof(err->detail)];

    if (job != NULL)
        log_line(LOG_INFO, "job",
                 "id=%s source=%s status=%s created=%" PRId64
                 " updated=%" PRId64,
                 uuid_hex(&job->id, id), uuid_hex(&job->source_id, source),
                 job_status_name(job->status), job->records_created,
                 job->records_updated);
    if (err->detail[0] != '\0')
        log_line(LOG_WARN, "job_fault", "error=%s detail=%s",
                 error_name(err->code),
                 log_quote(str_of(err->detail), quoted, sizeof(quoted)));
}

static enum error_code MUST_USE
open_jobs(struct service *service, struct error *err)
{
    struct cli *cli = service->cli;
    enum error_code rc = need_directory(cli, service->spool_dir, "spool", err);

    if (rc == ERR_OK)
        rc = spool_open(service->spool_dir, &service->spool, err);
    if (rc != ERR_OK)
        return rc;
    spool_limit(service->spool, cli->settings.spool_bytes);

    const struct job_options options = {
        .db = cli->db,
        .spool = service->spool,
        .check_managers = cli->settings.check_managers,
        .max_records = (int64_t)cli->settings.max_records_per_source,
        .report = report_job,
    };
    return job_runner_start(&options, &service->jobs, err);
}

static void
report_keys(void *context, size_t keys, const struct error *err)
{
    struct service *service = context;
    char quoted[2 * sizeof(err->text)];

    if (err->code != ERR_OK)
        log_line(LOG_WARN, "issuer_failed", "reason=%s",
                 log_quote(str_of(error_text(err)), quoted, sizeof(quoted)));
    else
        log_line(service->issuer_known ? LOG_DEBUG : LOG_INFO, "issuer_keys",
                 "count=%zu", keys);
    service->issuer_known = err->code == ERR_OK;
}

static enum error_code MUST_USE
read_authorities(struct service *service, struct error *err)
{
    const char *path = service->cli->settings.issuer_ca;
    char piece[4096];
    size_t len;

    if (path[0] == '\0')
        return ERR_OK;
    CLEANUP(close_file) FILE *file = fopen(path, "re");

    buf_init(&service->authorities, AUTHORITIES_MAX);
    while (file != NULL && (len = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_add(&service->authorities, piece, len);
    if (file == NULL || ferror(file) || service->authorities.len == 0 ||
        service->authorities.failed)
        return error_set(err, ERR_VALUE, "could not read issuer-ca \"%s\"",
                         path);
    return ERR_OK;
}

static enum error_code MUST_USE
open_issuer(struct service *service, struct error *err)
{
    struct cli *cli = service->cli;
    const struct settings *settings = &cli->settings;
    struct issuer_options options = {
        .rules = {.issuer = str_of(settings->issuer),
                  .audience = str_of(settings->issuer_audience),
                  .subject_claim = str_of(settings->issuer_subject_claim),
                  .levels_claim = str_of(settings->issuer_levels_claim)},
        .refresh_ms = ISSUER_REFRESH_MS,
        .away_ms = ISSUER_AWAY_MS,
        .ask_ms = ISSUER_ASK_MS,
        .stale_ms = ISSUER_STALE_MS,
        .get = fetch_get,
        .report = report_keys,
        .context = service,
    };
    const char *wrong;
    enum error_code rc;

    if (!outside_levels_parse(str_of(settings->issuer_levels), &options.rules,
                              &wrong))
        return cli_wrong(cli, err, "issuer-levels %s", wrong);
    if (settings->issuer[0] == '\0')
        return ERR_OK;
    rc = fetch_begin(err);
    options.authorities = buf_view(&service->authorities);
    if (rc == ERR_OK)
        rc = issuer_start(&options, &service->issuer, err);
    if (rc == ERR_OK)
        token_service_trust(service->tokens, service->issuer);
    return rc;
}

static enum error_code MUST_USE
open_limiter(struct rate rate, struct limiter **ret, struct error *err)
{
    *ret = limiter_new((unsigned)rate.count, (int64_t)rate.seconds * 1000,
                       LIMITER_KEYS);
    return *ret ? ERR_OK : error_internal(err, "out of memory");
}

static enum error_code MUST_USE
open_api(struct service *service, struct error *err)
{
    const struct settings *settings = &service->cli->settings;
    enum error_code rc;

    rc = token_service_open(service->cli->db, NULL, &service->tokens, err);
    if (rc == ERR_OK)
        rc = open_issuer(service, err);
    if (rc == ERR_OK)
        rc = open_snapshots(service, err);
    if (rc == ERR_OK)
        rc = open_jobs(service, err);
    if (rc == ERR_OK)
        rc = open_limiter(settings->rate_limit, &service->requests, err);
    if (rc == ERR_OK)
        rc = open_limiter(settings->token_rate_limit, &service->token_clients,
                          err);
    if (rc == ERR_OK)
        rc = open_limiter(settings->token_address_rate_limit,
                          &service->token_addresses, err);
    if (rc != ERR_OK)
        return rc;

    const char *hsts = settings->hsts == 0
                           ? ""
                           : arena_printf(&service->cli->arena,
                                          "max-age=%" PRIu64, settings->hsts);

    if (hsts == NULL)
        return error_internal(err, "out of memory");
    const struct api_options options = {
        .db = service->cli->db,
        .tokens = service->tokens,
        .issuer = service->issuer,
        .snapshots = service->snapshots,
        .requests = service->requests,
        .token_clients = service->token_clients,
        .token_addresses = service->token_addresses,
        .public_url = settings->public_url[0] ? settings->public_url : NULL,
        .pod = settings->pod,
        .metrics_from = &settings->metrics_from,
        .cors_origins = settings->cors_origin[0] ? settings->cors_origin : NULL,
        .hsts = hsts,
        .max_sources = (int64_t)settings->max_sources,
        .max_records = (int64_t)settings->max_records_per_source,
        .check_managers = settings->check_managers,
        .spool = service->spool,
        .jobs = service->jobs,
        .max_upload_bytes = settings->max_upload_bytes,
        .max_json_bytes = settings->max_json_bytes,
        .max_json_depth = settings->max_json_depth,
        .max_parts = (unsigned)settings->max_parts,
    };
    return api_new(&options, &service->api, err);
}

static enum error_code MUST_USE
start_http(struct service *service, struct error *err)
{
    const struct settings *settings = &service->cli->settings;
    bool tls = settings->tls_cert[0] != '\0';
    const struct http_options options = {
        .listen = settings->listen,
        .tls_cert = tls ? settings->tls_cert : NULL,
        .tls_key = tls ? settings->tls_key : NULL,
        .trusted_proxies = &settings->trusted_proxy,
        .insecure = settings->insecure,
        .event_threads = (unsigned)settings->event_threads,
        .workers = (unsigned)settings->workers,
        .max_waiting = (unsigned)settings->max_waiting,
        .max_connections = (unsigned)settings->max_connections,
        .max_connections_per_address =
            (unsigned)settings->max_connections_per_address,
        .max_header_bytes = settings->max_header_bytes,
        .max_arena_bytes = ARENA_BYTES,
        .header_ms = (unsigned)settings->header_timeout * 1000,
        .body_ms = (unsigned)settings->body_timeout * 1000,
        .stop_ms = STOP_MS,
        .idle_ms = (unsigned)settings->idle_timeout * 1000,
        .send_ms = (unsigned)settings->send_timeout * 1000,
    };

    return http_server_start(&options, api_callbacks(service->api),
                             &service->http, err);
}

/* A connection may hold its socket and a snapshot. */
static void
raise_descriptors(uint64_t connections)
{
    uint64_t wanted = 2 * connections + 256;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = MIN(wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted)
        log_line(LOG_WARN, "few_descriptors", "have=%ju wanted=%" PRIu64,
                 (uintmax_t)limit.rlim_cur, wanted);
}

/* Let answers in progress finish; a second signal or the deadline ends it. */
static void
drain(struct service *service, const sigset_t *signals)
{
    const struct timespec poll = {.tv_nsec = POLL_MS * 1000000};
    int64_t deadline = clock_mono_ms() +
                       (int64_t)service->cli->settings.drain_timeout * 1000;

    log_line(LOG_INFO, "draining", "active=%u",
             http_server_active(service->http));
    api_drain(service->api);
    http_server_drain(service->http);
    while (http_server_active(service->http) > 0 &&
           clock_mono_ms() < deadline) {
        int signal = sigtimedwait(signals, NULL, &poll);

        if (signal > 0 && signal != SIGHUP)
            break;
    }
    log_line(LOG_INFO, "stopping", "dropped=%u",
             http_server_active(service->http));
}

/* A certificate was renewed. */
static void
reload(struct service *service)
{
    struct error err = ERROR_INIT;
    char quoted[2 * sizeof(err.text)];

    if (service->cli->settings.tls_cert[0] == '\0')
        return;
    if (http_server_reload(service->http, &err) == ERR_OK)
        log_line(LOG_INFO, "certificate_reloaded", " ");
    else
        log_line(LOG_ERROR, "certificate_kept", "reason=%s",
                 log_quote(str_of(error_text(&err)), quoted, sizeof(quoted)));
}

static void
await_end(struct service *service, const sigset_t *signals)
{
    int signal;

    do {
        signal = sigwaitinfo(signals, NULL);
        if (signal == SIGHUP)
            reload(service);
    } while (signal < 0 || signal == SIGHUP);
}

enum error_code
cmd_serve(struct cli *cli, struct error *err)
{
    CLEANUP(service_done) struct service service = {.cli = cli};
    sigset_t signals;
    enum error_code rc = check_settings(cli, err);

    if (rc != ERR_OK)
        return rc;
    log_set_level(cli->settings.log_level);
    log_set_format(cli->settings.log_format);
    /* Before any thread is there, so that all of them leave these to us. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    raise_descriptors(cli->settings.max_connections);
    find_directories(&service);
    rc = read_authorities(&service, err);
    if (rc == ERR_OK)
        rc = enter_sandbox(&service, err);
    if (rc == ERR_OK)
        rc = cli_open(cli, err);
    if (rc == ERR_OK)
        rc = open_api(&service, err);
    if (rc == ERR_OK)
        rc = start_http(&service, err);
    if (rc != ERR_OK)
        return rc;
    report_sandbox(&service);
    fprintf(stderr, "listening on %s\n", http_server_url(service.http));
    await_end(&service, &signals);
    drain(&service, &signals);
    return ERR_OK;
}

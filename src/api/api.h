/*
 * api.h - the published API over HTTP: every request goes through
 * api_callbacks(), is matched to one row of routes.c, authenticated, counted,
 * authorized, and only then handed to its handler.
 *
 * Memory:  api_new()/api_free(); what the options point to is borrowed and
 *          must outlive the api. A call lives in its exchange.
 * Errors:  handlers return enum error_code; dispatch makes the answers of
 *          contract section 5.
 * Threads: safe everywhere; one call is on one thread at a time.
 */
#ifndef NELM_API_API_H
#define NELM_API_API_H

#include "auth/limiter.h"
#include "auth/token.h"
#include "core/snapshot.h"
#include "http/server.h"

struct spool;
struct job_runner;

struct api_options {
    struct db *db;
    struct token_service *tokens;
    const struct issuer *issuer; /* for metrics; NULL: none */
    struct snapshot_cache *snapshots;
    struct limiter *requests;        /* per client and API version */
    struct limiter *token_clients;   /* token endpoint, per client id */
    struct limiter *token_addresses; /* token endpoint, per peer */
    const char *public_url;          /* NULL: taken from the request's Host */
    const char *pod;
    const struct nets *metrics_from;  /* who may read /metrics */
    const char *cors_origins;         /* comma-separated; NULL: none */
    const char *hsts;                 /* Strict-Transport-Security; "": none */
    int64_t max_sources, max_records; /* per source; 0: no limit */
    bool check_managers; /* refuse records with an unknown manager */
    struct spool *spool; /* of bulk uploads */
    struct job_runner *jobs;
    uint64_t max_upload_bytes;
    size_t max_json_bytes, max_json_depth;
    unsigned max_parts; /* of a form that is uploaded */
};

struct api;

enum error_code api_new(const struct api_options *options, struct api **ret,
                        struct error *err) MUST_USE;
void api_free(struct api *api);

/* The server is about to stop: /readyz says so from now on. */
void api_drain(struct api *api);

/* For http_server_start(); lives as long as the api. */
const struct http_callbacks *api_callbacks(const struct api *api);

#endif

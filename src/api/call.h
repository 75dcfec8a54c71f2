/*
 * call.h - one request on its way through dispatch and its handler, and the
 * table of routes. Shared by the files of src/api only.
 *
 * Memory:  a struct call is the exchange's zeroed user data.
 * Errors:  handlers fill `err`; see api.h.
 * Threads: one call is on one thread at a time.
 */
#ifndef NELM_API_CALL_H
#define NELM_API_CALL_H

#include "api/api.h"
#include "http/check.h"
#include "http/router.h"
#include "store/auth_store.h"

/* Who may call (contract 3.4). A handler never decides this: it runs only
 * when its row's access let the caller pass. */
enum access {
    ACCESS_UNSET,           /* a row without access stops the start */
    ACCESS_PUBLIC,          /* no token */
    ACCESS_ADMIN,           /* nesr rights on every source */
    ACCESS_SOURCE_SETTINGS, /* ACCESS_ADMIN, or sub-admin of the source */
};

struct call;
typedef enum error_code call_handler(struct call *call, struct error *err);

struct route {
    unsigned method;  /* enum http_method */
    const char *path; /* "{name}" stands for one segment */
    bool root;        /* not under an API version */
    enum access access;
    enum scope scope;  /* the token needs it; 0 for ACCESS_PUBLIC */
    bool user_only;    /* application tokens get 403 */
    size_t max_body;   /* bytes of body kept in memory; 0: body is ignored */
    bool may_be_quick; /* try on the event thread first */
    call_handler *handler;
    const char *summary;
};

extern const struct route api_routes[];
extern const size_t api_route_count;

/* How far dispatch has come: head() may run again on a worker. */
enum call_stage {
    CALL_NEW,
    CALL_ROUTED,  /* `route` is set */
    CALL_KNOWN,   /* `principal` is set, counted, scope is right */
    CALL_ADMITTED /* the handler may run */
};

struct call {
    struct api *api;
    struct http_exchange *exchange;
    enum call_stage stage;
    struct uuid id; /* SLPT-Request-ID, trackingId */
    const struct route *route;
    struct str family; /* "v3", "v2024", ..., "beta", "v1", "" for root */
    struct http_field params[ROUTER_MAX_CAPTURES]; /* raw segments */
    struct principal principal;
    bool known;           /* `principal` is set */
    unsigned allowed;     /* methods, for ERR_METHOD */
    unsigned retry_after; /* seconds, for ERR_RATE and ERR_UNAVAILABLE */
    bool waits;           /* the handler queued `waiter` before ERR_LATER */
    struct snapshot_waiter waiter;
    /* The export's memory across ERR_LATER. */
    bool marked;
    struct source_mark mark;
};

struct api {
    struct api_options options;
    struct registry registry;
    struct arena arena; /* of the registry's text */
    struct router versioned, root;
    struct http_callbacks callbacks;
};

/* The path parameter as an id. ERR_NOT_FOUND when it is not one (contract
 * 1.4). */
enum error_code call_param_id(const struct call *call, unsigned index,
                              struct uuid *ret, struct error *err) MUST_USE;

/* Answer with the JSON in `body`, which is copied. */
enum error_code call_json(struct call *call, int status, const struct buf *body,
                          struct error *err) MUST_USE;

/* A boolean query parameter; absent is `fallback`. ERR_VALUE otherwise. */
enum error_code call_query_bool(const struct call *call, const char *name,
                                bool fallback, bool *ret,
                                struct error *err) MUST_USE;

/* Make the answer for `err` (contract 5.1-5.4). */
void call_fail(struct call *call, const struct error *err);

/* Handlers. */
call_handler transfer_api_export, transfer_api_template;
call_handler auth_api_token, auth_api_info, auth_api_jwks;
call_handler ops_api_health, ops_api_ready;

#endif

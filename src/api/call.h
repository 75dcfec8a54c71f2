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

#include <stdatomic.h>

#include "api/api.h"
#include "http/check.h"
#include "http/router.h"
#include "store/auth_store.h"

/* Who may call (contract 3.4): the general right of a route's row, below, or
 * being a party to the object that the path names. A handler never decides
 * this: it runs only when its row let the caller pass. */
enum access {
    ACCESS_UNSET,           /* a row without access stops the start */
    ACCESS_PUBLIC,          /* no token */
    ACCESS_ANY,             /* every token of the right kind and scope */
    ACCESS_ORG_ADMIN,       /* ORG_ADMIN, or an application token */
    ACCESS_TOKENS,          /* the same with a scope for everybody's tokens */
    ACCESS_ADMIN,           /* nesr rights on every source */
    ACCESS_SOURCE_SETTINGS, /* ACCESS_ADMIN, or sub-admin of the source */
    ACCESS_PARTY            /* no right suffices */
};

/* What the caller may be to the object instead, as bits: the column "or". */
enum party {
    PARTY_MANAGER = 1 << 0,   /* account manager of its source */
    PARTY_OWNER = 1 << 1,     /* owner of its source */
    PARTY_REQUESTER = 1 << 2, /* of the request */
    PARTY_APPROVER = 1 << 3,  /* of the approval item */
    PARTY_HOLDER = 1 << 4     /* of the personal access token */
};
#define PARTY_READERS (PARTY_MANAGER | PARTY_OWNER)

/* What the first path parameter names. */
enum object {
    OBJECT_NONE,
    OBJECT_SOURCE,
    OBJECT_ATTRIBUTE, /* a source, and by the second one its attribute */
    OBJECT_RECORD,
    OBJECT_REQUEST,
    OBJECT_APPROVAL,
    OBJECT_TOKEN,  /* a personal access token */
    OBJECT_CLIENT, /* an API client */
    OBJECT_IN_BODY /* the body names it: see access_body() */
};

/* Whose things a list or summary is about. Callers without the general right
 * pass when these are their own. */
enum subject {
    SUBJECT_NONE,
    SUBJECT_CALLER,   /* no parameter: all, or the caller's own */
    SUBJECT_OPTIONAL, /* requested-for in the query */
    SUBJECT_REQUIRED,
    SUBJECT_OWNER, /* owner-id in the query */
    SUBJECT_PATH   /* requested-for in the path */
};

/* As much as the setting max-json-bytes says. */
#define JSON_BODY SIZE_MAX

struct call;
struct upload;
typedef enum error_code call_handler(struct call *call, struct error *err);

struct route {
    unsigned method;  /* enum http_method */
    const char *path; /* "{name}" stands for one segment */
    bool root;        /* not under an API version */
    enum access access;
    unsigned parties; /* enum party */
    enum object object;
    enum subject subject;
    bool end_date_only;  /* parties may change nothing else */
    enum scope scope;    /* the token needs it; 0 for ACCESS_PUBLIC */
    bool token_in_form;  /* member access_token, for forms of a browser */
    bool user_only;      /* application tokens get 403 */
    bool own_only;       /* and so do tokens of an outside issuer */
    size_t max_body;     /* bytes of body kept in memory, or JSON_BODY; 0: body
                            is ignored */
    bool secret;         /* secrets come or go: wiped behind it */
    bool may_be_quick;   /* try on the event thread first */
    call_handler *begin; /* for a body of any length: set its take() */
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
    struct str form_token; /* `at` NULL before it was read */
    bool known;            /* `principal` is set */
    bool general;          /* has the general right, needs no other */
    bool undecided;        /* access_body() must still be asked */
    bool has_subject;      /* only the things of `subject`; else all */
    struct uuid subject;
    struct upload *upload; /* upload_free() */
    const char *text;     /* for call_fail(): in place of the error's, longer */
    unsigned allowed;     /* methods, for ERR_METHOD */
    unsigned retry_after; /* seconds, for ERR_RATE and ERR_UNAVAILABLE */
    bool waits;           /* a waiter was queued before ERR_LATER */
    bool for_others;      /* what runs now, others may wait for too */
    struct snapshot_waiter waiter;
    struct issuer_waiter key_waiter;
    /* The export's memory across ERR_LATER. */
    bool marked;
    struct source_mark mark;
};

struct metrics;

struct api {
    struct api_options options;
    struct metrics *metrics;
    struct mark_cache *marks;
    atomic_bool draining;
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

/* "me" and the ids of requested-for and the like. */
#define CALL_ME STR("me")

/* Read in one state of the database. ERR_LATER where this must not block. */
enum error_code call_read_begin(struct call *call, struct db_tx **ret,
                                struct error *err) MUST_USE;
/* The same for `work`. What may take long spares the database itself where
 * there is a standby, and may be done twice (db_read_long()); to ask that one
 * costs more than to read one thing. */
enum error_code call_read(struct call *call, bool is_long, db_work *work,
                          void *context, struct error *err) MUST_USE;

/* The address under which the caller knows us, without a '/' at its end: what
 * the setting says, or what the request came to. */
struct str call_base_url(const struct call *call);

/* Who to write into history and audit. */
struct actor call_actor(const struct call *call);

/* May the caller change nothing but a record's endDate? */
bool call_end_date_only(const struct call *call);

/* "GET"; "OTHER" for methods that no route has. */
const char *call_method_name(unsigned method);
/* A header that lists methods (enum http_method), as 405 must (RFC 9110
 * section 15.5.6). */
void call_methods(struct http_response *response, const char *header,
                  unsigned methods);

/* Make the answer for `err` (contract 5.1-5.4). */
void call_fail(struct call *call, const struct error *err);

/* End the session of this browser if it is that person's: for the answer of
 * a call that proved by a token that the person wants it. */
enum error_code authorize_api_end_session(struct call *call,
                                          const struct uuid *identity,
                                          struct error *err) MUST_USE;

/* Handlers. */
call_handler transfer_api_export, transfer_api_template;
call_handler auth_api_token, auth_api_info, auth_api_jwks;
call_handler authorize_api_page, authorize_api_submit, authorize_api_style;
call_handler authorize_api_logout_page, authorize_api_logout;
call_handler auth_api_revoke;
call_handler console_api_page, console_api_file;
call_handler pat_api_list, pat_api_create, pat_api_patch, pat_api_delete;
call_handler client_api_list, client_api_create, client_api_get;
call_handler client_api_patch, client_api_delete;
call_handler ops_api_health, ops_api_ready, ops_api_metrics;
call_handler source_api_list, source_api_create, source_api_get;
call_handler source_api_patch, source_api_delete;
call_handler schema_api_list, schema_api_create, schema_api_get;
call_handler schema_api_patch, schema_api_delete, schema_api_delete_all;
call_handler record_api_list, record_api_create, record_api_get;
call_handler record_api_put, record_api_patch, record_api_delete;
call_handler record_api_bulk_delete, record_api_statistics;
call_handler request_api_list, request_api_create, request_api_get;
call_handler request_api_delete, request_api_summary;
call_handler approval_api_list, approval_api_get, approval_api_approve;
call_handler approval_api_reject, approval_api_summary;
call_handler identity_api_list, audit_api_list;

call_handler upload_api_begin, upload_api_finish;
call_handler upload_api_status, upload_api_errors;

/* Forget an upload that is over, or never was; whatever of it was not queued
 * is gone then. */
void upload_free(struct call *call);

#endif

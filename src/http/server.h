/*
 * server.h - listeners, event threads, workers, deadlines and shutdown: a
 * thin layer over libmicrohttpd that refuses everything ambiguous before
 * anyone above sees it.
 *
 * Life of an exchange: the head is read and checked; head() decides what to
 * do about a body; the body is collected, or handed on as it arrives; run()
 * answers. Both callbacks run on an event thread first and must not block
 * there: they return HTTP_WORKER to be called again on a worker thread, where
 * blocking is allowed (exchange->may_block). HTTP_WAIT parks the exchange until
 * somebody calls http_wake(); then the same callback runs again. done() comes
 * exactly once, after the last byte was sent or the connection was lost.
 *
 * A body of any length goes to exchange->take(), on a worker thread and in
 * pieces of HTTP_PIECE_BYTES, since disks block. Until a piece is taken the
 * connection is not read, so the sender is slowed down by TCP itself; an event
 * thread only copies, and hands over once in so many bytes.
 *
 * Memory:  http_server_start() .. http_server_stop(). An exchange, its arena
 *          and user data live until done() returned.
 * Errors:  a request refused here is given to refuse(), which fills in the
 *          response (the http layer knows no error bodies).
 * Threads: callbacks of one exchange never overlap; those of different
 *          exchanges do. http_wake() may be called from any thread, once per
 *          HTTP_WAIT, also before the callback that returned HTTP_WAIT is
 *          back.
 */
#ifndef NELM_HTTP_SERVER_H
#define NELM_HTTP_SERVER_H

#include "base/net.h"
#include "http/message.h"

enum http_next {
    HTTP_ANSWER, /* the response is set */
    HTTP_BODY,   /* from head() only: read the body as planned, then run() */
    HTTP_WORKER, /* call me again where blocking is allowed */
    HTTP_WAIT    /* call me again after http_wake() */
};

#define HTTP_PIECE_BYTES ((size_t)256 * 1024)

struct http_exchange {
    struct http_request request;
    struct http_response response;
    struct arena arena; /* capped; for everything of this exchange */
    uint64_t max_body;  /* set by head(): a longer body is refuse()d with
                           ERR_TOO_LARGE */
    /* Set by head() for a body that is not to be kept in memory. What it
     * returns but ERR_OK is refuse()d, and the rest of the body is dropped. */
    enum error_code (*take)(struct http_exchange *exchange, struct str piece,
                            struct error *err);
    bool secret;       /* wipe what was kept of it when it is over */
    bool may_block;    /* on a worker thread */
    void *user;        /* the application's; zeroed user_size bytes */
    void *kept;        /* the same for all exchanges of the connection:
                          kept_size bytes, zeroed at its beginning, wiped at
                          its end */
    int64_t began_us;  /* monotonic, when the head was complete */
    uint64_t received; /* bytes of the body, for done() */
    uint64_t sent;     /* body bytes handed to the connection; for done() */
    bool complete;     /* for done(): the answer was sent in full */
};

struct http_callbacks {
    void *context; /* http_exchange_context() */
    size_t user_size, kept_size;
    enum http_next (*head)(struct http_exchange *exchange);
    enum http_next (*run)(struct http_exchange *exchange);
    void (*refuse)(struct http_exchange *exchange, const struct error *err);
    /* Last change before the head leaves: headers of every answer. */
    void (*finish)(struct http_exchange *exchange);
    void (*done)(struct http_exchange *exchange);
};

struct http_options {
    const char *listen;             /* "HOST:PORT", "[::1]:8080", port 0: any */
    const char *tls_cert, *tls_key; /* PEM files, or NULL */
    const struct nets *trusted_proxies; /* their word on the client counts;
                                           NULL: nobody's. Borrowed */
    bool insecure;          /* plain HTTP also where other machines reach it */
    unsigned event_threads; /* 0: one per core */
    unsigned workers;
    unsigned max_waiting; /* exchanges waiting for a worker; more: 503 */
    unsigned max_connections, max_connections_per_address;
    size_t max_header_bytes, max_arena_bytes;
    /* Deadlines without progress: see watch.h. */
    unsigned header_ms, body_ms, idle_ms, send_ms;
    unsigned stop_ms; /* for answers on their way when the server stops */
};

struct http_server;

enum error_code http_server_start(const struct http_options *options,
                                  const struct http_callbacks *callbacks,
                                  struct http_server **ret,
                                  struct error *err) MUST_USE;

/* The port that is listened on (for port 0), and "http://HOST:PORT". */
unsigned http_server_port(const struct http_server *server);
const char *http_server_url(const struct http_server *server);

/* Read certificate and key again, for connections from now on. When they cannot
 * be used the old ones stay. */
enum error_code http_server_reload(struct http_server *server,
                                   struct error *err) MUST_USE;

/* Accept no more connections; answers in progress go on, and every further
 * answer closes its connection. */
void http_server_drain(struct http_server *server);
/* Exchanges in progress. */
unsigned http_server_active(const struct http_server *server);
/* Answer what waits for a worker or a wake-up with 503, give answers on their
 * way stop_ms, drop what is left and free everything. Callbacks still come
 * until this returns; they must not block for long. NULL is fine. */
void http_server_stop(struct http_server *server);

/* Continue an exchange that returned HTTP_WAIT. Not after done(): when the
 * server stops, done() comes without it. */
void http_wake(struct http_exchange *exchange);
void *http_exchange_context(const struct http_exchange *exchange);
const struct http_server *http_exchange_server(
    const struct http_exchange *exchange);

/* On a worker thread: is there nobody left to answer, because the server stops
 * for good, or (unless it is `wanted` in any case) the other side has closed?
 * Whoever closes only its own direction may be taken for gone. */
bool http_exchange_gone(const struct http_exchange *exchange, bool wanted);

/* Counters for logs and metrics. */
struct http_stats {
    uint64_t connections, refused, timed_out, shed, turned_away;
    unsigned open, max_open;
    unsigned active; /* http_server_active() */
    unsigned waiting, max_waiting, busy, workers;
    int64_t certificate_ends_s; /* 0 without TLS */
};
void http_server_stats(const struct http_server *server,
                       struct http_stats *ret);

#endif

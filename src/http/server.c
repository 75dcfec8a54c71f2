#include "http/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/cores.h"
#include "base/counter.h"
#include "base/log.h"
#include "base/secret.h"
#include "http/check.h"
#include "http/forwarded.h"
#include "http/listener.h"
#include "http/tls.h"
#include "http/watch.h"
#include "http/workers.h"

/* An answer that comes before a small body was read waits for it: then the
 * connection can go on. More than the second bound is not read for anybody. */
#define SMALL_BODY (64 * 1024)
#define MAX_DISCARD (1024 * 1024)
/* What an error may use when an exchange has filled its arena. */
#define ARENA_RESERVE (16 * 1024)
/* Room behind the longest request head for the head of its answer. */
#define ANSWER_HEAD_BYTES ((size_t)(8 * 1024))
#define MAX_TICK_MS 1000 /* between two looks at the deadlines */
#define MIN_TICK_MS 20
#define RETRY_MS 20 /* when there is no room for a connection */
#define DRAIN_TICK_MS 50
#define MAX_LOOPS 64

enum stage {
    STAGE_HEAD,   /* head() is to be called */
    STAGE_BODY,   /* the body comes in */
    STAGE_RUN,    /* run() is to be called */
    STAGE_ANSWER, /* the response is set */
    STAGE_DISCARD /* the same, but the body is still to be read */
};

/* Who has the next word on an exchange that waits. */
enum turn { TURN_RUNNING, TURN_WAITING, TURN_WOKEN };

/* A connection and the one exchange that is on it at a time. */
struct conn {
    struct http_exchange exchange; /* first: http_wake() comes with it */
    struct watched watched;
    struct job job;
    struct http_server *server;
    struct MHD_Connection *mhd;
    struct buf body;
    enum stage stage;
    bool begun;  /* the head was complete */
    bool early;  /* in the library's first call: an answer now ends the
                    connection */
    bool shown;  /* the application knows of this exchange: done() */
    bool linger; /* closed now, the other side might still be sending */
    bool file;   /* the answer is one */
    atomic_int turn;
    uint64_t collected; /* bytes of the body so far */
    uint64_t discarded;
    uint64_t body_bytes;   /* of the answer, as far as they are sent at all */
    uint64_t acked;        /* watch_acked() before a file */
    bool proxied;          /* the other side is a trusted proxy */
    struct tls_cert *cert; /* of this connection; NULL without TLS */
    struct net_address peer;
    _Alignas(max_align_t) char user[];
};

struct http_server {
    struct http_options options;
    struct http_callbacks callbacks;
    struct listener listener;
    struct watch watch;
    struct workers workers;
    bool have_workers;
    struct MHD_Daemon *loops[MAX_LOOPS];
    unsigned loop_count, next_loop;
    pthread_t keeper;
    bool have_keeper;
    int wake_fd; /* the keeper's */
    atomic_bool draining, stopping, keeper_ends;
    atomic_uint active;
    counter connections, refused, turned_away;
    bool has_tls;
    struct tls tls;
    pthread_t starter; /* the thread that starts us, */
    char trouble[256]; /* and what the library told it last */
};

static struct conn *
conn_of(struct watched *watched)
{
    return (struct conn *)((char *)watched - offsetof(struct conn, watched));
}

static struct conn *
conn_of_job(struct job *job)
{
    return (struct conn *)((char *)job - offsetof(struct conn, job));
}

/* --- the application's callbacks ------------------------------------- */

static void
refuse(struct conn *conn, const struct error *err)
{
    struct http_exchange *x = &conn->exchange;
    int status = error_status(err->code);

    conn->shown = true;
    conn->stage = STAGE_ANSWER;
    x->arena.failed = false;
    x->arena.max_bytes = x->arena.used + ARENA_RESERVE;
    http_response_reset(&x->response);
    conn->server->callbacks.refuse(x, err);
    /* What came was not understood, or will not be read. */
    if (status == 400 || status == 413)
        x->response.close = true;
    atomic_fetch_add_explicit(&conn->server->refused, 1, memory_order_relaxed);
}

static void
refuse_code(struct conn *conn, enum error_code code)
{
    struct error err = ERROR_INIT;

    error_set(&err, code, NULL);
    refuse(conn, &err);
}

static enum http_next
call(struct conn *conn)
{
    const struct http_callbacks *callbacks = &conn->server->callbacks;

    conn->shown = true;
    atomic_store(&conn->turn, TURN_RUNNING);
    return conn->stage == STAGE_HEAD ? callbacks->head(&conn->exchange)
                                     : callbacks->run(&conn->exchange);
}

/* Where an exchange goes after HTTP_ANSWER or HTTP_BODY. */
static void
settle(struct conn *conn, enum http_next next)
{
    struct http_exchange *x = &conn->exchange;

    if (next == HTTP_ANSWER) {
        conn->stage = STAGE_ANSWER;
    } else if (next != HTTP_BODY || conn->stage != STAGE_HEAD) {
        refuse_code(conn, ERR_INTERNAL);
    } else if (!conn->early) {
        conn->stage = STAGE_RUN; /* there is no body to wait for */
    } else if (x->request.body_length != UINT64_MAX &&
               x->request.body_length > x->max_body) {
        refuse_code(conn, ERR_TOO_LARGE);
    } else {
        conn->stage = STAGE_BODY;
        buf_init(&conn->body, x->take ? HTTP_PIECE_BYTES : x->max_body);
    }
}

/* Leave an exchange to http_wake(), after which it is not ours to touch.
 * False when it has to go on at once. */
static bool
park(struct conn *conn)
{
    int expected = TURN_RUNNING;

    if (!atomic_compare_exchange_strong(&conn->turn, &expected, TURN_WAITING))
        return false;
    /* Either we see that the server stops, or it sees that we wait. */
    if (!atomic_load(&conn->server->stopping))
        return true;
    expected = TURN_WAITING;
    if (!atomic_compare_exchange_strong(&conn->turn, &expected, TURN_RUNNING))
        return true;
    refuse_code(conn, ERR_UNAVAILABLE);
    return false;
}

void
http_wake(struct http_exchange *exchange)
{
    struct conn *conn = (struct conn *)exchange;

    if (atomic_exchange(&conn->turn, TURN_WOKEN) == TURN_WAITING)
        MHD_resume_connection(conn->mhd);
}

void *
http_exchange_context(const struct http_exchange *exchange)
{
    return ((const struct conn *)exchange)->server->callbacks.context;
}

const struct http_server *
http_exchange_server(const struct http_exchange *exchange)
{
    return ((const struct conn *)exchange)->server;
}

bool
http_exchange_gone(const struct http_exchange *exchange, bool wanted)
{
    const struct conn *conn = (const struct conn *)exchange;
    struct pollfd socket = {.fd = conn->watched.fd, .events = POLLRDHUP};

    if (atomic_load(&conn->server->stopping))
        return true;
    return !wanted && poll(&socket, 1, 0) > 0;
}

/* Is there something of a body to hand on? */
static bool
has_piece(const struct conn *conn)
{
    return conn->exchange.take != NULL && conn->body.len > 0;
}

/* Hand on what came of a body. False when the exchange is refused, which is
 * answered when the rest of the body is read: the library takes no answer in
 * the middle of one. */
static bool
hand_on(struct conn *conn)
{
    struct http_exchange *x = &conn->exchange;
    struct error err = ERROR_INIT;
    bool more = conn->stage == STAGE_BODY;

    if (!has_piece(conn))
        return true;
    enum error_code rc = x->take(x, buf_view(&conn->body), &err);

    buf_clear(&conn->body);
    if (rc == ERR_OK)
        return true;
    refuse(conn, &err);
    if (more)
        conn->stage = STAGE_DISCARD;
    return false;
}

/* On a worker thread, with the connection suspended. */
static void
work(struct job *job)
{
    struct conn *conn = conn_of_job(job);

    conn->exchange.may_block = true;
    bool calls = hand_on(conn) && conn->stage != STAGE_BODY;
    enum http_next next = calls ? call(conn) : HTTP_ANSWER;

    conn->exchange.may_block = false;
    if (calls && next != HTTP_WAIT)
        settle(conn, next);
    else if (calls && park(conn))
        return;
    MHD_resume_connection(conn->mhd);
}

static void
suspend(struct job *job)
{
    struct conn *conn = conn_of_job(job);

    watch_set_phase(&conn->watched, WATCH_WORK);
    MHD_suspend_connection(conn->mhd);
}

/* Jobs that no worker took when the server stops. */
static void
drop(struct job *job)
{
    struct conn *conn = conn_of_job(job);

    refuse_code(conn, ERR_UNAVAILABLE);
    MHD_resume_connection(conn->mhd);
}

/* --- answers ---------------------------------------------------------- */

static struct MHD_Response *
make_response(struct conn *conn, bool ends)
{
    struct http_response *r = &conn->exchange.response;
    struct MHD_Response *made;

    conn->body_bytes = r->fd >= 0 ? r->length : r->body.len;
    if (r->fd < 0 || r->length == 0) {
        /* Nobody writes to it: the library's type has no const. */
        made = MHD_create_response_from_buffer(conn->body_bytes,
                                               (void *)(uintptr_t)r->body.at,
                                               MHD_RESPMEM_PERSISTENT);
    } else {
        conn->file = true;
        conn->acked = watch_acked(&conn->watched);
        made = MHD_create_response_from_fd_at_offset64(r->length, r->fd,
                                                       r->offset);
        if (made != NULL)
            r->fd = -1; /* closed with the response */
    }
    if (made == NULL)
        return NULL;
    for (size_t i = 0; i < r->header_count; i++)
        if (MHD_add_response_header(made, r->headers[i].name.at,
                                    r->headers[i].value.at) != MHD_YES)
            goto failed;
    if (ends && MHD_add_response_header(made, "Connection", "close") != MHD_YES)
        goto failed;
    return made;
failed:
    MHD_destroy_response(made);
    return NULL;
}

static enum MHD_Result
answer(struct conn *conn)
{
    struct http_exchange *x = &conn->exchange;
    struct http_response *r = &x->response;

    if (x->arena.failed || r->status == 0)
        refuse_code(conn, ERR_INTERNAL);
    conn->server->callbacks.finish(x);
    if (x->arena.failed || r->status == 0) {
        http_response_reset(r);
        r->status = 500;
    }
    /* The library takes a lone LF for the end of a chunk's line, and a proxy
     * may not: what stands behind a chunked body is nobody's next request. */
    bool ends = r->close || x->request.body_length == UINT64_MAX ||
                atomic_load(&conn->server->draining);
    struct MHD_Response *made = make_response(conn, ends);

    if (made == NULL)
        return MHD_NO;
    if (x->request.method == HTTP_HEAD || r->status == 204 || r->status == 304)
        conn->body_bytes = 0;
    conn->linger = conn->early || ends;
    watch_set_phase(&conn->watched, WATCH_SEND);
    enum MHD_Result queued = MHD_queue_response(conn->mhd, (unsigned)r->status,
                                                made);

    MHD_destroy_response(made);
    return queued;
}

/* --- requests --------------------------------------------------------- */

/* Is what the library shows of the head all there is? The strings it gives
 * lie where they were received and end at the first NUL, so their places tell
 * what is between them. A hidden remainder (text behind a NUL, a folded line,
 * blanks where none belong, a bare LF) makes the sum differ. */
static bool
is_whole_head(struct conn *conn, struct str version, size_t *ret_size)
{
    const struct http_request *request = &conn->exchange.request;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        conn->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    size_t size = request->method_text.len + 1 + request->target.len + 1 +
                  version.len + 2;

    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_field *field = &request->headers[i];

        if (field->value.at < field->name.at)
            return false;
        size += (size_t)(field->value.at - field->name.at) + field->value.len +
                2;
    }
    *ret_size = size + 2;
    return info != NULL && size + 2 == info->header_size;
}

static enum MHD_Result
add_header(void *context, enum MHD_ValueKind kind UNUSED, const char *name,
           size_t name_len, const char *value, size_t value_len)
{
    struct http_request *request = context;

    request->headers[request->header_count++] = (struct http_field){
        str_n(name, name_len), str_n(value, value_len)};
    return MHD_YES;
}

static enum http_method
method_of(struct str text)
{
    static const struct {
        struct str text;
        enum http_method method;
    } methods[] = {
        {{"GET", 3}, HTTP_GET},         {{"HEAD", 4}, HTTP_HEAD},
        {{"POST", 4}, HTTP_POST},       {{"PUT", 3}, HTTP_PUT},
        {{"PATCH", 5}, HTTP_PATCH},     {{"DELETE", 6}, HTTP_DELETE},
        {{"OPTIONS", 7}, HTTP_OPTIONS},
    };

    for (size_t i = 0; i < COUNT(methods); i++)
        if (str_eq(text, methods[i].text))
            return methods[i].method;
    return HTTP_OTHER;
}

static int64_t
mono_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The head is complete: look at all of it. */
static enum error_code
take_head(struct conn *conn, const char *method, const char *version,
          struct error *err)
{
    struct http_exchange *x = &conn->exchange;
    struct http_request *request = &x->request;
    int count = MHD_get_connection_values_n(conn->mhd, MHD_HEADER_KIND, NULL,
                                            NULL);

    size_t size;

    x->began_us = mono_us();
    request->method_text = str_of(method);
    request->method = method_of(request->method_text);
    request->peer = conn->peer;
    request->tls = conn->server->has_tls;
    request->headers = arena_alloc(&x->arena,
                                   (size_t)count * sizeof(*request->headers));
    if (request->target.at == NULL || request->headers == NULL)
        return error_set(err, ERR_INTERNAL, NULL);
    MHD_get_connection_values_n(conn->mhd, MHD_HEADER_KIND, add_header,
                                request);
    if (!is_whole_head(conn, str_of(version), &size))
        return error_cause(err, ERR_SYNTAX, "malformed head");
    if (size > conn->server->options.max_header_bytes)
        return error_cause(err, ERR_SYNTAX, "head too long");
    enum error_code rc = http_check_head(request, str_of(version), err);

    if (rc == ERR_OK)
        rc = http_parse_target(request, &x->arena, err);
    if (rc == ERR_OK && conn->proxied)
        rc = http_forwarded(request, conn->server->options.trusted_proxies,
                            &x->arena, err);
    return rc;
}

/* Go on as far as possible without waiting. */
static enum MHD_Result
advance(struct conn *conn)
{
    struct http_exchange *x = &conn->exchange;

    while (conn->stage == STAGE_HEAD || conn->stage == STAGE_RUN) {
        enum http_next next = has_piece(conn) ? HTTP_WORKER : call(conn);

        if (next == HTTP_WORKER) {
            if (workers_push(&conn->server->workers, &conn->job, suspend))
                return MHD_YES;
            refuse_code(conn, ERR_UNAVAILABLE);
        } else if (next == HTTP_WAIT) {
            suspend(&conn->job);
            if (!park(conn))
                MHD_resume_connection(conn->mhd);
            return MHD_YES;
        } else {
            settle(conn, next);
        }
    }
    if (conn->stage == STAGE_ANSWER && conn->early && !x->response.close &&
        x->request.body_length <= SMALL_BODY &&
        http_header(&x->request, "Expect").at == NULL)
        conn->stage = STAGE_DISCARD;
    if (conn->stage == STAGE_ANSWER)
        return answer(conn);
    conn->early = false;
    watch_set_phase(&conn->watched, WATCH_BODY);
    return MHD_YES;
}

/* The library takes no answer in the middle of a body: it is read to its end
 * and forgotten, and then comes the answer. */
static void
refuse_body(struct conn *conn, enum error_code code)
{
    refuse_code(conn, code);
    conn->stage = STAGE_DISCARD;
}

/* Collect a body; what is for take() goes on whenever a piece is full. False
 * to be called with the same bytes again when it was handed on. */
static bool
collect(struct conn *conn, const char *bytes, size_t len)
{
    struct http_exchange *x = &conn->exchange;

    if (conn->collected + len > x->max_body) {
        refuse_body(conn, ERR_TOO_LARGE);
        return true;
    }
    if (x->take != NULL && conn->body.len + len > HTTP_PIECE_BYTES) {
        if (workers_push(&conn->server->workers, &conn->job, suspend))
            return false;
        refuse_body(conn, ERR_UNAVAILABLE);
        return true;
    }
    conn->collected += len;
    buf_add(&conn->body, bytes, len);
    if (conn->body.failed)
        refuse_body(conn, ERR_UNAVAILABLE);
    return true;
}

/* Whoever may send a long body may have as much of it read in vain. */
static bool
discard(struct conn *conn, size_t len)
{
    conn->discarded += len;
    conn->linger = conn->discarded > MAX(MAX_DISCARD, conn->exchange.max_body);
    return !conn->linger;
}

static enum MHD_Result
take_body(struct conn *conn, const char *bytes, size_t *len)
{
    size_t got = *len;

    watch_set_phase(&conn->watched, WATCH_BODY);
    if (conn->stage == STAGE_BODY && !collect(conn, bytes, got))
        return MHD_YES;
    *len = 0;
    return conn->stage == STAGE_BODY || discard(conn, got) ? MHD_YES : MHD_NO;
}

/* The library's handler: once when the head is complete, then with each piece
 * of the body, then when the request is complete, and after each resume. */
static enum MHD_Result
on_request(void *context UNUSED, struct MHD_Connection *mhd UNUSED,
           const char *url UNUSED, const char *method, const char *version,
           const char *bytes, size_t *len, void **request_context)
{
    struct conn *conn = *request_context;
    struct error err;

    if (*len > 0)
        return take_body(conn, bytes, len);
    if (!conn->begun) {
        conn->begun = true;
        atomic_fetch_add_explicit(&conn->server->active, 1,
                                  memory_order_relaxed);
        if (take_head(conn, method, version, &err) != ERR_OK) {
            conn->early = true;
            refuse(conn, &err);
            return answer(conn);
        }
        conn->early = conn->exchange.request.has_body;
        /* An answer in this call would end the connection. */
        return conn->early ? advance(conn) : MHD_YES;
    }
    if (!conn->early && conn->stage == STAGE_BODY) {
        if (conn->exchange.take == NULL)
            conn->exchange.request.body = buf_view(&conn->body);
        conn->stage = STAGE_RUN;
    } else if (conn->stage == STAGE_DISCARD) {
        conn->stage = STAGE_ANSWER;
    }
    return advance(conn);
}

static struct conn *
conn_of_mhd(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
        ->socket_context;
}

/* A request line came: the target as it was sent, which the library goes on
 * to take apart in place. */
static void *
on_target(void *context UNUSED, const char *target, struct MHD_Connection *mhd)
{
    struct conn *conn = conn_of_mhd(mhd);
    struct http_exchange *x = &conn->exchange;

    memset(&x->request, 0, sizeof(x->request));
    http_response_init(&x->response, &x->arena);
    memset(conn->user, 0, conn->server->callbacks.user_size);
    x->max_body = 0;
    x->take = NULL;
    x->sent = 0;
    x->complete = false;
    x->request.target = str_of(arena_strdup(&x->arena, target ? target : ""));
    conn->stage = STAGE_HEAD;
    conn->begun = conn->early = conn->shown = conn->file = false;
    conn->linger = true;
    conn->collected = conn->discarded = conn->body_bytes = 0;
    return conn;
}

static void
on_completed(void *context UNUSED, struct MHD_Connection *mhd UNUSED,
             void **request_context, enum MHD_RequestTerminationCode why)
{
    struct conn *conn = *request_context;
    struct http_exchange *x = &conn->exchange;

    if (conn->shown) {
        x->complete = why == MHD_REQUEST_TERMINATED_COMPLETED_OK;
        x->received = conn->collected + conn->discarded;
        x->sent = conn->body_bytes;
        if (!x->complete)
            x->sent = conn->file ? MIN(x->sent, watch_acked(&conn->watched) -
                                                    conn->acked)
                                 : 0;
        conn->server->callbacks.done(x);
    }
    if (conn->begun)
        atomic_fetch_sub_explicit(&conn->server->active, 1,
                                  memory_order_relaxed);
    http_response_done(&x->response);
    if (x->secret) {
        secret_wipe(conn->body.data, conn->body.len);
        arena_wipe(&x->arena);
        x->secret = false;
    }
    buf_done(&conn->body);
    buf_init(&conn->body, 0);
    arena_reset(&x->arena);
    x->arena.max_bytes = conn->server->options.max_arena_bytes;
    watch_set_phase(&conn->watched, WATCH_REQUEST);
}

/* --- connections ------------------------------------------------------ */

static void
conn_free(struct conn *conn)
{
    arena_done(&conn->exchange.arena);
    secret_wipe(conn->exchange.kept, conn->server->callbacks.kept_size);
    tls_cert_unref(conn->cert);
    free(conn);
}

static void
on_connection(void *context, struct MHD_Connection *mhd, void **socket_context,
              enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)
                     ->connect_fd;
        struct conn *conn = conn_of(watch_find(&server->watch, fd));

        conn->mhd = mhd;
        *socket_context = conn;
        if (server->has_tls)
            conn->cert = tls_use(
                &server->tls,
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)
                    ->tls_session);
    } else {
        struct conn *conn = *socket_context;

        watch_remove(&server->watch, &conn->watched,
                     conn->linger && !conn->watched.expired);
        if (conn->linger)
            eventfd_write(server->wake_fd, 1);
        conn_free(conn);
    }
}

static void
greet(struct http_server *server, int fd, const struct sockaddr *address,
      socklen_t address_len)
{
    const size_t align = _Alignof(max_align_t);
    size_t user_size = (server->callbacks.user_size + align - 1) / align *
                       align;
    struct conn *conn = calloc(1, sizeof(*conn) + user_size +
                                      server->callbacks.kept_size);
    struct net_address peer = net_of_socket(address);
    const struct nets *trusted = server->options.trusted_proxies;
    bool proxied = trusted != NULL && nets_have(trusted, &peer);

    if (conn == NULL || !watch_add(&server->watch, &conn->watched, fd,
                                   proxied ? NULL : &peer, clock_mono_ms())) {
        count_up(&server->turned_away, 1);
        free(conn);
        close(fd);
        return;
    }
    conn->server = server;
    conn->exchange.user = conn->user;
    conn->exchange.kept = conn->user + user_size;
    conn->linger = true;
    arena_init(&conn->exchange.arena, server->options.max_arena_bytes);
    buf_init(&conn->body, 0);
    conn->peer = peer;
    conn->proxied = proxied;
    server->connections++;

    struct MHD_Daemon *loop =
        server->loops[server->next_loop++ % server->loop_count];

    if (MHD_add_connection(loop, fd, address, address_len) != MHD_YES) {
        /* The library has closed it. */
        watch_remove(&server->watch, &conn->watched, false);
        conn_free(conn);
    }
}

/* Take the connections that are waiting; false to leave them alone a while. */
static bool
accept_all(struct http_server *server)
{
    while (!watch_full(&server->watch)) {
        struct sockaddr_storage address;
        socklen_t len = sizeof(address);
        int fd = accept4(server->listener.fd, (struct sockaddr *)&address, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0)
            greet(server, fd, (struct sockaddr *)&address, len);
        else if (errno == EAGAIN)
            return true;
        else if (errno != ECONNABORTED && errno != EINTR)
            break; /* out of descriptors or memory */
    }
    struct pollfd waiting = {.fd = server->listener.fd, .events = POLLIN};

    if (poll(&waiting, 1, 0) <= 0)
        return true;
    watch_shed(&server->watch, clock_mono_ms());
    return false;
}

/* Often enough that no deadline is missed by much. */
static int64_t
tick_of(const struct http_options *o)
{
    unsigned shortest = MIN(MIN(o->header_ms, o->body_ms),
                            MIN(o->idle_ms, o->send_ms));

    return MAX(MIN_TICK_MS, MIN(shortest / 4, MAX_TICK_MS));
}

/* The thread that accepts, watches deadlines and reads what late senders
 * still send. */
static void *
keep(void *context)
{
    struct http_server *server = context;
    struct pollfd fds[2 + WATCH_MAX_LINGERING];
    int64_t tick_ms = tick_of(&server->options), next_tick = clock_mono_ms();
    bool accepting = true;

    fds[0] = (struct pollfd){.fd = server->wake_fd, .events = POLLIN};
    while (!atomic_load(&server->keeper_ends)) {
        bool draining = atomic_load(&server->draining);
        int64_t now = clock_mono_ms();
        eventfd_t ignored;

        if (draining)
            listener_done(&server->listener);
        if (now >= next_tick) {
            watch_tick(&server->watch, now, draining);
            next_tick = now + (draining ? DRAIN_TICK_MS : tick_ms);
        }
        fds[1] = (struct pollfd){.fd = accepting ? server->listener.fd : -1,
                                 .events = POLLIN};
        size_t lingering = watch_linger_fds(&server->watch, fds + 2);
        int64_t pause = MIN(next_tick - now,
                            accepting ? MAX_TICK_MS : RETRY_MS);

        poll(fds, (nfds_t)(2 + lingering), (int)pause);
        if (fds[0].revents != 0)
            eventfd_read(server->wake_fd, &ignored);
        watch_linger_read(&server->watch, clock_mono_ms());
        if (!accepting || fds[1].revents != 0)
            accepting = !draining && accept_all(server);
    }
    return NULL;
}

/* --- start and stop --------------------------------------------------- */

static void PRINTF_LIKE(2, 0)
    on_log(void *context, const char *fmt, va_list args)
{
    struct http_server *server = context;
    char quoted[512], text[256];

    vsnprintf(text, sizeof(text), fmt, args);
    struct str line = str_trim(str_of(text));

    if (pthread_equal(pthread_self(), server->starter))
        snprintf(server->trouble, sizeof(server->trouble), "%.*s",
                 STR_ARG(line));
    else if (log_on(LOG_DEBUG))
        log_line(LOG_DEBUG, "http", "text=%s",
                 log_quote(line, quoted, sizeof(quoted)));
}

/* The library would unescape the target in place; we look at it ourselves. */
static size_t
keep_escapes(void *context UNUSED, struct MHD_Connection *mhd UNUSED,
             char *text)
{
    return strlen(text);
}

/* Every session gets its certificate from us, in on_connection(); the library
 * only must be told that it need not have one. */
static int
no_certificate(gnutls_session_t session UNUSED,
               const gnutls_datum_t *names UNUSED, int name_count UNUSED,
               const gnutls_pk_algorithm_t *algorithms UNUSED,
               int algorithm_count UNUSED, gnutls_pcert_st **ret UNUSED,
               unsigned *ret_count UNUSED, gnutls_privkey_t *ret_key UNUSED)
{
    return -1;
}

static enum error_code
start_loop(struct http_server *server, struct error *err)
{
    const struct http_options *o = &server->options;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
                     MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)no_certificate},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (char[]){TLS_PRIORITIES}},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none = {MHD_OPTION_END, 0, NULL};

    if (server->has_tls)
        flags |= MHD_USE_TLS;
    /* The log comes first: it hears what is wrong with the rest. The library's
     * "strict" mode is not asked for: it refuses nothing that we do not, and
     * closes without an answer, or writes the head of one twice. */
    struct MHD_Daemon *loop = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER,
        on_log, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_CONNECTION_LIMIT, o->max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        o->max_header_bytes + ANSWER_HEAD_BYTES, MHD_OPTION_ARRAY,
        server->has_tls ? tls : &none, MHD_OPTION_END);

    if (loop == NULL)
        return error_set(err, ERR_VALUE, "cannot start the HTTP server: %s",
                         server->trouble);
    server->loops[server->loop_count++] = loop;
    return ERR_OK;
}

static enum error_code
start_threads(struct http_server *server, struct error *err)
{
    const struct http_options *o = &server->options;
    unsigned loops = o->event_threads ? o->event_threads : cores_usable();

    server->have_workers = true;
    if (!workers_init(&server->workers, o->workers, o->max_waiting, work))
        return error_internal(err, "no threads for workers");
    for (unsigned i = 0; i < MIN(loops, MAX_LOOPS); i++) {
        enum error_code rc = start_loop(server, err);

        if (rc != ERR_OK)
            return rc;
    }
    server->have_keeper = pthread_create(&server->keeper, NULL, keep, server) ==
                          0;
    return server->have_keeper ? ERR_OK
                               : error_internal(err, "no thread to accept");
}

/* What is said in the clear must not leave this machine unasked. */
static enum error_code
check_exposure(const struct http_server *server, struct error *err)
{
    const struct http_options *o = &server->options;

    if (server->listener.loopback || server->has_tls ||
        (o->trusted_proxies != NULL && o->trusted_proxies->count > 0))
        return ERR_OK;
    if (!o->insecure)
        return error_set(err, ERR_VALUE,
                         "cannot serve plain HTTP on \"%s\", which other "
                         "machines reach: set tls-cert and tls-key, or "
                         "trusted-proxy when a proxy in front of it speaks "
                         "TLS, or insecure",
                         o->listen);
    log_line(LOG_WARN, "insecure",
             "url=%s text=\"tokens and personal data travel in the clear\"",
             server->listener.url);
    return ERR_OK;
}

static enum error_code
start(struct http_server *server, struct error *err)
{
    const struct http_options *o = &server->options;
    sigset_t all, before;
    enum error_code rc;

    if (o->tls_cert != NULL) {
        server->has_tls = true;
        rc = tls_init(&server->tls, o->tls_cert,
                      o->tls_key ? o->tls_key : o->tls_cert, err);
        if (rc != ERR_OK)
            return rc;
    }
    rc = listener_init(&server->listener, o->listen,
                       server->has_tls ? "https" : "http", err);
    if (rc != ERR_OK)
        return rc;
    rc = check_exposure(server, err);
    if (rc != ERR_OK)
        return rc;
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->wake_fd < 0)
        return error_errno(err, "eventfd");
    /* Signals are for the caller's thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    rc = start_threads(server, err);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

enum error_code
http_server_start(const struct http_options *options,
                  const struct http_callbacks *callbacks,
                  struct http_server **ret, struct error *err)
{
    struct http_server *server = calloc(1, sizeof(*server));

    if (server == NULL)
        return error_internal(err, "out of memory");
    server->starter = pthread_self();
    server->options = *options;
    server->callbacks = *callbacks;
    server->listener.fd = server->wake_fd = -1;
    watch_init(&server->watch);
    server->watch.max = options->max_connections;
    server->watch.max_per_address = options->max_connections_per_address;
    server->watch.header_ms = options->header_ms;
    server->watch.body_ms = options->body_ms;
    server->watch.idle_ms = options->idle_ms;
    server->watch.send_ms = options->send_ms;

    enum error_code rc = start(server, err);

    if (rc != ERR_OK) {
        http_server_stop(server);
        return rc;
    }
    *ret = server;
    return ERR_OK;
}

unsigned
http_server_port(const struct http_server *server)
{
    return server->listener.port;
}

const char *
http_server_url(const struct http_server *server)
{
    return server->listener.url;
}

enum error_code
http_server_reload(struct http_server *server, struct error *err)
{
    return server->has_tls ? tls_reload(&server->tls, err) : ERR_OK;
}

unsigned
http_server_active(const struct http_server *server)
{
    return atomic_load(&server->active);
}

void
http_server_drain(struct http_server *server)
{
    atomic_store(&server->draining, true);
    eventfd_write(server->wake_fd, 1);
}

/* Answer an exchange that waits for http_wake(). */
static void
unpark(struct watched *watched, void *context UNUSED)
{
    struct conn *conn = conn_of(watched);
    int expected = TURN_WAITING;

    if (!atomic_compare_exchange_strong(&conn->turn, &expected, TURN_RUNNING))
        return;
    refuse_code(conn, ERR_UNAVAILABLE);
    MHD_resume_connection(conn->mhd);
}

static void
forget(struct watched *watched, void *context UNUSED)
{
    conn_free(conn_of(watched));
}

void
http_server_stop(struct http_server *server)
{
    if (server == NULL)
        return;
    atomic_store(&server->draining, true);
    atomic_store(&server->stopping, true);
    /* The library must not be stopped with anybody suspended: let workers
     * end, and answer those that wait. */
    if (server->have_workers)
        workers_stop(&server->workers, drop);
    watch_each(&server->watch, unpark, NULL);
    int64_t until = clock_mono_ms() + server->options.stop_ms;

    while (http_server_active(server) > 0 && clock_mono_ms() < until)
        poll(NULL, 0, 5);
    if (server->have_keeper) {
        atomic_store(&server->keeper_ends, true);
        eventfd_write(server->wake_fd, 1);
        pthread_join(server->keeper, NULL);
    }
    for (unsigned i = 0; i < server->loop_count; i++)
        MHD_stop_daemon(server->loops[i]);
    /* Those that were accepted and never reached a loop. */
    watch_each(&server->watch, forget, NULL);
    if (server->have_workers)
        workers_done(&server->workers);
    watch_done(&server->watch);
    listener_done(&server->listener);
    if (server->wake_fd >= 0)
        close(server->wake_fd);
    if (server->has_tls)
        tls_done(&server->tls);
    free(server);
}

void
http_server_stats(const struct http_server *server, struct http_stats *ret)
{
    /* Reading takes the locks of what is otherwise constant here. */
    struct http_server *s = (struct http_server *)(uintptr_t)server;

    ret->connections = s->connections;
    ret->refused = s->refused;
    ret->timed_out = s->watch.timed_out;
    ret->shed = s->watch.shed;
    ret->turned_away = counted(&s->turned_away);
    ret->active = s->active;
    ret->max_open = s->options.max_connections;
    ret->max_waiting = s->options.max_waiting;
    ret->workers = s->options.workers;
    ret->waiting = workers_waiting(&s->workers, &ret->busy);
    ret->certificate_ends_s = s->has_tls ? tls_expires_s(&s->tls) : 0;
    pthread_mutex_lock(&s->watch.lock);
    ret->open = s->watch.count;
    pthread_mutex_unlock(&s->watch.lock);
}

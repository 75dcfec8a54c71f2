#include "echo.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "http/range.h"

struct visit {
    bool seen, woken;
    unsigned pieces;
    uint64_t length;
    uint32_t sum;
};

static struct echo *
echo_of(struct http_exchange *x)
{
    return http_exchange_context(x);
}

static void
answer_small(struct http_exchange *x)
{
    static const char text[] =
        "0123456789012345678901234567890123456789012345678\n"
        "0123456789012345678901234567890123456789012345678\n"
        "0123456789012345678901234567890123456789012345678\n"
        "0123456789012345678901234567890123456789012345678\n";

    http_response_body(&x->response, 200, "text/plain", STR(text));
}

static void *
wake_later(void *exchange)
{
    usleep(20000);
    http_wake(exchange);
    return NULL;
}

static enum http_next
park(struct http_exchange *x, bool at_once)
{
    struct visit *visit = x->user;
    pthread_t thread;

    if (visit->woken) {
        answer_small(x);
        return HTTP_ANSWER;
    }
    visit->woken = true;
    if (at_once) {
        http_wake(x);
    } else if (pthread_create(&thread, NULL, wake_later, x) == 0) {
        pthread_detach(thread);
    }
    return HTTP_WAIT;
}

static void
answer_file(struct http_exchange *x)
{
    uint64_t first = 0, length = ECHO_FILE_BYTES;
    enum range_result range = range_parse(http_header(&x->request, "Range"),
                                          length, &first, &length);

    if (range == RANGE_UNSATISFIABLE) {
        http_response_empty(&x->response, 416);
        return;
    }
    http_response_file(&x->response, range == RANGE_PART ? 206 : 200,
                       "application/octet-stream", dup(echo_of(x)->file), first,
                       length);
}

static void
answer_head(struct http_exchange *x)
{
    struct buf text;

    buf_init(&text, 65536);
    for (size_t i = 0; i < x->request.header_count; i++)
        buf_printf(&text, "%.*s=%.*s\n", STR_ARG(x->request.headers[i].name),
                   STR_ARG(x->request.headers[i].value));
    http_response_body(&x->response, 200, "text/plain",
                       arena_str(&x->arena, buf_view(&text)));
    buf_done(&text);
}

static enum error_code
count(struct http_exchange *x, struct str piece, struct error *err)
{
    struct echo *echo = echo_of(x);
    struct visit *visit = x->user;

    echo->pieces++;
    visit->pieces++;
    visit->length += piece.len;
    visit->sum = echo_sum(visit->sum, piece);
    if (!x->may_block || piece.len > HTTP_PIECE_BYTES)
        return error_internal(err, "not as promised");
    if (str_eq(x->request.path, STR("/choke")) && visit->pieces == 2)
        return error_cause(err, ERR_SYNTAX, "choked");
    while (str_eq(x->request.path, STR("/stuck")) && echo->stuck)
        usleep(1000);
    return ERR_OK;
}

uint32_t
echo_sum(uint32_t sum, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        sum = (sum ^ (unsigned char)bytes.at[i]) * 16777619;
    return sum;
}

static enum http_next
on_head(struct http_exchange *x)
{
    struct visit *visit = x->user;
    struct str path = x->request.path;

    echo_of(x)->heads += !visit->seen;
    visit->seen = true;
    if (x->request.method == HTTP_POST) {
        x->max_body = ECHO_MAX_BODY;
        if (str_eq(path, STR("/count")) || str_eq(path, STR("/count/later")) ||
            str_eq(path, STR("/choke")) || str_eq(path, STR("/stuck"))) {
            x->max_body = ECHO_MAX_COUNTED;
            x->take = count;
        }
        if (str_eq(path, STR("/refused"))) {
            http_response_body(&x->response, 401, "text/plain", STR("no"));
            return HTTP_ANSWER;
        }
        if ((str_eq(path, STR("/later")) ||
             str_eq(path, STR("/count/later"))) &&
            !x->may_block)
            return HTTP_WORKER;
        return HTTP_BODY;
    }
    if (str_eq(path, STR("/slow")) || str_eq(path, STR("/worker"))) {
        if (!x->may_block)
            return HTTP_WORKER;
        if (str_eq(path, STR("/slow")))
            usleep(200000);
    }
    if (str_eq(path, STR("/wait")) || str_eq(path, STR("/woken")))
        return park(x, str_eq(path, STR("/woken")));
    if (str_eq(path, STR("/never")))
        return HTTP_WAIT;
    if (str_eq(path, STR("/big")))
        while (arena_alloc(&x->arena, 1000) != NULL)
            ;
    if (str_eq(path, STR("/file")))
        answer_file(x);
    else if (str_eq(path, STR("/endless")))
        http_response_file(&x->response, 200, "text/plain",
                           dup(echo_of(x)->hole), 0, 1 << 30);
    else if (str_eq(path, STR("/304")) || str_eq(path, STR("/204")) ||
             str_eq(path, STR("/416")))
        http_response_empty(&x->response, atoi(path.at + 1));
    else if (str_eq(path, STR("/head")))
        answer_head(x);
    else
        answer_small(x);
    return HTTP_ANSWER;
}

static enum http_next
on_run(struct http_exchange *x)
{
    const struct visit *visit = x->user;

    if (x->take != NULL) {
        const char *text = arena_printf(&x->arena, "%llu %08x",
                                        (unsigned long long)visit->length,
                                        visit->sum);

        http_response_body(&x->response, 200, "text/plain", str_of(text));
        return HTTP_ANSWER;
    }
    http_response_body(&x->response, 200, "text/plain", x->request.body);
    return HTTP_ANSWER;
}

static void
on_refuse(struct http_exchange *x, const struct error *err)
{
    http_response_body(&x->response, error_status(err->code), "text/plain",
                       arena_str(&x->arena, str_of(err->cause)));
}

static void
on_finish(struct http_exchange *x)
{
    http_response_header(&x->response, "X-Finish", STR("yes"));
}

static void
on_done(struct http_exchange *x)
{
    struct echo *echo = echo_of(x);

    echo->sent += x->sent;
    echo->complete += x->complete;
    echo->dones++;
}

struct http_options
echo_options(void)
{
    return (struct http_options){
        .listen = "127.0.0.1:0",
        .event_threads = 2,
        .workers = 2,
        .max_waiting = 8,
        .max_connections = 1000,
        .max_header_bytes = 16 * 1024,
        .max_arena_bytes = 128 * 1024,
        .header_ms = 30000,
        .body_ms = 30000,
        .stop_ms = 100,
        .idle_ms = 30000,
        .send_ms = 30000,
    };
}

enum error_code
echo_start(struct echo *echo, const struct http_options *options,
           struct error *err)
{
    struct http_callbacks callbacks = {
        .context = echo,
        .user_size = sizeof(struct visit),
        .head = on_head,
        .run = on_run,
        .refuse = on_refuse,
        .finish = on_finish,
        .done = on_done,
    };

    *echo = (struct echo){.stuck = true,
                          .file = memfd_create("echo", MFD_CLOEXEC),
                          .hole = memfd_create("hole", MFD_CLOEXEC)};
    for (size_t i = 0; i < ECHO_FILE_BYTES / 16; i++)
        if (dprintf(echo->file, "%015zu\n", i) != 16)
            return error_errno(err, "write");
    if (ftruncate(echo->hole, 1 << 30) != 0)
        return error_errno(err, "ftruncate");
    return http_server_start(options, &callbacks, &echo->server, err);
}

void
echo_stop(struct echo *echo)
{
    http_server_stop(echo->server);
    close(echo->file);
    close(echo->hole);
}

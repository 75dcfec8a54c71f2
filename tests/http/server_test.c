/*
 * The server over raw sockets: what is refused, how connections live and end,
 * and what happens when a client is slow or the server stops.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "echo.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define HOST "Host: a\r\n"

static struct echo echo;

static void
begin(const struct http_options *options)
{
    struct error err = ERROR_INIT;

    if (echo_start(&echo, options, &err) != ERR_OK)
        fail_msg("%s %s", error_text(&err), err.detail);
}

static int
begin_default(void **state)
{
    struct http_options options = echo_options();

    (void)state;
    begin(&options);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    echo_stop(&echo);
    return 0;
}

/* --- a client --------------------------------------------------------- */

static int
dial(void)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)http_server_port(echo.server)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* False when the server did not want all of it. */
static bool
say(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static void
say_text(int fd, const char *text)
{
    say(fd, text, strlen(text));
}

/* Read until the other side closes, or nothing came for so long; true when it
 * was closed. */
static bool
hear(int fd, int quiet_ms, struct buf *to)
{
    struct pollfd input = {.fd = fd, .events = POLLIN};

    buf_init(to, 1 << 30);
    buf_text(to, "");
    while (poll(&input, 1, quiet_ms) > 0) {
        ssize_t n = recv(fd, buf_reserve(to, 65536), 65536, 0);

        if (n <= 0)
            return true;
        to->len += (size_t)n;
        to->data[to->len] = '\0';
    }
    return false;
}

static size_t
count(const struct buf *text, const char *word)
{
    size_t found = 0;

    for (const char *at = text->data; (at = strstr(at, word)) != NULL; at++)
        found++;
    return found;
}

static int
status_of(const struct buf *text)
{
    return strncmp(text->data, "HTTP/1.1 ", 9) == 0 ? atoi(text->data + 9) : 0;
}

/* Send, expect that many answers with that status, and say whether the
 * connection ended. */
static bool
talk(const char *bytes, size_t len, size_t answers, int status)
{
    struct buf got;
    int fd = dial();

    say(fd, bytes, len);
    bool closed = hear(fd, 300, &got);

    close(fd);
    if (count(&got, "HTTP/1.1 ") != answers || status_of(&got) != status)
        fail_msg("expected %zu x %d, got: %.300s", answers, status, got.data);
    assert_int_equal(count(&got, "\r\nDate: "), answers);
    buf_done(&got);
    return closed;
}

static void
wait_until(atomic_uint *counter, unsigned value)
{
    for (int i = 0; i < 500 && *counter != value; i++)
        usleep(10000);
    assert_int_equal(*counter, value);
}

/* --- tests ------------------------------------------------------------ */

#define TEXT(s) s, sizeof(s) - 1

static const struct {
    const char *label;
    const char *bytes;
    size_t len;
    int status;
} malformed[] = {
    {"two Content-Lengths",
     TEXT("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n"
          "Content-Length: 6\r\n\r\nhello"),
     400},
    {"Content-Length with Transfer-Encoding",
     TEXT("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n"
          "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     400},
    {"Transfer-Encoding with Content-Length",
     TEXT("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
          "Content-Length: 5\r\n\r\n0\r\n\r\n"),
     400},
    {"+5",
     TEXT("POST /echo HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello"),
     400},
    {"-5",
     TEXT("POST /echo HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\nhello"),
     400},
    {"length over 64 bits",
     TEXT("POST /echo HTTP/1.1\r\n" HOST
          "Content-Length: 99999999999999999999\r\n\r\nhello"),
     413},
    {"blank before the colon",
     TEXT("GET /small HTTP/1.1\r\n" HOST "X-A : b\r\n\r\n"), 400},
    {"length with a blank before the colon",
     TEXT("POST /echo HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\nhello"),
     400},
    {"no Host", TEXT("GET /small HTTP/1.1\r\n\r\n"), 400},
    {"two Hosts", TEXT("GET /small HTTP/1.1\r\n" HOST HOST "\r\n"), 400},
    {"NUL in a value", TEXT("GET /small HTTP/1.1\r\n" HOST "X-A: a\0b\r\n\r\n"),
     400},
    {"NUL at the end of a value",
     TEXT("GET /small HTTP/1.1\r\n" HOST "X-A: a\0\r\n\r\n"), 400},
    {"NUL in a name", TEXT("GET /small HTTP/1.1\r\n" HOST "X\0A: b\r\n\r\n"),
     400},
    {"NUL in the target", TEXT("GET /sm\0all HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"NUL in the method", TEXT("GE\0T /small HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"bare CR", TEXT("GET /small HTTP/1.1\r\n" HOST "X-A: a\rb\r\n\r\n"), 400},
    {"bare LF", TEXT("GET /small HTTP/1.1\r\n" HOST "X-A: a\nX-B: b\r\n\r\n"),
     400},
    {"folded line", TEXT("GET /small HTTP/1.1\r\n" HOST "X-A: a\r\n b\r\n\r\n"),
     400},
    {"folded first line",
     TEXT("GET /small HTTP/1.1\r\n X-A: a\r\n" HOST "\r\n"), 400},
    {"two blanks", TEXT("GET  /small HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"HTTP/9.1", TEXT("GET /small HTTP/9.1\r\n" HOST "\r\n"), 505},
    {"HTTP/1.2", TEXT("GET /small HTTP/1.2\r\n" HOST "\r\n"), 400},
    {"unknown Transfer-Encoding",
     TEXT("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n"),
     400},
    {"Transfer-Encoding that looks like chunked",
     TEXT("POST /echo HTTP/1.1\r\n" HOST
          "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
     400},
    {"chunked behind another",
     TEXT("POST /echo HTTP/1.1\r\n" HOST
          "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
     400},
    {"chunk size over 64 bits",
     TEXT("POST /echo HTTP/1.1\r\n" HOST
          "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n"),
     413},
    {"chunk size with a sign",
     TEXT("POST /echo HTTP/1.1\r\n" HOST
          "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"),
     400},
    {"fragment in the target", TEXT("GET /small#x HTTP/1.1\r\n" HOST "\r\n"),
     400},
    {"authority as the target", TEXT("CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n"),
     400},
};

/* Refused, closed, and nothing answered that was hidden behind it. Some are
 * refused by the library, which then happens to write the head twice. */
static void
ambiguous_requests_are_refused_and_end_the_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(malformed); i++) {
        struct buf got;
        int fd = dial();

        print_message("%s\n", malformed[i].label);
        say(fd, malformed[i].bytes, malformed[i].len);
        say_text(fd, GET("/small"));
        assert_true(hear(fd, 500, &got));
        assert_int_equal(status_of(&got), malformed[i].status);
        assert_non_null(strstr(got.data, "\r\nDate: "));
        assert_null(strstr(got.data, "HTTP/1.1 200"));
        buf_done(&got);
        close(fd);
    }
    assert_int_equal(echo.heads, 2); /* the bad chunks came behind good heads */
}

static void
a_long_head_is_refused(void **state)
{
    struct buf head;

    (void)state;
    buf_init(&head, 1 << 20);
    buf_text(&head, "GET /small HTTP/1.1\r\n" HOST "X-A: ");
    for (int i = 0; i < 100000; i++)
        buf_char(&head, 'a');
    buf_text(&head, "\r\n\r\n" GET("/small"));
    assert_true(talk(head.data, head.len, 1, 431));

    /* Longer than allowed by less than what the library would take. */
    buf_clear(&head);
    buf_text(&head, "GET /small HTTP/1.1\r\n" HOST "X-A: ");
    for (int i = 0; i < 17000; i++)
        buf_char(&head, 'a');
    buf_text(&head, "\r\n\r\n" GET("/small"));
    assert_true(talk(head.data, head.len, 1, 400));

    buf_clear(&head);
    buf_text(&head, "GET /small HTTP/1.1\r\n" HOST "X-A: ");
    for (int i = 0; i < 16000; i++)
        buf_char(&head, 'a');
    buf_text(&head, "\r\n\r\n" GET("/small"));
    assert_false(talk(head.data, head.len, 2, 200));

    buf_clear(&head);
    buf_text(&head, "GET /");
    for (int i = 0; i < 100000; i++)
        buf_char(&head, 'a');
    buf_text(&head, " HTTP/1.1\r\n" HOST "\r\n" GET("/small"));
    assert_true(talk(head.data, head.len, 1, 414));
    buf_done(&head);
}

static void
unusual_heads_are_accepted(void **state)
{
    (void)state;
    assert_false(talk(TEXT("\r\n" GET("/small")), 1, 200));
    assert_false(talk(TEXT("GET /small HTTP/1.1\r\nhOST:a\r\nX-A:\r\nX-B: \t "
                           "b \t\r\nX-C:c\r\nX-C: c\r\n\r\n"),
                      1, 200));
    assert_false(talk(TEXT("GET http://a/small?x=1&y HTTP/1.1\r\n" HOST "\r\n"),
                      1, 200));
    assert_false(talk(
        TEXT("GET /small?a=b&c=%20&&=%zz&d HTTP/1.1\r\n" HOST "\r\n"), 1, 200));
    assert_true(talk(TEXT("GET /small HTTP/1.0\r\n\r\n"), 1, 200));
    assert_false(talk(
        TEXT("GET /small HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 1, 200));
}

static void
all_headers_are_seen(void **state)
{
    struct buf got;
    int fd = dial();

    (void)state;
    say_text(fd, "GET /head HTTP/1.1\r\n" HOST
                 "X-A: 1\r\nx-a:2  \r\nX-Empty:\r\nX-A:  3\r\n\r\n");
    hear(fd, 300, &got);
    assert_non_null(
        strstr(got.data, "\r\n\r\nHost=a\nX-A=1\nx-a=2\nX-Empty=\nX-A=3\n"));
    buf_done(&got);
    close(fd);
}

static void
connections_are_kept_and_pipelined(void **state)
{
    struct buf got;
    int fd = dial();

    (void)state;
    /* Inline, worker, waiting and body answers come in order. */
    say_text(fd,
             GET("/small") GET("/worker") GET("/wait") GET("/woken")
                 GET("/304") "POST /echo HTTP/1.1\r\n" HOST
                             "Content-Length: 5\r\n\r\nhello" GET("/small"));
    assert_false(hear(fd, 500, &got));
    assert_int_equal(count(&got, "HTTP/1.1 200 OK"), 6);
    assert_int_equal(count(&got, "HTTP/1.1 304"), 1);
    assert_int_equal(count(&got, "X-Finish: yes"), 7);
    assert_non_null(strstr(got.data, "\r\n\r\nhelloHTTP/1.1 200"));
    buf_done(&got);
    say_text(fd, "GET /small HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    assert_true(hear(fd, 500, &got));
    assert_int_equal(status_of(&got), 200);
    buf_done(&got);
    close(fd);
    wait_until(&echo.dones, 8);
    assert_int_equal(echo.complete, 8);
}

static void
bodies_come_in_any_pieces(void **state)
{
    const char *request = "POST /later HTTP/1.1\r\n" HOST
                          "Transfer-Encoding: chunked\r\n\r\n"
                          "5;ext=1\r\nhello\r\n01\r\n,\r\n6\r\n world\r\n"
                          "0\r\nTrailer: x\r\n\r\n";
    struct buf got;
    int fd = dial();

    (void)state;
    for (const char *at = request; *at != '\0'; at++) {
        say(fd, at, 1);
        usleep(500);
    }
    assert_false(hear(fd, 300, &got));
    assert_int_equal(status_of(&got), 200);
    assert_non_null(strstr(got.data, "\r\n\r\nhello, world"));
    buf_done(&got);
    close(fd);
}

static void
continue_is_sent_when_the_body_is_wanted(void **state)
{
    struct buf got;
    int fd = dial();

    (void)state;
    say_text(fd, "POST /later HTTP/1.1\r\n" HOST
                 "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_false(hear(fd, 300, &got));
    assert_string_equal(got.data, "HTTP/1.1 100 Continue\r\n\r\n");
    buf_done(&got);
    say_text(fd, "hello");
    assert_false(hear(fd, 300, &got));
    assert_int_equal(status_of(&got), 200);
    buf_done(&got);
    close(fd);

    assert_true(talk(TEXT("POST /refused HTTP/1.1\r\n" HOST
                          "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"),
                     1, 401));
    assert_true(
        talk(TEXT("POST /echo HTTP/1.1\r\n" HOST
                  "Content-Length: 9999999\r\nExpect: 100-continue\r\n\r\n"),
             1, 413));
}

/* Send all of a body before looking for the answer, as simple clients do;
 * those give up, and lose the answer, when the sending fails. */
static int
post(const char *head, size_t size, bool *ret_sent, bool *ret_closed)
{
    char *body = calloc(1, size);
    struct buf got;
    int fd = dial();

    say_text(fd, head);
    *ret_sent = say(fd, body, size);
    *ret_closed = hear(fd, 500, &got);
    int status = status_of(&got);

    buf_done(&got);
    free(body);
    close(fd);
    return status;
}

static void
refused_bodies_do_not_eat_the_answer(void **state)
{
    bool sent, closed;

    (void)state;
    assert_int_equal(post("POST /refused HTTP/1.1\r\n" HOST
                          "Content-Length: 1000\r\n\r\n",
                          1000, &sent, &closed),
                     401);
    assert_false(closed); /* small enough to go on behind it */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(post("POST /refused HTTP/1.1\r\n" HOST
                              "Content-Length: 8000000\r\n\r\n",
                              8000000, &sent, &closed),
                         401);
        assert_true(sent && closed);
        assert_int_equal(post("POST /echo HTTP/1.1\r\n" HOST
                              "Content-Length: 8000000\r\n\r\n",
                              8000000, &sent, &closed),
                         413);
        assert_true(sent && closed);
    }
    assert_int_equal(post("POST /echo HTTP/1.1\r\n" HOST
                          "Transfer-Encoding: chunked\r\n\r\n80000\r\n",
                          0x80000, &sent, &closed),
                     0);
    assert_false(closed); /* waits for the end of the chunk */
    /* Chunks without end are cut at some point. */
    assert_int_equal(post("POST /echo HTTP/1.1\r\n" HOST
                          "Transfer-Encoding: chunked\r\n\r\n7000000\r\n",
                          0x7000000, &sent, &closed),
                     0);
    assert_true(closed);
}

static void
answers_without_a_body_have_none(void **state)
{
    static const struct {
        const char *request, *length;
        size_t body;
    } answers[] = {
        {GET("/204"), NULL, 0},
        /* The library insists on a length; a true one would make clients
         * that do not know this status wait for the body. */
        {GET("/304"), "Content-Length: 0\r\n", 0},
        {GET("/416"), "Content-Length: 0\r\n", 0},
        {"HEAD /small HTTP/1.1\r\n" HOST "\r\n", "Content-Length: 200\r\n", 0},
        {"HEAD /file HTTP/1.1\r\n" HOST "\r\n", "Content-Length: 1048576\r\n",
         0},
        {GET("/small"), "Content-Length: 200\r\n", 200},
        {GET("/file"), "Content-Length: 1048576\r\n", 1048576},
        {"GET /file HTTP/1.1\r\n" HOST "Range: bytes=16-31\r\n\r\n",
         "Content-Length: 16\r\n", 16},
        {"GET /file HTTP/1.1\r\n" HOST "Range: bytes=9999999-\r\n\r\n",
         "Content-Length: 0\r\n", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct buf got;
        int fd = dial();

        say_text(fd, answers[i].request);
        assert_false(hear(fd, 200, &got));
        const char *body = strstr(got.data, "\r\n\r\n");

        assert_non_null(body);
        assert_int_equal(got.data + got.len - body - 4, answers[i].body);
        if (answers[i].length != NULL)
            assert_non_null(strstr(got.data, answers[i].length));
        else
            assert_null(strstr(got.data, "Content-Length"));
        buf_done(&got);
        close(fd);
        wait_until(&echo.dones, (unsigned)i + 1);
        assert_int_equal(echo.sent, answers[i].body);
    }
}

static void
an_answer_that_does_not_fit_is_an_error(void **state)
{
    (void)state;
    assert_false(talk(TEXT(GET("/big") GET("/small")), 2, 500));
}

static void
a_lost_client_is_noticed(void **state)
{
    struct buf got;
    int fd = dial();

    (void)state;
    say_text(fd, GET("/endless"));
    usleep(200000);
    close(fd);
    wait_until(&echo.dones, 1);
    assert_int_equal(echo.complete, 0);
    assert_true(echo.sent < 1 << 30);

    /* One that goes while its request is worked on. */
    fd = dial();
    say_text(fd, GET("/slow"));
    usleep(50000);
    close(fd);
    wait_until(&echo.dones, 2);

    /* One that only stops sending wants its answer. */
    fd = dial();
    say_text(fd, GET("/slow"));
    shutdown(fd, SHUT_WR);
    assert_true(hear(fd, 1000, &got));
    assert_int_equal(status_of(&got), 200);
    buf_done(&got);
    close(fd);
}

static void
too_much_waiting_work_is_refused(void **state)
{
    unsigned served = 0, refused = 0;
    int fds[20];

    (void)state;
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial();
        say_text(fds[i], GET("/slow"));
    }
    /* What needs no worker is served meanwhile. */
    assert_false(talk(TEXT(GET("/small")), 1, 200));
    for (size_t i = 0; i < COUNT(fds); i++) {
        struct buf got;

        assert_false(hear(fds[i], i == 0 ? 2000 : 100, &got));
        served += status_of(&got) == 200;
        refused += status_of(&got) == 503;
        buf_done(&got);
        close(fds[i]);
    }
    assert_int_equal(served + refused, COUNT(fds));
    assert_in_range(served, 8, 12); /* 2 at work, 8 in line */
}

static void
slow_heads_are_cut_and_others_served(void **state)
{
    struct http_options options = echo_options();
    struct http_stats stats;
    static int fds[500];
    unsigned shut = 0;

    (void)state;
    options.header_s = 2;
    begin(&options);
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial();
        say_text(fds[i], i % 2 ? "GET /small HTTP/1.1\r\nHost" : "G");
    }
    int64_t start = clock_mono_ms();

    /* A byte now and then does not help them. */
    while (clock_mono_ms() - start < 4500) {
        for (size_t i = 0; i < COUNT(fds); i++)
            say_text(fds[i], "x");
        assert_false(talk(TEXT(GET("/small")), 1, 200));
    }
    for (size_t i = 0; i < COUNT(fds); i++) {
        struct buf got;

        shut += hear(fds[i], 0, &got);
        assert_int_equal(got.len, 0);
        buf_done(&got);
        close(fds[i]);
    }
    assert_int_equal(shut, COUNT(fds));
    http_server_stats(echo.server, &stats);
    assert_int_equal(stats.timed_out, COUNT(fds));
    end(NULL);
}

static void
each_phase_has_its_deadline(void **state)
{
    static const struct {
        const char *label, *text;
        bool read; /* the answer before the silence */
    } phases[] = {
        {"connected only", "", false},
        {"idle", GET("/small"), true},
        {"idle, then half a head", GET("/small") "GET /sm", true},
        {"body",
         "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\nhello",
         false},
        {"nobody reads", GET("/endless"), false},
    };
    struct http_options options = echo_options();
    int fds[COUNT(phases)], working, moving, reading;
    struct buf got;

    (void)state;
    options.header_s = options.idle_s = options.body_s = options.send_s = 1;
    begin(&options);
    for (size_t i = 0; i < COUNT(phases); i++) {
        fds[i] = dial();
        say_text(fds[i], phases[i].text);
    }
    working = dial();
    say_text(working, GET("/never"));
    moving = dial();
    say_text(moving,
             "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 12\r\n\r\n");
    reading = dial();
    say_text(reading, GET("/endless"));
    for (int i = 0; i < 8; i++) {
        static char scrap[200000];

        usleep(500000);
        say_text(moving, "x");
        assert_true(recv(reading, scrap, sizeof(scrap), 0) > 0);
    }
    for (size_t i = 0; i < COUNT(phases); i++) {
        print_message("%s\n", phases[i].label);
        assert_true(hear(fds[i], 0, &got));
        assert_int_equal(count(&got, "\r\n\r\n") > 0,
                         phases[i].read || i == COUNT(phases) - 1);
        buf_done(&got);
        close(fds[i]);
    }
    /* Those that move, or wait for us, are let alone. */
    assert_false(hear(working, 0, &got));
    buf_done(&got);
    say_text(moving, "xxxx");
    assert_false(hear(moving, 300, &got));
    assert_int_equal(status_of(&got), 200);
    buf_done(&got);
    close(working);
    close(moving);
    close(reading);
    end(NULL);
}

static void
connections_are_limited(void **state)
{
    struct http_options options = echo_options();
    struct http_stats stats;
    struct buf got;
    int fds[6];

    (void)state;
    options.max_connections_per_address = 4;
    begin(&options);
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial();
        say_text(fds[i], GET("/small"));
    }
    for (size_t i = 0; i < COUNT(fds); i++) {
        assert_int_equal(hear(fds[i], 200, &got), i >= 4);
        assert_int_equal(status_of(&got), i < 4 ? 200 : 0);
        buf_done(&got);
        close(fds[i]);
    }
    usleep(100000);
    assert_false(talk(TEXT(GET("/small")), 1, 200));
    end(NULL);

    /* Over the limit of all, connections wait for others to end. */
    options.max_connections_per_address = 0;
    options.max_connections = 4;
    begin(&options);
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial();
        say_text(fds[i], GET("/small"));
    }
    usleep(200000);
    http_server_stats(echo.server, &stats);
    assert_int_equal(stats.open, 4);
    for (size_t i = 0; i < COUNT(fds); i++) {
        assert_false(hear(fds[i], 200, &got));
        assert_int_equal(status_of(&got), 200);
        buf_done(&got);
        close(fds[i]);
    }
    end(NULL);
}

static void
draining_answers_and_closes(void **state)
{
    struct http_options options = echo_options();
    struct buf got;

    (void)state;
    begin(&options);
    int idle = dial(), busy = dial(), half = dial();

    say_text(idle, GET("/small"));
    assert_false(hear(idle, 200, &got));
    buf_done(&got);
    say_text(half, "GET /small HT");
    say_text(busy, GET("/slow"));
    usleep(50000);
    assert_int_equal(http_server_active(echo.server), 1);
    http_server_drain(echo.server);
    assert_true(hear(idle, 1000, &got));
    buf_done(&got);
    assert_true(hear(busy, 1000, &got));
    assert_int_equal(status_of(&got), 200);
    assert_int_equal(count(&got, "Connection: close"), 1);
    buf_done(&got);
    say_text(half, "TP/1.1\r\n" HOST "\r\n");
    assert_true(hear(half, 1000, &got));
    assert_int_equal(status_of(&got), 200);
    buf_done(&got);
    assert_int_equal(http_server_active(echo.server), 0);

    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)http_server_port(echo.server)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_not_equal(connect(late, (struct sockaddr *)&to, sizeof(to)), 0);
    close(late);
    close(idle);
    close(busy);
    close(half);
    end(NULL);
}

static void
stopping_never_hangs(void **state)
{
    struct http_options options = echo_options();

    (void)state;
    options.workers = 1;
    for (int round = 0; round < 5; round++) {
        int fds[40];
        struct buf got;

        begin(&options);
        for (size_t i = 0; i < COUNT(fds); i++) {
            static const char *const texts[] = {
                GET("/never"), GET("/slow"),   GET("/wait"), GET("/endless"),
                "GET /",       GET("/worker"), "",           GET("/small"),
            };

            fds[i] = dial();
            say_text(fds[i], texts[i % COUNT(texts)]);
        }
        usleep((useconds_t)round * 20000);
        int64_t start = clock_mono_ms();

        /* Those woken by threads of our own must be through. */
        usleep(60000);
        end(NULL);
        assert_in_range(clock_mono_ms() - start, 0, 4000);
        assert_int_equal(echo.heads, echo.dones);
        for (size_t i = 0; i < COUNT(fds); i++) {
            assert_true(hear(fds[i], 100, &got));
            if (i % 8 == 0)
                assert_int_equal(status_of(&got), 503);
            buf_done(&got);
            close(fds[i]);
        }
    }
}

struct load {
    pthread_t thread;
    size_t answers;
};

static void *
put_load(void *context)
{
    struct load *load = context;

    for (int round = 0; round < 20; round++) {
        struct buf got;
        int fd = dial();

        say_text(fd, GET("/small") GET("/worker") GET("/woken")
                         GET("/wait") "POST /later HTTP/1.1\r\n" HOST
                                      "Content-Length: 5\r\n\r\nhello"
                                      "GET /304 HTTP/1.1\r\n" HOST
                                      "Connection: close\r\n\r\n");
        hear(fd, 2000, &got);
        load->answers += count(&got, "HTTP/1.1 200") +
                         count(&got, "HTTP/1.1 304");
        buf_done(&got);
        close(fd);
    }
    return NULL;
}

static void
many_clients_are_served_at_once(void **state)
{
    struct http_options options = echo_options();
    struct load loads[8] = {0};

    (void)state;
    options.max_waiting = 100;
    begin(&options);
    for (size_t i = 0; i < COUNT(loads); i++)
        assert_int_equal(
            pthread_create(&loads[i].thread, NULL, put_load, &loads[i]), 0);
    for (size_t i = 0; i < COUNT(loads); i++) {
        pthread_join(loads[i].thread, NULL);
        assert_int_equal(loads[i].answers, 20 * 6);
    }
    wait_until(&echo.dones, COUNT(loads) * 20 * 6);
    assert_int_equal(echo.complete, echo.dones);
    end(NULL);
}

static void
addresses_to_listen_on_are_checked(void **state)
{
    static const struct {
        const char *listen;
        bool ok;
        const char *url;
    } addresses[] = {
        {"127.0.0.1:0", true, "http://127.0.0.1:"},
        {"[::1]:0", true, "http://[::1]:"},
        {"localhost:0", true, "http://localhost:"},
        {":0", true, "http://localhost:"},
        {"127.0.0.1", false, NULL},
        {"127.0.0.1:", false, NULL},
        {"127.0.0.1:x", false, NULL},
        {"127.0.0.1:65536", false, NULL},
        {"::1:80", false, NULL},
        {"256.0.0.1.invalid:0", false, NULL},
        {"192.0.2.1:0", false, NULL},
    };
    struct http_options options = echo_options();

    (void)state;
    for (size_t i = 0; i < COUNT(addresses); i++) {
        struct error err = ERROR_INIT;
        char url[64];

        print_message("%s\n", addresses[i].listen);
        options.listen = addresses[i].listen;
        options.insecure = true;
        enum error_code rc = echo_start(&echo, &options, &err);

        assert_int_equal(rc == ERR_OK, addresses[i].ok);
        if (rc != ERR_OK) {
            assert_non_null(strstr(err.text, addresses[i].listen));
            echo.server = NULL;
        } else {
            snprintf(url, sizeof(url), "%s%u", addresses[i].url,
                     http_server_port(echo.server));
            assert_string_equal(http_server_url(echo.server), url);
        }
        end(NULL);
    }
}

/* Run a command of a shell, with its output in the message when it fails. */
static void PRINTF_LIKE(1, 2) run(const char *fmt, ...)
{
    char command[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(command, sizeof(command), fmt, args);
    va_end(args);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

static void
tls_is_spoken_in_current_versions_only(void **state)
{
    struct http_options options = echo_options();
    char dir[] = "/tmp/nelm-http-XXXXXX", cert[64], key[64];

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
    snprintf(key, sizeof(key), "%s/key.pem", dir);
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-subj /CN=localhost -days 2 -keyout %s -out %s 2>/dev/null",
        key, cert);
    options.tls_cert = cert;
    options.tls_key = key;
    begin(&options);
    unsigned port = http_server_port(echo.server);

    assert_int_equal(strncmp(http_server_url(echo.server), "https://", 8), 0);
    run("printf 'GET /file HTTP/1.1\\r\\nHost: a\\r\\nConnection: "
        "close\\r\\n\\r\\n' | openssl s_client -quiet -ign_eof %s -connect "
        "127.0.0.1:%u 2>/dev/null | tail -c 16 | grep -q 000000000065535",
        "-tls1_3", port);
    run("printf 'GET /worker HTTP/1.1\\r\\nHost: a\\r\\nConnection: "
        "close\\r\\n\\r\\n' | openssl s_client -quiet -ign_eof %s -connect "
        "127.0.0.1:%u 2>/dev/null | grep -q 'HTTP/1.1 200 OK'",
        "-tls1_2", port);
    run("! printf 'GET /small HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n' | openssl "
        "s_client -quiet -ign_eof -cipher DEFAULT@SECLEVEL=0 %s -connect "
        "127.0.0.1:%u 2>/dev/null | grep -q 'HTTP/1.1'",
        "-tls1_1", port);
    end(NULL);

    struct error err = ERROR_INIT;

    options.tls_key = cert; /* holds no key */
    assert_int_equal(echo_start(&echo, &options, &err), ERR_VALUE);
    echo.server = NULL;
    end(NULL);
    options.tls_cert = "/nowhere.pem";
    assert_int_equal(echo_start(&echo, &options, &err), ERR_VALUE);
    assert_non_null(strstr(err.text, "/nowhere.pem"));
    echo.server = NULL;
    end(NULL);
    run("rm -r %s", dir);
}

/* --- bodies in pieces --------------------------------------------------- */

/* A long body that shows when a part of it is lost or comes twice. */
static char *
long_body(size_t len)
{
    char *body = malloc(len);
    uint32_t state = 1;

    assert_non_null(body);
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525 + 1013904223;
        body[i] = (char)(state >> 24);
    }
    return body;
}

/* Send in chunks of `chunk` bytes, or with 0 as they are. */
static bool
say_body(int fd, const char *body, size_t len, size_t chunk)
{
    char head[32];
    bool good = true;

    if (chunk == 0)
        return say(fd, body, len);
    for (size_t at = 0; good && at < len; at += chunk) {
        size_t size = MIN(chunk, len - at);

        snprintf(head, sizeof(head), "%zx\r\n", size);
        say_text(fd, head);
        good = say(fd, body + at, size);
        say_text(fd, "\r\n");
    }
    if (good)
        say_text(fd, "0\r\n\r\n");
    return good;
}

static void
say_head(int fd, const char *path, size_t len, bool chunked, const char *more)
{
    char head[256];

    snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\n" HOST "%s", path, more);
    say_text(fd, head);
    if (chunked)
        snprintf(head, sizeof(head), "Transfer-Encoding: chunked\r\n\r\n");
    else
        snprintf(head, sizeof(head), "Content-Length: %zu\r\n\r\n", len);
    say_text(fd, head);
}

static const struct {
    const char *label, *path;
    size_t len, chunk;
    const char *more;
} counted[] = {
    {"nothing", "/count", 0, 0, ""},
    {"one byte", "/count", 1, 0, ""},
    {"less than a piece", "/count", 100000, 0, ""},
    {"a piece exactly", "/count", HTTP_PIECE_BYTES, 0, ""},
    {"a byte more", "/count", HTTP_PIECE_BYTES + 1, 0, ""},
    {"many pieces", "/count", 20000003, 0, ""},
    {"chunks of a byte", "/count", 2000, 1, ""},
    {"odd chunks", "/count", 5000011, 1021, ""},
    {"chunks longer than a piece", "/count", 9000001, 1000003, ""},
    {"decided later", "/count/later", 3000000, 0, ""},
    {"decided later, chunks", "/count/later", 3000000, 70000, ""},
    {"asked first", "/count", 3000000, 0, "Expect: 100-continue\r\n"},
    {"asked first, decided later", "/count/later", 3000000, 0,
     "Expect: 100-continue\r\n"},
};

static void
long_bodies_arrive_whole(void **state)
{
    char *body = long_body(20000003);

    (void)state;
    for (size_t i = 0; i < COUNT(counted); i++) {
        bool asks = counted[i].more[0] != '\0';
        char want[64];
        struct buf got;
        int fd = dial();

        print_message("%s\n", counted[i].label);
        say_head(fd, counted[i].path, counted[i].len, counted[i].chunk > 0,
                 counted[i].more);
        if (asks) {
            hear(fd, 300, &got);
            assert_int_equal(status_of(&got), 100);
            buf_done(&got);
        }
        assert_true(say_body(fd, body, counted[i].len, counted[i].chunk));
        say_text(fd, GET("/small"));
        hear(fd, 500, &got);
        snprintf(want, sizeof(want), "\r\n\r\n%zu %08x", counted[i].len,
                 echo_sum(0, str_n(body, counted[i].len)));
        if (strstr(got.data, want) == NULL)
            fail_msg("expected %s, got %.300s", want, got.data);
        assert_int_equal(count(&got, "HTTP/1.1 200"), 2);
        buf_done(&got);
        close(fd);
    }
    free(body);
}

static void
bodies_that_choke_are_read_to_their_end(void **state)
{
    static const size_t chunks[] = {0, 50000};
    size_t len = 20000003;
    char *body = long_body(len);

    (void)state;
    for (size_t i = 0; i < COUNT(chunks); i++) {
        struct buf got;
        int fd = dial();
        unsigned before = echo.pieces;

        say_head(fd, "/choke", len, chunks[i] > 0, "");
        assert_true(say_body(fd, body, len, chunks[i]));
        assert_true(hear(fd, 1000, &got));
        assert_int_equal(status_of(&got), 400);
        assert_non_null(strstr(got.data, "choked"));
        assert_int_equal(echo.pieces, before + 2);
        buf_done(&got);
        close(fd);
    }
    free(body);
    wait_until(&echo.dones, 2);
}

static void
a_body_over_its_limit_is_refused(void **state)
{
    size_t len = ECHO_MAX_COUNTED + 1;
    char *body = long_body(len);
    struct buf got;

    (void)state;
    for (size_t chunk = 0; chunk <= 500000; chunk += 500000) {
        int fd = dial();

        say_head(fd, "/count", len, chunk > 0, "");
        if (chunk > 0)
            assert_true(say_body(fd, body, len, chunk));
        assert_true(hear(fd, 1000, &got));
        assert_int_equal(status_of(&got), 413);
        buf_done(&got);
        close(fd);
    }
    free(body);
}

/* As much as fits into the buffers between us and a server that does not
 * read. */
static size_t
say_until_stuck(int fd, const char *body, size_t len)
{
    struct pollfd output = {.fd = fd, .events = POLLOUT};
    size_t said = 0;

    while (said < len && poll(&output, 1, 500) == 1) {
        ssize_t n = send(fd, body + said, len - said,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0)
            break;
        said += (size_t)n;
    }
    return said;
}

static void
a_slow_taker_slows_the_sender(void **state)
{
    size_t len = 60000000;
    char *body = long_body(len);
    char want[64];
    struct buf got;
    int fd = dial();

    (void)state;
    say_head(fd, "/stuck", len, false, "");
    size_t said = say_until_stuck(fd, body, len);

    assert_true(said < 20000000);
    assert_int_equal(echo.pieces, 1);
    /* Nobody else waits for it. */
    talk(TEXT(GET("/small")), 1, 200);
    talk(TEXT(GET("/worker")), 1, 200);
    echo.stuck = false;
    assert_true(say(fd, body + said, len - said));
    hear(fd, 1000, &got);
    snprintf(want, sizeof(want), "%zu %08x", len,
             echo_sum(0, str_n(body, len)));
    assert_non_null(strstr(got.data, want));
    buf_done(&got);
    close(fd);
    free(body);
}

/* The sender goes away, or the server stops, while a piece is taken. */
static void
an_unfinished_body_is_done_once(void **state)
{
    size_t len = 10000000;
    char *body = long_body(len);

    (void)state;
    for (int round = 0; round < 4; round++) {
        struct http_options options = echo_options();
        int fds[6];

        begin(&options);
        for (size_t i = 0; i < COUNT(fds); i++) {
            fds[i] = dial();
            say_head(fds[i], i % 3 ? "/stuck" : "/count", len, false, "");
            say_until_stuck(fds[i], body, i % 2 ? len / 2 : 300000);
        }
        for (size_t i = 0; i < COUNT(fds) && round % 2 == 0; i++)
            close(fds[i]);
        usleep(50000);
        echo.stuck = false;
        if (round % 2 == 0)
            wait_until(&echo.dones, COUNT(fds));
        end(NULL);
        assert_int_equal(echo.dones, COUNT(fds));
        assert_int_equal(echo.heads, COUNT(fds));
        for (size_t i = 0; i < COUNT(fds) && round % 2 != 0; i++)
            close(fds[i]);
    }
    free(body);
}

#define WITH_SERVER(test) \
    cmocka_unit_test_setup_teardown(test, begin_default, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(ambiguous_requests_are_refused_and_end_the_connection),
        WITH_SERVER(a_long_head_is_refused),
        WITH_SERVER(unusual_heads_are_accepted),
        WITH_SERVER(all_headers_are_seen),
        WITH_SERVER(connections_are_kept_and_pipelined),
        WITH_SERVER(bodies_come_in_any_pieces),
        WITH_SERVER(continue_is_sent_when_the_body_is_wanted),
        WITH_SERVER(refused_bodies_do_not_eat_the_answer),
        WITH_SERVER(answers_without_a_body_have_none),
        WITH_SERVER(an_answer_that_does_not_fit_is_an_error),
        WITH_SERVER(a_lost_client_is_noticed),
        WITH_SERVER(too_much_waiting_work_is_refused),
        WITH_SERVER(long_bodies_arrive_whole),
        WITH_SERVER(bodies_that_choke_are_read_to_their_end),
        WITH_SERVER(a_body_over_its_limit_is_refused),
        WITH_SERVER(a_slow_taker_slows_the_sender),
        cmocka_unit_test(an_unfinished_body_is_done_once),
        cmocka_unit_test(slow_heads_are_cut_and_others_served),
        cmocka_unit_test(each_phase_has_its_deadline),
        cmocka_unit_test(connections_are_limited),
        cmocka_unit_test(draining_answers_and_closes),
        cmocka_unit_test(stopping_never_hangs),
        cmocka_unit_test(many_clients_are_served_at_once),
        cmocka_unit_test(addresses_to_listen_on_are_checked),
        cmocka_unit_test(tls_is_spoken_in_current_versions_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

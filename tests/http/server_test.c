/*
 * The server over raw sockets: what is refused, and how answers and connections
 * end.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "client.h"

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
        assert_true(hear(fd, PATIENCE_MS, &got));
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
    hear_words(fd, "\r\n\r\nHost=a\nX-A=1\nx-a=2\nX-Empty=\nX-A=3\n", &got);
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
    say_text(fd, LAST("/small"));
    assert_true(hear(fd, PATIENCE_MS, &got));
    assert_int_equal(count(&got, "HTTP/1.1 200 OK"), 7);
    assert_int_equal(count(&got, "HTTP/1.1 304"), 1);
    assert_int_equal(count(&got, "X-Finish: yes"), 8);
    assert_non_null(strstr(got.data, "\r\n\r\nhelloHTTP/1.1 200"));
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
        usleep(200);
    }
    hear_words(fd, "\r\n\r\nhello, world", &got);
    assert_int_equal(status_of(&got), 200);
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
    hear_words(fd, "HTTP/1.1 100 Continue\r\n\r\n", &got);
    buf_done(&got);
    say_text(fd, "hello");
    hear_words(fd, "\r\n\r\nhello", &got);
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
    uint64_t total = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct buf got;
        int fd = dial();

        /* The next answer begins where this one ends. */
        say_text(fd, answers[i].request);
        say_text(fd, LAST("/204"));
        assert_true(hear(fd, PATIENCE_MS, &got));
        const char *body = strstr(got.data, "\r\n\r\n");

        assert_non_null(body);
        const char *next = body + 4 + answers[i].body;

        assert_true(next < got.data + got.len);
        assert_int_equal(strncmp(next, "HTTP/1.1 204", 12), 0);
        got.data[body + 2 - got.data] = '\0';
        if (answers[i].length != NULL)
            assert_non_null(strstr(got.data, answers[i].length));
        else
            assert_null(strstr(got.data, "Content-Length"));
        buf_done(&got);
        close(fd);
        wait_until(&echo.dones, 2 * ((unsigned)i + 1));
        total += answers[i].body;
        assert_int_equal(echo.sent, total);
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
    hear_words(fd, "\r\n\r\n", &got);
    buf_done(&got);
    close(fd);
    wait_until(&echo.dones, 1);
    assert_int_equal(echo.complete, 0);
    assert_true(echo.sent < 1 << 30);

    /* One that goes while its request is worked on. */
    fd = dial();
    say_text(fd, GET("/slow"));
    wait_until(&echo.heads, 2);
    close(fd);
    wait_until(&echo.dones, 2);

    /* One that only stops sending wants its answer. */
    fd = dial();
    say_text(fd, GET("/slow"));
    shutdown(fd, SHUT_WR);
    assert_true(hear(fd, PATIENCE_MS, &got));
    assert_int_equal(status_of(&got), 200);
    buf_done(&got);
    close(fd);
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
        cmocka_unit_test(addresses_to_listen_on_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

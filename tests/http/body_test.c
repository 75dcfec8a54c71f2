/*
 * Bodies of any length, taken in pieces.
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
            hear_words(fd, "HTTP/1.1 100 Continue\r\n\r\n", &got);
            buf_done(&got);
        }
        assert_true(say_body(fd, body, counted[i].len, counted[i].chunk));
        say_text(fd, LAST("/small"));
        assert_true(hear(fd, PATIENCE_MS, &got));
        snprintf(want, sizeof(want), "\r\n\r\n%zu %08x", counted[i].len,
                 echo_sum(0, str_n(body, counted[i].len)));
        if (strstr(got.data, want) == NULL)
            fail_msg("expected %s, got %.300s", want, got.data);
        /* Behind chunks there is no next request. */
        assert_int_equal(count(&got, "HTTP/1.1 200"),
                         counted[i].chunk > 0 ? 1 : 2);
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
        assert_true(hear(fd, PATIENCE_MS, &got));
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
        assert_true(hear(fd, PATIENCE_MS, &got));
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

    while (said < len && poll(&output, 1, 100) == 1) {
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
    size_t said = 0;

    do
        said += say_until_stuck(fd, body + said, len - said);
    while (echo.pieces == 0);
    assert_true(said < 20000000);
    assert_int_equal(echo.pieces, 1);
    /* Nobody else waits for it. */
    talk(TEXT(GET("/small")), 1, 200);
    talk(TEXT(GET("/worker")), 1, 200);
    echo.stuck = false;
    assert_true(say(fd, body + said, len - said));
    say_text(fd, LAST("/small"));
    assert_true(hear(fd, PATIENCE_MS, &got));
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(long_bodies_arrive_whole),
        WITH_SERVER(bodies_that_choke_are_read_to_their_end),
        WITH_SERVER(a_body_over_its_limit_is_refused),
        WITH_SERVER(a_slow_taker_slows_the_sender),
        cmocka_unit_test(an_unfinished_body_is_done_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

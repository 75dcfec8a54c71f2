/*
 * Slow clients, too many of them, and a server that stops.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "client.h"

static void
too_much_waiting_work_is_refused(void **state)
{
    unsigned served = 0, refused = 0;
    int fds[20];

    (void)state;
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial();
        say_text(fds[i], LAST("/slow"));
    }
    /* What needs no worker is served meanwhile. */
    assert_false(talk(TEXT(GET("/small")), 1, 200));
    for (size_t i = 0; i < COUNT(fds); i++) {
        struct buf got;

        assert_true(hear(fds[i], PATIENCE_MS, &got));
        served += status_of(&got) == 200;
        refused += status_of(&got) == 503;
        buf_done(&got);
        close(fds[i]);
    }
    assert_int_equal(served + refused, COUNT(fds));
    assert_in_range(served, 8, 12); /* 2 at work, 8 in line */
}

/* --- slow clients ------------------------------------------------------ */

static void
slow_heads_are_cut_and_others_served(void **state)
{
    struct http_options options = echo_options();
    struct http_stats stats;
    static int fds[500];
    unsigned shut = 0;

    (void)state;
    options.header_ms = 400;
    begin(&options);
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial();
        say_text(fds[i], i % 2 ? "GET /small HTTP/1.1\r\nHost" : "G");
    }
    /* A byte now and then does not help them. */
    for (stats.timed_out = 0; stats.timed_out < COUNT(fds);) {
        for (size_t i = 0; i < COUNT(fds); i++)
            say_text(fds[i], "x");
        assert_false(talk(TEXT(GET("/small")), 1, 200));
        usleep(20000);
        http_server_stats(echo.server, &stats);
    }
    for (size_t i = 0; i < COUNT(fds); i++) {
        struct buf got;

        shut += hear(fds[i], PATIENCE_MS, &got);
        assert_int_equal(got.len, 0);
        buf_done(&got);
        close(fds[i]);
    }
    assert_int_equal(shut, COUNT(fds));
    end(NULL);
}

#define BODY "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 60000\r\n\r\n"

/* A thousand of them in all three ways to be slow. Nothing that others ask
 * for, on event threads and on workers, takes longer than it should, and the
 * slow ones are cut at their deadline, though each says or hears something now
 * and then. */
static void
slow_clients_by_the_thousand_hurt_nobody(void **state)
{
    static const char *const texts[] = {"GET /small HTTP/1.1\r\nX", BODY,
                                        GET("/endless")};
    struct http_options options = echo_options();
    struct http_stats stats = {.timed_out = 0};
    static int fds[999];
    unsigned rounds = 0;
    char scrap[16];

    (void)state;
    options.header_ms = options.body_ms = options.send_ms = 500;
    options.max_connections = 2000;
    begin(&options);
    for (size_t i = 0; i < COUNT(fds); i++) {
        const int small = 2048;

        fds[i] = dial();
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        say_text(fds[i], texts[i % COUNT(texts)]);
    }
    while (stats.timed_out < COUNT(fds)) {
        for (size_t i = 0; i < COUNT(fds); i++) {
            if (i % COUNT(texts) < 2)
                say_text(fds[i], "x");
            else if (rounds % 8 == 0)
                (void)!recv(fds[i], scrap, 1, MSG_DONTWAIT);
        }
        assert_false(talk(TEXT(GET("/small") GET("/worker")), 2, 200));
        assert_false(talk(TEXT("POST /later HTTP/1.1\r\n" HOST
                               "Content-Length: 5\r\n\r\nhello"),
                          1, 200));
        http_server_stats(echo.server, &stats);
        rounds++;
    }
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
    print_message("%u rounds\n", rounds);
    assert_true(rounds > 5);
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
    struct http_stats stats = {.timed_out = 0};
    struct buf got;
    char piece[300];
    size_t moved = 0;

    (void)state;
    memset(piece, 'x', sizeof(piece));
    options.header_ms = options.idle_ms = options.body_ms = options.send_ms =
        300;
    begin(&options);
    for (size_t i = 0; i < COUNT(phases); i++) {
        fds[i] = dial();
        say_text(fds[i], phases[i].text);
    }
    working = dial();
    say_text(working, GET("/never"));
    moving = dial();
    say_text(moving,
             "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 60000\r\n\r\n");
    reading = dial();
    say_text(reading, GET("/endless"));
    while (stats.timed_out < COUNT(phases)) {
        static char scrap[200000];

        usleep(20000);
        assert_true(say(moving, piece, sizeof(piece)));
        moved += sizeof(piece);
        assert_true(recv(reading, scrap, sizeof(scrap), 0) > 0);
        http_server_stats(echo.server, &stats);
    }
    for (size_t i = 0; i < COUNT(phases); i++) {
        print_message("%s\n", phases[i].label);
        assert_true(hear(fds[i], PATIENCE_MS, &got));
        assert_int_equal(count(&got, "\r\n\r\n") > 0,
                         phases[i].read || i == COUNT(phases) - 1);
        buf_done(&got);
        close(fds[i]);
    }
    /* Those that move, or wait for us, are let alone. */
    assert_false(hear(working, 0, &got));
    buf_done(&got);
    for (; moved < 60000; moved += sizeof(piece))
        assert_true(say(moving, piece, MIN(sizeof(piece), 60000 - moved)));
    say_text(moving, LAST("/small"));
    assert_true(hear(moving, PATIENCE_MS, &got));
    assert_int_equal(count(&got, "HTTP/1.1 200"), 2);
    buf_done(&got);
    close(working);
    close(moving);
    close(reading);
    end(NULL);
}

/* --- too many ------------------------------------------------------------ */

static void
wait_for_open(unsigned want)
{
    struct http_stats stats;

    for (int i = 0; i < PATIENCE_MS; i++) {
        http_server_stats(echo.server, &stats);
        if (stats.open == want)
            return;
        usleep(1000);
    }
    fail_msg("%u connections are open, not %u", stats.open, want);
}

static void
connections_of_one_address_are_limited(void **state)
{
    struct http_options options = echo_options();
    struct buf got;
    int fds[6];

    (void)state;
    options.max_connections_per_address = 4;
    begin(&options);
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial();
        /* One after the other, since two threads serve them. */
        wait_for_open(MIN((unsigned)i + 1, 4));
    }
    /* Those too many first: later there would be room for them. */
    for (size_t i = COUNT(fds); i-- > 0;) {
        say_text(fds[i], LAST("/small"));
        assert_true(hear(fds[i], PATIENCE_MS, &got));
        assert_int_equal(status_of(&got), i < 4 ? 200 : 0);
        buf_done(&got);
        close(fds[i]);
    }
    wait_for_open(0);
    assert_false(talk(TEXT(GET("/small")), 1, 200));
    end(NULL);
}

static void
a_trusted_proxy_is_not_one_address(void **state)
{
    struct http_options options = echo_options();
    struct nets proxies;
    struct buf got;
    int fds[6];

    (void)state;
    assert_true(nets_parse(STR("127.0.0.0/8"), &proxies));
    options.max_connections_per_address = 1;
    options.trusted_proxies = &proxies;
    begin(&options);
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial();
        wait_for_open((unsigned)i + 1);
    }
    for (size_t i = 0; i < COUNT(fds); i++) {
        say_text(fds[i], LAST("/small"));
        assert_true(hear(fds[i], PATIENCE_MS, &got));
        assert_int_equal(status_of(&got), 200);
        buf_done(&got);
        close(fds[i]);
    }
    end(NULL);
}

/* Over the limit of all, those that stand make room for those that wait. */
static void
idle_connections_make_room_when_all_are_taken(void **state)
{
    struct http_options options = echo_options();
    struct http_stats stats;
    struct buf got;
    int idle[12], later[8], working;

    (void)state;
    options.max_connections = COUNT(idle) + 1;
    begin(&options);
    working = dial();
    say_text(working, GET("/never"));
    wait_until(&echo.heads, 1);
    for (size_t i = 0; i < COUNT(idle); i++)
        idle[i] = dial();
    wait_for_open(options.max_connections);
    for (size_t i = 0; i < COUNT(later); i++) {
        later[i] = dial();
        say_text(later[i], LAST("/small"));
    }
    for (size_t i = 0; i < COUNT(later); i++) {
        assert_true(hear(later[i], PATIENCE_MS, &got));
        assert_int_equal(status_of(&got), 200);
        buf_done(&got);
        close(later[i]);
    }
    http_server_stats(echo.server, &stats);
    assert_in_range(stats.shed, 1, COUNT(idle));
    /* Who waits for us is let alone. */
    assert_false(hear(working, 0, &got));
    buf_done(&got);
    for (size_t i = 0; i < COUNT(idle); i++)
        close(idle[i]);
    close(working);
    end(NULL);
}

/* --- the end -------------------------------------------------------------- */

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
    wait_until(&echo.heads, 2);
    http_server_drain(echo.server);
    assert_true(hear(idle, PATIENCE_MS, &got));
    buf_done(&got);
    assert_true(hear(busy, PATIENCE_MS, &got));
    assert_int_equal(status_of(&got), 200);
    assert_int_equal(count(&got, "Connection: close"), 1);
    buf_done(&got);
    say_text(half, "TP/1.1\r\n" HOST "\r\n");
    assert_true(hear(half, PATIENCE_MS, &got));
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
            assert_true(hear(fds[i], PATIENCE_MS, &got));
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

int
main(void)
{
    struct rlimit files;

    /* Both ends of every connection are ours. */
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = MIN(files.rlim_max, (rlim_t)8192);
    setrlimit(RLIMIT_NOFILE, &files);

    const struct CMUnitTest tests[] = {
        WITH_SERVER(too_much_waiting_work_is_refused),
        cmocka_unit_test(slow_heads_are_cut_and_others_served),
        cmocka_unit_test(slow_clients_by_the_thousand_hurt_nobody),
        cmocka_unit_test(each_phase_has_its_deadline),
        cmocka_unit_test(connections_of_one_address_are_limited),
        cmocka_unit_test(a_trusted_proxy_is_not_one_address),
        cmocka_unit_test(idle_connections_make_room_when_all_are_taken),
        cmocka_unit_test(draining_answers_and_closes),
        cmocka_unit_test(stopping_never_hangs),
        cmocka_unit_test(many_clients_are_served_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

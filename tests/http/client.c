#include "client.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct echo echo;

void
begin(const struct http_options *options)
{
    struct error err = ERROR_INIT;

    if (echo_start(&echo, options, &err) != ERR_OK)
        fail_msg("%s %s", error_text(&err), err.detail);
}

int
begin_default(void **state)
{
    struct http_options options = echo_options();

    (void)state;
    begin(&options);
    return 0;
}

int
end(void **state)
{
    (void)state;
    echo_stop(&echo);
    return 0;
}

int
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
bool
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

void
say_text(int fd, const char *text)
{
    say(fd, text, strlen(text));
}

/* Read until the other side closes, or nothing came for so long; true when it
 * was closed. */
bool
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

void
hear_words(int fd, const char *words, struct buf *to)
{
    struct pollfd input = {.fd = fd, .events = POLLIN};

    buf_init(to, 1 << 30);
    buf_text(to, "");
    while (strstr(to->data, words) == NULL) {
        assert_int_equal(poll(&input, 1, PATIENCE_MS), 1);
        ssize_t n = recv(fd, buf_reserve(to, 65536), 65536, 0);

        assert_true(n > 0);
        to->len += (size_t)n;
        to->data[to->len] = '\0';
    }
}

size_t
count(const struct buf *text, const char *word)
{
    size_t found = 0;

    for (const char *at = text->data; (at = strstr(at, word)) != NULL; at++)
        found++;
    return found;
}

int
status_of(const struct buf *text)
{
    return strncmp(text->data, "HTTP/1.1 ", 9) == 0 ? atoi(text->data + 9) : 0;
}

bool
talk(const char *bytes, size_t len, size_t answers, int status)
{
    struct buf got;
    int fd = dial();

    say(fd, bytes, len);
    say_text(fd, LAST("/small"));
    if (!hear(fd, PATIENCE_MS, &got))
        fail_msg("the connection was not closed");
    close(fd);
    size_t count_got = count(&got, "HTTP/1.1 ");
    bool kept = count_got == answers + 1;

    if ((!kept && count_got != answers) || status_of(&got) != status)
        fail_msg("expected %zu x %d, got: %.300s", answers, status, got.data);
    assert_int_equal(count(&got, "\r\nDate: "), count_got);
    buf_done(&got);
    return !kept;
}

void
wait_until(atomic_uint *counter, unsigned value)
{
    for (int i = 0; i < PATIENCE_MS && *counter != value; i++)
        usleep(1000);
    assert_int_equal(*counter, value);
}

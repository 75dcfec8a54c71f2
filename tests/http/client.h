/*
 * client.h - what the tests of the HTTP layer share: a server with the echo
 * application, and a client that says any bytes and hears what comes.
 *
 * Memory:  hear() fills a buf that the caller frees.
 * Errors:  cmocka's.
 * Threads: one server at a time; a connection belongs to one thread.
 */
#ifndef NELM_TESTS_HTTP_CLIENT_H
#define NELM_TESTS_HTTP_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "echo.h"

#define HOST "Host: a\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
/* The same, and the server ends the connection behind its answer. */
#define LAST(path) "GET " path " HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"
#define TEXT(s) s, sizeof(s) - 1

/* Longer than anything takes that is not broken. */
#define PATIENCE_MS 10000

extern struct echo echo;

/* Start the server, and stop it. */
void begin(const struct http_options *options);
int begin_default(void **state);
int end(void **state);
#define WITH_SERVER(test) \
    cmocka_unit_test_setup_teardown(test, begin_default, end)

/* A connection. */
int dial(void);
/* False when the server did not want all of it. */
bool say(int fd, const char *bytes, size_t len);
void say_text(int fd, const char *text);
/* Read until the other side closes, or nothing came for so long; true when it
 * was closed. */
bool hear(int fd, int quiet_ms, struct buf *to);

/* Read until these words came. */
void hear_words(int fd, const char *words, struct buf *to);

size_t count(const struct buf *text, const char *word);
/* Of the first answer; 0 when there is none. */
int status_of(const struct buf *text);

/* Send, and one more request behind it. Expect that many answers to the
 * first, the first of all with that status, and say whether the connection
 * ended with them. */
bool talk(const char *bytes, size_t len, size_t answers, int status);

void wait_until(atomic_uint *counter, unsigned value);

#endif

/*
 * echo.h - a small application on the HTTP layer that shows each way through
 * it.
 *
 *   GET  /small         200 bytes, answered at once
 *   GET  /worker        the same from a worker thread
 *   GET  /slow          the same after 200 ms on a worker thread
 *   GET  /wait          parks, and is woken by another thread
 *   GET  /woken         is woken before it parks
 *   GET  /never         parks until the server stops
 *   GET  /file          1 MiB from a file, or the part that Range asks for
 *   GET  /endless       1 GiB of a file with a hole
 *   GET  /304, /204, /416   an answer without a body
 *   GET  /big           fills the arena beyond its limit
 *   GET  /head          the headers as they came, one per line
 *   POST /echo          the body
 *   POST /later         the body, decided upon on a worker thread
 *   POST /refused       401 without reading the body
 *   POST /count         length and sum of a body that is taken in pieces
 *   POST /count/later   the same, decided upon on a worker thread
 *   POST /choke         the same, but the second piece is refused (400)
 *   POST /stuck         the same, but waits while echo.stuck is set
 *
 * Memory:  struct echo outlives its server.
 * Errors:  those of http_server_start().
 * Threads: as server.h.
 */
#ifndef NELM_TESTS_HTTP_ECHO_H
#define NELM_TESTS_HTTP_ECHO_H

#include <pthread.h>
#include <stdatomic.h>

#include "http/server.h"

#define ECHO_MAX_BODY (256 * 1024)
#define ECHO_MAX_COUNTED ((uint64_t)64 << 20)
#define ECHO_FILE_BYTES (1024 * 1024)

struct echo {
    struct http_server *server;
    int file, hole;
    atomic_uint heads, dones, complete; /* exchanges */
    atomic_uint_fast64_t sent;          /* bytes, by all that are done */
    atomic_bool stuck;
    atomic_uint pieces;
};

/* Short deadlines and small limits; a test changes what it is about. */
struct http_options echo_options(void);

enum error_code echo_start(struct echo *echo,
                           const struct http_options *options,
                           struct error *err) MUST_USE;
void echo_stop(struct echo *echo);

/* What /count answers as its sum: begin with 0. */
uint32_t echo_sum(uint32_t sum, struct str bytes);

#endif

/*
 * listener.h - a listening socket from "HOST:PORT".
 *
 * Memory:  the caller owns struct listener; listener_done() closes it.
 * Errors:  ERR_VALUE for text that names no address, ERR_UNAVAILABLE when the
 *          address cannot be listened on; both with the reason.
 * Threads: one thread at a time.
 */
#ifndef NELM_HTTP_LISTENER_H
#define NELM_HTTP_LISTENER_H

#include <stdbool.h>

#include "base/error.h"

struct listener {
    int fd; /* does not block */
    unsigned port;
    bool loopback; /* only this machine reaches it */
    char url[320]; /* scheme://HOST:PORT with the port that we got */
};

/* "127.0.0.1:8080", "[::1]:8080", "name:8080", ":8080" for every address;
 * port 0 takes a free one. */
enum error_code listener_init(struct listener *listener, const char *text,
                              const char *scheme, struct error *err) MUST_USE;
void listener_done(struct listener *listener);

#endif

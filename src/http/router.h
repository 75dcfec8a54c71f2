/*
 * router.h - from a path to the row of a table of routes.
 *
 * A pattern is made of literal segments and of "{name}", which takes any one
 * segment: "/sources/{id}/people/download". Where several fit, the one with
 * the first literal segment from the left wins.
 *
 * Memory:  the caller owns struct router; patterns must outlive it.
 * Errors:  router_add() is false for a pattern with too many segments or
 *          captures and when the table is full.
 * Threads: router_match() is safe everywhere once all routes were added.
 */
#ifndef NELM_HTTP_ROUTER_H
#define NELM_HTTP_ROUTER_H

#include "http/message.h"

#define ROUTER_MAX_ROUTES 128
#define ROUTER_MAX_SEGMENTS 12
#define ROUTER_MAX_CAPTURES 4

struct router_route {
    const char *pattern;
    unsigned methods; /* enum http_method, or-ed */
    size_t index;     /* of the caller's table */
    struct str segments[ROUTER_MAX_SEGMENTS];
};

struct router {
    /* By number of segments, then literals before captures; the routes with
     * n segments are those from begin[n] up to begin[n + 1]. */
    struct router_route routes[ROUTER_MAX_ROUTES];
    size_t begin[ROUTER_MAX_SEGMENTS + 2];
};

void router_init(struct router *router);

bool router_add(struct router *router, unsigned methods, const char *pattern,
                size_t index) MUST_USE;

enum router_result {
    ROUTER_FOUND,
    ROUTER_NO_PATH,  /* 404 */
    ROUTER_NO_METHOD /* 405: only `allowed` is set */
};

struct router_match {
    size_t index;     /* as given to router_add() */
    unsigned allowed; /* methods of the path; GET brings HEAD with it */
    struct http_field captures[ROUTER_MAX_CAPTURES]; /* name, raw segment */
    size_t capture_count;
};

/* Double and trailing slashes of `path` do not count. Literal segments are
 * compared after percent-decoding, with regard to case. */
enum router_result router_match(const struct router *router,
                                enum http_method method, struct str path,
                                struct router_match *ret);

#endif

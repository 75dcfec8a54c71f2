/*
 * body.h - JSON bodies of requests, and the frame of every call that changes
 * something: read the body, do the work in one write transaction, answer with
 * what it wrote.
 *
 * Memory:  a struct change lives for one call; what it points to is borrowed.
 * Errors:  ERR_MEDIA_TYPE, ERR_SYNTAX, then what the work says.
 * Threads: see call.h; the work may run on another thread and more than once.
 */
#ifndef NELM_API_BODY_H
#define NELM_API_BODY_H

#include <jansson.h>

#include "api/call.h"
#include "api/views.h"

enum body_kind {
    BODY_NONE,
    BODY_JSON,
    BODY_OPTIONAL, /* nothing is an empty object */
    BODY_PATCH     /* application/json-patch+json too */
};

struct change {
    struct call *call;
    struct uuid id; /* of the object in the path */
    const json_t *body;
    struct actor actor;
    struct arena *arena; /* of the call */
    struct buf answer;   /* empty: 204 */
};

/* One change, in `tx`: sets all its outputs anew. It writes the answer with
 * `views`. */
typedef enum error_code change_work(struct change *change, struct db_tx *tx,
                                    struct views *views, struct error *err);

/* The object of the path is parameter 0 unless the row has none. */
enum error_code change_run(struct call *call, enum body_kind kind,
                           change_work *work, struct error *err) MUST_USE;

#endif

/*
 * list.h - the frame of every call that only reads: one object, or a list
 * with limit, offset, count, filters and sorters (contract 7).
 *
 * Memory:  a struct reading lives for one call.
 * Errors:  ERR_VALUE for a bad parameter, then what the reader says.
 * Threads: see call.h.
 */
#ifndef NELM_API_LIST_H
#define NELM_API_LIST_H

#include "api/call.h"
#include "api/views.h"

struct reading {
    struct call *call;
    struct db_tx *tx;
    struct views views;
    struct arena scratch;       /* of one row */
    const struct uuid *subject; /* NULL: everybody's */
    struct list_query list;
    bool count;             /* wanted */
    int64_t total;          /* set by the reader when it is */
    enum error_code failed; /* of a visitor */
    struct error *err;
    const void *context; /* the handler's */
};

/* Writes the answer with reading->views. */
typedef enum error_code reader(struct reading *reading, struct error *err);

/* One state of the database, one JSON value. May run on an event thread. */
enum error_code reading_run(struct call *call, reader *read,
                            const void *context, struct error *err) MUST_USE;

/* The same with the parameters of a list; the reader writes elements only.
 * Without `filters` that parameter is unknown, so ignored. */
enum error_code reading_list(struct call *call, bool filters, reader *read,
                             const void *context, struct error *err) MUST_USE;

/* For visitors of rows: note a failure; true to go on. */
bool reading_more(struct reading *reading, enum error_code rc);

#endif

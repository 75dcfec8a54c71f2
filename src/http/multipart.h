/*
 * multipart.h - multipart/form-data out of bytes that arrive in any pieces
 * (RFC 7578), as tolerant as contract 2.1 and 16.4 ask: unquoted names,
 * quoted boundary, preamble and epilogue, LF instead of CRLF in part heads.
 *
 * Memory:  owns a buffer of a few KiB plus the part's head; constant for any
 *          body size.
 * Errors:  ERR_SYNTAX with a reason.
 * Threads: one thread at a time.
 */
#ifndef NELM_HTTP_MULTIPART_H
#define NELM_HTTP_MULTIPART_H

#include "base/error.h"
#include "base/str.h"

struct multipart;

struct multipart_part {
    struct str name, filename, content_type; /* `at` NULL when absent */
};

struct multipart_callbacks {
    void *context;
    /* A part begins, its data comes in pieces, it ends. An error stops the
     * reading and is returned by multipart_feed(). */
    enum error_code (*begin)(void *context, const struct multipart_part *part,
                             struct error *err);
    enum error_code (*data)(void *context, const char *bytes, size_t len,
                            struct error *err);
    enum error_code (*end)(void *context, struct error *err);
};

/* The boundary of a Content-Type value; false when it is not
 * multipart/form-data or has no valid boundary (1-70 characters). */
bool multipart_boundary(struct str content_type, char to[71]);

/* NULL without memory. */
struct multipart *multipart_new(const char *boundary,
                                const struct multipart_callbacks *callbacks);
void multipart_free(struct multipart *multipart);

enum error_code multipart_feed(struct multipart *multipart, const char *bytes,
                               size_t len, struct error *err) MUST_USE;
/* The body is over: ERR_SYNTAX unless the closing boundary was seen. */
enum error_code multipart_end(struct multipart *multipart,
                              struct error *err) MUST_USE;

#endif

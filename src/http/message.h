/*
 * message.h - a request as we accepted it and the response we make. Plain
 * data: the library under the server does not show here, so everything above
 * can be tested without a socket.
 *
 * Memory:  all text of a request and a response lives in the exchange's
 *          arena (or is static) until the exchange is done. A response owns
 *          its file descriptor once it is set.
 * Errors:  builders are sticky through the arena: a response that could not
 *          be built in full is answered as a 500.
 * Threads: an exchange is worked on by one thread at a time.
 */
#ifndef NELM_HTTP_MESSAGE_H
#define NELM_HTTP_MESSAGE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/net.h"
#include "base/str.h"

enum http_method {
    HTTP_GET = 1 << 0,
    HTTP_HEAD = 1 << 1,
    HTTP_POST = 1 << 2,
    HTTP_PUT = 1 << 3,
    HTTP_PATCH = 1 << 4,
    HTTP_DELETE = 1 << 5,
    HTTP_OPTIONS = 1 << 6,
    HTTP_OTHER = 1 << 7 /* anything else: answered 405 or 404 */
};

struct http_field {
    struct str name, value;
};

struct http_request {
    enum http_method method;
    struct str method_text;
    struct str target; /* as sent, path and query */
    struct str path;   /* as sent, still percent-encoded, without query */
    struct http_field *query; /* decoded, in order */
    size_t query_count;
    bool query_bad;             /* malformed percent-encoding or UTF-8 */
    struct http_field *headers; /* in order, duplicates included */
    size_t header_count;
    struct str body;      /* whole, unless it was taken in pieces */
    bool has_body;        /* the head announced one */
    uint64_t body_length; /* announced; UINT64_MAX when chunked */
    /* What the client has, also behind a trusted proxy: */
    struct net_address peer;
    struct str host; /* of our URL; `at` NULL with HTTP/1.0 */
    bool tls;
};

/* First header of that name (any case); `at` NULL when there is none. */
struct str http_header(const struct http_request *request, const char *name);

/* First query parameter of exactly that name; NULL `at` when absent, an empty
 * non-NULL str for "name=" and "name". */
struct str http_query(const struct http_request *request, const char *name);

/* The media type of a Content-Type value is `type` ("text/csv")? Ignores case
 * and parameters. */
bool http_media_is(struct str content_type, const char *type);

/* Its charset parameter is absent or UTF-8? */
bool http_charset_is_utf8(struct str content_type);

/* Take "name=value" off a header value's parameters; the value keeps its
 * quotes. Call while rest->at is not NULL. */
struct str http_parameter(struct str *rest, struct str *ret_name);

/* Drop the quotes around a value; `to` has room for it and may be where it is.
 * A backslash counts only before a quote or a backslash: some clients send
 * Windows paths as they are. */
struct str http_unquote(struct str value, char *to);

/* The first tag of an Accept-Language value, "und" where that is none. */
struct str http_language(struct str accept_language);

#define HTTP_MAX_RESPONSE_HEADERS 32

struct http_response {
    struct arena *arena; /* of the exchange */
    int status;          /* 0: nothing was answered yet */
    struct http_field headers[HTTP_MAX_RESPONSE_HEADERS];
    size_t header_count;
    struct str body;         /* when fd is negative; borrowed from the arena */
    int fd;                  /* a file to send, or -1; owned */
    uint64_t offset, length; /* part of the file */
    bool close;              /* end the connection behind this answer */
};

void http_response_init(struct http_response *response, struct arena *arena);
void http_response_done(struct http_response *response);

/* Forget what was answered so far (an error comes instead). */
void http_response_reset(struct http_response *response);

/* Add a header, replacing one of the same name. The name is a literal, the
 * value is copied. CR, LF and NUL in a value are a bug in the caller and are
 * replaced by spaces. */
void http_response_header(struct http_response *response, const char *name,
                          struct str value);
void http_response_headerf(struct http_response *response, const char *name,
                           const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Answer with a text that already lives in the arena. */
void http_response_body(struct http_response *response, int status,
                        const char *content_type, struct str body);
/* Answer with part of a file; takes over `fd`. HEAD sends no byte of it but
 * the same Content-Length. */
void http_response_file(struct http_response *response, int status,
                        const char *content_type, int fd, uint64_t offset,
                        uint64_t length);
/* Answer without a body (204, 304, 416, 302). */
void http_response_empty(struct http_response *response, int status);

#endif

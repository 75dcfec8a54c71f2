/*
 * check.h - what makes a request head acceptable, and its query string.
 *
 * Memory:  decoded text goes to the caller's arena.
 * Errors:  ERR_SYNTAX with a reason for the client.
 * Threads: safe everywhere.
 */
#ifndef NELM_HTTP_CHECK_H
#define NELM_HTTP_CHECK_H

#include "http/message.h"

/* Refuse ambiguity (RFC 9112): version not 1.0 or 1.1; not exactly one Host
 * with 1.1; bad names (space before the colon) or values (NUL, bare CR, LF);
 * Content-Length that comes twice, is not all digits, or stands beside
 * Transfer-Encoding; any coding but one "chunked". Sets request->has_body,
 * body_length and host, and trims the values. */
enum error_code http_check_head(struct http_request *request,
                                struct str version, struct error *err) MUST_USE;

/* May it stand for the host in a URL of ours? */
bool http_is_host(struct str text);

/* Split request->target into path and query; decode the query as
 * application/x-www-form-urlencoded. Absolute-form targets are accepted and
 * set request->host. */
enum error_code http_parse_target(struct http_request *request,
                                  struct arena *arena,
                                  struct error *err) MUST_USE;

/* application/x-www-form-urlencoded text to fields. Malformed escapes or
 * UTF-8 set *ret_bad and are kept as they are. At most 256 fields, else
 * false. */
bool http_form_parse(struct str text, struct arena *arena,
                     struct http_field **ret, size_t *ret_count, bool *ret_bad);

/* Percent-decode one path segment: false for malformed escapes, NUL, or bytes
 * that are not UTF-8. */
bool http_decode_segment(struct str segment, struct arena *arena,
                         struct str *ret);

#endif

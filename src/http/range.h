/*
 * range.h - Range and the conditions of RFC 9110 on a file of known length.
 *
 * Memory:  none.
 * Errors:  see each function.
 * Threads: safe everywhere.
 */
#ifndef NELM_HTTP_RANGE_H
#define NELM_HTTP_RANGE_H

#include <stdint.h>

#include "http/message.h"

enum range_result {
    RANGE_WHOLE,        /* no, another unit, several or malformed: send 200 */
    RANGE_PART,         /* 206 */
    RANGE_UNSATISFIABLE /* 416 */
};

/* A single "bytes=" range against `length` bytes. */
enum range_result range_parse(struct str header, uint64_t length,
                              uint64_t *ret_first, uint64_t *ret_length);

/* If-None-Match against our strong `etag` (with quotes): weak comparison,
 * lists and "*". */
bool etag_matches(struct str header, const char *etag);

/* What a conditional request asks of a representation with that ETag and
 * modification time (seconds). 304 if not modified; 412 for a failed
 * If-Match/If-Unmodified-Since; 0: send it. */
int http_condition(const struct http_request *request, const char *etag,
                   int64_t modified_s);

/* May the Range header be honoured? If-Range must be our strong ETag: a date
 * cannot tell two changes of one second apart, so it is no strong validator
 * (RFC 9110 section 13.1.5) and the whole file is sent. */
bool http_if_range(const struct http_request *request, const char *etag);

/* The best coding by Accept-Encoding's weights; zstd, gzip, identity where they
 * tie. Identity when the header is absent, or excludes all of them. */
enum http_coding { CODING_IDENTITY, CODING_GZIP, CODING_ZSTD, CODINGS };
enum http_coding http_coding_pick(struct str accept_encoding);

#endif

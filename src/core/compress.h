/*
 * compress.h - a sink that codes what it gets and passes it on: gzip (RFC
 * 1952) and Zstandard (RFC 8878), both fast and with a checksum inside.
 *
 * What goes in is cut into segments; the coded bytes of each are a function of
 * its plain bytes and of the pieces they came in alone, as long as library and
 * processor are the same. So they can be kept and put together anew: a file is
 * the head, any coded segments, and the tail. No time, name or system is in it.
 * As gzip it is one member whose blocks do not look back beyond their segment;
 * as Zstandard a frame for each segment.
 *
 * Memory:  compress_new()/compress_free(); some 700 KiB, whatever the input.
 * Errors:  those of the sink behind it; ERR_INTERNAL from the library.
 * Threads: one thread at a time.
 */
#ifndef NELM_CORE_COMPRESS_H
#define NELM_CORE_COMPRESS_H

#include <stdint.h>

#include "base/sink.h"

enum compress_method { COMPRESS_GZIP, COMPRESS_ZSTD };

struct compressor;

/* NULL without memory. `to` is borrowed. */
struct compressor *compress_new(enum compress_method method, struct sink *to);
void compress_free(struct compressor *compressor);

enum error_code compress_head(struct compressor *compressor,
                              struct error *err) MUST_USE;

/* Where the plain bytes of a segment go, at least one. */
struct sink *compress_sink(struct compressor *compressor);

/* Write what is still inside of the segment. *ret_check is for the tail. */
enum error_code compress_end_segment(struct compressor *compressor,
                                     uint32_t *ret_check,
                                     struct error *err) MUST_USE;

/* The check of two parts from those of each and the plain length of the
 * second. Of no bytes it is 0. */
uint32_t compress_check(uint32_t first, uint32_t second, uint64_t second_len);

/* `check` and `len` of all plain bytes. */
enum error_code compress_tail(struct compressor *compressor, uint32_t check,
                              uint64_t len, struct error *err) MUST_USE;

#endif

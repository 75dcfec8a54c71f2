/*
 * compress.h - a sink that codes what it gets and passes it on: gzip (RFC
 * 1952) and Zstandard (RFC 8878), both fast and with a checksum inside.
 *
 * The same bytes in the same pieces give the same coded bytes, as long as
 * library and processor are the same; no time, name or system is in them.
 *
 * Memory:  compress_new()/compress_free(); some 700 KiB, whatever the input.
 * Errors:  those of the sink behind it; ERR_INTERNAL from the library.
 * Threads: one thread at a time.
 */
#ifndef NELM_CORE_COMPRESS_H
#define NELM_CORE_COMPRESS_H

#include "base/sink.h"

enum compress_method { COMPRESS_GZIP, COMPRESS_ZSTD };

struct compressor;

/* NULL without memory. `to` is borrowed. */
struct compressor *compress_new(enum compress_method method, struct sink *to);
void compress_free(struct compressor *compressor);

/* Where the plain bytes go. */
struct sink *compress_sink(struct compressor *compressor);

/* Write what is still inside, and the end. Once, after the last byte. */
enum error_code compress_finish(struct compressor *compressor,
                                struct error *err) MUST_USE;

#endif

/*
 * digest.h - SHA-256: of bytes on their way to another sink, which are counted
 * too, and of rows of values.
 *
 * Memory:  the struct is all.
 * Errors:  those of the sink behind it.
 * Threads: one thread at a time.
 */
#ifndef NELM_FMT_DIGEST_H
#define NELM_FMT_DIGEST_H

#include <nettle/sha2.h>
#include <stdint.h>

#include "base/sink.h"

struct digest_sink {
    struct sink sink;
    struct sink *to;         /* borrowed; NULL: nowhere */
    struct sha256_ctx state; /* a plain value: a copy goes on from here */
    uint64_t length;
    bool full; /* `to` answered ERR_UNAVAILABLE: it has no room */
};

void digest_begin(struct digest_sink *digest, struct sink *to);
/* Begins anew. */
void digest_finish(struct digest_sink *digest, unsigned char ret[32]);

/* The digest of bytes that are all there. */
void digest_of(const void *bytes, size_t len, unsigned char ret[32]);

/* The digest of a row of values: every one counts with its kind and length, so
 * that no two rows have the same bytes. */
struct tally {
    struct sha256_ctx state;
};
void tally_begin(struct tally *tally);
void tally_int(struct tally *tally, int64_t value);
void tally_str(struct tally *tally, struct str text);
void tally_null(struct tally *tally);
void tally_finish(struct tally *tally, unsigned char ret[32]);

#endif

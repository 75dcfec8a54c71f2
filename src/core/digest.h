/*
 * digest.h - a sink that takes the SHA-256 and counts the bytes of what goes
 * through it to another sink.
 *
 * Memory:  the struct is all.
 * Errors:  those of the sink behind it.
 * Threads: one thread at a time.
 */
#ifndef NELM_CORE_DIGEST_H
#define NELM_CORE_DIGEST_H

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

#endif

/*
 * digest.h - a sink that takes the SHA-256 and counts the bytes of what goes
 * through it to another sink.
 *
 * Memory:  digest_begin()/digest_done(); the context of the library.
 * Errors:  those of the sink behind it; ERR_INTERNAL from the library.
 * Threads: one thread at a time.
 */
#ifndef NELM_CORE_DIGEST_H
#define NELM_CORE_DIGEST_H

#include <stdint.h>

#include "base/sink.h"

struct digest_sink {
    struct sink sink;
    struct sink *to; /* borrowed; NULL: nowhere */
    void *context;   /* of the library */
    uint64_t length;
    bool full; /* `to` answered ERR_UNAVAILABLE: it has no room */
};

/* digest_done() is due whatever the result. */
enum error_code digest_begin(struct digest_sink *digest, struct sink *to,
                             struct error *err) MUST_USE;
enum error_code digest_finish(struct digest_sink *digest, unsigned char ret[32],
                              struct error *err) MUST_USE;
void digest_done(struct digest_sink *digest);

/* The digest of bytes that are all there. False without memory. */
bool digest_of(const void *bytes, size_t len, unsigned char ret[32]) MUST_USE;

#endif

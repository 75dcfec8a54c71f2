#include "core/digest.h"

static enum error_code
digest_write(struct sink *sink, const void *bytes, size_t len,
             struct error *err)
{
    struct digest_sink *digest = (struct digest_sink *)sink;
    enum error_code rc;

    sha256_update(&digest->state, len, bytes);
    digest->length += len;
    if (digest->to == NULL)
        return ERR_OK;
    rc = sink_write(digest->to, bytes, len, err);
    digest->full = digest->full || rc == ERR_UNAVAILABLE;
    return rc;
}

void
digest_begin(struct digest_sink *digest, struct sink *to)
{
    *digest = (struct digest_sink){.sink.write = digest_write, .to = to};
    sha256_init(&digest->state);
}

void
digest_finish(struct digest_sink *digest, unsigned char ret[32])
{
    sha256_digest(&digest->state, SHA256_DIGEST_SIZE, ret);
}

void
digest_of(const void *bytes, size_t len, unsigned char ret[32])
{
    struct sha256_ctx state;

    sha256_init(&state);
    sha256_update(&state, len, bytes);
    sha256_digest(&state, SHA256_DIGEST_SIZE, ret);
}

#include "fmt/digest.h"

#include "base/secret.h"

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
    secret_wipe(&state, sizeof(state)); /* it has the last bytes */
}

void
tally_begin(struct tally *tally)
{
    sha256_init(&tally->state);
}

/* A kind and a number, the lowest byte first. */
static void
tally_head(struct tally *tally, unsigned char kind, uint64_t number)
{
    unsigned char head[9] = {kind};

    for (size_t i = 1; i < sizeof(head); i++, number >>= 8)
        head[i] = (unsigned char)number;
    sha256_update(&tally->state, sizeof(head), head);
}

void
tally_int(struct tally *tally, int64_t value)
{
    tally_head(tally, 'i', (uint64_t)value);
}

void
tally_str(struct tally *tally, struct str text)
{
    tally_head(tally, 's', text.len);
    if (text.len > 0)
        sha256_update(&tally->state, text.len, (const uint8_t *)text.at);
}

void
tally_null(struct tally *tally)
{
    tally_head(tally, 'n', 0);
}

void
tally_finish(struct tally *tally, unsigned char ret[32])
{
    sha256_digest(&tally->state, SHA256_DIGEST_SIZE, ret);
}

#include "core/digest.h"

#include <openssl/evp.h>

static enum error_code
digest_write(struct sink *sink, const void *bytes, size_t len,
             struct error *err)
{
    struct digest_sink *digest = (struct digest_sink *)sink;
    enum error_code rc;

    if (EVP_DigestUpdate(digest->context, bytes, len) != 1)
        return error_internal(err, "digest: cannot update");
    digest->length += len;
    if (digest->to == NULL)
        return ERR_OK;
    rc = sink_write(digest->to, bytes, len, err);
    digest->full = digest->full || rc == ERR_UNAVAILABLE;
    return rc;
}

enum error_code
digest_begin(struct digest_sink *digest, struct sink *to, struct error *err)
{
    *digest = (struct digest_sink){
        .sink.write = digest_write, .to = to, .context = EVP_MD_CTX_new()};
    if (digest->context == NULL ||
        EVP_DigestInit_ex2(digest->context, EVP_sha256(), NULL) != 1)
        return error_internal(err, "digest: cannot begin");
    return ERR_OK;
}

enum error_code
digest_finish(struct digest_sink *digest, unsigned char ret[32],
              struct error *err)
{
    if (EVP_DigestFinal_ex(digest->context, ret, NULL) != 1)
        return error_internal(err, "digest: cannot finish");
    return ERR_OK;
}

void
digest_done(struct digest_sink *digest)
{
    EVP_MD_CTX_free(digest->context);
    digest->context = NULL;
}

bool
digest_of(const void *bytes, size_t len, unsigned char ret[32])
{
    return EVP_Digest(bytes, len, ret, NULL, EVP_sha256(), NULL) == 1;
}

#include "auth/pkce.h"

#include "base/secret.h"
#include "fmt/digest.h"

#define CHALLENGE_LEN 43
#define VERIFIER_MIN 43 /* characters, section 4.1 */
#define VERIFIER_MAX 128

bool
pkce_is_challenge(struct str text)
{
    char digest[CHALLENGE_LEN / 4 * 3 + 3];
    size_t len;

    return text.len == CHALLENGE_LEN && base64url_decode(text, digest, &len) &&
           len == 32;
}

bool
pkce_fits(struct str challenge, struct str verifier)
{
    char text[BASE64_SIZE(32)];
    unsigned char digest[32];

    if (challenge.at == NULL || verifier.len == 0)
        return challenge.at == NULL && verifier.len == 0;
    if (verifier.len < VERIFIER_MIN || verifier.len > VERIFIER_MAX)
        return false;
    digest_of(verifier.at, verifier.len, digest);
    return base64url_encode(digest, sizeof(digest), text) == challenge.len &&
           secret_equal(text, challenge.at, challenge.len);
}

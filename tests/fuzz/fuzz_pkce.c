/* A verifier, or a challenge. A verifier of a lawful length fits its own
 * challenge, and no other; what is taken for a challenge is the only text of
 * its digest, and is no verifier of itself. */
#include <string.h>

#include "auth/pkce.h"
#include "base/secret.h"
#include "fmt/digest.h"
#include "fuzz.h"

static void
check_verifier(struct str verifier, size_t at)
{
    static const char other[] = "AQgw"; /* last characters of a digest, too */
    const struct str none = {NULL, 0};
    bool lawful = verifier.len >= 43 && verifier.len <= 128;
    char challenge[BASE64_SIZE(32)];
    unsigned char digest[32];

    digest_of(verifier.len > 0 ? verifier.at : "", verifier.len, digest);
    struct str text = str_n(challenge, base64url_encode(digest, 32, challenge));

    FUZZ_CHECK(pkce_is_challenge(text));
    FUZZ_CHECK(pkce_fits(text, verifier) == lawful);
    FUZZ_CHECK(pkce_fits(none, verifier) == (verifier.len == 0));
    FUZZ_CHECK(!pkce_fits(text, STR("")));
    char *changed = &challenge[at % text.len];

    *changed = *changed == other[at % 4] ? 'k' : other[at % 4];
    FUZZ_CHECK(pkce_is_challenge(text) && !pkce_fits(text, verifier));
    FUZZ_CHECK(!pkce_fits(str_n(challenge, at % text.len), verifier));
}

static void
check_challenge(struct str text)
{
    char digest[33 + BASE64_SIZE(32)], again[BASE64_SIZE(32)];
    size_t len;

    if (!pkce_is_challenge(text))
        return;
    FUZZ_CHECK(base64url_decode(text, digest, &len) && len == 32);
    FUZZ_CHECK(base64url_encode(digest, 32, again) == text.len &&
               memcmp(again, text.at, text.len) == 0);
    FUZZ_CHECK(!pkce_fits(text, text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);

    check_verifier(text, size > 0 ? data[size - 1] : 0);
    check_challenge(text);
    return 0;
}

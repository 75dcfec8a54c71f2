/* Access tokens, and the claims of a token that somebody got signed: input
 * as a whole token, as "HEADER\nPAYLOAD" before the encoding, and as claims. */
#include <string.h>

#include "auth/claims.h"
#include "auth/jwt.h"
#include "base/secret.h"
#include "fuzz.h"

#define NOW_MS INT64_C(1700000000000)

/* Of this process, so no input can be signed by it. */
static struct jwt_key key;

static void
check_token(struct str token)
{
    static struct jwt jwt;
    char signature[BASE64_SIZE(JWT_SIGNATURE)];
    struct error err = ERROR_INIT;
    enum error_code rc = jwt_parse(token, &jwt, &err);

    FUZZ_CHECK(rc == ERR_OK || rc == ERR_UNAUTHENTICATED);
    if (rc != ERR_OK) {
        FUZZ_CHECK(err.text[0] != '\0');
        return;
    }
    /* Strict means that these claims and signature have this text only. */
    base64url_encode(jwt.signature, JWT_SIGNATURE, signature);
    FUZZ_CHECK(token.len == jwt.signed_part.len + 1 + strlen(signature) &&
               memcmp(token.at + jwt.signed_part.len + 1, signature,
                      strlen(signature)) == 0);
    FUZZ_CHECK(strlen(jwt.kid) == JWT_KID - 1);
    FUZZ_CHECK(jwt.payload_len <= sizeof(jwt.payload));
    FUZZ_CHECK(jwt_verify(&jwt, &key, NULL) == ERR_UNAUTHENTICATED);
}

static void
check_claims(struct str payload)
{
    struct principal principal;
    enum error_code rc = claims_read(payload, STR("i"), STR("a"), NOW_MS,
                                     &principal, NULL);

    FUZZ_CHECK(rc == ERR_OK || rc == ERR_UNAUTHENTICATED);
    if (rc == ERR_OK)
        FUZZ_CHECK(principal.expires_ms > NOW_MS && principal.levels == 0);
}

static void
check_parts(struct str header, struct str payload)
{
    char *token = malloc(BASE64_SIZE(header.len) + BASE64_SIZE(payload.len) +
                         BASE64_SIZE(JWT_SIGNATURE));
    unsigned char signature[JWT_SIGNATURE] = {0};
    size_t len;

    FUZZ_CHECK(token != NULL);
    len = base64url_encode(header.at, header.len, token);
    token[len++] = '.';
    len += base64url_encode(payload.at, payload.len, token + len);
    token[len++] = '.';
    len += base64url_encode(signature, sizeof(signature), token + len);
    check_token(str_n(token, len));
    free(token);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size), rest = text;

    if (key.pkey == NULL)
        FUZZ_CHECK(jwt_key_create(&key, NULL) == ERR_OK);
    check_token(text);
    check_claims(text);
    struct str header = str_cut(&rest, '\n');

    if (rest.at != NULL)
        check_parts(header, rest);
    return 0;
}

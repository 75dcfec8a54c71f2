/* What an outside issuer publishes and its tokens: input as its configuration,
 * as its keys, as the setting of levels, as an address, as a whole token, and
 * as "HEADER\nPAYLOAD" before the encoding. */
#include <string.h>

#include "auth/issuer.h"
#include "auth/jwks.h"
#include "auth/outside.h"
#include "base/secret.h"
#include "fuzz.h"

#define NOW_MS INT64_C(1700000000000)
#define LEVEL 1U

static const struct outside_rules rules = {
    .issuer = {"i", 1},
    .audience = {"a", 1},
    .subject_claim = {"sub", 3},
    .levels_claim = {"g.h", 3},
    .level_count = 1,
    .levels = {{{"x", 1}, LEVEL}},
};

static void
check_configuration(struct str text)
{
    struct buf uri;
    struct error err = ERROR_INIT;

    buf_init(&uri, 4096);
    enum error_code rc = discovery_read(text, STR("i"), &uri, &err);

    FUZZ_CHECK(rc == ERR_OK || rc == ERR_VALUE);
    FUZZ_CHECK((rc == ERR_OK) == (uri.len > 0));
    FUZZ_CHECK((rc == ERR_OK) == (err.text[0] == '\0'));
    buf_done(&uri);
}

/* Nothing in the input can have signed this. */
static void
check_key(const struct jwks *set, const char *alg_name)
{
    static const unsigned char signature[JWKS_SIGNATURE] = {1, 2, 3};
    static const size_t lengths[] = {0, 63, 64, 96, 256, JWKS_SIGNATURE};
    const struct jwk_alg *alg = jwk_alg_find(alg_name);
    const struct jwk *key = jwks_find(set, STR("k"), alg);

    for (size_t i = 0; key != NULL && i < COUNT(lengths); i++)
        FUZZ_CHECK(jwk_verify(key, alg, STR("h.p"),
                              str_n((const char *)signature, lengths[i]),
                              NULL) == ERR_UNAUTHENTICATED);
}

static void
check_keys(struct str text)
{
    struct jwks *set = NULL;
    enum error_code rc = jwks_read(text, &set, NULL);

    FUZZ_CHECK(rc == ERR_OK || rc == ERR_VALUE);
    if (rc != ERR_OK)
        return;
    FUZZ_CHECK(jwks_count(set) > 0 && jwks_count(set) <= JWKS_MAX_KEYS);
    check_key(set, "RS256");
    check_key(set, "PS256");
    check_key(set, "ES256");
    check_key(set, "ES384");
    check_key(set, "EdDSA");
    jwks_unref(&set);
}

static void
check_settings(struct str text)
{
    struct outside_rules parsed;
    const char *wrong = NULL;
    bool good = outside_levels_parse(text, &parsed, &wrong);
    char *url = strndup(text.at ? text.at : "", text.len);

    FUZZ_CHECK(good || wrong != NULL);
    for (size_t i = 0; good && i < parsed.level_count; i++)
        FUZZ_CHECK(parsed.levels[i].bit != 0);
    FUZZ_CHECK(url != NULL);
    if (issuer_url_good(url))
        FUZZ_CHECK(strncmp(url, "https://", 8) == 0 ||
                   strncmp(url, "http://", 7) == 0);
    free(url);
}

static void
check_token(struct str text)
{
    struct outside token;
    struct outside_claims claims;
    struct error err = ERROR_INIT;
    enum error_code rc = outside_open(text, rules.issuer, &token, &err);

    FUZZ_CHECK(rc == ERR_OK || rc == ERR_NOT_FOUND ||
               rc == ERR_UNAUTHENTICATED);
    FUZZ_CHECK((rc == ERR_UNAUTHENTICATED) == (err.text[0] != '\0'));
    if (rc != ERR_OK)
        return;
    FUZZ_CHECK(token.alg != NULL && token.kid.len > 0);
    FUZZ_CHECK(token.signed_part.len < text.len);
    rc = outside_read(&token, &rules, NOW_MS, &claims, NULL);
    FUZZ_CHECK(rc == ERR_OK || rc == ERR_UNAUTHENTICATED);
    if (rc == ERR_OK)
        FUZZ_CHECK(claims.expires_ms > NOW_MS && claims.subject_len > 0 &&
                   claims.subject_len <= OUTSIDE_SUBJECT &&
                   (claims.levels & ~LEVEL) == 0);
    outside_done(&token);
}

static void
check_parts(struct str header, struct str payload)
{
    char *token = malloc(BASE64_SIZE(header.len) + BASE64_SIZE(payload.len) +
                         8);
    size_t len;

    FUZZ_CHECK(token != NULL);
    len = base64url_encode(header.at, header.len, token);
    token[len++] = '.';
    len += base64url_encode(payload.at, payload.len, token + len);
    memcpy(token + len, ".c2ln", 5);
    check_token(str_n(token, len + 5));
    free(token);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size), rest = text;

    check_configuration(text);
    check_keys(text);
    check_settings(text);
    check_token(text);
    struct str header = str_cut(&rest, '\n');

    if (rest.at != NULL)
        check_parts(header, rest);
    return 0;
}

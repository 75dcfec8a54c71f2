#include "auth/jwt.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "base/secret.h"
#include "fmt/json_read.h"

#define POINT 32      /* bytes of a coordinate, and of r and s */
#define DER_MAX 80    /* of a DER signature: 72 at most on this curve */
#define GROUP "P-256" /* and what OpenSSL calls it: */
#define GROUP_NAME "prime256v1"

enum error_code
jwt_refuse(struct error *err, const char *reason)
{
    return error_set(err, ERR_UNAUTHENTICATED, "JWT validation failed: %s",
                     reason);
}

/* The library's last complaint, for the log. */
static enum error_code
openssl_failed(struct error *err, const char *what)
{
    char text[200];

    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    ERR_clear_error();
    return error_internal(err, "%s: %s", what, text);
}

static bool
coordinate(const EVP_PKEY *pkey, const char *name, char to[JWT_KID])
{
    unsigned char bytes[POINT];
    BIGNUM *number = NULL;
    bool done = EVP_PKEY_get_bn_param(pkey, name, &number) == 1 &&
                BN_bn2binpad(number, bytes, sizeof(bytes)) == POINT;

    BN_free(number);
    if (done)
        base64url_encode(bytes, sizeof(bytes), to);
    return done;
}

/* Take over `pkey` and fill in what follows from it. */
static enum error_code
describe(EVP_PKEY *pkey, struct jwt_key *ret, struct error *err)
{
    struct jwt_key key = {.pkey = pkey};
    char group[32], canonical[256];
    unsigned char digest[32];

    if (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group,
                                       sizeof(group), NULL) != 1 ||
        strcmp(group, GROUP_NAME) != 0 ||
        !coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_X, key.x) ||
        !coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, key.y)) {
        EVP_PKEY_free(pkey);
        ERR_clear_error();
        return error_internal(err, "signing key is not on " GROUP);
    }
    /* Members in the order of their names, no white space. */
    int len = snprintf(canonical, sizeof(canonical),
                       "{\"crv\":\"" GROUP "\",\"kty\":\"EC\",\"x\":\"%s\","
                       "\"y\":\"%s\"}",
                       key.x, key.y);

    if (EVP_Digest(canonical, (size_t)len, digest, NULL, EVP_sha256(), NULL) !=
        1) {
        EVP_PKEY_free(pkey);
        return openssl_failed(err, "thumbprint of a signing key");
    }
    base64url_encode(digest, sizeof(digest), key.kid);
    *ret = key;
    return ERR_OK;
}

enum error_code
jwt_key_create(struct jwt_key *ret, struct error *err)
{
    EVP_PKEY *pkey = EVP_EC_gen(GROUP);

    if (pkey == NULL)
        return openssl_failed(err, "new signing key");
    return describe(pkey, ret, err);
}

/* What the private half signs, does the public one verify? */
static bool
is_pair(EVP_PKEY *pkey)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    bool is = ctx != NULL && EVP_PKEY_pairwise_check(ctx) == 1;

    EVP_PKEY_CTX_free(ctx);
    return is;
}

enum error_code
jwt_key_load(struct str der, struct jwt_key *ret, struct error *err)
{
    const unsigned char *at = (const unsigned char *)der.at;
    EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &at, (long)der.len);

    if (pkey == NULL)
        return openssl_failed(err, "signing key");
    if (!is_pair(pkey)) {
        EVP_PKEY_free(pkey);
        ERR_clear_error();
        return error_internal(err, "the halves of the signing key do not fit");
    }
    return describe(pkey, ret, err);
}

enum error_code
jwt_key_public(struct str x, struct str y, struct jwt_key *ret,
               struct error *err)
{
    unsigned char point[1 + 2 * POINT + 3] = {POINT_CONVERSION_UNCOMPRESSED};
    char group[] = GROUP;
    OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group,
                               sizeof(group) - 1),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * POINT),
        OSSL_PARAM_END};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *pkey = NULL;
    size_t x_len = 0, y_len = 0;
    bool done = ctx != NULL && x.len == JWT_KID - 1 && y.len == JWT_KID - 1 &&
                base64url_decode(x, point + 1, &x_len) && x_len == POINT &&
                base64url_decode(y, point + 1 + POINT, &y_len) &&
                y_len == POINT && EVP_PKEY_fromdata_init(ctx) == 1 &&
                EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1;

    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    if (!done)
        return error_set(err, ERR_VALUE,
                         "the public key is not a point on " GROUP);
    return describe(pkey, ret, err);
}

enum error_code
jwt_key_save(const struct jwt_key *key, struct buf *der, struct error *err)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key->pkey);
    unsigned char *bytes = NULL;
    int len = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &bytes) : -1;

    PKCS8_PRIV_KEY_INFO_free(info);
    if (len < 0)
        return openssl_failed(err, "saving a signing key");
    buf_add(der, bytes, (size_t)len);
    OPENSSL_clear_free(bytes, (size_t)len);
    return der->failed ? error_internal(err, "no memory for a signing key")
                       : ERR_OK;
}

struct jwt_key
jwt_key_ref(const struct jwt_key *key)
{
    EVP_PKEY_up_ref(key->pkey);
    return *key;
}

void
jwt_key_done(struct jwt_key *key)
{
    EVP_PKEY_free(key->pkey);
    key->pkey = NULL;
}

/* The library speaks DER, tokens carry r and s as they are. */
static bool
signature_from_der(const unsigned char *der, size_t len,
                   unsigned char to[JWT_SIGNATURE])
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
    bool done = pair != NULL &&
                BN_bn2binpad(ECDSA_SIG_get0_r(pair), to, POINT) == POINT &&
                BN_bn2binpad(ECDSA_SIG_get0_s(pair), to + POINT, POINT) ==
                    POINT;

    ECDSA_SIG_free(pair);
    return done;
}

unsigned char *
jwt_signature_der(struct str signature, size_t *ret_len)
{
    const unsigned char *at = (const unsigned char *)signature.at;
    int half = (int)(signature.len / 2);
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(at, half, NULL);
    BIGNUM *s = BN_bin2bn(at + half, half, NULL);
    unsigned char *der = NULL;
    int len = -1;

    if (pair != NULL && r != NULL && s != NULL &&
        ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL; /* the pair's now */
        len = i2d_ECDSA_SIG(pair, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    if (len <= 0)
        return NULL;
    *ret_len = (size_t)len;
    return der;
}

static void
add_base64url(struct buf *to, const void *bytes, size_t len)
{
    char *at = buf_reserve(to, BASE64_SIZE(len));

    if (at != NULL)
        to->len += base64url_encode(bytes, len, at);
}

/* Append HEADER.PAYLOAD.SIGNATURE; says where the payload begins and ends. */
static enum error_code
sign(const struct jwt_key *key, const char *type, struct str payload,
     struct buf *to, size_t *ret_begin, size_t *ret_end, struct error *err)
{
    unsigned char der[DER_MAX], signature[JWT_SIGNATURE];
    char header[128];
    size_t start = to->len, der_len = sizeof(der);
    int header_len = snprintf(
        header, sizeof(header),
        "{\"alg\":\"ES256\",\"typ\":\"%s\",\"kid\":\"%s\"}", type, key->kid);

    add_base64url(to, header, (size_t)header_len);
    buf_char(to, '.');
    *ret_begin = to->len;
    add_base64url(to, payload.at, payload.len);
    *ret_end = to->len;
    if (to->failed)
        return error_internal(err, "no room for a token");

    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool done = ctx != NULL &&
                EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) ==
                    1 &&
                EVP_DigestSign(ctx, der, &der_len,
                               (const unsigned char *)to->data + start,
                               to->len - start) == 1 &&
                signature_from_der(der, der_len, signature);

    EVP_MD_CTX_free(ctx);
    if (!done)
        return openssl_failed(err, "signing a token");
    buf_char(to, '.');
    add_base64url(to, signature, sizeof(signature));
    return to->failed ? error_internal(err, "no room for a token") : ERR_OK;
}

enum error_code
jwt_sign(const struct jwt_key *key, struct str payload, struct buf *to,
         struct error *err)
{
    size_t start = to->len, begin, end;
    enum error_code rc = sign(key, "JWT", payload, to, &begin, &end, err);

    if (rc == ERR_OK && to->len - start > JWT_MAX)
        return error_internal(err, "no room for a token");
    return rc;
}

enum error_code
jws_sign(const struct jwt_key *key, const char *type, struct str payload,
         struct buf *to, struct error *err)
{
    size_t begin, end;
    enum error_code rc = sign(key, type, payload, to, &begin, &end, err);

    if (rc != ERR_OK)
        return rc;
    memmove(to->data + begin, to->data + end, to->len - end + 1);
    to->len -= end - begin;
    return ERR_OK;
}

static bool
text_is(const json_t *object, const char *name, const char *want)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL && strcmp(text, want) == 0;
}

/* RFC 8725 section 3.1: the algorithm is ours to choose, not the token's; one
 * that says anything else never reaches a key. */
static enum error_code
check_header(const json_t *header, const char *type, struct jwt *jwt,
             struct error *err)
{
    const char *kid = json_string_value(json_object_get(header, "kid"));

    if (json_string_value(json_object_get(header, "alg")) == NULL)
        return jwt_refuse(err, JWT_MALFORMED);
    if (!text_is(header, "alg", "ES256"))
        return jwt_refuse(err, JWT_FORGED);
    /* "crit" names extensions that must be understood, and there are none. */
    if (!text_is(header, "typ", type) ||
        json_object_get(header, "crit") != NULL)
        return jwt_refuse(err, JWT_MALFORMED);
    if (kid == NULL || strlen(kid) != JWT_KID - 1)
        return jwt_refuse(err, JWT_FORGED);
    memcpy(jwt->kid, kid, JWT_KID);
    return ERR_OK;
}

static enum error_code
read_header(struct str text, const char *type, struct jwt *jwt,
            struct error *err)
{
    json_t *object = NULL;
    enum error_code rc = json_read(text, &object, err);

    if (rc == ERR_UNAVAILABLE)
        return rc;
    rc = json_is_object(object) ? check_header(object, type, jwt, err)
                                : jwt_refuse(err, JWT_MALFORMED);
    json_decref(object);
    return rc;
}

enum error_code
jwt_parse(struct str token, struct jwt *ret, struct error *err)
{
    struct str rest = token;
    struct str header = str_cut(&rest, '.');
    struct str payload = str_cut(&rest, '.');
    struct str signature = rest;
    char decoded[JWT_MAX];
    size_t header_len, signature_len;

    if (token.len > JWT_MAX || signature.at == NULL || payload.len == 0 ||
        !base64url_decode(signature, decoded, &signature_len))
        return jwt_refuse(err, JWT_MALFORMED);
    memcpy(ret->signature, decoded, MIN(signature_len, JWT_SIGNATURE));
    ret->signed_part = str_n(token.at, (size_t)(signature.at - 1 - token.at));
    if (!base64url_decode(payload, ret->payload, &ret->payload_len) ||
        !base64url_decode(header, decoded, &header_len))
        return jwt_refuse(err, JWT_MALFORMED);

    enum error_code rc = read_header(str_n(decoded, header_len), "JWT", ret,
                                     err);

    if (rc == ERR_OK && signature_len != JWT_SIGNATURE)
        rc = jwt_refuse(err, JWT_FORGED);
    return rc;
}

enum error_code
jwt_verify(const struct jwt *jwt, const struct jwt_key *key, struct error *err)
{
    size_t len = 0;
    unsigned char *der = jwt_signature_der(
        str_n((const char *)jwt->signature, JWT_SIGNATURE), &len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool begun = der != NULL && ctx != NULL &&
                 EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL,
                                      key->pkey) == 1;
    bool good = begun &&
                EVP_DigestVerify(ctx, der, len,
                                 (const unsigned char *)jwt->signed_part.at,
                                 jwt->signed_part.len) == 1;

    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    if (!begun)
        return openssl_failed(err, "verifying a token");
    ERR_clear_error(); /* a wrong signature is no failure of the library */
    return good ? ERR_OK : jwt_refuse(err, JWT_FORGED);
}

enum error_code
jws_verify(struct str text, const char *type, struct str payload,
           const struct jwt_key *key, struct error *err)
{
    CLEANUP(buf_done) struct buf all;
    struct str rest = text;
    struct str header = str_cut(&rest, '.');
    struct str nothing = str_cut(&rest, '.');
    char decoded[JWT_MAX];
    size_t header_len, len;
    struct jwt jwt;

    buf_init(&all, BASE64_SIZE(payload.len) + JWT_MAX);
    if (text.len > JWT_MAX || rest.at == NULL || nothing.len != 0 ||
        !base64url_decode(rest, decoded, &len) || len != JWT_SIGNATURE)
        return jwt_refuse(err, JWT_MALFORMED);
    memcpy(jwt.signature, decoded, JWT_SIGNATURE);
    if (!base64url_decode(header, decoded, &header_len))
        return jwt_refuse(err, JWT_MALFORMED);
    enum error_code rc = read_header(str_n(decoded, header_len), type, &jwt,
                                     err);

    if (rc != ERR_OK)
        return rc;
    if (strcmp(jwt.kid, key->kid) != 0)
        return jwt_refuse(err, JWT_FORGED);
    buf_str(&all, header);
    buf_char(&all, '.');
    add_base64url(&all, payload.at, payload.len);
    if (all.failed)
        return error_busy(err, "no memory for a signature");
    jwt.signed_part = buf_view(&all);
    return jwt_verify(&jwt, key, err);
}

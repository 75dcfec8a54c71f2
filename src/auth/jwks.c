#include "auth/jwks.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "auth/jwt.h"
#include "base/secret.h"
#include "fmt/json_read.h"

#define URL_MAX 2048
#define KID_MAX 256
#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 8192 /* more only costs us time */
#define NUMBER_MAX (RSA_MAX_BITS / 8 + 1)
#define COORDINATE_MAX 48
#define ED25519_BYTES 32

struct jwk_alg {
    const char *name, *type; /* `alg` and `kty` */
    const char *curve;       /* `crv`; NULL for RSA */
    const char *group;       /* what OpenSSL calls the curve of an EC key */
    size_t bytes;            /* of a coordinate, or of an Ed25519 key */
    const char *digest;      /* NULL: the algorithm has its own */
    bool pss;
};

/* RFC 7518 section 3.1, RFC 8037: the signatures of public keys that issuers
 * use. Not "none", and nothing with a shared secret. */
static const struct jwk_alg algs[] = {
    {.name = "RS256", .type = "RSA", .digest = "SHA256"},
    {.name = "PS256", .type = "RSA", .digest = "SHA256", .pss = true},
    {.name = "ES256",
     .type = "EC",
     .curve = "P-256",
     .group = "prime256v1",
     .bytes = 32,
     .digest = "SHA256"},
    {.name = "ES384",
     .type = "EC",
     .curve = "P-384",
     .group = "secp384r1",
     .bytes = 48,
     .digest = "SHA384"},
    {.name = "EdDSA",
     .type = "OKP",
     .curve = "Ed25519",
     .bytes = ED25519_BYTES},
};

struct jwk {
    EVP_PKEY *pkey;
    const struct jwk_alg *form; /* the first row for keys like it */
    const struct jwk_alg *only; /* its own `alg`; NULL: it says none */
    size_t kid_len;
    char kid[KID_MAX];
};

struct jwks {
    atomic_int refs;
    size_t count;
    struct jwk keys[];
};

const struct jwk_alg *
jwk_alg_find(const char *name)
{
    for (size_t i = 0; i < COUNT(algs); i++)
        if (strcmp(algs[i].name, name) == 0)
            return &algs[i];
    return NULL;
}

/* --- documents ----------------------------------------------------------- */

static struct str
text_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_string(value)
               ? str_n(json_string_value(value), json_string_length(value))
               : (struct str){NULL, 0};
}

enum error_code
discovery_read(struct str text, struct str issuer, struct buf *ret_jwks_uri,
               struct error *err)
{
    json_t *document = NULL;
    struct str said, uri;
    enum error_code rc = json_read(text, &document, err);

    if (rc == ERR_UNAVAILABLE)
        return rc;
    if (rc != ERR_OK || !json_is_object(document)) {
        json_decref(document);
        return error_set(err, ERR_VALUE,
                         "the issuer's configuration is no JSON object");
    }
    said = text_of(document, "issuer");
    uri = text_of(document, "jwks_uri");
    if (said.at == NULL || !str_eq(said, issuer))
        rc = error_set(err, ERR_VALUE,
                       "the configuration is of the issuer \"%.*s\", not of "
                       "\"%.*s\"",
                       (int)MIN(said.len, 200), said.at ? said.at : "",
                       STR_ARG(issuer));
    else if (uri.len == 0 || uri.len > URL_MAX)
        rc = error_set(err, ERR_VALUE,
                       "the issuer's configuration has no jwks_uri");
    else
        buf_str(ret_jwks_uri, uri);
    json_decref(document);
    if (rc == ERR_OK && ret_jwks_uri->failed)
        return error_busy(err, "no memory for an address of keys");
    return rc;
}

/* --- keys ---------------------------------------------------------------- */

/* A number or a key in base64url, `size` bytes, the most significant first.
 * Some issuers send a zero more in front, others leave one away: it is the
 * number that counts. */
static bool
read_number(const json_t *jwk, const char *name, unsigned char *to, size_t size)
{
    unsigned char bytes[BASE64_SIZE(NUMBER_MAX)];
    struct str text = text_of(jwk, name);
    size_t len, zeros = 0;

    if (text.len == 0 || text.len > BASE64_SIZE(NUMBER_MAX) - 1 ||
        !base64url_decode(text, bytes, &len))
        return false;
    while (zeros < len && bytes[zeros] == 0)
        zeros++;
    if (len - zeros > size)
        return false;
    memset(to, 0, size);
    memcpy(to + size - (len - zeros), bytes + zeros, len - zeros);
    return true;
}

static EVP_PKEY *
key_from(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/* With the exponent 1 everybody signs, so it is odd, more than 1, and short as
 * all in use are. */
static bool
exponent_good(const unsigned char e[4])
{
    return (e[3] & 1) != 0 && (e[0] | e[1] | e[2] | (e[3] & 0xfe)) != 0;
}

static EVP_PKEY *
read_rsa(const json_t *jwk)
{
    unsigned char n[NUMBER_MAX], e[4];
    EVP_PKEY *pkey = NULL;

    if (!read_number(jwk, "n", n, sizeof(n)) ||
        !read_number(jwk, "e", e, sizeof(e)) || !exponent_good(e))
        return NULL;
    BIGNUM *modulus = BN_bin2bn(n, sizeof(n), NULL);
    BIGNUM *exponent = BN_bin2bn(e, sizeof(e), NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;

    if (modulus != NULL && exponent != NULL && build != NULL &&
        BN_num_bits(modulus) >= RSA_MIN_BITS &&
        BN_num_bits(modulus) <= RSA_MAX_BITS && BN_is_odd(modulus) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        params = OSSL_PARAM_BLD_to_param(build);
    if (params != NULL)
        pkey = key_from("RSA", params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_free(exponent);
    BN_free(modulus);
    return pkey;
}

/* The library refuses what is no point of the curve. */
static EVP_PKEY *
read_ec(const json_t *jwk, const struct jwk_alg *form)
{
    unsigned char point[1 + 2 * COORDINATE_MAX];
    char group[16];
    OSSL_PARAM params[] = {OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                                  group, strlen(form->group)),
                           OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                                   point, 1 + 2 * form->bytes),
                           OSSL_PARAM_END};

    memcpy(group, form->group, strlen(form->group) + 1);
    point[0] = POINT_CONVERSION_UNCOMPRESSED;
    if (!read_number(jwk, "x", point + 1, form->bytes) ||
        !read_number(jwk, "y", point + 1 + form->bytes, form->bytes))
        return NULL;
    return key_from("EC", params);
}

static EVP_PKEY *
read_ed25519(const json_t *jwk)
{
    unsigned char bytes[ED25519_BYTES + 3];
    struct str x = text_of(jwk, "x");
    size_t len;

    if (x.len != (ED25519_BYTES * 4 + 2) / 3 ||
        !base64url_decode(x, bytes, &len) || len != ED25519_BYTES)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, len);
}

/* The first row for keys like this; NULL: not a key that we know. */
static const struct jwk_alg *
form_of(const json_t *jwk)
{
    struct str type = text_of(jwk, "kty"), curve = text_of(jwk, "crv");

    for (size_t i = 0; i < COUNT(algs); i++)
        if (str_eq(type, str_of(algs[i].type)) &&
            (algs[i].curve == NULL || str_eq(curve, str_of(algs[i].curve))))
            return &algs[i];
    return NULL;
}

/* RFC 7517 section 4.3. */
static bool
verifies(const json_t *operations)
{
    const json_t *operation;
    size_t i;

    json_array_foreach(operations, i, operation)
    {
        const char *name = json_string_value(operation);

        if (name != NULL && strcmp(name, "verify") == 0)
            return true;
    }
    return false;
}

/* Are signatures what the key is for? What is published with its private part
 * signs for everybody. */
static bool
usable(const json_t *jwk)
{
    const json_t *operations = json_object_get(jwk, "key_ops");

    if (json_object_get(jwk, "use") != NULL &&
        !str_eq(text_of(jwk, "use"), STR("sig")))
        return false;
    if (operations != NULL && !verifies(operations))
        return false;
    return json_object_get(jwk, "d") == NULL;
}

static bool
fits(const struct jwk *key, const struct jwk_alg *alg)
{
    return key->only != NULL ? key->only == alg
                             : strcmp(key->form->type, alg->type) == 0 &&
                                   (alg->curve == NULL ||
                                    strcmp(key->form->curve, alg->curve) == 0);
}

/* False: leave it out. */
static bool
read_key(const json_t *jwk, struct jwk *ret)
{
    struct str kid = text_of(jwk, "kid"), alg = text_of(jwk, "alg");
    struct jwk key = {.form = form_of(jwk), .kid_len = kid.len};

    if (key.form == NULL || !usable(jwk) || kid.len == 0 || kid.len > KID_MAX)
        return false;
    if (json_object_get(jwk, "alg") != NULL) {
        const struct jwk_alg *only = alg.at ? jwk_alg_find(alg.at) : NULL;

        if (only == NULL || !fits(&key, only))
            return false;
        key.only = only;
    }
    memcpy(key.kid, kid.at, kid.len);
    if (key.form->curve == NULL)
        key.pkey = read_rsa(jwk);
    else if (key.form->group != NULL)
        key.pkey = read_ec(jwk, key.form);
    else
        key.pkey = read_ed25519(jwk);
    ERR_clear_error();
    *ret = key;
    return key.pkey != NULL;
}

static enum error_code
read_keys(const json_t *list, struct jwks **ret, struct error *err)
{
    size_t i, count = json_array_size(list);
    const json_t *jwk;

    if (!json_is_array(list) || count > JWKS_MAX_KEYS)
        return error_set(err, ERR_VALUE,
                         "the issuer's keys are no list of at most %d keys",
                         JWKS_MAX_KEYS);
    struct jwks *set = calloc(1, sizeof(*set) + count * sizeof(set->keys[0]));

    if (set == NULL)
        return error_busy(err, "no memory for keys");
    atomic_init(&set->refs, 1);
    json_array_foreach(list, i, jwk)
    {
        if (read_key(jwk, &set->keys[set->count]))
            set->count++;
    }
    if (set->count == 0) {
        jwks_unref(&set);
        return error_set(err, ERR_VALUE,
                         "none of the issuer's keys can be used");
    }
    *ret = set;
    return ERR_OK;
}

enum error_code
jwks_read(struct str text, struct jwks **ret, struct error *err)
{
    json_t *document = NULL;
    enum error_code rc = json_read(text, &document, err);

    if (rc == ERR_UNAVAILABLE)
        return rc;
    rc = json_is_object(document)
             ? read_keys(json_object_get(document, "keys"), ret, err)
             : error_set(err, ERR_VALUE,
                         "the issuer's keys are no JSON object");
    json_decref(document);
    return rc;
}

struct jwks *
jwks_ref(struct jwks *set)
{
    if (set != NULL)
        atomic_fetch_add(&set->refs, 1);
    return set;
}

void
jwks_unref(struct jwks **set)
{
    if (*set == NULL || atomic_fetch_sub(&(*set)->refs, 1) > 1)
        return;
    for (size_t i = 0; i < (*set)->count; i++)
        EVP_PKEY_free((*set)->keys[i].pkey);
    free(*set);
}

size_t
jwks_count(const struct jwks *set)
{
    return set->count;
}

const struct jwk *
jwks_find(const struct jwks *set, struct str kid, const struct jwk_alg *alg)
{
    const struct jwk *found = NULL;

    for (size_t i = 0; i < set->count; i++) {
        const struct jwk *key = &set->keys[i];

        if (!str_eq(str_n(key->kid, key->kid_len), kid) || !fits(key, alg))
            continue;
        if (found != NULL)
            return NULL;
        found = key;
    }
    return found;
}

/* --- signatures ---------------------------------------------------------- */

static bool
begin_verify(EVP_MD_CTX *ctx, const struct jwk *key, const struct jwk_alg *alg)
{
    EVP_PKEY_CTX *more = NULL; /* the context's own */

    return ctx != NULL &&
           EVP_DigestVerifyInit_ex(ctx, &more, alg->digest, NULL, NULL,
                                   key->pkey, NULL) == 1 &&
           (!alg->pss ||
            (EVP_PKEY_CTX_set_rsa_padding(more, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(more, RSA_PSS_SALTLEN_DIGEST) ==
                 1));
}

enum error_code
jwk_verify(const struct jwk *key, const struct jwk_alg *alg, struct str text,
           struct str signature, struct error *err)
{
    const unsigned char *at = (const unsigned char *)signature.at;
    unsigned char *der = NULL;
    size_t len = signature.len;
    bool good;

    if (!fits(key, alg))
        return jwt_refuse(err, JWT_FORGED);
    if (alg->group != NULL) {
        if (len != 2 * alg->bytes)
            return jwt_refuse(err, JWT_FORGED);
        at = der = jwt_signature_der(signature, &len);
        if (der == NULL)
            return error_busy(err, "no memory for a signature");
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool begun = begin_verify(ctx, key, alg);

    good = begun &&
           EVP_DigestVerify(ctx, at, len, (const unsigned char *)text.at,
                            text.len) == 1;
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    ERR_clear_error(); /* a wrong signature is no failure of the library */
    if (!begun)
        return error_internal(err, "cannot verify %s signatures", alg->name);
    return good ? ERR_OK : jwt_refuse(err, JWT_FORGED);
}

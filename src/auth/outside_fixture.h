/*
 * outside_fixture.h - an issuer for tests: keys, their JWKs, tokens signed
 * with them; and a call that waits for its keys.
 *
 * Memory:  texts are made with malloc: free().
 * Errors:  a failed assertion of cmocka.
 * Threads: one thread at a time.
 */
#ifndef NELM_AUTH_OUTSIDE_FIXTURE_H
#define NELM_AUTH_OUTSIDE_FIXTURE_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "auth/issuer.h"
#include "auth/jwks.h"
#include "base/secret.h"

static inline char *
fixture_base64(const void *bytes, size_t len)
{
    char *text = malloc(BASE64_SIZE(len));

    assert_non_null(text);
    base64url_encode(bytes, len, text);
    return text;
}

static inline char *
fixture_number(const EVP_PKEY *pkey, const char *name, int size)
{
    unsigned char bytes[2048];
    BIGNUM *number = NULL;

    assert_int_equal(EVP_PKEY_get_bn_param(pkey, name, &number), 1);
    if (size == 0)
        size = BN_num_bytes(number);
    assert_int_equal(BN_bn2binpad(number, bytes, size), size);
    BN_free(number);
    return fixture_base64(bytes, (size_t)size);
}

/* {"kty":...} with `more` members such as "\"kid\":\"k\"" in front. */
static inline char *
fixture_jwk(const EVP_PKEY *pkey, const char *more)
{
    int type = EVP_PKEY_get_base_id(pkey), bits = EVP_PKEY_get_bits(pkey);
    char *a = NULL, *b = NULL, *text = NULL;

    if (type == EVP_PKEY_RSA) {
        a = fixture_number(pkey, OSSL_PKEY_PARAM_RSA_N, 0);
        b = fixture_number(pkey, OSSL_PKEY_PARAM_RSA_E, 0);
        assert_true(asprintf(&text,
                             "{%s,\"kty\":\"RSA\",\"n\":\"%s\","
                             "\"e\":\"%s\"}",
                             more, a, b) > 0);
    } else if (type == EVP_PKEY_EC) {
        a = fixture_number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, (bits + 7) / 8);
        b = fixture_number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, (bits + 7) / 8);
        assert_true(asprintf(&text,
                             "{%s,\"kty\":\"EC\",\"crv\":\"P-%d\","
                             "\"x\":\"%s\",\"y\":\"%s\"}",
                             more, bits, a, b) > 0);
    } else {
        unsigned char raw[32];
        size_t len = sizeof(raw);

        assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, raw, &len), 1);
        a = fixture_base64(raw, len);
        assert_true(asprintf(&text,
                             "{%s,\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                             "\"x\":\"%s\"}",
                             more, a) > 0);
    }
    free(a);
    free(b);
    return text;
}

/* Sign by `alg`; returns the length in `to`. */
static inline size_t
fixture_sign(EVP_PKEY *pkey, const char *alg, struct str text,
             unsigned char to[JWKS_SIGNATURE])
{
    const unsigned char *at = (const unsigned char *)text.at;
    const char *digest = strcmp(alg, "EdDSA") == 0     ? NULL
                         : strcmp(alg + 2, "384") == 0 ? "SHA384"
                                                       : "SHA256";
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *more = NULL;
    size_t len = JWKS_SIGNATURE;

    assert_int_equal(
        EVP_DigestSignInit_ex(ctx, &more, digest, NULL, NULL, pkey, NULL), 1);
    if (alg[0] == 'P') {
        EVP_PKEY_CTX_set_rsa_padding(more, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(more, RSA_PSS_SALTLEN_DIGEST);
    }
    assert_int_equal(EVP_DigestSign(ctx, to, &len, at, text.len), 1);
    EVP_MD_CTX_free(ctx);
    if (alg[0] != 'E' || digest == NULL)
        return len;

    const unsigned char *der = to;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
    int size = (EVP_PKEY_get_bits(pkey) + 7) / 8;

    assert_non_null(pair);
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), to, size);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), to + size, size);
    ECDSA_SIG_free(pair);
    return 2 * (size_t)size;
}

/* HEADER.PAYLOAD.SIGNATURE; without a key the signature is empty. */
static inline char *
fixture_token(EVP_PKEY *pkey, const char *alg, const char *header,
              const char *payload)
{
    unsigned char signature[JWKS_SIGNATURE];
    char *a = fixture_base64(header, strlen(header));
    char *b = fixture_base64(payload, strlen(payload));
    char *text = NULL, *c, *token = NULL;
    size_t len = 0;

    assert_true(asprintf(&text, "%s.%s", a, b) > 0);
    if (pkey != NULL)
        len = fixture_sign(pkey, alg, str_of(text), signature);
    c = fixture_base64(signature, len);
    assert_true(asprintf(&token, "%s.%s", text, c) > 0);
    free(a);
    free(b);
    free(c);
    free(text);
    return token;
}

struct fixture_caller {
    struct issuer_waiter waiter;
    atomic_bool woken;
};

static inline void
fixture_pause(long ms)
{
    const struct timespec time = {.tv_sec = ms / 1000,
                                  .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

static inline void
fixture_wake(struct issuer_waiter *waiter)
{
    struct fixture_caller *caller =
        (struct fixture_caller *)((char *)waiter -
                                  offsetof(struct fixture_caller, waiter));

    atomic_store(&caller->woken, true);
}

/* Before each question. */
static inline void
fixture_ask(struct fixture_caller *caller)
{
    caller->waiter = (struct issuer_waiter){.wake = fixture_wake};
    atomic_init(&caller->woken, false);
}

/* After an answer of ERR_LATER. */
static inline void
fixture_wait(struct fixture_caller *caller)
{
    while (!atomic_load(&caller->woken))
        fixture_pause(1);
}

#endif

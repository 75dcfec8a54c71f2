/*
 * jwt.h - JSON Web Tokens signed with ES256 and with nothing else (RFC 7515,
 * RFC 7518 section 3.4, RFC 8725).
 *
 * Whoever verifies goes jwt_parse(), then jwt_verify() with the key that the
 * kid names, then looks at the payload: before that the payload is the word
 * of a stranger.
 *
 * Memory:  struct jwt borrows the token and holds its decoded parts in place.
 *          A struct jwt_key owns a handle: jwt_key_done().
 * Errors:  ERR_UNAUTHENTICATED through jwt_refuse(). "malformed": it cannot
 *          be read as a token of ours; "signature is invalid": it can, but is
 *          not signed as ours are: another algorithm, an unknown kid.
 * Threads: safe everywhere; a jwt_key may be used by many threads at once.
 */
#ifndef NELM_AUTH_JWT_H
#define NELM_AUTH_JWT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#define JWT_MAX 8192 /* bytes; a longer token is malformed */

/* Why a token is refused (contract 2.5). */
#define JWT_MALFORMED "JWT is malformed"
#define JWT_FORGED "signature is invalid"
#define JWT_EXPIRED "JWT is expired"
#define JWT_REVOKED "JWT is revoked"
#define JWT_STRANGER "subject is unknown" /* of a token from outside */
enum error_code jwt_refuse(struct error *err, const char *reason);

#define JWT_KID 44 /* a SHA-256 in base64url with its NUL */

struct jwt_key {
    struct evp_pkey_st *pkey;
    char kid[JWT_KID];           /* RFC 7638 thumbprint */
    char x[JWT_KID], y[JWT_KID]; /* the public point, base64url */
};

/* A new key pair on P-256. */
enum error_code jwt_key_create(struct jwt_key *ret, struct error *err) MUST_USE;
/* From and to PKCS#8. A key on another curve, or whose halves do not
 * fit, is ERR_INTERNAL. */
enum error_code jwt_key_load(struct str der, struct jwt_key *ret,
                             struct error *err) MUST_USE;
enum error_code jwt_key_save(const struct jwt_key *key, struct buf *der,
                             struct error *err) MUST_USE;
/* The public half alone, from its point; it only verifies. ERR_VALUE when that
 * is not a point of the curve. */
enum error_code jwt_key_public(struct str x, struct str y, struct jwt_key *ret,
                               struct error *err) MUST_USE;
/* Another hold on the same key. */
struct jwt_key jwt_key_ref(const struct jwt_key *key);
void jwt_key_done(struct jwt_key *key);

/* Append the token that says `payload`, a JSON object. */
enum error_code jwt_sign(const struct jwt_key *key, struct str payload,
                         struct buf *to, struct error *err) MUST_USE;

#define JWT_SIGNATURE 64 /* r and s, 32 bytes each */

struct jwt {
    char kid[JWT_KID];
    struct str signed_part; /* header and payload as sent */
    unsigned char signature[JWT_SIGNATURE];
    size_t payload_len;
    char payload[JWT_MAX];
};

/* Take a token apart and check its header. */
enum error_code jwt_parse(struct str token, struct jwt *ret,
                          struct error *err) MUST_USE;

/* An ECDSA signature, r and s as tokens carry them, in DER as the library wants
 * it: OPENSSL_free(). NULL without memory. */
unsigned char *jwt_signature_der(struct str signature, size_t *ret_len);

enum error_code jwt_verify(const struct jwt *jwt, const struct jwt_key *key,
                           struct error *err) MUST_USE;

/* A signature that lies beside what is signed (RFC 7515 appendix F): append
 * HEADER..SIGNATURE. `type` says what it is for, so that no such text is ever
 * taken for a token or the other way round. */
enum error_code jws_sign(const struct jwt_key *key, const char *type,
                         struct str payload, struct buf *to,
                         struct error *err) MUST_USE;
/* Did `key` sign `payload`? ERR_UNAUTHENTICATED. */
enum error_code jws_verify(struct str text, const char *type,
                           struct str payload, const struct jwt_key *key,
                           struct error *err) MUST_USE;

#endif

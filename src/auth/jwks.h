/*
 * jwks.h - what an OpenID issuer publishes: where its keys are (OpenID Connect
 * Discovery 1.0) and the keys (RFC 7517, RFC 7518, RFC 8037), and whether one
 * of them signed something.
 *
 * A key is for one algorithm only, which follows from what the key is, and
 * never from what a token says of itself (RFC 8725 section 3.1).
 *
 * Memory:  a struct jwks is counted: jwks_ref(), jwks_unref(). It does not
 *          change once it is made.
 * Errors:  ERR_VALUE, in words for an operator, for a document that cannot be
 *          used. Keys that cannot be used (another type, another use, too
 *          weak, without a name) are left out: issuers publish those too.
 * Threads: safe everywhere.
 */
#ifndef NELM_AUTH_JWKS_H
#define NELM_AUTH_JWKS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#define JWKS_MAX_KEYS 100
#define JWKS_SIGNATURE 1024 /* bytes, of the largest key that is taken */

/* The address of the issuer's keys. `issuer` is what the document must say it
 * is of, to the letter (section 4.3 there). */
enum error_code discovery_read(struct str text, struct str issuer,
                               struct buf *ret_jwks_uri,
                               struct error *err) MUST_USE;

struct jwks;

enum error_code jwks_read(struct str text, struct jwks **ret,
                          struct error *err) MUST_USE;
struct jwks *jwks_ref(struct jwks *set);
void jwks_unref(struct jwks **set);
/* How many keys of it can be used. */
size_t jwks_count(const struct jwks *set);

struct jwk_alg;

/* RS256, PS256, ES256, ES384 or EdDSA; NULL for anything else. */
const struct jwk_alg *jwk_alg_find(const char *name);

struct jwk;

/* The key of that name for that algorithm; NULL when there is none, or more
 * than one. Lives as long as the set. */
const struct jwk *jwks_find(const struct jwks *set, struct str kid,
                            const struct jwk_alg *alg);

/* Did the key sign `text` so? ERR_UNAUTHENTICATED. */
enum error_code jwk_verify(const struct jwk *key, const struct jwk_alg *alg,
                           struct str text, struct str signature,
                           struct error *err) MUST_USE;

#endif

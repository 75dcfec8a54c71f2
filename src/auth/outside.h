/*
 * outside.h - access tokens of an outside issuer: what they must be (RFC 9068,
 * RFC 8725) and what their claims mean here.
 *
 * outside_open() takes a token apart, then comes jwk_verify() with the key
 * that the token names, then outside_read(): before that the claims are the
 * word of a stranger.
 *
 * Memory:  struct outside borrows the token and the rules; outside_done().
 * Errors:  ERR_UNAUTHENTICATED through jwt_refuse().
 * Threads: safe everywhere.
 */
#ifndef NELM_AUTH_OUTSIDE_H
#define NELM_AUTH_OUTSIDE_H

#include <stdint.h>

#include "auth/jwks.h"

#define OUTSIDE_MAX 16384 /* bytes; lists of groups are long */
#define OUTSIDE_SUBJECT 512
#define OUTSIDE_LEVELS 64

/* Whose tokens, for whom, and which claims tell what. */
struct outside_rules {
    struct str issuer, audience;
    struct str subject_claim; /* holds the alias of an identity */
    struct str levels_claim;
    size_t level_count; /* 0: levels are those of the identity */
    struct outside_level {
        struct str value;
        unsigned bit;
    } levels[OUTSIDE_LEVELS];
};

/* "staff=SOURCE_ADMIN,boss=ORG_ADMIN" into levels; the rules borrow the text.
 * False, with what is wrong in words, when it is nothing of the kind. */
bool outside_levels_parse(struct str text, struct outside_rules *rules,
                          const char **ret_wrong);

struct outside {
    struct json_t *claims;
    const struct jwk_alg *alg;
    struct str signed_part, kid; /* of the token; of its header */
    struct json_t *header;
    size_t signature_len;
    unsigned char signature[JWKS_SIGNATURE];
};

/* ERR_NOT_FOUND: not a token that names this issuer; nothing was opened. */
enum error_code outside_open(struct str token, struct str issuer,
                             struct outside *ret, struct error *err) MUST_USE;
void outside_done(struct outside *token);

struct outside_claims {
    size_t subject_len;
    char subject[OUTSIDE_SUBJECT];
    unsigned levels, scopes; /* as in a principal */
    int64_t expires_ms;
};

/* What a token says whose signature is good. */
enum error_code outside_read(const struct outside *token,
                             const struct outside_rules *rules, int64_t now_ms,
                             struct outside_claims *ret,
                             struct error *err) MUST_USE;

#endif

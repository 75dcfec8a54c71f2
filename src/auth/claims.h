/*
 * claims.h - what the payload of an access token says (contract 2.1).
 *
 * Memory:  borrows what it is given.
 * Errors:  ERR_UNAUTHENTICATED through jwt_refuse(): "expired" from the second
 *          of `exp` on, and "malformed" for everything that this server would
 *          not have written: no JSON object, a member twice, a claim missing
 *          or of another type, another issuer or audience, issued more than a
 *          minute ahead of our clock.
 * Threads: safe everywhere.
 */
#ifndef NELM_AUTH_CLAIMS_H
#define NELM_AUTH_CLAIMS_H

#include "auth/principal.h"
#include "base/buf.h"
#include "base/error.h"

/* Everything that the token and the answer of the token endpoint tell. */
struct claims {
    struct str issuer, audience, tenant_name;
    struct uuid tenant_id, client_id, jti;
    const struct identity *identity; /* NULL: an application token */
    struct str scopes;               /* space-separated */
    bool online;                     /* accessType */
    bool has_family;                 /* of tokens that revoke together */
    struct uuid family_id;
    bool is_refresh; /* a refresh token: `ati` names its access token */
    struct uuid ati;
    int64_t issued_s, expires_s;
};

void claims_write(const struct claims *claims, struct buf *to);

/* The answer of the token endpoint; `refresh_token` may be without `at`. */
void claims_answer(const struct claims *claims, struct str access_token,
                   struct str refresh_token, struct buf *to);

/* A refresh token's; it is no access token, and an access token is none. */
struct refresh_claims {
    struct uuid client_id, family_id, jti;
};
enum error_code claims_read_refresh(struct str payload, struct str issuer,
                                    struct str audience, int64_t now_ms,
                                    struct refresh_claims *ret,
                                    struct error *err) MUST_USE;

/* Fills all of *ret but the levels, which are not the token's to say. */
enum error_code claims_read(struct str payload, struct str issuer,
                            struct str audience, int64_t now_ms,
                            struct principal *ret, struct error *err) MUST_USE;

#endif

/*
 * pkce.h - proof key for code exchange (RFC 7636), S256 only: what an
 * authorization request says beforehand of what the code's redemption shows.
 *
 * Memory:  views of the caller's.
 * Errors:  none.
 * Threads: safe everywhere.
 */
#ifndef NELM_AUTH_PKCE_H
#define NELM_AUTH_PKCE_H

#include "base/str.h"

/* Is it a SHA-256 in base64url? */
bool pkce_is_challenge(struct str text);

/* Does the verifier belong to the challenge (section 4.6)? One without the
 * other (`at` NULL, empty) is no: else a stolen code would do without. */
bool pkce_fits(struct str challenge, struct str verifier);

#endif

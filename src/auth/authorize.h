/*
 * authorize.h - the authorization code flow up to the code (RFC 6749 section
 * 4.1, RFC 7636): may this client ask, has this person agreed, and the code.
 * What becomes of the code is token_grant()'s.
 *
 * Memory:  results live in the arena or borrow the request.
 * Errors:  as db.h, and see each function.
 * Threads: safe everywhere.
 */
#ifndef NELM_AUTH_AUTHORIZE_H
#define NELM_AUTH_AUTHORIZE_H

#include "auth/token.h"

#define CODE_SECONDS 300

/* The parameters as sent; `at` NULL for what is absent. */
struct authorize_request {
    struct str client_id, redirect_uri, response_type, scope;
    struct str challenge, challenge_method;
    /* Not sent: where the console is, for this browser; up to two. */
    struct str console[2];
};

/* The console is a client like any other, but for two things: it is where we
 * are, whatever our address, so its redirect is no text in the database; and
 * nobody is asked whether we may act for them with ourselves. */
extern const struct uuid authorize_console_id;

/* Make that client unless it is there. Writes. */
enum error_code authorize_console_create(struct db *db,
                                         struct error *err) MUST_USE;

struct authorization {
    struct client client;
    struct str redirect_uri, scopes, challenge;
};

/* ERR_NOT_FOUND: no such client, or the redirect is not one of its own: tell
 * the person and nobody else. ERR_VALUE: the client is to be told *refusal on
 * its redirect_uri. */
enum error_code authorize_check(struct db_tx *tx,
                                const struct authorize_request *request,
                                struct arena *arena, struct authorization *ret,
                                struct grant_error *refusal,
                                struct error *err) MUST_USE;

/* Has the person agreed to all of it before? */
enum error_code authorize_agreed(struct db_tx *tx,
                                 const struct authorization *authorization,
                                 const struct uuid *identity,
                                 struct arena *arena, bool *ret,
                                 struct error *err) MUST_USE;

/* Make the code; `agrees` notes that the person just said yes. Writes. */
enum error_code authorize_code(struct db *db,
                               const struct authorization *authorization,
                               const struct uuid *identity, bool agrees,
                               const struct uuid *request_id,
                               char code[SECRET_TEXT],
                               struct error *err) MUST_USE;

/* Note that the person said no. Writes. */
enum error_code authorize_refused(struct db *db,
                                  const struct authorization *authorization,
                                  const struct uuid *identity,
                                  const struct uuid *request_id,
                                  struct error *err) MUST_USE;

#endif

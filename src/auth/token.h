/*
 * token.h - access tokens: ES256 JWTs, signed with keys from the database,
 * verified and remembered (contract 2; RFC 7519, RFC 8725); those of an
 * outside issuer are verified beside them.
 *
 * Memory:  struct token_service owns keys and the cache of verified tokens (a
 *          fixed number of entries).
 * Errors:  token_verify(): ERR_UNAUTHENTICATED with one of the texts of
 *          contract 2.5. token_grant(): see struct grant_error.
 * Threads: safe everywhere.
 */
#ifndef NELM_AUTH_TOKEN_H
#define NELM_AUTH_TOKEN_H

#include "auth/issuer.h"
#include "auth/principal.h"
#include "base/buf.h"

struct token_service;

/* `issuer` may be NULL: then tokens carry "nelm:" and the registry's id, so
 * that every node of one database agrees whatever its address. */
enum error_code token_service_open(struct db *db, const char *issuer,
                                   struct token_service **ret,
                                   struct error *err) MUST_USE;
void token_service_close(struct token_service *service);

/* Make a signing key and store it: part of `nelm init`. */
enum error_code token_key_create(struct db_tx *tx, struct error *err) MUST_USE;
/* A new key signs from now on, on every node. The old one verifies until the
 * last token that it may have signed has ended; with `revoke` no old key
 * verifies any more, so that every token must be fetched again. ERR_CONFLICT
 * when as many keys as there may be still verify. */
enum error_code token_key_rotate(struct db_tx *tx, bool revoke,
                                 struct error *err) MUST_USE;

/* Accept the access tokens of an outside issuer too, which must outlive the
 * service. Before the first token_verify(). */
void token_service_trust(struct token_service *service, struct issuer *issuer);

/* The token that a connection sent last: whoever goes on with it need not have
 * it hashed again. It is only a short cut to what is remembered of the token,
 * which is still asked. Zeroed is empty; wipe it in the end. */
#define TOKEN_KEPT 2048 /* longer ones are hashed every time */
struct token_memory {
    size_t len;
    unsigned char sha256[32];
    char text[TOKEN_KEPT];
};

/* Who sent this Authorization header? `memory` may be NULL. With SQLite answers
 * without blocking; `may_block` false on a remote database, or for a token of
 * the outside issuer, may say ERR_LATER. So it always may when a key of that
 * issuer is being fetched; then the waiter is `queued`, and woken. Cached until
 * the token expires or registry.auth_epoch moves; a token of the outside issuer
 * for ISSUER_TRUST_MS at most. */
enum error_code token_verify(struct token_service *service,
                             struct str authorization,
                             struct token_memory *memory, bool may_block,
                             struct issuer_waiter *waiter,
                             struct principal *ret, struct error *err) MUST_USE;

/* What a client sent to the token endpoint, whatever the encoding; `at` NULL
 * for what is absent. */
struct grant_request {
    struct str grant_type, client_id, client_secret, scope;
    struct str code, redirect_uri, code_verifier, refresh_token;
    struct str token;              /* to be revoked */
    const struct uuid *request_id; /* for the audit; may be NULL */
};

/* OAuth's own error answer (contract 2.2). */
struct grant_error {
    int status;        /* 400 or 401 */
    const char *error; /* "invalid_client" */
    char description[160];
};

/* ERR_OK: *json has the 200 answer of contract 2.1. ERR_VALUE: *refusal says
 * what to answer. Anything else: the database failed. Blocks. */
enum error_code token_grant(struct token_service *service,
                            const struct grant_request *request,
                            struct buf *json, struct grant_error *refusal,
                            struct error *err) MUST_USE;

/* End what one code became, by its refresh token or an access token (RFC
 * 7009); *ret_identity is whose it was, when *ret_ended. A token that is not
 * good any more is fine. ERR_VALUE: *refusal. Blocks. */
enum error_code token_revoke(struct token_service *service,
                             const struct grant_request *request,
                             bool *ret_ended, struct uuid *ret_identity,
                             struct grant_error *refusal,
                             struct error *err) MUST_USE;

/* The document of /.well-known/jwks.json. Reads the database, so it blocks
 * when that is remote; when that fails the keys seen last are shown. */
void token_jwks(struct token_service *service, struct buf *json);

/* What may be in the grants of a client. */
#define GRANT_CLIENT_CREDENTIALS "CLIENT_CREDENTIALS"
#define GRANT_AUTHORIZATION_CODE "AUTHORIZATION_CODE"
#define GRANT_REFRESH_TOKEN "REFRESH_TOKEN"

/* A secret of 64 hex digits with its NUL, and what is stored of it. */
#define SECRET_TEXT 65
void secret_create(char text[SECRET_TEXT], unsigned char sha256[32]);
void secret_hash(struct str text, unsigned char sha256[32]);

#endif

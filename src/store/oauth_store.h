/*
 * oauth_store.h - what the authorization code flow remembers: sessions of
 * browsers, attempts to sign in, consents, codes, and families of tokens.
 *
 * Secrets come in as their SHA-256.
 *
 * Memory, errors, threads: see store.h.
 */
#ifndef NELM_STORE_OAUTH_STORE_H
#define NELM_STORE_OAUTH_STORE_H

#include "store/store.h"

#define OAUTH_HASH 32

struct login_session {
    unsigned char hash[OAUTH_HASH];
    struct uuid identity_id;
    struct str password_hash; /* of the identity, now */
    int64_t created_ms, expires_ms;
};
enum error_code session_insert(struct db_tx *tx,
                               const struct login_session *session,
                               struct error *err) MUST_USE;
/* Who is signed in? ERR_NOT_FOUND: nobody, or not any longer. */
enum error_code session_identity(struct db_tx *tx,
                                 const unsigned char hash[OAUTH_HASH],
                                 int64_t now_ms, struct uuid *ret,
                                 struct error *err) MUST_USE;
enum error_code session_delete(struct db_tx *tx,
                               const unsigned char hash[OAUTH_HASH],
                               struct error *err) MUST_USE;

struct login_attempt {
    unsigned char key[OAUTH_HASH];
    int64_t tries, locked_ms, expires_ms;
};
/* Fills the rest of an attempt by its key; zeros when there was none lately.
 * In write transactions. */
enum error_code attempt_find(struct db_tx *tx, int64_t now_ms,
                             struct login_attempt *attempt,
                             struct error *err) MUST_USE;
enum error_code attempt_put(struct db_tx *tx,
                            const struct login_attempt *attempt,
                            struct error *err) MUST_USE;
enum error_code attempt_delete(struct db_tx *tx,
                               const struct login_attempt *attempt,
                               struct error *err) MUST_USE;

/* The scopes that the identity granted; ERR_NOT_FOUND: none. */
enum error_code consent_find(struct db_tx *tx, const struct uuid *identity,
                             const struct uuid *client, struct arena *arena,
                             struct str *ret_scopes,
                             struct error *err) MUST_USE;
enum error_code consent_put(struct db_tx *tx, const struct uuid *identity,
                            const struct uuid *client, struct str scopes,
                            int64_t now_ms, struct error *err) MUST_USE;

struct auth_code {
    unsigned char hash[OAUTH_HASH];
    struct uuid client_id, identity_id;
    struct str redirect_uri, scopes;
    struct str challenge; /* `at` NULL: none */
    struct uuid family_id;
    bool used;
    int64_t created_ms, expires_ms;
};
enum error_code code_insert(struct db_tx *tx, const struct auth_code *code,
                            struct error *err) MUST_USE;
/* By its hash; in write transactions. */
enum error_code code_find(struct db_tx *tx, struct arena *arena,
                          struct auth_code *code, struct error *err) MUST_USE;
/* ERR_NOT_FOUND when it was used already. */
enum error_code code_use(struct db_tx *tx, const struct auth_code *code,
                         struct error *err) MUST_USE;

struct token_family {
    struct uuid id, client_id, identity_id;
    struct str scopes;
    bool has_refresh;
    struct uuid refresh_id;
    int64_t created_ms, expires_ms;
};
enum error_code family_insert(struct db_tx *tx,
                              const struct token_family *family,
                              struct error *err) MUST_USE;
/* ERR_NOT_FOUND: revoked, or long expired. */
enum error_code family_find(struct db_tx *tx, const struct uuid *id,
                            struct arena *arena, struct token_family *ret,
                            struct error *err) MUST_USE;
/* `next` follows family->refresh_id; ERR_NOT_FOUND when something else did
 * already. */
enum error_code family_rotate(struct db_tx *tx,
                              const struct token_family *family,
                              const struct uuid *next, int64_t expires_ms,
                              struct error *err) MUST_USE;
/* Revokes its tokens at once; one that is gone already is fine. */
enum error_code family_delete(struct db_tx *tx, const struct uuid *id,
                              struct error *err) MUST_USE;

/* When the last of all families ends; 0 without any. */
enum error_code family_last_end(struct db_tx *tx, int64_t *ret,
                                struct error *err) MUST_USE;

/* Forget what expired, retired signing keys among it. */
enum error_code oauth_sweep(struct db_tx *tx, int64_t now_ms,
                            struct error *err) MUST_USE;

#endif

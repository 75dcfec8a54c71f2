/*
 * auth_store.h - the registry row, clients (personal access tokens and API
 * clients) and signing keys.
 *
 * Memory, errors, threads: see store.h.
 */
#ifndef NELM_STORE_AUTH_STORE_H
#define NELM_STORE_AUTH_STORE_H

#include "store/where.h"

struct registry {
    struct uuid id; /* of this database: tenant_id, part of ETags */
    struct str tenant_name;
    int64_t auth_epoch, created_ms;
};

/* ERR_NOT_FOUND before registry_insert(): the database is not initialised. */
enum error_code registry_find(struct db_tx *tx, struct arena *arena,
                              struct registry *ret, struct error *err) MUST_USE;
enum error_code registry_insert(struct db_tx *tx, struct registry *registry,
                                struct error *err) MUST_USE;
/* One row read by key. */
enum error_code auth_epoch(struct db_tx *tx, int64_t *ret,
                           struct error *err) MUST_USE;
/* Make every cached verification of a token stale. */
enum error_code auth_epoch_move(struct db_tx *tx, struct error *err) MUST_USE;

#define CLIENT_REFRESH_SECONDS 86400   /* life of a refresh token, by default */
#define CLIENT_TOKEN_SECONDS_MAX 43200 /* of an access token, at most */

/* Fills the times, and the id unless there is one. */
enum error_code client_insert(struct db_tx *tx, struct client *client,
                              struct error *err) MUST_USE;
/* All that may change of the client with this id; moves `modified` and the
 * epoch. */
enum error_code client_update(struct db_tx *tx, struct client *client,
                              struct error *err) MUST_USE;
enum error_code client_by_id(struct db_tx *tx, const struct uuid *id,
                             struct arena *arena, struct client *ret,
                             struct error *err) MUST_USE;
typedef bool client_visit(void *context, const struct client *client);
enum error_code client_each(struct db_tx *tx, enum client_kind kind,
                            struct arena *scratch, client_visit *visit,
                            void *context, struct error *err) MUST_USE;
/* The personal access tokens of one identity. */
enum error_code client_each_of(struct db_tx *tx, const struct uuid *identity,
                               struct arena *scratch, client_visit *visit,
                               void *context, struct error *err) MUST_USE;
/* Those of a kind, and of one identity unless `owner` is NULL. Filter:
 * lastUsed (le, isnull). */
enum error_code client_list(struct db_tx *tx, enum client_kind kind,
                            const struct list_query *list,
                            const struct uuid *owner, struct arena *scratch,
                            client_visit *visit, void *context,
                            struct error *err) MUST_USE;
enum error_code client_list_count(struct db_tx *tx, enum client_kind kind,
                                  const struct list_query *list,
                                  const struct uuid *owner, int64_t *ret,
                                  struct error *err) MUST_USE;
/* Deletes and moves the epoch; ERR_NOT_FOUND when there is none of `kind`. */
enum error_code client_delete(struct db_tx *tx, enum client_kind kind,
                              const struct uuid *id,
                              struct error *err) MUST_USE;
/* The longest life, in seconds, of a refresh token that any client may get; 0:
 * none may. */
enum error_code client_longest_refresh(struct db_tx *tx, int64_t *ret,
                                       struct error *err) MUST_USE;
/* Note the use; callers do so at most once a day per client. */
enum error_code client_used(struct db_tx *tx, const struct uuid *id,
                            int64_t now_ms, struct error *err) MUST_USE;

struct signing_key {
    struct str kid;
    struct str private_der; /* PKCS#8 */
    int64_t created_ms;
    int64_t expires_ms; /* 0: in use */
};
enum error_code signing_key_insert(struct db_tx *tx,
                                   const struct signing_key *key,
                                   struct error *err) MUST_USE;
/* Newest first. */
typedef bool signing_key_visit(void *context, const struct signing_key *key);
enum error_code signing_key_each(struct db_tx *tx, signing_key_visit *visit,
                                 void *context, struct error *err) MUST_USE;
/* The key in use stops signing and verifies until then. */
enum error_code signing_key_retire(struct db_tx *tx, int64_t expires_ms,
                                   struct error *err) MUST_USE;
/* Delete the keys that ended by then; with INT64_MAX all of them. */
enum error_code signing_key_sweep(struct db_tx *tx, int64_t now_ms,
                                  struct error *err) MUST_USE;

#endif

/*
 * client_rules.h - what a personal access token and an API client must be
 * (contract 18.2; the published OAuth client).
 *
 * All of these work in the caller's write transaction and leave an audit row.
 *
 * Memory:  texts of a result live in the arena.
 * Errors:  those of contract 5.2.
 * Threads: see store.h.
 */
#ifndef NELM_CORE_CLIENT_RULES_H
#define NELM_CORE_CLIENT_RULES_H

#include <jansson.h>

#include "auth/token.h"
#include "store/auth_store.h"

/* `secret` is shown to whoever asked, this once; it is empty for a client
 * that has none. */
enum error_code token_rules_create(struct db_tx *tx, const json_t *body,
                                   const struct uuid *owner,
                                   const struct actor *actor,
                                   struct arena *arena, struct client *ret,
                                   char secret[SECRET_TEXT],
                                   struct error *err) MUST_USE;
enum error_code client_rules_create(struct db_tx *tx, const json_t *body,
                                    const struct actor *actor,
                                    struct arena *arena, struct client *ret,
                                    char secret[SECRET_TEXT],
                                    struct error *err) MUST_USE;

/* JSON Patch on the one or the other. */
enum error_code client_rules_patch(struct db_tx *tx, enum client_kind kind,
                                   const struct uuid *id, const json_t *patch,
                                   const struct actor *actor,
                                   struct arena *arena, struct client *ret,
                                   struct error *err) MUST_USE;

enum error_code client_rules_delete(struct db_tx *tx, enum client_kind kind,
                                    const struct uuid *id,
                                    const struct actor *actor,
                                    struct error *err) MUST_USE;

#endif

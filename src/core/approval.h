/*
 * approval.h - the states of a request and who may move it (contract 15). The
 * one piece of code that submits, decides and cancels; every call runs inside
 * the caller's write transaction, so a decision and its effects are one.
 *
 * Memory:  text of results lives in the arena.
 * Errors:  ERR_FORBIDDEN: not the item's approver, or no such item (ids
 *          cannot be probed); ERR_CONTENT with the item's state as cause: not
 *          PENDING; ERR_CONFLICT, ERR_LIMIT: the record cannot be made, and
 *          nothing moved.
 * Threads: see store.h. Two decisions at one instant are two transactions: the
 *          second finds the item decided.
 */
#ifndef NELM_CORE_APPROVAL_H
#define NELM_CORE_APPROVAL_H

#include "core/validate.h"
#include "store/request_store.h"

#define APPROVAL_COMMENT_CHARS 4000

/* Start the chain of the source's approvers, as they are now; without
 * approvers the record is made at once. `request` has source, requester and
 * record filled; the rest is set here. ERR_CONFLICT when a record or a pending
 * request has the account name. */
enum error_code approval_submit(struct db_tx *tx, const struct source *source,
                                struct request *request, int64_t max_records,
                                const struct actor *actor, struct arena *arena,
                                struct error *err) MUST_USE;

/* Decide an item as `approver`. `comment` with a NULL `at` is none; a
 * rejection without one is ERR_REQUIRED. */
enum error_code approval_decide(struct db_tx *tx, const struct uuid *item,
                                const struct uuid *approver, bool approve,
                                struct str comment, int64_t max_records,
                                const struct actor *actor, struct arena *arena,
                                struct approval_item *ret,
                                struct error *err) MUST_USE;

/* The approver leaves: open items and their requests become CANCELLED. */
enum error_code approval_cancel_all(struct db_tx *tx,
                                    const struct uuid *approver,
                                    const struct actor *actor,
                                    struct error *err) MUST_USE;

#endif

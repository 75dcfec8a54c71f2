/*
 * request_store.h - requests for people and their approval items.
 *
 * Memory, errors, threads: see store.h.
 */
#ifndef NELM_STORE_REQUEST_STORE_H
#define NELM_STORE_REQUEST_STORE_H

#include "store/where.h"

enum approval_status {
    STATUS_NOT_READY, /* items only */
    STATUS_PENDING,
    STATUS_APPROVED,
    STATUS_REJECTED,
    STATUS_CANCELLED,
    STATUSES
};
const char *status_name(enum approval_status status);
bool status_parse(struct str text, enum approval_status *ret); /* any case */

#define CHAIN_MAX 3 /* approvers of a source, contract 17 */

struct request {
    struct uuid id;
    int64_t source; /* number */
    bool has_requester;
    struct uuid requester_id;
    struct str requester_name; /* "" when the identity is gone */
    enum approval_status status;
    struct record record;  /* what is asked for; key, id and times unused */
    int64_t completion_ms; /* 0: open */
    int64_t created_ms, modified_ms;
};

struct approval_item {
    struct uuid id, request_id;
    int64_t position; /* from 0 */
    struct uuid approver_id;
    struct str approver_name;
    enum approval_status status;
    struct str comment; /* `at` NULL: none */
    int64_t created_ms, modified_ms;
    /* Of the request; not written: */
    struct str account_name;
    bool has_requester;
    struct uuid requester_id;
    struct str requester_name;
};

/* Fills id and times; completion_ms as request_set_status(). ERR_CONFLICT when
 * a pending request of the source has the account name. */
enum error_code request_insert(struct db_tx *tx, struct request *request,
                               struct error *err) MUST_USE;
enum error_code request_by_id(struct db_tx *tx, const struct uuid *id,
                              struct arena *arena, struct request *ret,
                              struct error *err) MUST_USE;
/* Has a pending request of the source this account name? Folded. */
enum error_code request_pending(struct db_tx *tx, int64_t source,
                                struct str account_name, bool *ret,
                                struct error *err) MUST_USE;
/* A status that ends the request is its completion at `now_ms`. */
enum error_code request_set_status(struct db_tx *tx, const struct uuid *id,
                                   enum approval_status status, int64_t now_ms,
                                   struct error *err) MUST_USE;
/* With its items. */
enum error_code request_delete(struct db_tx *tx, const struct uuid *id,
                               struct error *err) MUST_USE;

/* Requests in sources that `manager` is an account manager of; NULL: of all
 * sources. */
typedef bool request_visit(void *context, const struct request *request);
enum error_code request_list(struct db_tx *tx, const struct uuid *manager,
                             const struct list_query *list,
                             struct arena *scratch, request_visit *visit,
                             void *context, struct error *err) MUST_USE;
enum error_code request_list_count(struct db_tx *tx, const struct uuid *manager,
                                   const struct list_query *list, int64_t *ret,
                                   struct error *err) MUST_USE;

/* Numbers of contract 13.5 for the sources that `manager` manages. */
struct request_summary {
    int64_t approved, rejected, pending, records;
};
enum error_code request_summary(struct db_tx *tx, const struct uuid *manager,
                                struct request_summary *ret,
                                struct error *err) MUST_USE;

/* Fills id and times. */
enum error_code approval_insert(struct db_tx *tx, struct approval_item *item,
                                struct error *err) MUST_USE;
enum error_code approval_by_id(struct db_tx *tx, const struct uuid *id,
                               struct arena *arena, struct approval_item *ret,
                               struct error *err) MUST_USE;
/* In order of position, at most CHAIN_MAX. */
enum error_code approval_chain(struct db_tx *tx, const struct uuid *request,
                               struct arena *arena,
                               struct approval_item ret[CHAIN_MAX],
                               size_t *ret_count, struct error *err) MUST_USE;
/* Write status and comment. */
enum error_code approval_update(struct db_tx *tx,
                                const struct approval_item *item,
                                int64_t now_ms, struct error *err) MUST_USE;
/* Ids of requests that are open and have an undecided item of `approver`. The
 * visits collect: they change nothing. */
typedef bool id_visit(void *context, const struct uuid *id);
enum error_code approval_open_requests(struct db_tx *tx,
                                       const struct uuid *approver,
                                       id_visit *visit, void *context,
                                       struct error *err) MUST_USE;

/* Items of `approver`; NULL: of everybody. */
typedef bool approval_visit(void *context, const struct approval_item *item);
enum error_code approval_list(struct db_tx *tx, const struct uuid *approver,
                              const struct list_query *list,
                              struct arena *scratch, approval_visit *visit,
                              void *context, struct error *err) MUST_USE;
enum error_code approval_list_count(struct db_tx *tx,
                                    const struct uuid *approver,
                                    const struct list_query *list, int64_t *ret,
                                    struct error *err) MUST_USE;

struct approval_summary {
    int64_t approved, rejected, pending;
};
enum error_code approval_summary(struct db_tx *tx, const struct uuid *approver,
                                 struct approval_summary *ret,
                                 struct error *err) MUST_USE;

#endif

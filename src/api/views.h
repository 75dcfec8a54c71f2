/*
 * views.h - what the registry holds, as JSON: the only place that names the
 * members of answers (contract 9).
 *
 * Memory:  writes to the caller's buf; sources that were looked up are kept
 *          until views_done().
 * Errors:  a failure of the database; text that does not fit shows in the buf.
 * Threads: see store.h.
 */
#ifndef NELM_API_VIEWS_H
#define NELM_API_VIEWS_H

#include "fmt/jw.h"
#include "store/audit_store.h"
#include "store/identity_store.h"
#include "store/request_store.h"
#include "store/source_store.h"

struct views_source;

struct views {
    struct jw json;
    struct db_tx *tx;
    struct arena arena;           /* of look-ups */
    struct views_source *sources; /* looked up so far */
};

void views_init(struct views *views, struct db_tx *tx, struct buf *to);
void views_done(struct views *views);

enum source_form {
    SOURCE_FULL,
    SOURCE_CREATED, /* with cloudExternalId */
    SOURCE_LISTED,  /* with a nonEmployeeCount of null */
    SOURCE_COUNTED  /* with a number there */
};

enum error_code views_source(struct views *views, const struct source *source,
                             enum source_form form, struct error *err) MUST_USE;

void views_attribute(struct views *views, const struct attribute *attribute);

enum error_code views_source_count(struct views *views, int64_t number,
                                   int64_t count, struct error *err) MUST_USE;
enum error_code views_record(struct views *views, const struct record *record,
                             struct error *err) MUST_USE;

enum error_code views_request(struct views *views,
                              const struct request *request,
                              struct error *err) MUST_USE;
void views_request_summary(struct views *views,
                           const struct request_summary *summary);

enum approval_form {
    APPROVAL_BASE, /* inside a request */
    APPROVAL_ITEM, /* with {id, requester} */
    APPROVAL_DETAIL
};

enum error_code views_approval(struct views *views,
                               const struct approval_item *item,
                               enum approval_form form,
                               struct error *err) MUST_USE;
void views_approval_summary(struct views *views,
                            const struct approval_summary *summary);

/* Contract 18.1. */
enum error_code views_public_identity(struct views *views,
                                      const struct identity *identity,
                                      struct error *err) MUST_USE;

/* A personal access token and an API client; `secret` only for who just made
 * it, else NULL. */
enum error_code views_token(struct views *views, const struct client *client,
                            const char *secret, struct error *err) MUST_USE;
void views_client(struct views *views, const struct client *client,
                  const char *secret);

enum error_code views_audit(struct views *views, const struct audit_row *row,
                            struct error *err) MUST_USE;

#endif

/*
 * issuer.h - an outside OpenID issuer whose access tokens are accepted: its
 * keys, kept fresh by a thread of their own, so that a slow issuer holds up
 * nobody but the callers whose tokens need a key that is not here.
 *
 * Memory:  issuer_start() .. issuer_stop() .. issuer_free().
 * Errors:  issuer_key(): ERR_UNAUTHENTICATED when the issuer has no such key,
 *          ERR_UNAVAILABLE when that cannot be found out.
 * Threads: safe everywhere. report() comes from the thread.
 */
#ifndef NELM_AUTH_ISSUER_H
#define NELM_AUTH_ISSUER_H

#include <stdatomic.h>

#include "auth/jwks.h"
#include "auth/outside.h"
#include "base/counter.h"

#define ISSUER_REFRESH_MS 300000 /* keys are fetched so often */
#define ISSUER_AWAY_MS 30000     /* and so often while that fails */
#define ISSUER_ASK_MS 5000       /* at most so often for unknown keys */
#define ISSUER_STALE_MS 3600000  /* how long old keys are used then */
#define ISSUER_TRUST_MS 60000    /* how long a verified token is remembered */

/* Somebody who waits for keys. */
struct issuer_waiter {
    void (*wake)(struct issuer_waiter *waiter); /* from any thread, once */
    struct issuer_waiter *next;                 /* the issuer's, as is: */
    bool queued;
};

/* Bytes of a URL appended to `to`; as fetch_get(). */
typedef enum error_code issuer_get(const char *url, struct str authorities,
                                   atomic_bool *stop, struct buf *to,
                                   struct error *err);

struct issuer_options {
    struct outside_rules rules; /* text is borrowed */
    struct str authorities;     /* see fetch_get(); borrowed */
    int64_t refresh_ms, away_ms, ask_ms, stale_ms;
    issuer_get *get;
    /* After each try: how many keys there are, or why not. */
    void (*report)(void *context, size_t keys, const struct error *err);
    void *context;
};

struct issuer;

/* Is it the URL of an issuer: https, or http on this machine; no query and no
 * fragment? */
bool issuer_url_good(const char *url);

/* Returns before anything is fetched: an issuer that is down keeps nobody from
 * starting. */
enum error_code issuer_start(const struct issuer_options *options,
                             struct issuer **ret, struct error *err) MUST_USE;
/* End the thread; what waits stays asleep. Then issuer_key() is
 * ERR_UNAVAILABLE for keys that are not here. */
void issuer_stop(struct issuer *issuer);
void issuer_free(struct issuer *issuer);

const struct outside_rules *issuer_rules(const struct issuer *issuer);

/* The set of keys that has the one which `token` names: *ret is to be
 * unref'd, and jwks_find() finds it there. ERR_LATER: it is being fetched, and
 * the waiter was queued; call again after its wake(). */
enum error_code issuer_key(struct issuer *issuer, const struct outside *token,
                           struct issuer_waiter *waiter, struct jwks **ret,
                           struct error *err) MUST_USE;

/* Counters for metrics. */
struct issuer_stats {
    counter fetches, failures, keys;
};
const struct issuer_stats *issuer_stats(const struct issuer *issuer);

#endif

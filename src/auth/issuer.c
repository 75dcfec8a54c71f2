#include "auth/issuer.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "auth/fetch.h"
#include "auth/jwt.h"
#include "base/clock.h"

#define WELL_KNOWN "/.well-known/openid-configuration"
#define URL_BYTES 4096

struct issuer {
    struct issuer_options options;
    struct issuer_stats stats;
    pthread_t thread;
    bool has_thread;
    atomic_bool stop;
    pthread_mutex_t lock; /* of all below, and of setting `stop` */
    pthread_cond_t wake;
    bool asked; /* somebody needs a key that is not here */
    bool busy;  /* keys are being fetched */
    bool away;  /* the last try failed */
    bool tried;
    int64_t tried_ms;   /* when it ended */
    int64_t fetched_ms; /* when `keys` were; monotonic, both */
    struct jwks *keys;  /* NULL before the first success */
    struct issuer_waiter *waiting;
};

bool
issuer_url_good(const char *url)
{
    return strpbrk(url, "?#") == NULL && fetch_allowed(url, true);
}

const struct outside_rules *
issuer_rules(const struct issuer *issuer)
{
    return &issuer->options.rules;
}

const struct issuer_stats *
issuer_stats(const struct issuer *issuer)
{
    return &issuer->stats;
}

/* --- fetching ------------------------------------------------------------ */

static enum error_code
get(struct issuer *issuer, const char *url, struct buf *to, struct error *err)
{
    buf_clear(to);
    return issuer->options.get(url, issuer->options.authorities, &issuer->stop,
                               to, err);
}

/* OpenID Connect Discovery 1.0 section 4: where the issuer's keys are. */
static enum error_code
find_keys(struct issuer *issuer, struct buf *document, struct buf *ret_url,
          struct error *err)
{
    struct str name = issuer->options.rules.issuer, base = name;
    CLEANUP(buf_done) struct buf url;
    enum error_code rc;

    buf_init(&url, URL_BYTES);
    if (base.at[base.len - 1] == '/')
        base.len--;
    buf_printf(&url, "%.*s" WELL_KNOWN, STR_ARG(base));
    if (url.failed)
        return error_busy(err, "no memory for a URL");
    rc = get(issuer, url.data, document, err);
    if (rc == ERR_OK)
        rc = discovery_read(buf_view(document), name, ret_url, err);
    if (rc != ERR_OK)
        return rc;
    /* Who is reached by TLS does not send us elsewhere without. */
    if (!fetch_allowed(ret_url->data, base.at[4] != 's'))
        return error_set(err, ERR_VALUE,
                         "the issuer's keys are at \"%s\", which is not https",
                         ret_url->data);
    return ERR_OK;
}

static enum error_code
fetch_keys(struct issuer *issuer, struct jwks **ret, struct error *err)
{
    CLEANUP(buf_done) struct buf document;
    CLEANUP(buf_done) struct buf url;
    enum error_code rc;

    buf_init(&document, FETCH_MAX);
    buf_init(&url, URL_BYTES);
    rc = find_keys(issuer, &document, &url, err);
    if (rc == ERR_OK)
        rc = get(issuer, url.data, &document, err);
    if (rc == ERR_OK)
        rc = jwks_read(buf_view(&document), ret, err);
    return rc;
}

/* Takes over `keys`, NULL when there are none. Under the lock; returns who
 * waited. */
static struct issuer_waiter *
note(struct issuer *issuer, struct jwks **keys)
{
    struct issuer_waiter *woken = issuer->waiting;

    issuer->waiting = NULL;
    issuer->busy = false;
    issuer->tried = true;
    issuer->tried_ms = clock_mono_ms();
    issuer->away = *keys == NULL;
    if (issuer->away)
        return woken;
    struct jwks *old = issuer->keys;

    issuer->fetched_ms = issuer->tried_ms;
    issuer->keys = *keys;
    *keys = old;
    return woken;
}

static void
fetch(struct issuer *issuer)
{
    CLEANUP(jwks_unref) struct jwks *keys = NULL;
    struct error err = ERROR_INIT;
    enum error_code rc = fetch_keys(issuer, &keys, &err);
    size_t count = rc == ERR_OK ? jwks_count(keys) : 0;
    struct issuer_waiter *woken, *next;

    if (issuer->stop)
        return;
    count_up(&issuer->stats.fetches, 1);
    if (rc != ERR_OK)
        count_up(&issuer->stats.failures, 1);
    else
        atomic_store(&issuer->stats.keys, count);
    if (issuer->options.report != NULL)
        issuer->options.report(issuer->options.context, count, &err);
    pthread_mutex_lock(&issuer->lock);
    woken = note(issuer, &keys);
    pthread_mutex_unlock(&issuer->lock);
    for (; woken != NULL; woken = next) {
        next = woken->next;
        woken->wake(woken);
    }
}

static void *
run(void *context)
{
    struct issuer *issuer = context;

    pthread_mutex_lock(&issuer->lock);
    while (!issuer->stop) {
        issuer->busy = true;
        issuer->asked = false;
        pthread_mutex_unlock(&issuer->lock);
        fetch(issuer);
        pthread_mutex_lock(&issuer->lock);

        int64_t due_ms = clock_mono_ms() + (issuer->away
                                                ? issuer->options.away_ms
                                                : issuer->options.refresh_ms);
        const struct timespec due = {.tv_sec = due_ms / 1000,
                                     .tv_nsec = due_ms % 1000 * 1000000};

        while (!issuer->stop && !issuer->asked &&
               pthread_cond_timedwait(&issuer->wake, &issuer->lock, &due) == 0)
            continue;
    }
    issuer->busy = false;
    pthread_mutex_unlock(&issuer->lock);
    return NULL;
}

/* --- keys ---------------------------------------------------------------- */

/* A key that is not here may be a new one, or no key at all, by the word of
 * whoever likes to see us ask: so that is done now and then only. */
static enum error_code
ask(struct issuer *issuer, struct issuer_waiter *waiter, struct error *err)
{
    bool may_ask = issuer->busy || !issuer->tried ||
                   clock_mono_ms() - issuer->tried_ms >= issuer->options.ask_ms;

    if (may_ask && !issuer->stop && waiter != NULL) {
        issuer->asked = !issuer->busy;
        waiter->next = issuer->waiting;
        waiter->queued = true;
        issuer->waiting = waiter;
        pthread_cond_signal(&issuer->wake);
        return ERR_LATER;
    }
    if (may_ask || issuer->away)
        return error_busy(err, "keys of the issuer could not be fetched");
    return jwt_refuse(err, JWT_FORGED);
}

enum error_code
issuer_key(struct issuer *issuer, const struct outside *token,
           struct issuer_waiter *waiter, struct jwks **ret, struct error *err)
{
    enum error_code rc = ERR_OK;

    pthread_mutex_lock(&issuer->lock);
    bool fresh = issuer->keys != NULL && clock_mono_ms() - issuer->fetched_ms <
                                             issuer->options.stale_ms;

    if (fresh && jwks_find(issuer->keys, token->kid, token->alg) != NULL)
        *ret = jwks_ref(issuer->keys);
    else
        rc = ask(issuer, waiter, err);
    pthread_mutex_unlock(&issuer->lock);
    return rc;
}

/* --- life ---------------------------------------------------------------- */

enum error_code
issuer_start(const struct issuer_options *options, struct issuer **ret,
             struct error *err)
{
    struct issuer *issuer = calloc(1, sizeof(*issuer));
    pthread_condattr_t monotonic;

    if (issuer == NULL)
        return error_busy(err, "no memory for an issuer");
    issuer->options = *options;
    issuer->busy = true; /* as the thread will be */
    pthread_mutex_init(&issuer->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&issuer->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    issuer->has_thread = pthread_create(&issuer->thread, NULL, run, issuer) ==
                         0;
    if (!issuer->has_thread) {
        issuer_free(issuer);
        return error_internal(err, "no thread for an issuer");
    }
    *ret = issuer;
    return ERR_OK;
}

void
issuer_stop(struct issuer *issuer)
{
    if (issuer == NULL || !issuer->has_thread)
        return;
    pthread_mutex_lock(&issuer->lock);
    issuer->stop = true;
    pthread_cond_signal(&issuer->wake);
    pthread_mutex_unlock(&issuer->lock);
    pthread_join(issuer->thread, NULL);
    issuer->has_thread = false;
}

void
issuer_free(struct issuer *issuer)
{
    if (issuer == NULL)
        return;
    issuer_stop(issuer);
    jwks_unref(&issuer->keys);
    pthread_cond_destroy(&issuer->wake);
    pthread_mutex_destroy(&issuer->lock);
    free(issuer);
}

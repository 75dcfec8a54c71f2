/* The keys that sign: what of the database a node knows, and their life: a new
 * one signs at once, an old one verifies until the last token that it signed
 * has ended, and is deleted then. */
#include <stdlib.h>

#include "auth/token_internal.h"
#include "base/secret.h"
#include "fmt/jw.h"
#include "store/auth_store.h"
#include "store/oauth_store.h"

/* A token may be signed by somebody who read the keys just before they
 * changed, and clocks differ. */
#define ROTATION_SLACK_MS 300000

void
key_set_unref(struct key_set **set)
{
    if (*set == NULL || atomic_fetch_sub(&(*set)->refs, 1) > 1)
        return;
    for (size_t i = 0; i < (*set)->count; i++)
        jwt_key_done(&(*set)->keys[i].jwt);
    free(*set);
}

static struct key_set *
keys_ref(struct token_service *service)
{
    pthread_mutex_lock(&service->mutex);
    struct key_set *set = service->keys;

    if (set != NULL)
        atomic_fetch_add(&set->refs, 1);
    pthread_mutex_unlock(&service->mutex);
    return set;
}

struct key_load {
    const struct key_set *old; /* may be NULL */
    struct key_set *set;
    int64_t now_ms;
    enum error_code rc;
    struct error *err;
};

static bool
load_key(void *context, const struct signing_key *row)
{
    struct key_load *load = context;
    struct key_set *set = load->set;
    struct service_key key = {.expires_ms = row->expires_ms};
    bool known = false;

    if (!key_usable(&key, load->now_ms))
        return true;
    /* The epoch moves far more often than the keys do, and taking a key
     * apart costs as much as a signature. */
    for (size_t i = 0; load->old && i < load->old->count && !known; i++) {
        known = str_eq(row->kid, str_of(load->old->keys[i].jwt.kid));
        if (known)
            key.jwt = jwt_key_ref(&load->old->keys[i].jwt);
    }
    if (!known)
        load->rc = jwt_key_load(row->private_der, &key.jwt, load->err);
    if (load->rc != ERR_OK)
        return false;
    set->keys[set->count++] = key;
    return set->count < KEYS_MAX;
}

/* A new key moves the epoch, so a set of this epoch knows all there are: an
 * unknown kid is no reason to look again, however often strangers send one. */
enum error_code
keys_current(struct token_service *service, struct db_tx *tx,
             struct key_set **ret, struct error *err)
{
    CLEANUP(key_set_unref) struct key_set *old = keys_ref(service);
    int64_t epoch;
    enum error_code rc = auth_epoch(tx, &epoch, err);

    if (rc != ERR_OK)
        return rc;
    if (old != NULL && old->epoch >= epoch) {
        *ret = old;
        old = NULL;
        return ERR_OK;
    }
    CLEANUP(key_set_unref) struct key_set *set = calloc(1, sizeof(*set));

    if (set == NULL)
        return error_busy(err, "no memory for signing keys");
    struct key_load load = {
        .old = old, .set = set, .now_ms = clock_now_ms(), .err = err};

    atomic_init(&set->refs, 1);
    set->epoch = epoch;
    rc = signing_key_each(tx, load_key, &load, err);
    if (rc == ERR_OK)
        rc = load.rc;
    if (rc != ERR_OK)
        return rc;

    struct key_set *replaced = NULL;

    pthread_mutex_lock(&service->mutex);
    if (service->keys == NULL || service->keys->epoch < epoch) {
        atomic_fetch_add(&set->refs, 1);
        replaced = service->keys;
        service->keys = set;
    }
    pthread_mutex_unlock(&service->mutex);
    key_set_unref(&replaced);
    *ret = set;
    set = NULL;
    return ERR_OK;
}

enum error_code
token_key_create(struct db_tx *tx, struct error *err)
{
    CLEANUP(jwt_key_done) struct jwt_key key = {.pkey = NULL};
    struct buf der;
    enum error_code rc = jwt_key_create(&key, err);

    if (rc != ERR_OK)
        return rc;
    buf_init(&der, 4096);
    rc = jwt_key_save(&key, &der, err);
    if (rc == ERR_OK) {
        struct signing_key row = {
            .kid = str_of(key.kid),
            .private_der = buf_view(&der),
            .created_ms = clock_now_ms(),
        };

        rc = signing_key_insert(tx, &row, err);
        secret_wipe(der.data, der.size);
    }
    buf_done(&der);
    return rc;
}

struct key_count {
    int64_t now_ms;
    size_t usable;
    int64_t first_end_ms;
};

static bool
count_key(void *context, const struct signing_key *row)
{
    struct key_count *count = context;

    if (row->expires_ms != 0 && row->expires_ms <= count->now_ms)
        return true;
    count->usable++;
    if (row->expires_ms != 0 &&
        (count->first_end_ms == 0 || row->expires_ms < count->first_end_ms))
        count->first_end_ms = row->expires_ms;
    return true;
}

/* Nobody may have to do without a key that still verifies. */
static enum error_code
check_room(struct db_tx *tx, int64_t now_ms, struct error *err)
{
    struct key_count count = {.now_ms = now_ms};
    char end[MOMENT_TEXT];
    enum error_code rc = signing_key_each(tx, count_key, &count, err);

    if (rc != ERR_OK || count.usable < KEYS_MAX)
        return rc;
    moment_utc(count.first_end_ms, end);
    return error_set(err, ERR_CONFLICT,
                     "there are %zu keys that still verify tokens, and no room "
                     "for another before %s",
                     count.usable, end);
}

/* When the last token that may be signed by now ends. */
static enum error_code
last_end(struct db_tx *tx, int64_t now_ms, int64_t *ret, struct error *err)
{
    int64_t refresh_s, family_ms;
    enum error_code rc = client_longest_refresh(tx, &refresh_s, err);

    if (rc == ERR_OK)
        rc = family_last_end(tx, &family_ms, err);
    if (rc == ERR_OK)
        *ret = MAX(family_ms,
                   now_ms + MAX(refresh_s, CLIENT_TOKEN_SECONDS_MAX) * 1000) +
               ROTATION_SLACK_MS;
    return rc;
}

enum error_code
token_key_rotate(struct db_tx *tx, bool revoke, struct error *err)
{
    int64_t now_ms = clock_now_ms(), end_ms = now_ms;
    /* The epoch first: its row is what two rotations at once meet at. */
    enum error_code rc = auth_epoch_move(tx, err);

    if (rc == ERR_OK && !revoke)
        rc = last_end(tx, now_ms, &end_ms, err);
    if (rc == ERR_OK)
        rc = revoke ? signing_key_sweep(tx, INT64_MAX, err)
                    : signing_key_retire(tx, end_ms, err);
    if (rc == ERR_OK)
        rc = signing_key_sweep(tx, now_ms, err);
    if (rc == ERR_OK)
        rc = check_room(tx, now_ms, err);
    return rc == ERR_OK ? token_key_create(tx, err) : rc;
}

static void
add_jwk(struct jw *json, const struct jwt_key *key)
{
    jw_object(json);
    jw_member_text(json, "kty", "EC");
    jw_member_text(json, "crv", "P-256");
    jw_member_text(json, "x", key->x);
    jw_member_text(json, "y", key->y);
    jw_member_text(json, "use", "sig");
    jw_member_text(json, "alg", "ES256");
    jw_member_text(json, "kid", key->kid);
    jw_object_end(json);
}

void
token_jwks(struct token_service *service, struct buf *to)
{
    CLEANUP(key_set_unref) struct key_set *keys = NULL;
    int64_t now_ms = clock_now_ms();
    struct db_tx *tx;
    struct jw json;

    if (db_read_begin(service->db, &tx, NULL) == ERR_OK) {
        if (keys_current(service, tx, &keys, NULL) != ERR_OK)
            keys = NULL;
        db_read_end(tx);
    }
    if (keys == NULL)
        keys = keys_ref(service);
    jw_init(&json, to);
    jw_object(&json);
    jw_key(&json, "keys");
    jw_array(&json);
    for (size_t i = 0; keys != NULL && i < keys->count; i++) {
        if (key_usable(&keys->keys[i], now_ms))
            add_jwk(&json, &keys->keys[i].jwt);
    }
    jw_array_end(&json);
    jw_object_end(&json);
}

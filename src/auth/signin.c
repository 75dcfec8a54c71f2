#include "auth/signin.h"

#include "auth/password.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "store/audit_store.h"
#include "store/identity_store.h"
#include "store/oauth_store.h"

#define ROW_BYTES 65536
#define FORGET_MS 3600000 /* after the last try or the end of a lock */
#define FREE_TRIES 5
#define ALIAS_MAX 512 /* bytes; nobody's alias is longer */

/* Many people may sit behind one address. */
#define FREE_TRIES_ADDRESS 50

#define FIRST_LOCK_MS INT64_C(30000)
#define LONGEST_LOCK_MS INT64_C(900000)

/* What one try is counted under. */
enum { BY_ALIAS, BY_ADDRESS, COUNTS };

struct attempt {
    const struct signin *with;
    int64_t now_ms;
    unsigned counts; /* BY_ALIAS, and BY_ADDRESS when there is one */
    struct login_attempt by[COUNTS];
    int64_t locked_ms;        /* result of the first write */
    struct arena *arena;      /* of `identity` */
    bool known;               /* `identity` is set */
    struct identity identity; /* whose alias it is */
    bool right;               /* and the password is right */
    struct login_session session;
};

static void
attempt_init(struct attempt *attempt, const struct signin *with,
             struct arena *arena)
{
    char folded[3 * ALIAS_MAX + 1];
    struct net_address address = net_user(&with->address);
    struct str alias = str_n(with->alias.at,
                             MIN(with->alias.len, (size_t)ALIAS_MAX));

    *attempt = (struct attempt){
        .with = with, .now_ms = clock_now_ms(), .counts = 1, .arena = arena};
    secret_hash(str_n(folded, utf8_fold(alias, folded)),
                attempt->by[BY_ALIAS].key);
    /* A proxy on this machine that nobody told us to trust speaks for
     * everybody: its address says nothing. */
    if (net_is_loopback(&with->address))
        return;
    attempt->counts = COUNTS;
    secret_hash(str_n((const char *)address.bytes, sizeof(address.bytes)),
                attempt->by[BY_ADDRESS].key);
    /* An alias that looks like an address is another key. */
    attempt->by[BY_ADDRESS].key[0] ^= 1;
}

static int64_t
lock_ms(int64_t tries, int64_t free_tries)
{
    int64_t doublings = tries - free_tries;

    if (doublings < 0)
        return 0;
    return MIN(FIRST_LOCK_MS << MIN(doublings, INT64_C(8)), LONGEST_LOCK_MS);
}

/* Count the try, unless somebody has to wait. */
static enum error_code
begin(struct db_tx *tx, void *context, struct error *err)
{
    struct attempt *attempt = context;
    enum error_code rc = ERR_OK;

    attempt->locked_ms = 0;
    for (unsigned i = 0; i < attempt->counts && rc == ERR_OK; i++) {
        rc = attempt_find(tx, attempt->now_ms, &attempt->by[i], err);
        attempt->locked_ms = MAX(attempt->locked_ms, attempt->by[i].locked_ms);
    }
    if (rc != ERR_OK || attempt->locked_ms > attempt->now_ms)
        return rc;
    for (unsigned i = 0; i < attempt->counts && rc == ERR_OK; i++) {
        struct login_attempt *count = &attempt->by[i];
        int64_t lock = lock_ms(++count->tries,
                               i == BY_ALIAS ? FREE_TRIES : FREE_TRIES_ADDRESS);

        count->locked_ms = lock ? attempt->now_ms + lock : 0;
        count->expires_ms = attempt->now_ms + lock + FORGET_MS;
        rc = attempt_put(tx, count, err);
    }
    return rc;
}

static enum error_code
note(struct db_tx *tx, const char *event, const struct identity *identity,
     const struct uuid *request_id, struct error *err)
{
    struct audit_event entry = {.event = event};

    if (identity != NULL) {
        entry.actor.known = entry.has_object = true;
        entry.actor.id = entry.object_id = identity->id;
    }
    if (request_id != NULL) {
        entry.actor.has_request = true;
        entry.actor.request_id = *request_id;
    }
    return audit_add(tx, &entry, err);
}

/* The alias begins anew; the address only gets this one try back, or one good
 * account would be a licence to guess at all others. */
static enum error_code
take_back(struct db_tx *tx, struct attempt *attempt, struct error *err)
{
    struct login_attempt *count = &attempt->by[BY_ADDRESS];
    enum error_code rc = attempt_delete(tx, &attempt->by[BY_ALIAS], err);

    if (rc == ERR_OK && attempt->counts > BY_ADDRESS)
        rc = attempt_find(tx, attempt->now_ms, count, err);
    if (rc != ERR_OK || attempt->counts <= BY_ADDRESS || count->tries == 0)
        return rc;
    if (--count->tries < FREE_TRIES_ADDRESS)
        count->locked_ms = 0;
    return attempt_put(tx, count, err);
}

static enum error_code
finish(struct db_tx *tx, void *context, struct error *err)
{
    struct attempt *attempt = context;
    const struct identity *identity = attempt->known ? &attempt->identity
                                                     : NULL;
    enum error_code rc = oauth_sweep(tx, attempt->now_ms, err);

    if (rc != ERR_OK)
        return rc;
    if (!attempt->right)
        return note(tx, "USER_SIGN_IN_FAILED", identity,
                    attempt->with->request_id, err);
    rc = take_back(tx, attempt, err);
    if (rc == ERR_OK)
        rc = session_insert(tx, &attempt->session, err);
    if (rc == ERR_OK)
        rc = note(tx, "USER_SIGNED_IN", identity, attempt->with->request_id,
                  err);
    return rc;
}

/* Whose alias is it? Nobody's is no error. */
static enum error_code
look_up(struct db *db, struct attempt *attempt, struct error *err)
{
    struct db_tx *tx;
    enum error_code rc = db_read_begin(db, &tx, err);

    if (rc != ERR_OK)
        return rc;
    rc = identity_by_alias(tx, attempt->with->alias, attempt->arena,
                           &attempt->identity, err);
    db_read_end(tx);
    attempt->known = rc == ERR_OK;
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum error_code
signin(struct db *db, const struct signin *with, char cookie[SECRET_TEXT],
       unsigned *ret_wait_s, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct attempt attempt;
    enum error_code rc;

    arena_init(&arena, ROW_BYTES);
    attempt_init(&attempt, with, &arena);
    rc = db_write(db, begin, &attempt, err);
    if (rc == ERR_OK && attempt.locked_ms > attempt.now_ms) {
        *ret_wait_s = (unsigned)((attempt.locked_ms - attempt.now_ms + 999) /
                                 1000);
        return error_set(err, ERR_RATE, NULL);
    }
    if (rc == ERR_OK)
        rc = look_up(db, &attempt, err);
    if (rc == ERR_OK)
        rc = password_verify(attempt.known ? attempt.identity.password_hash
                                           : (struct str){NULL, 0},
                             with->password, &attempt.right, err);
    if (rc != ERR_OK)
        return rc;
    secret_create(cookie, attempt.session.hash);
    attempt.session.identity_id = attempt.identity.id;
    attempt.session.password_hash = attempt.identity.password_hash;
    attempt.session.created_ms = attempt.now_ms;
    attempt.session.expires_ms = attempt.now_ms + SESSION_SECONDS * 1000;
    rc = db_write(db, finish, &attempt, err);
    if (rc == ERR_OK && !attempt.right)
        rc = error_set(err, ERR_VALUE, NULL);
    return rc;
}

enum error_code
signin_who(struct db_tx *tx, struct str cookie, struct arena *arena,
           struct identity *ret, struct error *err)
{
    unsigned char hash[OAUTH_HASH];
    struct uuid id;
    enum error_code rc;

    if (cookie.len != SECRET_TEXT - 1)
        return error_set(err, ERR_NOT_FOUND, NULL);
    secret_hash(cookie, hash);
    rc = session_identity(tx, hash, clock_now_ms(), &id, err);
    return rc == ERR_OK ? identity_by_id(tx, &id, arena, ret, err) : rc;
}

struct ending {
    struct str cookie;
    const struct uuid *request_id;
};

static enum error_code
end(struct db_tx *tx, void *context, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    const struct ending *ending = context;
    struct identity identity;
    unsigned char hash[OAUTH_HASH];
    enum error_code rc;

    arena_init(&arena, ROW_BYTES);
    rc = signin_who(tx, ending->cookie, &arena, &identity, err);
    if (rc != ERR_OK)
        return rc == ERR_NOT_FOUND ? ERR_OK : rc;
    secret_hash(ending->cookie, hash);
    rc = session_delete(tx, hash, err);
    return rc == ERR_OK
               ? note(tx, "USER_SIGNED_OUT", &identity, ending->request_id, err)
               : rc;
}

enum error_code
signin_end(struct db *db, struct str cookie, const struct uuid *request_id,
           struct error *err)
{
    struct ending ending = {.cookie = cookie, .request_id = request_id};

    return db_write(db, end, &ending, err);
}

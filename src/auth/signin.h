/*
 * signin.h - people at a browser: passwords, what slows guessing down, and
 * sessions.
 *
 * A few wrong passwords are free. After that an alias is locked for half a
 * minute, and twice as long with every further one, up to a quarter of an
 * hour; an address is locked likewise after more of them. Tries are counted
 * before the password is looked at, so many at once gain nothing, and under a
 * hash of what was typed, so an alias that nobody has is no different.
 *
 * Memory:  none kept; what a browser and this server must remember is in the
 *          database, where every node finds it.
 * Errors:  as db.h.
 * Threads: safe everywhere; signin() blocks for some 30 ms.
 */
#ifndef NELM_AUTH_SIGNIN_H
#define NELM_AUTH_SIGNIN_H

#include "auth/token.h"
#include "base/net.h"

#define SESSION_SECONDS 43200

struct signin {
    struct str alias, password;
    struct net_address address; /* of the peer */
    const struct uuid *request_id;
};

/* ERR_OK: `cookie` is the session's secret. ERR_VALUE: alias or password is
 * wrong. ERR_RATE: nobody may try for *ret_wait_s seconds. */
enum error_code signin(struct db *db, const struct signin *with,
                       char cookie[SECRET_TEXT], unsigned *ret_wait_s,
                       struct error *err) MUST_USE;

/* Who is signed in with this cookie? ERR_NOT_FOUND: nobody. */
enum error_code signin_who(struct db_tx *tx, struct str cookie,
                           struct arena *arena, struct identity *ret,
                           struct error *err) MUST_USE;

/* End the session; no session is fine. */
enum error_code signin_end(struct db *db, struct str cookie,
                           const struct uuid *request_id,
                           struct error *err) MUST_USE;

#endif

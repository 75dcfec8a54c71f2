/*
 * principal.h - who is calling and what the token lets them do.
 *
 * Memory:  a value without pointers.
 * Errors:  none.
 * Threads: safe everywhere.
 */
#ifndef NELM_AUTH_PRINCIPAL_H
#define NELM_AUTH_PRINCIPAL_H

#include "store/store.h"

/* Scopes this server knows (contract 3.2 and 18), as bits. */
enum scope {
    SCOPE_ALL = 1 << 0,     /* sp:scopes:all */
    SCOPE_DEFAULT = 1 << 1, /* sp:scopes:default */
    SCOPE_NELM_READ = 1 << 2,
    SCOPE_NELM_MANAGE = 1 << 3,
    SCOPE_MY_PATS_READ = 1 << 4,
    SCOPE_MY_PATS_MANAGE = 1 << 5,
    SCOPE_ALL_PATS_READ = 1 << 6,
    SCOPE_ALL_PATS_MANAGE = 1 << 7,
    SCOPE_CLIENTS_READ = 1 << 8, /* sp:oauth-client:read */
    SCOPE_CLIENTS_MANAGE = 1 << 9
};

/* Those that reach other people's personal access tokens. */
#define SCOPE_EVERY_PAT \
    ((unsigned)(SCOPE_ALL | SCOPE_ALL_PATS_READ | SCOPE_ALL_PATS_MANAGE))

struct principal {
    bool has_identity; /* a user token; else an application token */
    struct uuid identity_id;
    struct uuid client_id;
    bool has_family; /* it came from an authorization code */
    struct uuid family_id;
    bool outside;    /* the token is an outside issuer's */
    unsigned levels; /* enum level bits */
    unsigned scopes; /* enum scope bits */
    int64_t expires_ms;
};

/* The next word of a space-separated list, which moves behind it. False at
 * the end. */
bool list_next(struct str *list, struct str *ret_word);

/* Bits of a space-separated list; unknown scopes have no bit. `at` NULL means
 * SCOPE_ALL. */
unsigned scopes_parse(struct str list);
unsigned levels_parse(struct str list);

/* Is that word in the list? Ignores case. */
bool list_has(struct str list, const char *word);

#define SCOPES_MAX                                            \
    2048 /* bytes of a list; more would make too long a token \
          */

/* Narrow the scopes that somebody has (`at` NULL: all) to those that are
 * wanted (none: what there is). False when one of them is not to be had, or is
 * no scope by RFC 6749: *ret_bad is that one. Results borrow the arguments. */
bool scopes_narrow(struct str has, struct str wanted, struct str *ret,
                   struct str *ret_bad);

/* Has the token that scope, SCOPE_ALL included? */
bool principal_has_scope(const struct principal *principal, enum scope scope);

/* Contract 3.3: nesr:read (and so on) on every source, without looking at
 * one: ORG_ADMIN, SOURCE_ADMIN, and application tokens. */
bool principal_is_admin(const struct principal *principal);

/* Who to write into history and audit. */
struct actor principal_actor(const struct principal *principal,
                             const struct uuid *request_id);

#endif

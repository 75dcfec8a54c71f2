/* Codes and refresh tokens: each is good once, and whoever brings one a
 * second time ends everything that came from it (RFC 9700 sections 2.1, 4.14).
 */
#include "auth/claims.h"
#include "auth/pkce.h"
#include "auth/token_internal.h"
#include "base/secret.h"
#include "store/audit_store.h"
#include "store/identity_store.h"
#include "store/oauth_store.h"

/* One write. A refusal may go with changes that must stay, a revocation, so
 * the work itself succeeds and says here that it refused. */
struct redeem {
    struct redemption *with;
    struct grant_error *refusal;
    unsigned char code_hash[OAUTH_HASH];
    struct refresh_claims refresh;
    bool refused;
};

static enum error_code
invalid_grant(struct redeem *redeem, const char *why)
{
    redeem->refused = true;
    grant_refuse(redeem->refusal, 400, "invalid_grant", "%s", why);
    return ERR_OK;
}

static enum error_code
note(struct db_tx *tx, const struct redeem *redeem, const char *event,
     const struct uuid *identity, struct error *err)
{
    const struct redemption *with = redeem->with;
    struct audit_event entry = {.event = event,
                                .actor = {.known = true, .id = *identity},
                                .has_object = true,
                                .object_id = with->client->id};

    if (with->request->request_id != NULL) {
        entry.actor.has_request = true;
        entry.actor.request_id = *with->request->request_id;
    }
    return audit_add(tx, &entry, err);
}

/* Somebody has what was somebody else's. */
static enum error_code
revoke(struct db_tx *tx, struct redeem *redeem, const char *event,
       const struct uuid *family, const struct uuid *identity, const char *why,
       struct error *err)
{
    enum error_code rc = family_delete(tx, family, err);

    if (rc == ERR_OK)
        rc = note(tx, redeem, event, identity, err);
    return rc == ERR_OK ? invalid_grant(redeem, why) : rc;
}

/* Who the tokens speak for, and for what. ERR_VALUE: refused. */
static enum error_code
fill_claims(struct db_tx *tx, struct redeem *redeem,
            const struct uuid *identity, struct str scopes,
            const struct uuid *family, struct error *err)
{
    struct redemption *with = redeem->with;
    struct claims *claims = with->claims;
    enum error_code rc = identity_by_id(tx, identity, with->arena,
                                        &with->identity, err);

    claims->identity = &with->identity;
    claims->scopes = scopes;
    claims->has_family = true;
    claims->family_id = *family;
    with->has_refresh = list_has(with->client->grants, GRANT_REFRESH_TOKEN);
    if (rc == ERR_OK)
        rc = grant_scopes(with, redeem->refusal);
    redeem->refused = rc == ERR_VALUE;
    return rc;
}

/* The family lives as long as any token of it does. */
static int64_t
family_end_ms(const struct redemption *with)
{
    int64_t refresh_s = with->has_refresh
                            ? grant_end_s(with->client, with->claims->issued_s,
                                          with->client->refresh_seconds)
                            : 0;

    return MAX(with->claims->expires_s, refresh_s) * 1000;
}

static enum error_code
use_code(struct db_tx *tx, void *context, struct error *err)
{
    struct redeem *redeem = context;
    struct redemption *with = redeem->with;
    struct auth_code code;
    enum error_code rc;

    redeem->refused = false;
    memcpy(code.hash, redeem->code_hash, sizeof(code.hash));
    rc = code_find(tx, with->arena, &code, err);
    if (rc == ERR_NOT_FOUND ||
        (rc == ERR_OK && !uuid_eq(&code.client_id, &with->client->id)))
        return invalid_grant(redeem, "Invalid authorization code");
    if (rc == ERR_OK)
        rc = code.used ? ERR_NOT_FOUND : code_use(tx, &code, err);
    if (rc == ERR_NOT_FOUND)
        return revoke(tx, redeem, "OAUTH_CODE_REUSED", &code.family_id,
                      &code.identity_id, "Authorization code was already used",
                      err);
    if (rc != ERR_OK)
        return rc;
    if (code.expires_ms <= with->now_ms)
        return invalid_grant(redeem, "Authorization code is expired");
    if (!str_eq(code.redirect_uri, with->request->redirect_uri) ||
        !pkce_fits(code.challenge, with->request->code_verifier))
        return invalid_grant(redeem, "Invalid authorization code");

    rc = fill_claims(tx, redeem, &code.identity_id, code.scopes,
                     &code.family_id, err);
    if (rc != ERR_OK)
        return redeem->refused ? ERR_OK : rc;
    const struct token_family family = {.id = code.family_id,
                                        .client_id = code.client_id,
                                        .identity_id = code.identity_id,
                                        .scopes = code.scopes,
                                        .has_refresh = with->has_refresh,
                                        .refresh_id = with->refresh_id,
                                        .created_ms = with->now_ms,
                                        .expires_ms = family_end_ms(with)};

    rc = family_insert(tx, &family, err);
    if (rc == ERR_OK)
        rc = note(tx, redeem, "OAUTH_CODE_REDEEMED", &code.identity_id, err);
    return rc == ERR_OK ? oauth_sweep(tx, with->now_ms, err) : rc;
}

static enum error_code
use_refresh(struct db_tx *tx, void *context, struct error *err)
{
    struct redeem *redeem = context;
    struct redemption *with = redeem->with;
    struct token_family family;
    enum error_code rc = family_find(tx, &redeem->refresh.family_id,
                                     with->arena, &family, err);

    redeem->refused = false;
    if (rc == ERR_NOT_FOUND)
        return invalid_grant(redeem, "Refresh token was revoked");
    if (rc != ERR_OK)
        return rc;
    if (!family.has_refresh ||
        !uuid_eq(&family.refresh_id, &redeem->refresh.jti))
        return revoke(tx, redeem, "OAUTH_REFRESH_TOKEN_REUSED", &family.id,
                      &family.identity_id,
                      "Refresh token was used before: it is revoked", err);
    rc = fill_claims(tx, redeem, &family.identity_id, family.scopes, &family.id,
                     err);
    if (rc != ERR_OK)
        return redeem->refused ? ERR_OK : rc;
    /* In a transaction that ran beside this one it may have been used. */
    rc = family_rotate(tx, &family, &with->refresh_id, family_end_ms(with),
                       err);
    if (rc == ERR_NOT_FOUND)
        return invalid_grant(redeem, "Refresh token was revoked");
    if (rc == ERR_OK)
        rc = note(tx, redeem, "OAUTH_TOKEN_REFRESHED", &family.identity_id,
                  err);
    return rc == ERR_OK ? oauth_sweep(tx, with->now_ms, err) : rc;
}

static enum error_code
redeem_run(struct redeem *redeem, db_work *work, struct error *err)
{
    enum error_code rc = db_write(redeem->with->service->db, work, redeem, err);

    return rc == ERR_OK && redeem->refused ? ERR_VALUE : rc;
}

enum error_code
redeem_code(struct redemption *redemption, struct grant_error *refusal,
            struct error *err)
{
    const struct grant_request *request = redemption->request;
    struct redeem redeem = {.with = redemption, .refusal = refusal};

    if (request->code.len == 0)
        return grant_missing(refusal, "code");
    if (request->redirect_uri.len == 0)
        return grant_missing(refusal, "redirect_uri");
    secret_hash(request->code, redeem.code_hash);
    return redeem_run(&redeem, use_code, err);
}

enum error_code
redeem_refresh(struct redemption *redemption, struct grant_error *refusal,
               struct error *err)
{
    const struct token_service *service = redemption->service;
    struct redeem redeem = {.with = redemption, .refusal = refusal};
    const struct service_key *key;
    struct error why = ERROR_INIT;
    struct jwt jwt;
    enum error_code rc;

    if (redemption->request->refresh_token.len == 0)
        return grant_missing(refusal, "refresh_token");
    rc = token_unpack(redemption->keys, redemption->request->refresh_token,
                      redemption->now_ms, &jwt, &key, &why);
    if (rc == ERR_OK)
        rc = claims_read_refresh(str_n(jwt.payload, jwt.payload_len),
                                 str_of(service->issuer),
                                 str_of(service->audience), redemption->now_ms,
                                 &redeem.refresh, &why);
    if (rc != ERR_OK ||
        !uuid_eq(&redeem.refresh.client_id, &redemption->client->id)) {
        invalid_grant(&redeem, strstr(why.text, JWT_EXPIRED)
                                   ? "Refresh token is expired"
                                   : "Invalid refresh token");
        return ERR_VALUE;
    }
    return redeem_run(&redeem, use_refresh, err);
}

/* --- revocation ---------------------------------------------------------- */

static enum error_code
end_family(struct db_tx *tx, void *context, struct error *err)
{
    struct redeem *redeem = context;
    struct token_family family;
    enum error_code rc = family_find(tx, &redeem->refresh.family_id,
                                     redeem->with->arena, &family, err);

    redeem->refused = rc == ERR_NOT_FOUND;
    if (rc != ERR_OK)
        return redeem->refused ? ERR_OK : rc;
    redeem->with->identity.id = family.identity_id;
    rc = family_delete(tx, &family.id, err);
    return rc == ERR_OK ? note(tx, redeem, "OAUTH_TOKEN_REVOKED",
                               &family.identity_id, err)
                        : rc;
}

/* Which family a token of either kind belongs to, and which client's it is.
 * ERR_UNAUTHENTICATED: it is no good any more, or never was. */
static enum error_code
read_any(const struct redemption *with, struct refresh_claims *ret,
         bool *ret_alone, struct error *err)
{
    struct str issuer = str_of(with->service->issuer);
    struct str audience = str_of(with->service->audience);
    const struct service_key *key;
    struct principal principal;
    struct jwt jwt;
    enum error_code rc = token_unpack(with->keys, with->request->token,
                                      with->now_ms, &jwt, &key, err);

    *ret_alone = false;
    if (rc != ERR_OK)
        return rc;
    struct str payload = str_n(jwt.payload, jwt.payload_len);

    rc = claims_read_refresh(payload, issuer, audience, with->now_ms, ret, err);
    if (rc == ERR_OK)
        return rc;
    rc = claims_read(payload, issuer, audience, with->now_ms, &principal, err);
    if (rc != ERR_OK)
        return rc;
    ret->client_id = principal.client_id;
    ret->family_id = principal.family_id;
    *ret_alone = !principal.has_family;
    return ERR_OK;
}

enum error_code
revoke_token(struct redemption *redemption, bool *ret_ended,
             struct grant_error *refusal, struct error *err)
{
    struct redeem redeem = {.with = redemption, .refusal = refusal};
    struct error ignored = ERROR_INIT;
    bool alone;
    enum error_code rc;

    *ret_ended = false;
    if (redemption->request->token.len == 0)
        return grant_missing(refusal, "token");
    if (read_any(redemption, &redeem.refresh, &alone, &ignored) != ERR_OK ||
        !uuid_eq(&redeem.refresh.client_id, &redemption->client->id))
        return ERR_OK;
    if (alone)
        return grant_refuse(refusal, 400, "unsupported_token_type",
                            "This token came from no authorization code; "
                            "delete the credential that it came from");
    rc = db_write(redemption->service->db, end_family, &redeem, err);
    *ret_ended = rc == ERR_OK && !redeem.refused;
    return rc;
}

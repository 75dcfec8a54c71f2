/* Apart from claims.c because the reading library and our writer both have
 * functions named json_object and json_array. */
#include "auth/claims.h"

#include "auth/jwt.h"
#include "fmt/json_read.h"

#define CLOCK_SKEW_S 60
#define EXPIRES_MAX_S INT64_C(253402300799) /* the end of the year 9999 */

static bool
read_text(const json_t *claims, const char *name, struct str *ret)
{
    const json_t *value = json_object_get(claims, name);

    if (!json_is_string(value))
        return false;
    *ret = str_n(json_string_value(value), json_string_length(value));
    return true;
}

static bool
read_uuid(const json_t *claims, const char *name, struct uuid *ret)
{
    struct str text;

    return read_text(claims, name, &text) && uuid_parse(text, ret);
}

static bool
read_scopes(const json_t *claims, unsigned *ret)
{
    const json_t *list = json_object_get(claims, "scope"), *scope;
    unsigned bits = 0;
    size_t i;

    if (!json_is_array(list))
        return false;
    json_array_foreach(list, i, scope)
    {
        if (!json_is_string(scope))
            return false;
        bits |= scopes_parse(
            str_n(json_string_value(scope), json_string_length(scope)));
    }
    *ret = bits;
    return true;
}

static bool
read_seconds(const json_t *claims, const char *name, json_int_t *ret)
{
    const json_t *value = json_object_get(claims, name);

    *ret = json_integer_value(value);
    return json_is_integer(value) && *ret >= 0 && *ret <= EXPIRES_MAX_S;
}

/* What both kinds of token say. */
static bool
read_common(const json_t *claims, struct str issuer, struct str audience,
            int64_t now_ms, struct uuid *ret_client, struct uuid *ret_jti,
            int64_t *ret_expires_ms)
{
    struct str iss, aud;
    json_int_t iat, exp;

    if (!json_is_object(claims) || !read_text(claims, "iss", &iss) ||
        !str_eq(iss, issuer) || !read_text(claims, "aud", &aud) ||
        !str_eq(aud, audience) || !read_uuid(claims, "jti", ret_jti) ||
        !read_seconds(claims, "iat", &iat) ||
        iat > now_ms / 1000 + CLOCK_SKEW_S ||
        !read_seconds(claims, "exp", &exp) ||
        !read_uuid(claims, "client_id", ret_client))
        return false;
    *ret_expires_ms = exp * 1000;
    return true;
}

static bool
read_access(const json_t *claims, struct principal *ret)
{
    if (json_object_get(claims, "ati") != NULL ||
        !read_scopes(claims, &ret->scopes))
        return false;
    ret->has_identity = json_object_get(claims, "identity_id") != NULL;
    ret->has_family = json_object_get(claims, "sid") != NULL;
    return (!ret->has_identity ||
            read_uuid(claims, "identity_id", &ret->identity_id)) &&
           (!ret->has_family || read_uuid(claims, "sid", &ret->family_id));
}

enum error_code
claims_read(struct str payload, struct str issuer, struct str audience,
            int64_t now_ms, struct principal *ret, struct error *err)
{
    struct principal principal = {.has_identity = false};
    struct uuid jti;
    json_t *claims = NULL;

    if (json_read(payload, &claims, err) == ERR_UNAVAILABLE)
        return ERR_UNAVAILABLE;
    bool good = read_common(claims, issuer, audience, now_ms,
                            &principal.client_id, &jti,
                            &principal.expires_ms) &&
                read_access(claims, &principal);

    json_decref(claims);
    if (!good)
        return jwt_refuse(err, JWT_MALFORMED);
    if (principal.expires_ms <= now_ms)
        return jwt_refuse(err, JWT_EXPIRED);
    *ret = principal;
    return ERR_OK;
}

enum error_code
claims_read_refresh(struct str payload, struct str issuer, struct str audience,
                    int64_t now_ms, struct refresh_claims *ret,
                    struct error *err)
{
    struct refresh_claims refresh;
    struct uuid ati;
    int64_t expires_ms;
    json_t *claims = NULL;

    if (json_read(payload, &claims, err) == ERR_UNAVAILABLE)
        return ERR_UNAVAILABLE;
    bool good = read_common(claims, issuer, audience, now_ms,
                            &refresh.client_id, &refresh.jti, &expires_ms) &&
                read_uuid(claims, "ati", &ati) &&
                read_uuid(claims, "sid", &refresh.family_id);

    json_decref(claims);
    if (!good)
        return jwt_refuse(err, JWT_MALFORMED);
    if (expires_ms <= now_ms)
        return jwt_refuse(err, JWT_EXPIRED);
    *ret = refresh;
    return ERR_OK;
}

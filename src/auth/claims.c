#include "auth/claims.h"

#include <inttypes.h>
#include <stdio.h>

#include "fmt/jw.h"

static void
member_uuid(struct jw *json, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT];

    jw_member_text(json, name, uuid_dashed(id, text));
}

static void
list_array(struct jw *json, const char *name, struct str list)
{
    struct str word;

    jw_key(json, name);
    jw_array(json);
    while (list_next(&list, &word))
        jw_str(json, word);
    jw_array_end(json);
}

/* What the token and the answer have in common. */
static void
common_members(const struct claims *claims, struct jw *json)
{
    member_uuid(json, "tenant_id", &claims->tenant_id);
    jw_member_bool(json, "internal", false);
    jw_member_text(json, "pod", "local");
    jw_member(json, "org", claims->tenant_name);
    jw_member_bool(json, "strong_auth_supported", false);
    jw_member_bool(json, "strong_auth", false);
    jw_member_bool(json, "enabled", true);
    jw_member_text(json, "accessType", claims->online ? "ONLINE" : "OFFLINE");
    member_uuid(json, "jti", &claims->jti);
    if (claims->identity != NULL) {
        char number[24], id[UUID_HEX];

        snprintf(number, sizeof(number), "%" PRId64, claims->identity->number);
        jw_member_text(json, "user_id", number);
        jw_member_text(json, "identity_id",
                       uuid_hex(&claims->identity->id, id));
        jw_member(json, "user_name", claims->identity->alias);
    }
}

void
claims_write(const struct claims *claims, struct buf *to)
{
    struct jw json;

    jw_init(&json, to);
    jw_object(&json);
    jw_member(&json, "iss", claims->issuer);
    jw_member(&json, "aud", claims->audience);
    jw_member_int(&json, "iat", claims->issued_s);
    jw_member_int(&json, "exp", claims->expires_s);
    member_uuid(&json, "client_id", &claims->client_id);
    list_array(&json, "scope", claims->scopes);
    list_array(&json, "authorities",
               claims->identity ? claims->identity->levels : STR(""));
    if (claims->has_family)
        member_uuid(&json, "sid", &claims->family_id);
    if (claims->is_refresh)
        member_uuid(&json, "ati", &claims->ati);
    common_members(claims, &json);
    jw_object_end(&json);
}

void
claims_answer(const struct claims *claims, struct str access_token,
              struct str refresh_token, struct buf *to)
{
    struct jw json;

    jw_init(&json, to);
    jw_object(&json);
    jw_member(&json, "access_token", access_token);
    jw_member_text(&json, "token_type", "bearer");
    if (refresh_token.at != NULL)
        jw_member(&json, "refresh_token", refresh_token);
    jw_member_int(&json, "expires_in", claims->expires_s - claims->issued_s);
    jw_member(&json, "scope", claims->scopes);
    common_members(claims, &json);
    jw_object_end(&json);
}

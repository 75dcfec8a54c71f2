#include "auth/claims.h"

#include <inttypes.h>
#include <stdio.h>

#include "fmt/json_write.h"

static void
member_uuid(struct json *json, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT];

    json_member_text(json, name, uuid_dashed(id, text));
}

static void
list_array(struct json *json, const char *name, struct str list)
{
    struct str word;

    json_key(json, name);
    json_array(json);
    while (list_next(&list, &word))
        json_str(json, word);
    json_array_end(json);
}

/* What the token and the answer have in common. accessType says whether the
 * user was there when the token was made: OFFLINE with client credentials. */
static void
common_members(const struct claims *claims, struct json *json)
{
    member_uuid(json, "tenant_id", &claims->tenant_id);
    json_member_bool(json, "internal", false);
    json_member_text(json, "pod", "local");
    json_member(json, "org", claims->tenant_name);
    json_member_bool(json, "strong_auth_supported", false);
    json_member_bool(json, "strong_auth", false);
    json_member_bool(json, "enabled", true);
    json_member_text(json, "accessType", "OFFLINE");
    member_uuid(json, "jti", &claims->jti);
    if (claims->identity != NULL) {
        char number[24], id[UUID_HEX];

        snprintf(number, sizeof(number), "%" PRId64, claims->identity->number);
        json_member_text(json, "user_id", number);
        json_member_text(json, "identity_id",
                         uuid_hex(&claims->identity->id, id));
        json_member(json, "user_name", claims->identity->alias);
    }
}

void
claims_write(const struct claims *claims, struct buf *to)
{
    struct json json;

    json_init(&json, to);
    json_object(&json);
    json_member(&json, "iss", claims->issuer);
    json_member(&json, "aud", claims->audience);
    json_member_int(&json, "iat", claims->issued_s);
    json_member_int(&json, "exp", claims->expires_s);
    member_uuid(&json, "client_id", &claims->client_id);
    list_array(&json, "scope", claims->scopes);
    list_array(&json, "authorities",
               claims->identity ? claims->identity->levels : STR(""));
    common_members(claims, &json);
    json_object_end(&json);
}

void
claims_answer(const struct claims *claims, struct str access_token,
              struct buf *to)
{
    struct json json;

    json_init(&json, to);
    json_object(&json);
    json_member(&json, "access_token", access_token);
    json_member_text(&json, "token_type", "bearer");
    json_member_int(&json, "expires_in", claims->expires_s - claims->issued_s);
    json_member(&json, "scope", claims->scopes);
    common_members(claims, &json);
    json_object_end(&json);
}

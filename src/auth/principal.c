#include "auth/principal.h"

struct name_bit {
    struct str name;
    unsigned bit;
};

#define NAME_BIT(name, bit)           \
    {                                 \
        {name, sizeof(name) - 1}, bit \
    }

static const struct name_bit scope_bits[] = {
    NAME_BIT("sp:scopes:all", SCOPE_ALL),
    NAME_BIT("sp:scopes:default", SCOPE_DEFAULT),
    NAME_BIT("idn:nelm:read", SCOPE_NELM_READ),
    NAME_BIT("idn:nelm:manage", SCOPE_NELM_MANAGE),
    NAME_BIT("sp:my-personal-access-tokens:read", SCOPE_MY_PATS_READ),
    NAME_BIT("sp:my-personal-access-tokens:manage", SCOPE_MY_PATS_MANAGE),
    NAME_BIT("sp:all-personal-access-tokens:read", SCOPE_ALL_PATS_READ),
    NAME_BIT("sp:all-personal-access-tokens:manage", SCOPE_ALL_PATS_MANAGE),
    NAME_BIT("sp:oauth-client:read", SCOPE_CLIENTS_READ),
    NAME_BIT("sp:oauth-client:manage", SCOPE_CLIENTS_MANAGE),
};

/* The published user levels; those after the third have no rights here. */
static const struct name_bit level_bits[] = {
    NAME_BIT("ORG_ADMIN", LEVEL_ORG_ADMIN),
    NAME_BIT("SOURCE_ADMIN", LEVEL_SOURCE_ADMIN),
    NAME_BIT("SOURCE_SUBADMIN", LEVEL_SOURCE_SUBADMIN),
    NAME_BIT("CERT_ADMIN", LEVEL_OTHER),
    NAME_BIT("DASHBOARD", LEVEL_OTHER),
    NAME_BIT("HELPDESK", LEVEL_OTHER),
    NAME_BIT("REPORT_ADMIN", LEVEL_OTHER),
    NAME_BIT("ROLE_ADMIN", LEVEL_OTHER),
    NAME_BIT("ROLE_SUBADMIN", LEVEL_OTHER),
    NAME_BIT("SAAS_MANAGEMENT_ADMIN", LEVEL_OTHER),
    NAME_BIT("SAAS_MANAGEMENT_READER", LEVEL_OTHER),
};

bool
list_next(struct str *list, struct str *ret_word)
{
    while (list->at != NULL) {
        struct str word = str_cut(list, ' ');

        if (word.len > 0) {
            *ret_word = word;
            return true;
        }
    }
    return false;
}

static unsigned
bits_of(struct str list, const struct name_bit *table, size_t count)
{
    unsigned bits = 0;
    struct str word;

    while (list_next(&list, &word)) {
        for (size_t i = 0; i < count; i++) {
            if (str_eq(word, table[i].name))
                bits |= table[i].bit;
        }
    }
    return bits;
}

unsigned
scopes_parse(struct str list)
{
    if (list.at == NULL)
        return SCOPE_ALL;
    return bits_of(list, scope_bits, COUNT(scope_bits));
}

unsigned
levels_parse(struct str list)
{
    return bits_of(list, level_bits, COUNT(level_bits));
}

bool
list_has(struct str list, const char *name)
{
    struct str word;

    while (list_next(&list, &word)) {
        if (str_eq_nocase(word, str_of(name)))
            return true;
    }
    return false;
}

/* RFC 6749 appendix A.4. */
static bool
scope_wellformed(struct str scope)
{
    for (size_t i = 0; i < scope.len; i++) {
        unsigned char c = (unsigned char)scope.at[i];

        if (c < 0x21 || c > 0x7e || c == '"' || c == '\\')
            return false;
    }
    return true;
}

bool
scopes_narrow(struct str has, struct str wanted, struct str *ret,
              struct str *ret_bad)
{
    bool any = (scopes_parse(has) & SCOPE_ALL) != 0;
    struct str rest = wanted, scope;
    bool narrowed = false;

    *ret_bad = wanted;
    if (wanted.len > SCOPES_MAX)
        return false;
    while (list_next(&rest, &scope)) {
        struct str granted = has, word;
        bool allowed = any && scope_wellformed(scope);

        while (!allowed && list_next(&granted, &word))
            allowed = str_eq(word, scope);
        *ret_bad = scope;
        if (!allowed)
            return false;
        narrowed = true;
    }
    if (narrowed)
        *ret = str_trim(wanted);
    else
        *ret = has.at != NULL ? has : STR("sp:scopes:all");
    return true;
}

bool
principal_has_scope(const struct principal *principal, enum scope scope)
{
    return (principal->scopes & ((unsigned)scope | SCOPE_ALL)) != 0;
}

bool
principal_is_admin(const struct principal *principal)
{
    return !principal->has_identity ||
           (principal->levels & (LEVEL_ORG_ADMIN | LEVEL_SOURCE_ADMIN)) != 0;
}

struct actor
principal_actor(const struct principal *principal,
                const struct uuid *request_id)
{
    struct actor actor = {
        .known = true,
        .id = principal->has_identity ? principal->identity_id
                                      : principal->client_id,
    };

    if (request_id != NULL) {
        actor.has_request = true;
        actor.request_id = *request_id;
    }
    return actor;
}

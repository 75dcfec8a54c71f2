/* access.c - see access.h. */
#include "api/access.h"

#include "store/identity_store.h"
#include "store/record_store.h"
#include "store/request_store.h"

enum error_code
access_token(const struct call *call, struct error *err)
{
    const struct route *route = call->route;

    if (route->user_only && !call->principal.has_identity)
        return error_set(err, ERR_FORBIDDEN, NULL);
    if (route->own_only && call->principal.outside)
        return error_set(err, ERR_FORBIDDEN, NULL);
    if (!principal_has_scope(&call->principal, route->scope))
        return error_set(err, ERR_FORBIDDEN, NULL);
    return ERR_OK;
}

/* --- the object in the path --------------------------------------------- */

/* What decides about the object that the path names. */
struct found {
    int64_t source;        /* number; 0: none */
    struct source details; /* when its number is set there */
    bool has_person;       /* the requester or approver */
    struct uuid person;
};

static enum error_code
find_record(struct db_tx *tx, const struct uuid *id, struct arena *arena,
            struct found *ret, struct error *err)
{
    struct record record;
    enum error_code rc = record_by_id(tx, id, arena, &record, err);

    if (rc == ERR_OK)
        ret->source = record.source;
    return rc;
}

static enum error_code
find_request(struct db_tx *tx, const struct uuid *id, struct arena *arena,
             struct found *ret, struct error *err)
{
    struct request request;
    enum error_code rc = request_by_id(tx, id, arena, &request, err);

    if (rc != ERR_OK)
        return rc;
    ret->source = request.source;
    ret->has_person = request.has_requester;
    ret->person = request.requester_id;
    return ERR_OK;
}

static enum error_code
find_approval(struct db_tx *tx, const struct uuid *id, struct arena *arena,
              struct found *ret, struct error *err)
{
    struct approval_item item;
    enum error_code rc = approval_by_id(tx, id, arena, &item, err);

    if (rc != ERR_OK)
        return rc;
    ret->has_person = true;
    ret->person = item.approver_id;
    return ERR_OK;
}

static enum error_code
find_client(struct db_tx *tx, const struct uuid *id, enum client_kind kind,
            struct arena *arena, struct found *ret, struct error *err)
{
    struct client client;
    enum error_code rc = client_by_id(tx, id, arena, &client, err);

    if (rc == ERR_OK && client.kind != kind)
        return error_set(err, ERR_NOT_FOUND, NULL);
    if (rc != ERR_OK)
        return rc;
    ret->has_person = client.has_identity;
    ret->person = client.identity_id;
    return ERR_OK;
}

static enum error_code
find_source(struct db_tx *tx, const struct uuid *id, struct arena *arena,
            struct found *ret, struct error *err)
{
    enum error_code rc = source_find(tx, id, arena, &ret->details, err);

    if (rc == ERR_OK)
        ret->source = ret->details.number;
    return rc;
}

/* ERR_NOT_FOUND when there is none. */
static enum error_code
find_object(const struct call *call, struct db_tx *tx, struct found *ret,
            struct error *err)
{
    struct arena *arena = &call->exchange->arena;
    struct uuid id;
    enum error_code rc = call_param_id(call, 0, &id, err);

    *ret = (struct found){.source = 0};
    if (rc != ERR_OK)
        return rc;
    switch (call->route->object) {
    case OBJECT_SOURCE:
    case OBJECT_ATTRIBUTE:
        return find_source(tx, &id, arena, ret, err);
    case OBJECT_RECORD:
        return find_record(tx, &id, arena, ret, err);
    case OBJECT_REQUEST:
        return find_request(tx, &id, arena, ret, err);
    case OBJECT_APPROVAL:
        return find_approval(tx, &id, arena, ret, err);
    case OBJECT_TOKEN:
        return find_client(tx, &id, CLIENT_PAT, arena, ret, err);
    case OBJECT_CLIENT:
        return find_client(tx, &id, CLIENT_API, arena, ret, err);
    default:
        return error_set(err, ERR_NOT_FOUND, NULL);
    }
}

static enum error_code
object_exists(const struct call *call, struct db_tx *tx, struct error *err)
{
    struct attribute attribute;
    struct found found;
    struct uuid id;
    enum error_code rc = find_object(call, tx, &found, err);

    if (rc != ERR_OK || call->route->object != OBJECT_ATTRIBUTE)
        return rc;
    rc = call_param_id(call, 1, &id, err);
    if (rc == ERR_OK)
        rc = schema_find(tx, found.source, &id, &call->exchange->arena,
                         &attribute, err);
    return rc;
}

enum error_code
access_object(struct call *call, struct error *err)
{
    const struct route *route = call->route;
    struct db_tx *tx;
    enum error_code rc;

    if (route->max_body == 0 || route->object == OBJECT_NONE ||
        route->object == OBJECT_IN_BODY)
        return ERR_OK;
    rc = call_read_begin(call, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = object_exists(call, tx, err);
    db_read_end(tx);
    return rc;
}

/* --- rights -------------------------------------------------------------- */

static bool
has_general_right(const struct call *call)
{
    const struct principal *principal = &call->principal;

    switch (call->route->access) {
    case ACCESS_PUBLIC:
    case ACCESS_ANY:
        return true;
    case ACCESS_ORG_ADMIN:
        return !principal->has_identity ||
               (principal->levels & LEVEL_ORG_ADMIN) != 0;
    case ACCESS_TOKENS:
        return (principal->scopes & SCOPE_EVERY_PAT & call->route->scope) !=
                   0 &&
               (!principal->has_identity ||
                (principal->levels & LEVEL_ORG_ADMIN) != 0);
    case ACCESS_ADMIN:
    case ACCESS_SOURCE_SETTINGS:
        return principal_is_admin(principal);
    default:
        return false;
    }
}

/* Is the caller one of the row's parties to what was found? */
static enum error_code
is_party(const struct call *call, struct db_tx *tx, struct found *found,
         bool *ret, struct error *err)
{
    const struct uuid *self = &call->principal.identity_id;
    unsigned parties = call->route->parties;
    enum error_code rc = ERR_OK;

    *ret = (parties & (PARTY_REQUESTER | PARTY_APPROVER | PARTY_HOLDER)) != 0 &&
           found->has_person && uuid_eq(&found->person, self);
    if (!*ret && (parties & PARTY_MANAGER) != 0)
        rc = source_has_member(tx, found->source, "MANAGER", self, ret, err);
    if (rc != ERR_OK || *ret || (parties & PARTY_OWNER) == 0)
        return rc;
    if (found->details.number == 0)
        rc = source_by_number(tx, found->source, &call->exchange->arena,
                              &found->details, err);
    *ret = rc == ERR_OK && found->details.has_owner &&
           uuid_eq(&found->details.owner_id, self);
    return rc;
}

/* A sub-admin's right on the settings of a source. */
static enum error_code
in_workgroup(const struct call *call, struct db_tx *tx,
             const struct found *found, bool *ret, struct error *err)
{
    const struct principal *principal = &call->principal;

    *ret = false;
    if (call->route->access != ACCESS_SOURCE_SETTINGS ||
        (principal->levels & LEVEL_SOURCE_SUBADMIN) == 0 ||
        found->details.workgroup.at == NULL)
        return ERR_OK;
    return workgroup_has(tx, found->details.workgroup, &principal->identity_id,
                         ret, err);
}

static enum error_code
may_by_object(struct call *call, struct error *err)
{
    struct found found;
    struct db_tx *tx;
    bool may = false;
    enum error_code rc = call_read_begin(call, &tx, err);

    if (rc != ERR_OK)
        return rc;
    rc = find_object(call, tx, &found, err);
    if (rc == ERR_OK)
        rc = in_workgroup(call, tx, &found, &may, err);
    if (rc == ERR_OK && may)
        call->general = true;
    else if (rc == ERR_OK)
        rc = is_party(call, tx, &found, &may, err);
    db_read_end(tx);
    if (rc == ERR_NOT_FOUND || (rc == ERR_OK && !may))
        return error_set(err, ERR_FORBIDDEN, NULL);
    return rc;
}

/* --- whose things --------------------------------------------------------- */

static enum error_code
subject_text(const struct call *call, struct str *ret, struct error *err)
{
    const char *name = call->route->subject == SUBJECT_OWNER ? "owner-id"
                                                             : "requested-for";

    *ret = (struct str){NULL, 0};
    if (call->route->subject == SUBJECT_PATH) {
        if (!http_decode_segment(call->params[0].value, &call->exchange->arena,
                                 ret))
            return error_set(err, ERR_NOT_FOUND, NULL);
    } else if (call->route->subject != SUBJECT_CALLER) {
        *ret = http_query(&call->exchange->request, name);
    }
    if (ret->at == NULL && call->route->subject == SUBJECT_REQUIRED)
        return error_set(err, ERR_REQUIRED, "requested-for is required;");
    if (ret->at != NULL && ret->len == 0)
        return error_set(err, ERR_VALUE,
                         "Value of \"%s\" is empty or contains invalid data.",
                         name);
    return ERR_OK;
}

/* Whose things the call is about, and may it be? */
static enum error_code
take_subject(struct call *call, struct error *err)
{
    const struct principal *principal = &call->principal;
    struct str text;
    enum error_code rc = subject_text(call, &text, err);

    if (rc != ERR_OK)
        return rc;
    call->has_subject = text.at != NULL || !call->general;
    if (text.at == NULL || str_eq(text, CALL_ME)) {
        if (call->has_subject && !principal->has_identity)
            return error_set(err, ERR_FORBIDDEN, NULL);
        call->subject = principal->identity_id;
        return ERR_OK;
    }
    /* What is nobody's id stays all zero, and nothing is theirs. */
    (void)!uuid_parse(text, &call->subject);
    if (!call->general && !uuid_eq(&call->subject, &principal->identity_id))
        return error_set(err, ERR_FORBIDDEN, NULL);
    return ERR_OK;
}

enum error_code
access_right(struct call *call, struct error *err)
{
    const struct route *route = call->route;

    call->general = has_general_right(call);
    if (route->subject != SUBJECT_NONE)
        return take_subject(call, err);
    if (call->general)
        return ERR_OK;
    if (!call->principal.has_identity || route->object == OBJECT_NONE)
        return error_set(err, ERR_FORBIDDEN, NULL);
    if (route->object != OBJECT_IN_BODY)
        return may_by_object(call, err);
    call->undecided = true;
    return ERR_OK;
}

enum error_code
access_body(struct call *call, struct db_tx *tx, int64_t source, bool named,
            struct error *err)
{
    const struct uuid *self = &call->principal.identity_id;
    struct found found = {.source = source};
    const struct list_query all = {.limit = 1};
    int64_t managed = 0;
    bool may = false;
    enum error_code rc = ERR_OK;

    if (call->general)
        return ERR_OK;
    if (source != 0)
        rc = is_party(call, tx, &found, &may, err);
    else if (!named)
        rc = source_list_count(tx, self, &all, &managed, err);
    if (rc == ERR_OK && !may && managed == 0)
        rc = error_set(err, ERR_FORBIDDEN, NULL);
    if (rc == ERR_OK)
        call->undecided = false;
    return rc;
}

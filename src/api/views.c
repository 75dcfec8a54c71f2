#include "api/views.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/custom.h"

/* Looked-up text: as many sources as a page can name, with long texts. */
#define LOOKUP_BYTES ((size_t)64 * 1024 * 1024)

/* A source that records or requests of the answer belong to. */
struct views_source {
    struct views_source *next;
    struct source source;
    const struct attribute *attribute; /* NULL: not looked up yet */
    size_t count;
};

void
views_init(struct views *views, struct db_tx *tx, struct buf *to)
{
    *views = (struct views){.tx = tx};
    jw_init(&views->json, to);
    arena_init(&views->arena, LOOKUP_BYTES);
}

void
views_done(struct views *views)
{
    arena_done(&views->arena);
}

static enum error_code
find_source(struct views *views, int64_t number, struct views_source **ret,
            struct error *err)
{
    struct views_source *found = views->sources;
    enum error_code rc;

    while (found != NULL && found->source.number != number)
        found = found->next;
    if (found == NULL) {
        found = arena_zalloc(&views->arena, sizeof(*found));
        if (found == NULL)
            return error_busy(err, "no memory for a source");
        rc = source_by_number(views->tx, number, &views->arena, &found->source,
                              err);
        if (rc != ERR_OK)
            return rc;
        found->next = views->sources;
        views->sources = found;
    }
    *ret = found;
    return ERR_OK;
}

static enum error_code
find_columns(struct views *views, struct views_source *source,
             struct error *err)
{
    struct attribute *list;
    enum error_code rc;

    if (source->attribute != NULL)
        return ERR_OK;
    list = arena_alloc(&views->arena, SCHEMA_MAX * sizeof(*list));
    if (list == NULL)
        return error_busy(err, "no memory for a schema");
    rc = schema_list(views->tx, source->source.number, &views->arena, list,
                     &source->count, err);
    source->attribute = list;
    return rc;
}

/* --- small pieces ------------------------------------------------------ */

static void
dashed(struct jw *json, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT];

    jw_member_text(json, name, uuid_dashed(id, text));
}

static void
hex(struct jw *json, const char *name, const struct uuid *id)
{
    char text[UUID_HEX];

    jw_member_text(json, name, uuid_hex(id, text));
}

static void
utc(struct jw *json, const char *name, int64_t ms)
{
    char text[MOMENT_TEXT];

    moment_utc(ms, text);
    jw_member_text(json, name, text);
}

static void
times(struct jw *json, int64_t created_ms, int64_t modified_ms)
{
    utc(json, "created", created_ms);
    utc(json, "modified", modified_ms);
}

/* Contract 9.1. */
static void
identity_reference(struct jw *json, const struct uuid *id, struct str name)
{
    jw_object(json);
    jw_member_text(json, "type", "IDENTITY");
    hex(json, "id", id);
    jw_member(json, "name", name);
    jw_object_end(json);
}

/* The same by id; left out or null when the identity is gone. */
static enum error_code
identity_member(struct views *views, const char *name, const struct uuid *id,
                bool nullable, struct error *err)
{
    struct identity identity;
    enum error_code rc = ERR_NOT_FOUND;

    if (id != NULL)
        rc = identity_by_id(views->tx, id, &views->arena, &identity, err);
    if (rc == ERR_OK || nullable)
        jw_key(&views->json, name);
    if (rc == ERR_OK)
        identity_reference(&views->json, id, identity.name);
    else if (nullable)
        jw_null(&views->json);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* --- sources ----------------------------------------------------------- */

/* Contract 9.2, the members of every form; the object stays open. */
static void
lite(struct jw *json, const struct source *source)
{
    jw_object(json);
    dashed(json, "id", &source->id);
    hex(json, "sourceId", &source->source_id);
    jw_member(json, "name", source->name);
    jw_member(json, "description", source->description);
}

static enum error_code
source_role(struct views *views, const struct source *source, const char *name,
            const char *role, struct error *err)
{
    struct source_member members[MEMBERS_MAX];
    size_t count = 0;
    enum error_code rc = source_members(views->tx, source->number, role,
                                        &views->arena, members, &count, err);

    jw_key(&views->json, name);
    jw_array(&views->json);
    for (size_t i = 0; i < count; i++)
        identity_reference(&views->json, &members[i].identity_id,
                           members[i].name);
    jw_array_end(&views->json);
    return rc;
}

enum error_code
views_source(struct views *views, const struct source *source,
             enum source_form form, struct error *err)
{
    struct jw *json = &views->json;
    enum error_code rc;
    char digits[24];

    lite(json, source);
    rc = source_role(views, source, "approvers", "APPROVER", err);
    if (rc == ERR_OK)
        rc = source_role(views, source, "accountManagers", "MANAGER", err);
    if (rc == ERR_OK && source->has_owner)
        rc = identity_member(views, "owner", &source->owner_id, false, err);
    if (source->workgroup.at != NULL) {
        jw_key(json, "managementWorkgroup");
        jw_object(json);
        jw_member(json, "id", source->workgroup);
        jw_object_end(json);
    }
    times(json, source->created_ms, source->modified_ms);
    switch (form) {
    case SOURCE_CREATED:
        snprintf(digits, sizeof(digits), "%" PRId64, source->number);
        jw_member_text(json, "cloudExternalId", digits);
        break;
    case SOURCE_LISTED:
        jw_member_text(json, "nonEmployeeCount", NULL);
        break;
    case SOURCE_COUNTED:
        jw_member_int(json, "nonEmployeeCount", source->record_count);
        break;
    case SOURCE_FULL:
        break;
    }
    jw_object_end(json);
    return rc;
}

void
views_attribute(struct views *views, const struct attribute *attribute)
{
    struct jw *json = &views->json;

    jw_object(json);
    dashed(json, "id", &attribute->id);
    jw_member_bool(json, "system", attribute->system);
    jw_member(json, "type", attribute->type);
    jw_member(json, "label", attribute->label);
    jw_member(json, "technicalName", attribute->technical_name);
    jw_member(json, "helpText", attribute->help_text);
    jw_member(json, "placeholder", attribute->placeholder);
    jw_member_bool(json, "required", attribute->required);
    times(json, attribute->created_ms, attribute->modified_ms);
    jw_object_end(json);
}

/* --- people ------------------------------------------------------------ */

/* Contract 9.4: the values of a record that are text. */
static enum error_code
person(struct views *views, const struct record *record,
       struct views_source *source, struct error *err)
{
    static const struct {
        enum field field;
        const char *name;
    } texts[] = {{FIELD_ACCOUNT_NAME, "accountName"},
                 {FIELD_FIRST_NAME, "firstName"},
                 {FIELD_LAST_NAME, "lastName"},
                 {FIELD_EMAIL, "email"},
                 {FIELD_PHONE, "phone"},
                 {FIELD_MANAGER, "manager"}};
    struct jw *json = &views->json;
    enum error_code rc = ERR_OK;

    if (record->custom.len > 0)
        rc = find_columns(views, source, err);
    for (size_t i = 0; i < COUNT(texts); i++)
        jw_member(json, texts[i].name, record->text[texts[i].field]);
    jw_key(json, "data");
    jw_object(json);
    for (size_t i = FIELD_COUNT; i < source->count; i++) {
        const struct attribute *attribute = &source->attribute[i];
        struct str value = custom_find(record->custom, attribute->number);

        if (value.at == NULL)
            continue;
        jw_key_str(json, attribute->technical_name);
        jw_str(json, value);
    }
    jw_object_end(json);
    return rc;
}

typedef size_t moment_form(struct moment m, char to[MOMENT_TEXT]);

static void
dates(struct jw *json, const struct record *record, moment_form *form)
{
    char text[MOMENT_TEXT];

    form(record->start, text);
    jw_member_text(json, "startDate", text);
    form(record->end, text);
    jw_member_text(json, "endDate", text);
}

enum error_code
views_record(struct views *views, const struct record *record,
             struct error *err)
{
    struct jw *json = &views->json;
    struct views_source *source = NULL;
    enum error_code rc = find_source(views, record->source, &source, err);

    if (rc != ERR_OK)
        return rc;
    jw_object(json);
    dashed(json, "id", &record->id);
    hex(json, "sourceId", &source->source.source_id);
    rc = person(views, record, source, err);
    dates(json, record, moment_csv);
    times(json, record->created_ms, record->modified_ms);
    jw_object_end(json);
    return rc;
}

enum error_code
views_source_count(struct views *views, int64_t number, int64_t count,
                   struct error *err)
{
    struct jw *json = &views->json;
    struct views_source *source = NULL;
    enum error_code rc = find_source(views, number, &source, err);

    if (rc != ERR_OK)
        return rc;
    jw_object(json);
    hex(json, "sourceId", &source->source.source_id);
    jw_member(json, "name", source->source.name);
    jw_member_int(json, "count", count);
    jw_object_end(json);
    return ERR_OK;
}

/* --- requests and approvals -------------------------------------------- */

static void
requester(struct jw *json, bool known, const struct uuid *id, struct str name)
{
    if (!known)
        return;
    jw_key(json, "requester");
    identity_reference(json, id, name);
}

static void
completion(struct jw *json, const struct request *request)
{
    if (request->completion_ms != 0)
        utc(json, "completionDate", request->completion_ms);
}

static enum error_code
chain(struct views *views, const struct request *request, struct error *err)
{
    struct approval_item items[CHAIN_MAX];
    size_t count = 0;
    enum error_code rc = approval_chain(views->tx, &request->id, &views->arena,
                                        items, &count, err);

    jw_key(&views->json, "approvalItems");
    jw_array(&views->json);
    for (size_t i = 0; rc == ERR_OK && i < count; i++)
        rc = views_approval(views, &items[i], APPROVAL_BASE, err);
    jw_array_end(&views->json);
    return rc;
}

enum error_code
views_request(struct views *views, const struct request *request,
              struct error *err)
{
    struct jw *json = &views->json;
    struct views_source *source = NULL;
    enum error_code rc = find_source(views, request->source, &source, err);

    if (rc != ERR_OK)
        return rc;
    jw_object(json);
    dashed(json, "id", &request->id);
    hex(json, "sourceId", &source->source.source_id);
    jw_member(json, "name", source->source.name);
    jw_member(json, "description", source->source.description);
    requester(json, request->has_requester, &request->requester_id,
              request->requester_name);
    jw_key(json, "nonEmployeeSource");
    lite(json, &source->source);
    jw_object_end(json);
    rc = person(views, &request->record, source, err);
    if (rc == ERR_OK)
        rc = chain(views, request, err);
    jw_member_text(json, "approvalStatus", status_name(request->status));
    completion(json, request);
    dates(json, &request->record, moment_csv);
    times(json, request->created_ms, request->modified_ms);
    jw_object_end(json);
    return rc;
}

void
views_request_summary(struct views *views,
                      const struct request_summary *summary)
{
    struct jw *json = &views->json;

    jw_object(json);
    jw_member_int(json, "approved", summary->approved);
    jw_member_int(json, "rejected", summary->rejected);
    jw_member_int(json, "pending", summary->pending);
    jw_member_int(json, "nonEmployeeCount", summary->records);
    jw_object_end(json);
}

/* Contract 9.7: what a decider sees of the request. */
static enum error_code
request_detail(struct views *views, const struct request *request,
               struct error *err)
{
    struct jw *json = &views->json;
    struct views_source *source = NULL;
    enum error_code rc = find_source(views, request->source, &source, err);

    if (rc == ERR_OK)
        rc = find_columns(views, source, err);
    if (rc != ERR_OK)
        return rc;
    jw_key(json, "nonEmployeeSource");
    lite(json, &source->source);
    jw_key(json, "schemaAttributes");
    jw_array(json);
    for (size_t i = 0; i < source->count; i++)
        views_attribute(views, &source->attribute[i]);
    jw_array_end(json);
    jw_object_end(json);
    rc = person(views, &request->record, source, err);
    jw_member_text(json, "approvalStatus", status_name(request->status));
    completion(json, request);
    dates(json, &request->record, moment_date);
    times(json, request->created_ms, request->modified_ms);
    return rc;
}

static enum error_code
item_request(struct views *views, const struct approval_item *item, bool detail,
             struct error *err)
{
    struct jw *json = &views->json;
    struct request request;
    enum error_code rc = ERR_OK;

    jw_key(json, "nonEmployeeRequest");
    jw_object(json);
    dashed(json, "id", &item->request_id);
    requester(json, item->has_requester, &item->requester_id,
              item->requester_name);
    if (detail)
        rc = request_by_id(views->tx, &item->request_id, &views->arena,
                           &request, err);
    if (detail && rc == ERR_OK)
        rc = request_detail(views, &request, err);
    jw_object_end(json);
    return rc;
}

enum error_code
views_approval(struct views *views, const struct approval_item *item,
               enum approval_form form, struct error *err)
{
    struct jw *json = &views->json;
    enum error_code rc = ERR_OK;

    jw_object(json);
    dashed(json, "id", &item->id);
    jw_key(json, "approver");
    identity_reference(json, &item->approver_id, item->approver_name);
    jw_member(json, "accountName", item->account_name);
    jw_member_text(json, "approvalStatus", status_name(item->status));
    jw_member_int(json, "approvalOrder", item->position);
    if (item->comment.at != NULL)
        jw_member(json, "comment", item->comment);
    times(json, item->created_ms, item->modified_ms);
    if (form != APPROVAL_BASE)
        rc = item_request(views, item, form == APPROVAL_DETAIL, err);
    jw_object_end(json);
    return rc;
}

void
views_approval_summary(struct views *views,
                       const struct approval_summary *summary)
{
    struct jw *json = &views->json;

    jw_object(json);
    jw_member_int(json, "approved", summary->approved);
    jw_member_int(json, "pending", summary->pending);
    jw_member_int(json, "rejected", summary->rejected);
    jw_object_end(json);
}

/* --- identities and events --------------------------------------------- */

enum error_code
views_public_identity(struct views *views, const struct identity *identity,
                      struct error *err)
{
    struct jw *json = &views->json;
    enum error_code rc;

    jw_object(json);
    hex(json, "id", &identity->id);
    jw_member(json, "name", identity->name);
    jw_member(json, "alias", identity->alias);
    jw_member(json, "email", identity->email);
    jw_member_text(json, "status", "Active");
    jw_member_text(json, "identityState", "ACTIVE");
    rc = identity_member(views, "manager",
                         identity->has_manager ? &identity->manager_id : NULL,
                         true, err);
    jw_key(json, "attributes");
    jw_array(json);
    jw_array_end(json);
    jw_object_end(json);
    return rc;
}

/* --- clients ------------------------------------------------------------ */

static void
utc_or_null(struct jw *json, const char *name, int64_t ms)
{
    if (ms != 0) {
        utc(json, name, ms);
    } else {
        jw_key(json, name);
        jw_null(json);
    }
}

static void
text_or_null(struct jw *json, const char *name, struct str text)
{
    jw_key(json, name);
    if (text.at != NULL)
        jw_str(json, text);
    else
        jw_null(json);
}

/* `at` NULL is null. */
static void
list_or_null(struct jw *json, const char *name, struct str list, char separator)
{
    jw_key(json, name);
    if (list.at == NULL) {
        jw_null(json);
        return;
    }
    jw_array(json);
    while (list.len > 0)
        jw_str(json, str_cut(&list, separator));
    jw_array_end(json);
}

enum error_code
views_token(struct views *views, const struct client *client,
            const char *secret, struct error *err)
{
    struct jw *json = &views->json;
    enum error_code rc;

    jw_object(json);
    dashed(json, "id", &client->id);
    jw_member(json, "name", client->name);
    if (secret != NULL)
        jw_member_text(json, "secret", secret);
    list_or_null(json, "scope", client->scopes, ' ');
    rc = identity_member(views, "owner", &client->identity_id, false, err);
    utc(json, "created", client->created_ms);
    utc_or_null(json, "lastUsed", client->last_used_ms);
    jw_member_bool(json, "managed", false);
    jw_member_int(json, "accessTokenValiditySeconds", client->token_seconds);
    utc_or_null(json, "expirationDate", client->expires_ms);
    jw_object_end(json);
    return rc;
}

void
views_client(struct views *views, const struct client *client,
             const char *secret)
{
    struct jw *json = &views->json;

    jw_object(json);
    dashed(json, "id", &client->id);
    text_or_null(json, "businessName", client->business_name);
    text_or_null(json, "homepageUrl", client->homepage_url);
    jw_member(json, "name", client->name);
    text_or_null(json, "description", client->description);
    jw_member_int(json, "accessTokenValiditySeconds", client->token_seconds);
    jw_member_int(json, "refreshTokenValiditySeconds", client->refresh_seconds);
    list_or_null(json, "redirectUris", client->redirect_uris, '\n');
    list_or_null(json, "grantTypes", client->grants, ' ');
    jw_member_text(json, "accessType", client->online ? "ONLINE" : "OFFLINE");
    jw_member_text(json, "type",
                   client->has_secret ? "CONFIDENTIAL" : "PUBLIC");
    jw_member_bool(json, "internal", false);
    jw_member_bool(json, "enabled", !client->disabled);
    jw_member_bool(json, "strongAuthSupported", false);
    jw_member_bool(json, "claimsSupported", false);
    times(json, client->created_ms, client->modified_ms);
    if (secret != NULL && client->has_secret)
        jw_member_text(json, "secret", secret);
    text_or_null(json, "metadata", (struct str){NULL, 0});
    utc_or_null(json, "lastUsed", client->last_used_ms);
    list_or_null(json, "scope", client->scopes, ' ');
    jw_object_end(json);
}

enum error_code
views_audit(struct views *views, const struct audit_row *row, struct error *err)
{
    struct jw *json = &views->json;
    struct views_source *source = NULL;
    enum error_code rc = ERR_OK;

    jw_object(json);
    jw_member_int(json, "id", row->number);
    utc(json, "created", row->at_ms);
    jw_member(json, "event", row->event);
    if (row->actor.known)
        hex(json, "actor", &row->actor.id);
    if (row->actor.has_request)
        hex(json, "requestId", &row->actor.request_id);
    if (row->has_object)
        dashed(json, "object", &row->object_id);
    if (row->source != 0)
        rc = find_source(views, row->source, &source, err);
    if (rc == ERR_OK && source != NULL)
        hex(json, "sourceId", &source->source.source_id);
    jw_member(json, "detail", row->detail);
    jw_object_end(json);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

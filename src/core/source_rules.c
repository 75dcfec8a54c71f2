#include "core/source_rules.h"

#include <stdio.h>

#include "core/members.h"
#include "fmt/json_patch.h"
#include "store/audit_store.h"
#include "store/identity_store.h"
#include "store/job_store.h"
#include "store/request_store.h"

#define NAME_CHARS 128
#define LABEL_CHARS 256
#define LONG_CHARS 4000

/* The text of a document that is about to go. */
static enum error_code
keep(struct arena *arena, struct str *text, struct error *err)
{
    if (text->at == NULL)
        return ERR_OK;
    *text = arena_str(arena, *text);
    return text->at ? ERR_OK : error_busy(err, "no memory for a text");
}

static enum error_code
note(struct db_tx *tx, const char *event, const struct source *source,
     const struct actor *actor, const char *detail, struct error *err)
{
    const struct audit_event entry = {.event = event,
                                      .actor = *actor,
                                      .has_object = true,
                                      .object_id = source->id,
                                      .source = source->number,
                                      .detail = str_of(detail)};

    return audit_add(tx, &entry, err);
}

/* Which paths of a resource a patch may touch. */
struct paths {
    const char *const *plain;  /* these exactly */
    const char *const *arrays; /* these and their elements */
};

static bool
is_path(const char *const *list, struct str path)
{
    for (; *list != NULL; list++)
        if (str_eq(path, str_of(*list)))
            return true;
    return false;
}

static enum error_code
path_allowed(void *context, struct str path, struct error *err)
{
    const struct paths *paths = context;
    const char *slash = path.len > 1 ? memrchr(path.at, '/', path.len) : NULL;

    if (is_path(paths->plain, path) || is_path(paths->arrays, path) ||
        (slash != NULL &&
         is_path(paths->arrays, str_n(path.at, (size_t)(slash - path.at)))))
        return ERR_OK;
    return error_set(err, ERR_READ_ONLY, "Field \"%.*s\" cannot be changed.",
                     (int)MIN(path.len, (size_t)256), path.at);
}

static void
set_text(json_t *document, const char *name, struct str text)
{
    json_object_set_new(document, name, json_stringn(text.at, text.len));
}

static const char *const none[] = {NULL};

/* --- sources ----------------------------------------------------------- */

/* What clients say about a source. */
struct draft {
    struct str name, description;
    struct reference approvers[CHAIN_MAX], managers[MEMBERS_MAX];
    size_t approver_count, manager_count;
};

static void
read_draft(struct members *members, struct draft *ret)
{
    ret->name = members_text(members, "name", MEMBER_REQUIRED, 1, NAME_CHARS);
    ret->description = members_text(
        members, "description", MEMBER_REQUIRED | MEMBER_LINES, 0, LONG_CHARS);
    ret->approver_count = members_references(members, "approvers", CHAIN_MAX,
                                             "approvers per source",
                                             ret->approvers);
    ret->manager_count = members_references(
        members, "accountManagers", MEMBERS_MAX, "account managers per source",
        ret->managers);
}

static enum error_code
check_identity(struct db_tx *tx, struct members *members, const char *what,
               const struct reference *reference, struct error *err)
{
    CLEANUP(arena_done) struct arena scratch;
    struct identity identity;
    enum error_code rc = ERR_NOT_FOUND;

    arena_init(&scratch, 64 * 1024);
    if (reference->text.at == NULL)
        return ERR_OK;
    if (reference->is_id)
        rc = identity_by_id(tx, &reference->id, &scratch, &identity, err);
    if (rc != ERR_NOT_FOUND)
        return rc;
    members_unknown(members, what, reference->text);
    return ERR_OK;
}

static enum error_code
check_references(struct db_tx *tx, struct members *members,
                 const struct draft *draft, struct error *err)
{
    enum error_code rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < draft->approver_count; i++)
        rc = check_identity(tx, members, "approver", &draft->approvers[i], err);
    for (size_t i = 0; rc == ERR_OK && i < draft->manager_count; i++)
        rc = check_identity(tx, members, "account manager", &draft->managers[i],
                            err);
    return rc;
}

static enum error_code
set_members(struct db_tx *tx, const struct source *source, const char *role,
            const struct reference *list, size_t count, struct error *err)
{
    struct uuid ids[MEMBERS_MAX];

    for (size_t i = 0; i < count; i++)
        ids[i] = list[i].id;
    return source_set_members(tx, source->number, role, ids, count, err);
}

enum error_code
source_rules_create(struct db_tx *tx, const json_t *body, int64_t max_sources,
                    const struct actor *actor, struct arena *arena,
                    struct source *ret, struct error *err)
{
    struct members members;
    struct draft draft;
    struct reference owner;
    int64_t count = 0;
    enum error_code rc;

    *ret = (struct source){.number = 0};
    members_init(&members, body);
    read_draft(&members, &draft);
    owner = members_reference(&members, "owner", true);
    ret->workgroup = members_text(&members, "managementWorkgroup", 0, 1,
                                  NAME_CHARS);
    rc = check_identity(tx, &members, "owner", &owner, err);
    if (rc == ERR_OK)
        rc = check_references(tx, &members, &draft, err);
    if (rc == ERR_OK)
        rc = source_count(tx, &count, err);
    if (rc != ERR_OK)
        return rc;
    if (max_sources > 0 && count >= max_sources)
        members_limit(&members, max_sources, "non-employee sources");
    rc = members_finish(&members, err);
    if (rc != ERR_OK)
        return rc;

    ret->name = draft.name;
    ret->description = draft.description;
    ret->has_owner = true;
    ret->owner_id = owner.id;
    rc = keep(arena, &ret->name, err);
    if (rc == ERR_OK)
        rc = keep(arena, &ret->description, err);
    if (rc == ERR_OK)
        rc = keep(arena, &ret->workgroup, err);
    if (rc == ERR_OK)
        rc = source_insert(tx, ret, err);
    if (rc == ERR_OK)
        rc = set_members(tx, ret, "APPROVER", draft.approvers,
                         draft.approver_count, err);
    if (rc == ERR_OK)
        rc = set_members(tx, ret, "MANAGER", draft.managers,
                         draft.manager_count, err);
    if (rc == ERR_OK)
        rc = note(tx, "NON_EMPLOYEE_SOURCE_CREATED", ret, actor, "", err);
    return rc;
}

/* A source's members in a role, as the array that a patch works on. */
static enum error_code
member_array(struct db_tx *tx, const struct source *source, const char *role,
             json_t *document, const char *name, struct error *err)
{
    CLEANUP(arena_done) struct arena scratch;
    struct source_member list[MEMBERS_MAX];
    json_t *array = json_array();
    char id[UUID_HEX];
    size_t count = 0;
    enum error_code rc;

    arena_init(&scratch, 64 * 1024);
    rc = source_members(tx, source->number, role, &scratch, list, &count, err);
    for (size_t i = 0; rc == ERR_OK && i < count; i++)
        json_array_append_new(array,
                              json_string(uuid_hex(&list[i].identity_id, id)));
    json_object_set_new(document, name, array);
    return rc;
}

static bool
same_members(const json_t *document, const json_t *old, const char *name)
{
    return json_equal(json_object_get(document, name),
                      json_object_get(old, name));
}

/* Write what the patched document says differently from `old`. */
static enum error_code
apply_source(struct db_tx *tx, const json_t *document, const json_t *old,
             const struct actor *actor, struct arena *arena,
             struct source *source, struct error *err)
{
    bool approvers = !same_members(document, old, "approvers");
    bool managers = !same_members(document, old, "accountManagers");
    struct members members;
    struct draft draft;
    char detail[64];
    enum error_code rc;

    members_init(&members, document);
    read_draft(&members, &draft);
    rc = check_references(tx, &members, &draft, err);
    if (rc == ERR_OK)
        rc = members_finish(&members, err);
    if (rc != ERR_OK)
        return rc;
    snprintf(detail, sizeof(detail), "%s%s%s%s",
             str_eq(draft.name, source->name) ? "" : "name ",
             str_eq(draft.description, source->description) ? ""
                                                            : "description ",
             approvers ? "approvers " : "", managers ? "accountManagers " : "");
    if (detail[0] == '\0')
        return ERR_OK;
    detail[strlen(detail) - 1] = '\0';

    source->name = draft.name;
    source->description = draft.description;
    rc = keep(arena, &source->name, err);
    if (rc == ERR_OK)
        rc = keep(arena, &source->description, err);
    if (rc == ERR_OK)
        rc = source_update(tx, source, err);
    if (rc == ERR_OK && approvers)
        rc = set_members(tx, source, "APPROVER", draft.approvers,
                         draft.approver_count, err);
    if (rc == ERR_OK && managers)
        rc = set_members(tx, source, "MANAGER", draft.managers,
                         draft.manager_count, err);
    if (rc == ERR_OK)
        rc = note(tx, "NON_EMPLOYEE_SOURCE_UPDATED", source, actor, detail,
                  err);
    return rc;
}

enum error_code
source_rules_patch(struct db_tx *tx, const struct uuid *id, const json_t *patch,
                   const struct actor *actor, struct arena *arena,
                   struct source *ret, struct error *err)
{
    static const char *const plain[] = {"/name", "/description", NULL};
    static const char *const arrays[] = {"/approvers", "/accountManagers",
                                         NULL};
    struct paths paths = {plain, arrays};
    json_t *document = json_object(), *old = NULL;
    enum error_code rc = source_find(tx, id, arena, ret, err);

    if (rc == ERR_OK) {
        set_text(document, "name", ret->name);
        set_text(document, "description", ret->description);
        rc = member_array(tx, ret, "APPROVER", document, "approvers", err);
    }
    if (rc == ERR_OK)
        rc = member_array(tx, ret, "MANAGER", document, "accountManagers", err);
    if (rc == ERR_OK) {
        old = json_deep_copy(document);
        rc = json_patch_apply(&document, patch, path_allowed, &paths, err);
    }
    if (rc == ERR_OK)
        rc = apply_source(tx, document, old, actor, arena, ret, err);
    json_decref(old);
    json_decref(document);
    return rc;
}

enum error_code
source_rules_delete(struct db_tx *tx, const struct uuid *id,
                    const struct actor *actor, struct arena *arena,
                    struct error *err)
{
    struct source source;
    bool busy = false;
    enum error_code rc = source_find(tx, id, arena, &source, err);

    if (rc == ERR_OK)
        rc = job_active(tx, source.number, &busy, err);
    if (rc == ERR_OK && busy)
        return error_set(err, ERR_IN_USE,
                         "A bulk upload into the source is waiting or "
                         "running.");
    if (rc == ERR_OK)
        rc = source_delete(tx, source.number, err);
    if (rc == ERR_OK)
        rc = note(tx, "NON_EMPLOYEE_SOURCE_DELETED", &source, actor, "", err);
    return rc;
}

/* --- schema attributes ------------------------------------------------- */

/* A letter, then letters, digits, '_', '-' and '.'. */
static bool
is_technical_name(struct str name)
{
    static const char *const reserved[] = {"id", "sourceId", "data", "created",
                                           "modified"};

    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '_' ||
                                    c == '-' || c == '.')))
            return false;
    }
    for (size_t i = 0; i < COUNT(reserved); i++)
        if (str_eq_nocase(name, str_of(reserved[i])))
            return false;
    return true;
}

static void
read_attribute(struct members *members, struct attribute *ret)
{
    ret->label = members_text(members, "label", MEMBER_REQUIRED, 1,
                              LABEL_CHARS);
    ret->help_text = members_text(members, "helpText", MEMBER_LINES, 0,
                                  LONG_CHARS);
    ret->placeholder = members_text(members, "placeholder", MEMBER_LINES, 0,
                                    LONG_CHARS);
    ret->required = members_bool(members, "required", ret->required);
}

static enum error_code
keep_attribute(struct arena *arena, struct attribute *attribute,
               struct error *err)
{
    struct str *texts[] = {&attribute->label, &attribute->technical_name,
                           &attribute->help_text, &attribute->placeholder};
    enum error_code rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < COUNT(texts); i++) {
        if (texts[i]->at == NULL)
            *texts[i] = STR("");
        rc = keep(arena, texts[i], err);
    }
    return rc;
}

static enum error_code
note_attribute(struct db_tx *tx, const struct source *source,
               const struct actor *actor, struct arena *arena,
               const struct attribute *attribute, const char *what,
               struct error *err)
{
    const char *detail = arena_printf(arena, "schema attribute %.*s %s",
                                      STR_ARG(attribute->technical_name), what);

    if (detail == NULL)
        return error_busy(err, "no memory for a text");
    return note(tx, "NON_EMPLOYEE_SOURCE_UPDATED", source, actor, detail, err);
}

enum error_code
schema_rules_create(struct db_tx *tx, const struct uuid *source_id,
                    const json_t *body, const struct actor *actor,
                    struct arena *arena, struct attribute *ret,
                    struct error *err)
{
    struct attribute there[SCHEMA_MAX];
    struct members members;
    struct source source;
    struct str type;
    size_t count = 0;
    enum error_code rc = source_find(tx, source_id, arena, &source, err);

    if (rc == ERR_OK)
        rc = schema_list(tx, source.number, arena, there, &count, err);
    if (rc != ERR_OK)
        return rc;
    *ret = (struct attribute){.type = STR("TEXT")};
    members_init(&members, body);
    type = members_text(&members, "type", MEMBER_REQUIRED, 1, NAME_CHARS);
    if (type.at != NULL && !str_eq(type, ret->type))
        members_illegal(&members, "type");
    read_attribute(&members, ret);
    ret->technical_name = members_text(&members, "technicalName",
                                       MEMBER_REQUIRED, 1, NAME_CHARS);
    if (!is_technical_name(ret->technical_name))
        members_illegal(&members, "technicalName");
    if (count >= SCHEMA_MAX)
        members_limit(&members, SCHEMA_CUSTOM_MAX, "custom schema attributes");
    rc = members_finish(&members, err);
    if (rc == ERR_OK)
        rc = keep_attribute(arena, ret, err);
    if (rc == ERR_OK)
        rc = schema_insert(tx, source.number, ret, err);
    if (rc == ERR_OK)
        rc = note_attribute(tx, &source, actor, arena, ret, "created", err);
    return rc;
}

/* Write what the patched document says differently. */
static enum error_code
apply_attribute(struct db_tx *tx, const struct source *source,
                const json_t *document, const struct actor *actor,
                struct arena *arena, struct attribute *attribute,
                struct error *err)
{
    struct attribute new = *attribute;
    struct members members;
    enum error_code rc;

    members_init(&members, document);
    new.required = false; /* also when the patch removed it */
    read_attribute(&members, &new);
    rc = members_finish(&members, err);
    if (rc != ERR_OK || (str_eq(new.label, attribute->label) &&
                         str_eq(new.help_text, attribute->help_text) &&
                         str_eq(new.placeholder, attribute->placeholder) &&
                         new.required == attribute->required))
        return rc;
    *attribute = new;
    rc = keep_attribute(arena, attribute, err);
    if (rc == ERR_OK)
        rc = schema_update(tx, source->number, attribute, err);
    if (rc == ERR_OK)
        rc = note_attribute(tx, source, actor, arena, attribute, "updated",
                            err);
    return rc;
}

enum error_code
schema_rules_patch(struct db_tx *tx, const struct uuid *source_id,
                   const struct uuid *id, const json_t *patch,
                   const struct actor *actor, struct arena *arena,
                   struct attribute *ret, struct error *err)
{
    static const char *const custom[] = {"/label", "/helpText", "/placeholder",
                                         "/required", NULL};
    static const char *const built_in[] = {"/label", "/helpText",
                                           "/placeholder", NULL};
    json_t *document = json_object();
    struct source source;
    enum error_code rc = source_find(tx, source_id, arena, &source, err);

    if (rc == ERR_OK)
        rc = schema_find(tx, source.number, id, arena, ret, err);
    if (rc == ERR_OK) {
        struct paths paths = {ret->system ? built_in : custom, none};

        set_text(document, "label", ret->label);
        set_text(document, "helpText", ret->help_text);
        set_text(document, "placeholder", ret->placeholder);
        json_object_set_new(document, "required", json_boolean(ret->required));
        rc = json_patch_apply(&document, patch, path_allowed, &paths, err);
    }
    if (rc == ERR_OK)
        rc = apply_attribute(tx, &source, document, actor, arena, ret, err);
    json_decref(document);
    return rc;
}

enum error_code
schema_rules_delete(struct db_tx *tx, const struct uuid *source_id,
                    const struct uuid *id, const struct actor *actor,
                    struct arena *arena, struct error *err)
{
    struct attribute attribute = {.technical_name = STR("(all)")};
    struct source source;
    enum error_code rc = source_find(tx, source_id, arena, &source, err);

    if (rc == ERR_OK && id != NULL)
        rc = schema_find(tx, source.number, id, arena, &attribute, err);
    if (rc == ERR_OK && attribute.system)
        return error_set(err, ERR_READ_ONLY,
                         "Built-in schema attribute \"%.*s\" cannot be "
                         "deleted.",
                         STR_ARG(attribute.technical_name));
    if (rc == ERR_OK)
        rc = schema_delete(tx, source.number, id, err);
    if (rc == ERR_OK)
        rc = note_attribute(tx, &source, actor, arena, &attribute, "deleted",
                            err);
    return rc;
}

#include "core/record_rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "core/members.h"
#include "fmt/json_patch.h"
#include "store/audit_store.h"
#include "store/custom.h"
#include "store/identity_store.h"

#define BULK_DELETE_MAX 1000 /* contract 17 */

/* The members of contract 9.5 that hold the built-in columns. */
static const char *const field_names[FIELD_COUNT] = {
    [FIELD_ACCOUNT_NAME] = "accountName",
    [FIELD_FIRST_NAME] = "firstName",
    [FIELD_LAST_NAME] = "lastName",
    [FIELD_PHONE] = "phone",
    [FIELD_EMAIL] = "email",
    [FIELD_MANAGER] = "manager",
    [FIELD_START_DATE] = "startDate",
    [FIELD_END_DATE] = "endDate"};

static enum error_code
illegal(const char *name, size_t len, struct error *err)
{
    return error_set(err, ERR_VALUE,
                     "Value of \"%.*s\" is empty or contains invalid data.",
                     (int)MIN(len, (size_t)256), name);
}

static enum error_code
fixed(const char *name, struct error *err)
{
    return error_set(err, ERR_READ_ONLY, "Field \"%s\" cannot be changed.",
                     name);
}

static enum error_code
note(struct db_tx *tx, const char *event, const struct record *record,
     const struct actor *actor, struct str detail, struct error *err)
{
    const struct audit_event entry = {.event = event,
                                      .actor = *actor,
                                      .has_object = true,
                                      .object_id = record->id,
                                      .source = record->source,
                                      .detail = detail};

    return audit_add(tx, &entry, err);
}

/* --- reading a body ------------------------------------------------------ */

/* Stands for a value that is no string: no field takes it. */
static const char not_text[] = "";
#define NOT_TEXT str_n(not_text, 1)

/* What a body says, before it is checked. */
struct draft {
    struct values values;
    struct str source_text;
    bool source_named;
    struct str strange; /* a member of data that cannot be; `at` NULL: none */
};

static struct str
member_value(const json_t *value)
{
    if (value == NULL || json_is_null(value))
        return (struct str){NULL, 0};
    return json_is_string(value) ? json_text(value) : NOT_TEXT;
}

static enum error_code
read_source_id(const json_t *body, struct draft *draft, struct error *err)
{
    if (!json_is_object(body))
        return error_cause(err, ERR_CONTENT, "the body is not a JSON object");
    draft->source_text = member_value(json_object_get(body, "sourceId"));
    draft->source_named = utf8_trim(draft->source_text).len > 0;
    return ERR_OK;
}

static size_t
attribute_named(const struct schema *schema, const char *name)
{
    size_t i = FIELD_COUNT;

    while (i < schema->count &&
           !str_eq(schema->attribute[i].technical_name, str_of(name)))
        i++;
    return i;
}

/* Values by the columns of the schema. What the body leaves out of `data` is
 * cleared. */
static void
read_values(const json_t *body, const struct schema *schema,
            struct draft *draft)
{
    json_t *data = json_object_get(body, "data"), *value;
    const char *name;

    for (size_t i = 0; i < FIELD_COUNT; i++)
        draft->values.value[i] = member_value(
            json_object_get(body, field_names[i]));
    for (size_t i = FIELD_COUNT; i < schema->count; i++)
        draft->values.value[i] = STR("");
    draft->strange = (struct str){NULL, 0};
    if (data != NULL && !json_is_object(data) && !json_is_null(data))
        draft->strange = STR("data");
    json_object_foreach(data, name, value)
    {
        size_t at = attribute_named(schema, name);

        if (at == schema->count)
            draft->strange = str_of(name);
        else if (!json_is_null(value))
            draft->values.value[at] = member_value(value);
    }
}

/* Managers by whatever names one; what a record has already stays as it is. */
struct lookup {
    struct manager_lookup base;
    struct db_tx *tx;
    struct arena *arena;
    const struct record *old;
};

static enum error_code
find_manager(struct manager_lookup *base, struct str text, struct str *ret,
             struct error *err)
{
    struct lookup *lookup = (struct lookup *)base;

    if (lookup->old != NULL && str_eq(text, lookup->old->text[FIELD_MANAGER])) {
        *ret = text;
        return ERR_OK;
    }
    return identity_resolve(lookup->tx, text, false, lookup->arena, ret, err);
}

static void
add_source_fault(const struct draft *draft, struct faults *faults)
{
    if (!draft->source_named)
        faults->fault[faults->count++] = (struct fault){
            FAULT_REQUIRED, STR("sourceId"), "is missing"};
    else if (draft->source_text.at == not_text)
        faults->fault[faults->count++] = (struct fault){
            FAULT_VALUE, STR("sourceId"), "is not a string"};
}

static bool
has_required(const struct faults *faults)
{
    for (size_t i = 0; i < faults->count; i++)
        if (faults->fault[i].kind == FAULT_REQUIRED)
            return true;
    return false;
}

/* The reason of a value that was no string is that. */
static void
name_types(const struct schema *schema, const struct draft *draft,
           struct faults *faults)
{
    for (size_t i = 0; i < schema->count; i++)
        for (size_t f = 0; f < faults->count; f++)
            if (draft->values.value[i].at == not_text &&
                str_eq(faults->fault[f].field,
                       schema->attribute[i].technical_name))
                faults->fault[f].reason = "is not a string";
}

/* Check `draft` against `schema` in the order of contract 4, step 8. */
static enum error_code
check_draft(struct db_tx *tx, const struct draft *draft,
            const struct schema *schema, const struct record *old,
            struct arena *arena, struct record *ret, struct error *err)
{
    CLEANUP(buf_done) struct buf custom;
    struct lookup lookup = {{find_manager}, tx, arena, old};
    struct faults faults;
    enum error_code rc;

    buf_init(&custom, 1 << 20);
    *ret = (struct record){.source = schema->source.number};
    rc = validate_record(schema, &draft->values, NULL, &lookup.base, &custom,
                         ret, &faults, err);
    if (rc != ERR_OK && rc != ERR_VALUE)
        return rc;
    add_source_fault(draft, &faults);
    name_types(schema, draft, &faults);
    if (has_required(&faults))
        return faults_error(schema, &faults, err);
    if (draft->strange.at != NULL)
        return illegal(draft->strange.at, draft->strange.len, err);
    if (faults.count > 0)
        return faults_error(schema, &faults, err);
    ret->custom = arena_str(arena, ret->custom);
    return ret->custom.at ? ERR_OK : error_busy(err, "no memory for values");
}

/* The columns that every source has, for a body that names no source. */
static void
built_in_schema(struct schema *ret)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        ret->attribute[i].technical_name = str_of(field_names[i]);
    ret->count = FIELD_COUNT;
}

enum error_code
record_rules_source(struct db_tx *tx, const json_t *body, struct arena *arena,
                    bool *ret_named, int64_t *ret_number, struct error *err)
{
    struct draft draft = {.source_named = false};
    struct source source = {.number = 0};
    struct uuid id;
    enum error_code rc = read_source_id(body, &draft, err);

    if (rc != ERR_OK)
        return rc;
    if (uuid_parse(utf8_trim(draft.source_text), &id))
        rc = source_find(tx, &id, arena, &source, err);
    *ret_named = draft.source_named;
    *ret_number = source.number;
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum error_code
record_rules_read(struct db_tx *tx, const json_t *body,
                  const struct record_rules *rules, struct arena *arena,
                  struct source *ret_source, struct record *ret,
                  struct error *err)
{
    struct schema *schema = arena_zalloc(arena, sizeof(*schema));
    struct draft draft;
    struct uuid id;
    bool found = false;
    enum error_code rc = read_source_id(body, &draft, err);

    if (rc != ERR_OK || schema == NULL)
        return rc != ERR_OK ? rc : error_busy(err, "no memory for a schema");
    if (uuid_parse(utf8_trim(draft.source_text), &id)) {
        rc = schema_load(tx, &id, arena, schema, err);
        if (rc != ERR_OK && rc != ERR_NOT_FOUND)
            return rc;
        found = rc == ERR_OK;
    }
    if (!found)
        built_in_schema(schema);
    schema->check_managers = rules->check_managers;
    read_values(body, schema, &draft);
    if (!found)
        draft.strange.at = NULL; /* nobody knows the columns */
    rc = check_draft(tx, &draft, schema, NULL, arena, ret, err);
    if (rc == ERR_OK && !found)
        return error_set(
            err, ERR_REFERENCE, "Referenced source [\"%.*s\"] was not found.",
            (int)MIN(draft.source_text.len, (size_t)256), draft.source_text.at);
    *ret_source = schema->source;
    return rc;
}

/* --- creating ------------------------------------------------------------ */

enum error_code
record_rules_add(struct db_tx *tx, const struct source *source,
                 struct record *record, int64_t max_records,
                 const struct actor *actor, struct error *err)
{
    struct record_writer writer;
    enum error_code rc, finished;

    if (max_records > 0 && source->record_count >= max_records)
        return error_set(err, ERR_LIMIT,
                         "You have reached the current limit of %" PRId64
                         " non-employee records.",
                         max_records);
    rc = record_write_begin(&writer, tx, source->number, clock_now_ms(), actor,
                            err);
    if (rc != ERR_OK)
        return rc;
    rc = record_insert(&writer, record, err);
    finished = record_write_finish(&writer, rc == ERR_OK ? err : NULL);
    rc = rc != ERR_OK ? rc : finished;
    if (rc == ERR_OK)
        rc = note(tx, "NON_EMPLOYEE_CREATE_PASSED", record, actor, STR(""),
                  err);
    return rc;
}

enum error_code
record_rules_create(struct db_tx *tx, const json_t *body,
                    const struct record_rules *rules, struct arena *arena,
                    struct record *ret, struct error *err)
{
    struct source source;
    enum error_code rc = record_rules_read(tx, body, rules, arena, &source, ret,
                                           err);

    if (rc == ERR_OK)
        rc = record_rules_add(tx, &source, ret, rules->max_records,
                              &rules->actor, err);
    return rc;
}

/* --- changing ------------------------------------------------------------ */

/* A record and what one must know to change it. */
struct subject {
    struct record old;
    struct schema schema;
};

static enum error_code
load(struct db_tx *tx, const struct uuid *id, const struct record_rules *rules,
     struct arena *arena, struct subject **ret, struct error *err)
{
    struct subject *subject = arena_zalloc(arena, sizeof(*subject));
    struct schema *schema;
    enum error_code rc;

    if (subject == NULL)
        return error_busy(err, "no memory for a schema");
    schema = &subject->schema;
    rc = record_by_id(tx, id, arena, &subject->old, err);
    if (rc == ERR_OK)
        rc = source_by_number(tx, subject->old.source, arena, &schema->source,
                              err);
    if (rc == ERR_OK)
        rc = schema_list(tx, subject->old.source, arena, schema->attribute,
                         &schema->count, err);
    schema->check_managers = rules->check_managers;
    *ret = subject;
    return rc;
}

static bool
same_moment(struct moment a, struct moment b)
{
    return a.ms == b.ms && a.offset_min == b.offset_min;
}

/* The names of what differs, as an audit row tells them. */
static void
list_changes(const struct schema *schema, const struct record *old,
             const struct record *new, struct buf *to)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct attribute *attribute = &schema->attribute[i];
        bool same;

        if (i < FIELD_TEXTS)
            same = str_eq(old->text[i], new->text[i]);
        else if (i < FIELD_COUNT)
            same = i == FIELD_START_DATE ? same_moment(old->start, new->start)
                                         : same_moment(old->end, new->end);
        else
            same = str_eq(custom_find(old->custom, attribute->number),
                          custom_find(new->custom, attribute->number));
        if (!same)
            buf_printf(to, "%s%.*s", to->len > 0 ? " " : "",
                       STR_ARG(attribute->technical_name));
    }
}

/* Write `record` over the one that was read, unless they are the same. */
static enum error_code
update(struct db_tx *tx, const struct subject *subject, struct record *record,
       const struct actor *actor, struct error *err)
{
    CLEANUP(buf_done) struct buf changes;
    const struct record *old = &subject->old;
    struct record_writer writer;
    enum error_code rc, finished;

    record->key = old->key;
    record->id = old->id;
    record->created_ms = old->created_ms;
    record->modified_ms = old->modified_ms;
    buf_init(&changes, 16 * 1024);
    if (record_same(&subject->schema, old, record))
        return ERR_OK;
    list_changes(&subject->schema, old, record, &changes);
    rc = record_write_begin(&writer, tx, old->source, clock_now_ms(), actor,
                            err);
    if (rc != ERR_OK)
        return rc;
    rc = record_update(&writer, record, err);
    finished = record_write_finish(&writer, rc == ERR_OK ? err : NULL);
    rc = rc != ERR_OK ? rc : finished;
    if (rc == ERR_OK)
        rc = note(tx, "NON_EMPLOYEE_UPDATE_PASSED", record, actor,
                  buf_view(&changes), err);
    return rc;
}

/* Does the body say anything else about the record, endDate aside? What it
 * leaves out is for the checks of required fields. */
static bool
touches_more(const struct draft *draft, const struct subject *subject)
{
    const struct record *old = &subject->old;
    const struct schema *schema = &subject->schema;
    struct str start = utf8_trim(draft->values.value[FIELD_START_DATE]);
    struct moment moment;

    for (size_t i = 0; i < FIELD_TEXTS; i++) {
        struct str text = utf8_trim(draft->values.value[i]);

        if (text.len > 0 && !str_eq(text, old->text[i]))
            return true;
    }
    if (start.len > 0 &&
        (!moment_parse(start, &moment) || moment.ms != old->start.ms))
        return true;
    for (size_t i = FIELD_COUNT; i < schema->count; i++)
        if (!str_eq(draft->values.value[i],
                    custom_find(old->custom, schema->attribute[i].number)))
            return true;
    return draft->strange.at != NULL;
}

static bool
is_source(struct str text, const struct source *source)
{
    struct uuid id;

    return uuid_parse(utf8_trim(text), &id) &&
           (uuid_eq(&id, &source->id) || uuid_eq(&id, &source->source_id));
}

enum error_code
record_rules_put(struct db_tx *tx, const struct uuid *id, const json_t *body,
                 const struct record_rules *rules, struct arena *arena,
                 struct record *ret, struct error *err)
{
    struct subject *subject = NULL;
    struct draft draft;
    bool own_source;
    enum error_code rc = load(tx, id, rules, arena, &subject, err);

    if (rc == ERR_OK)
        rc = read_source_id(body, &draft, err);
    if (rc != ERR_OK)
        return rc;
    read_values(body, &subject->schema, &draft);
    own_source = is_source(draft.source_text, &subject->schema.source);
    if (rules->end_date_only &&
        (touches_more(&draft, subject) || (draft.source_named && !own_source)))
        return error_set(err, ERR_FORBIDDEN, NULL);
    rc = check_draft(tx, &draft, &subject->schema, &subject->old, arena, ret,
                     err);
    if (rc != ERR_OK)
        return rc;
    if (!own_source)
        return fixed("sourceId", err);
    if (rules->end_date_only)
        ret->start = subject->old.start;
    return update(tx, subject, ret, &rules->actor, err);
}

/* --- patching ------------------------------------------------------------ */

static enum error_code
path_allowed(void *context, struct str path, struct error *err)
{
    const struct record_rules *rules = context;
    struct str name = path.len > 1 ? str_n(path.at + 1, path.len - 1)
                                   : (struct str){NULL, 0};

    if (rules->end_date_only)
        return str_eq(name, STR("endDate"))
                   ? ERR_OK
                   : error_set(err, ERR_FORBIDDEN, NULL);
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (str_eq(name, str_of(field_names[i])))
            return ERR_OK;
    if (str_eq(name, STR("data")) ||
        (name.len > 5 && memcmp(name.at, "data/", 5) == 0 &&
         memchr(name.at + 5, '/', name.len - 5) == NULL))
        return ERR_OK;
    return error_set(err, ERR_READ_ONLY, "Field \"%.*s\" cannot be changed.",
                     (int)MIN(path.len, (size_t)256), path.at);
}

static void
set_text(json_t *object, const char *name, struct str text)
{
    json_object_set_new(object, name, json_stringn(text.at, text.len));
}

/* The record as a body would describe it. */
static json_t *
document_of(const struct subject *subject, struct arena *arena)
{
    const struct record *old = &subject->old;
    const struct schema *schema = &subject->schema;
    json_t *document = json_object(), *data = json_object();
    char id[UUID_HEX], date[MOMENT_TEXT];

    for (size_t i = 0; i < FIELD_TEXTS; i++)
        set_text(document, field_names[i], old->text[i]);
    moment_csv(old->start, date);
    set_text(document, field_names[FIELD_START_DATE], str_of(date));
    moment_csv(old->end, date);
    set_text(document, field_names[FIELD_END_DATE], str_of(date));
    uuid_hex(&schema->source.source_id, id);
    set_text(document, "sourceId", str_of(id));
    for (size_t i = FIELD_COUNT; i < schema->count; i++) {
        const struct attribute *attribute = &schema->attribute[i];
        struct str value = custom_find(old->custom, attribute->number);
        struct str name = arena_str(arena, attribute->technical_name);

        if (value.at != NULL && name.at != NULL)
            set_text(data, name.at, value);
    }
    json_object_set_new(document, "data", data);
    return document;
}

/* Texts of `record` that the document held. */
static enum error_code
keep_texts(struct arena *arena, struct record *record, struct error *err)
{
    for (size_t i = 0; i < FIELD_TEXTS; i++) {
        record->text[i] = arena_str(arena, record->text[i]);
        if (record->text[i].at == NULL)
            return error_busy(err, "no memory for values");
    }
    return ERR_OK;
}

enum error_code
record_rules_patch(struct db_tx *tx, const struct uuid *id, const json_t *patch,
                   const struct record_rules *rules, struct arena *arena,
                   struct record *ret, struct error *err)
{
    struct record_rules context = *rules;
    struct subject *subject = NULL;
    json_t *document = NULL;
    struct draft draft;
    enum error_code rc = load(tx, id, rules, arena, &subject, err);

    if (rc != ERR_OK)
        return rc;
    document = document_of(subject, arena);
    rc = json_patch_apply(&document, patch, path_allowed, &context, err);
    if (rc == ERR_OK)
        rc = read_source_id(document, &draft, err);
    if (rc == ERR_OK) {
        read_values(document, &subject->schema, &draft);
        rc = check_draft(tx, &draft, &subject->schema, &subject->old, arena,
                         ret, err);
    }
    if (rc == ERR_OK)
        rc = keep_texts(arena, ret, err);
    json_decref(document);
    return rc == ERR_OK ? update(tx, subject, ret, &rules->actor, err) : rc;
}

/* --- deleting ------------------------------------------------------------ */

/* Delete records of one source. */
static enum error_code
delete_from(struct db_tx *tx, const struct record *records, size_t count,
            const struct actor *actor, struct error *err)
{
    struct record_writer writer;
    enum error_code finished;
    enum error_code rc = record_write_begin(&writer, tx, records[0].source,
                                            clock_now_ms(), actor, err);

    if (rc != ERR_OK)
        return rc;
    for (size_t i = 0; rc == ERR_OK && i < count; i++) {
        rc = record_delete(&writer, &records[i], err);
        if (rc == ERR_OK)
            rc = note(tx, "NON_EMPLOYEE_DELETE_PASSED", &records[i], actor,
                      STR(""), err);
    }
    finished = record_write_finish(&writer, rc == ERR_OK ? err : NULL);
    return rc != ERR_OK ? rc : finished;
}

enum error_code
record_rules_delete(struct db_tx *tx, const struct uuid *id,
                    const struct actor *actor, struct arena *arena,
                    struct error *err)
{
    struct record record;
    enum error_code rc = record_by_id(tx, id, arena, &record, err);

    return rc == ERR_OK ? delete_from(tx, &record, 1, actor, err) : rc;
}

/* By key: records of a source lie together. */
static int
by_key(const void *a, const void *b)
{
    const struct record *x = a, *y = b;

    return (x->key > y->key) - (x->key < y->key);
}

/* Find every record; name those that are not there. */
static enum error_code
find_all(struct db_tx *tx, json_t *ids, struct record *ret, struct error *err)
{
    CLEANUP(arena_done) struct arena scratch;
    CLEANUP(buf_done) struct buf unknown;
    const char *key;
    json_t *value;
    enum error_code rc = ERR_OK;

    arena_init(&scratch, 1 << 20);
    buf_init(&unknown, 64 * 1024);
    json_object_foreach(ids, key, value)
    {
        struct str text = json_text(value);
        struct uuid id;

        arena_reset(&scratch);
        rc = ERR_NOT_FOUND;
        if (uuid_parse(text, &id))
            rc = record_by_id(tx, &id, &scratch, ret++, err);
        if (rc == ERR_NOT_FOUND)
            buf_printf(&unknown, "%s\"%.*s\"", unknown.len > 0 ? ", " : "",
                       (int)MIN(text.len, (size_t)64), text.at);
        else if (rc != ERR_OK)
            return rc;
    }
    if (unknown.len == 0)
        return ERR_OK;
    return error_set(err, ERR_REFERENCE,
                     "Referenced non-employee record [%.*s] was not found.",
                     STR_ARG(buf_view(&unknown)));
}

/* Note `text` under what it means: an id has more than one spelling. */
static bool
add_id(json_t *distinct, json_t *text)
{
    char hex[UUID_HEX];
    struct uuid id;
    const char *key = uuid_parse(json_text(text), &id)
                          ? uuid_hex(&id, hex)
                          : json_string_value(text);

    return json_object_get(distinct, key) != NULL ||
           json_object_set(distinct, key, text) == 0;
}

/* The ids as they were written first, in their order, into the empty object
 * `distinct`. */
static enum error_code
check_ids(const json_t *body, json_t *distinct, struct error *err)
{
    const json_t *ids = json_object_get(body, "ids");

    if (!json_is_object(body))
        return error_cause(err, ERR_CONTENT, "the body is not a JSON object");
    if (ids == NULL || json_is_null(ids) ||
        (json_is_array(ids) && json_array_size(ids) == 0))
        return error_set(err, ERR_REQUIRED, "ids is required;");
    if (!json_is_array(ids))
        return illegal("ids", 3, err);
    for (size_t i = 0; i < json_array_size(ids); i++)
        if (!json_is_string(json_array_get(ids, i)))
            return illegal("ids", 3, err);
    for (size_t i = 0; i < json_array_size(ids); i++)
        if (!add_id(distinct, json_array_get(ids, i)))
            return error_busy(err, "no memory for a list of ids");
    if (json_object_size(distinct) > BULK_DELETE_MAX)
        return error_set(err, ERR_LIMIT,
                         "You have reached the current limit of %d ids.",
                         BULK_DELETE_MAX);
    return ERR_OK;
}

enum error_code
record_rules_delete_many(struct db_tx *tx, const json_t *body,
                         const struct actor *actor, struct arena *arena,
                         struct error *err)
{
    json_t *ids = json_object();
    struct record *records = NULL;
    enum error_code rc = check_ids(body, ids, err);
    size_t count = json_object_size(ids);

    if (rc == ERR_OK) {
        records = arena_alloc(arena, count * sizeof(*records));
        rc = records ? find_all(tx, ids, records, err)
                     : error_busy(err, "no memory for a list of records");
    }
    json_decref(ids);
    if (rc != ERR_OK)
        return rc;
    qsort(records, count, sizeof(*records), by_key);
    for (size_t from = 0, to; rc == ERR_OK && from < count; from = to) {
        for (to = from;
             to < count && records[to].source == records[from].source; to++)
            continue;
        rc = delete_from(tx, &records[from], to - from, actor, err);
    }
    return rc;
}

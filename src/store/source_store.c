#include "store/source_store.h"

#include "store/find.h"
#include "store/row.h"

/* Contract 9.3. */
static const struct {
    const char *type, *label, *technical_name, *help_text, *placeholder;
} built_in[FIELD_COUNT] = {
    [FIELD_ACCOUNT_NAME] = {"TEXT", "Account Name", "accountName",
                            "The unique identifier for the account",
                            "Enter a unique user name for this account."},
    [FIELD_FIRST_NAME] = {"TEXT", "First Name", "firstName",
                          "Given name of the person", "Enter the first name."},
    [FIELD_LAST_NAME] = {"TEXT", "Last Name", "lastName",
                         "Family name of the person", "Enter the last name."},
    [FIELD_PHONE] = {"TEXT", "Phone", "phone", "Telephone number of the person",
                     "Enter a phone number."},
    [FIELD_EMAIL] = {"TEXT", "Email", "email", "E-mail address of the person",
                     "Enter an e-mail address."},
    [FIELD_MANAGER] = {"IDENTITY", "Manager", "manager",
                       "Employee who is responsible for the person",
                       "Enter the manager's account ID."},
    [FIELD_START_DATE] = {"DATE", "Start Date", "startDate",
                          "First day of the engagement",
                          "Select a start date."},
    [FIELD_END_DATE] = {"DATE", "End Date", "endDate",
                        "Last day of the engagement", "Select an end date."},
};

#define COLUMNS                                                           \
    "s.number, s.id, s.source_id, s.name, s.description, s.owner_id, "    \
    "s.workgroup, s.revision, s.changed_ms, s.record_count, s.next_row, " \
    "s.next_column, s.created_ms, s.modified_ms"

/* Those columns, as source_find and its like have them. */
static struct source
source_row(struct db_query *query, struct arena *arena)
{
    struct source source = {
        .number = db_col_int(query, 0),
        .id = db_col_uuid(query, 1),
        .source_id = db_col_uuid(query, 2),
        .name = row_str(query, 3, arena),
        .description = row_str(query, 4, arena),
        .workgroup = row_optional(query, 6, arena),
        .revision = db_col_int(query, 7),
        .changed_ms = db_col_int(query, 8),
        .record_count = db_col_int(query, 9),
        .next_row = db_col_int(query, 10),
        .next_column = db_col_int(query, 11),
        .created_ms = db_col_int(query, 12),
        .modified_ms = db_col_int(query, 13),
    };

    source.has_owner = row_uuid(query, 5, &source.owner_id);
    return source;
}

enum error_code
source_find(struct db_tx *tx, const struct uuid *id, struct arena *arena,
            struct source *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SOURCE_FIND);
    enum error_code rc;

    db_uuid(query, 1, id);
    rc = db_step(query, err);
    if (rc == ERR_OK)
        *ret = source_row(query, arena);
    return row_done(query, rc, arena, err);
}

enum error_code
source_by_number(struct db_tx *tx, int64_t number, struct arena *arena,
                 struct source *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SOURCE_BY_NUMBER);
    enum error_code rc;

    db_int(query, 1, number);
    rc = db_step(query, err);
    if (rc == ERR_OK)
        *ret = source_row(query, arena);
    return row_done(query, rc, arena, err);
}

enum error_code
source_mark(struct db_tx *tx, const struct uuid *id, struct source_mark *ret,
            struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SOURCE_MARK);
    enum error_code rc;

    db_uuid(query, 1, id);
    rc = db_step(query, err);
    if (rc == ERR_OK)
        *ret = (struct source_mark){.number = db_col_int(query, 0),
                                    .revision = db_col_int(query, 1),
                                    .changed_ms = db_col_int(query, 2),
                                    .id = db_col_uuid(query, 3)};
    return row_done(query, rc, NULL, err);
}

/* Write an attribute whose fields are all filled. A taken technical name
 * changes no row. */
static enum error_code
write_attribute(struct db_query *query, int64_t source,
                const struct attribute *attribute, int64_t *ret_changes,
                struct error *err)
{
    FOLDED key = {0};

    db_uuid(query, 1, &attribute->id);
    db_int(query, 2, source);
    db_int(query, 3, attribute->number);
    db_str(query, 4, attribute->type);
    db_str(query, 5, attribute->label);
    db_str(query, 6, attribute->technical_name);
    db_str(query, 7, fold(&key, attribute->technical_name));
    db_str(query, 8, attribute->help_text);
    db_str(query, 9, attribute->placeholder);
    db_int(query, 10, attribute->required);
    db_int(query, 11, attribute->created_ms);
    return db_run(query, ret_changes, err);
}

static enum error_code
write_built_in(struct db_tx *tx, const struct source *source, struct error *err)
{
    for (int i = 0; i < FIELD_COUNT; i++) {
        const struct attribute attribute = {
            .id = uuid_mint(),
            .number = i + 1,
            .type = str_of(built_in[i].type),
            .label = str_of(built_in[i].label),
            .technical_name = str_of(built_in[i].technical_name),
            .help_text = str_of(built_in[i].help_text),
            .placeholder = str_of(built_in[i].placeholder),
            .required = true,
            .created_ms = source->created_ms,
        };
        enum error_code rc = write_attribute(db_query(tx, STMT_SCHEMA_INSERT),
                                             source->number, &attribute, NULL,
                                             err);

        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

static void
mint_unless_given(struct uuid *id)
{
    static const struct uuid none;

    if (uuid_eq(id, &none))
        *id = uuid_mint();
}

static enum error_code
name_taken(const char *verb, const struct source *source, struct error *err)
{
    return error_set(err, ERR_CONFLICT,
                     "Unable to %s Non-Employee Source because the name "
                     "\"%.*s\" is already being used.",
                     verb, STR_ARG(source->name));
}

enum error_code
source_insert(struct db_tx *tx, struct source *source, struct error *err)
{
    FOLDED key = {0};
    int64_t changes = 0;
    enum error_code rc = counter_next(tx, STR("source"), &source->number, err);

    if (rc != ERR_OK)
        return rc;
    mint_unless_given(&source->id);
    mint_unless_given(&source->source_id);
    source->revision = 1;
    source->record_count = 0;
    source->next_row = 1;
    source->next_column = SCHEMA_FIRST_CUSTOM;
    source->created_ms = source->modified_ms = source->changed_ms =
        clock_now_ms();

    struct db_query *query = db_query(tx, STMT_SOURCE_INSERT);

    db_int(query, 1, source->number);
    db_uuid(query, 2, &source->id);
    db_uuid(query, 3, &source->source_id);
    db_str(query, 4, source->name);
    db_str(query, 5, fold(&key, source->name));
    db_str(query, 6, source->description);
    bind_optional_uuid(query, 7, source->has_owner, &source->owner_id);
    bind_optional(query, 8, source->workgroup);
    db_int(query, 9, source->created_ms);
    db_int(query, 10, source->next_column);
    rc = db_run(query, &changes, err);
    if (rc == ERR_OK && changes == 0)
        return name_taken("create", source, err);
    if (rc == ERR_OK)
        rc = write_built_in(tx, source, err);
    return rc;
}

static enum error_code
visit_sources(struct db_query *query, struct arena *scratch,
              source_visit *visit, void *context, struct error *err)
{
    enum error_code rc;

    while ((rc = db_step(query, err)) == ERR_OK) {
        arena_reset(scratch);
        struct source source = source_row(query, scratch);

        if (scratch->failed || !visit(context, &source))
            break;
    }
    if (rc == ERR_END)
        rc = ERR_OK;
    return row_done(query, rc, scratch, err);
}

enum error_code
source_each(struct db_tx *tx, struct arena *scratch, source_visit *visit,
            void *context, struct error *err)
{
    return visit_sources(db_query(tx, STMT_SOURCE_ALL), scratch, visit, context,
                         err);
}

static const struct where_sort source_sorts[] = {
    {"name", "s.name_key"},
    {"created", "s.created_ms"},
    {"sourceId", "s.source_id"},
};
static const struct where_list sources = {
    .columns = COLUMNS,
    .count = "COUNT(*)",
    .from = "source s WHERE TRUE",
    .only = "s.number IN (SELECT source FROM source_member"
            " WHERE identity_id = $1 AND role = 'MANAGER')",
    .order = "s.created_ms, s.id",
    .sorts = source_sorts,
    .sort_count = COUNT(source_sorts),
};

enum error_code
source_list(struct db_tx *tx, const struct uuid *manager,
            const struct list_query *list, struct arena *scratch,
            source_visit *visit, void *context, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct list_query unfiltered = *list;
    struct db_query *query = NULL;

    unfiltered.filter = NULL;
    arena_init(&arena, WHERE_BYTES);
    enum error_code rc = where_rows(tx, &sources, &unfiltered, manager, &arena,
                                    &query, err);

    if (rc == ERR_OK)
        rc = visit_sources(query, scratch, visit, context, err);
    return rc;
}

enum error_code
source_list_count(struct db_tx *tx, const struct uuid *manager,
                  const struct list_query *list, int64_t *ret,
                  struct error *err)
{
    struct list_query unfiltered = *list;

    unfiltered.filter = NULL;
    return where_count(tx, &sources, &unfiltered, manager, ret, err);
}

enum error_code
source_count(struct db_tx *tx, int64_t *ret, struct error *err)
{
    return read_number(db_query(tx, STMT_SOURCE_COUNT), ret, err);
}

enum error_code
source_update(struct db_tx *tx, struct source *source, struct error *err)
{
    FOLDED key = {0};
    struct db_query *query = db_query(tx, STMT_SOURCE_UPDATE);
    int64_t now_ms = MAX(clock_now_ms(), source->modified_ms);

    db_int(query, 1, source->number);
    db_str(query, 2, source->name);
    db_str(query, 3, fold(&key, source->name));
    db_str(query, 4, source->description);
    db_int(query, 5, now_ms);
    enum error_code rc = run_one(query, err);

    if (rc == ERR_CONFLICT)
        return name_taken("update", source, err);
    if (rc == ERR_OK)
        source->modified_ms = now_ms;
    return rc;
}

/* Records know their source by their keys. They go first, so that deleting the
 * source finds none that refer to it. */
enum error_code
source_delete(struct db_tx *tx, int64_t source, struct error *err)
{
    static const enum stmt by_number[] = {
        STMT_SOURCE_DELETE_HISTORY, STMT_SOURCE_DELETE_CHANGES, STMT_CHAIN_END};
    enum error_code rc = find_forget(tx, source, err);

    if (rc != ERR_OK)
        return rc;
    struct db_query *query = db_query(tx, STMT_SOURCE_DELETE_RECORDS);

    db_int(query, 1, record_first_key(source));
    db_int(query, 2, record_last_key(source));
    rc = db_run(query, NULL, err);
    if (rc != ERR_OK)
        return rc;
    query = db_query(tx, STMT_SOURCE_DELETE_GONE);
    db_int(query, 1, record_first_key(source) >> RECORD_SEGMENT_BITS);
    db_int(query, 2, record_last_key(source) >> RECORD_SEGMENT_BITS);
    rc = db_run(query, NULL, err);

    for (size_t i = 0; rc == ERR_OK && i < COUNT(by_number); i++) {
        query = db_query(tx, by_number[i]);
        db_int(query, 1, source);
        rc = db_run(query, NULL, err);
    }
    if (rc != ERR_OK)
        return rc;
    query = db_query(tx, STMT_SOURCE_DELETE);
    db_int(query, 1, source);
    return run_one(query, err);
}

/* ---- members --------------------------------------------------------- */

enum error_code
source_members(struct db_tx *tx, int64_t source, const char *role,
               struct arena *arena, struct source_member ret[MEMBERS_MAX],
               size_t *ret_count, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SOURCE_MEMBERS);
    size_t count = 0;
    enum error_code rc;

    db_int(query, 1, source);
    db_str(query, 2, str_of(role));
    while ((rc = db_step(query, err)) == ERR_OK && count < MEMBERS_MAX)
        ret[count++] = (struct source_member){
            .identity_id = db_col_uuid(query, 0),
            .name = row_str(query, 1, arena)};
    if (rc == ERR_OK)
        rc = error_internal(err, "a source has more than %d members",
                            MEMBERS_MAX);
    if (rc == ERR_END)
        rc = ERR_OK;
    rc = row_done(query, rc, arena, err);
    if (rc == ERR_OK)
        *ret_count = count;
    return rc;
}

static enum error_code
add_member(struct db_tx *tx, int64_t source, const char *role, size_t position,
           const struct uuid *id, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SOURCE_MEMBER_ADD);
    char hex[UUID_HEX];

    db_int(query, 1, source);
    db_str(query, 2, str_of(role));
    db_int(query, 3, (int64_t)position);
    db_uuid(query, 4, id);
    enum error_code rc = run_one(query, err);

    if (rc == ERR_NOT_FOUND)
        return error_set(
            err, ERR_REFERENCE, "Referenced %s [\"%s\"] was not found.",
            strcmp(role, "APPROVER") == 0 ? "approver" : "account manager",
            uuid_hex(id, hex));
    return rc;
}

enum error_code
source_set_members(struct db_tx *tx, int64_t source, const char *role,
                   const struct uuid *ids, size_t count, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SOURCE_MEMBERS_CLEAR);

    db_int(query, 1, source);
    db_str(query, 2, str_of(role));
    enum error_code rc = db_run(query, NULL, err);

    for (size_t i = 0; rc == ERR_OK && i < count; i++)
        rc = add_member(tx, source, role, i, &ids[i], err);
    return rc;
}

/* ---- schema attributes ----------------------------------------------- */

/* The columns of schema_list and schema_find. */
static struct attribute
attribute_row(struct db_query *query, struct arena *arena)
{
    int64_t number = db_col_int(query, 1);

    return (struct attribute){
        .id = db_col_uuid(query, 0),
        .number = number,
        .type = row_str(query, 2, arena),
        .label = row_str(query, 3, arena),
        .technical_name = row_str(query, 4, arena),
        .help_text = row_str(query, 5, arena),
        .placeholder = row_str(query, 6, arena),
        .required = db_col_int(query, 7) != 0,
        .system = number < SCHEMA_FIRST_CUSTOM,
        .created_ms = db_col_int(query, 8),
        .modified_ms = db_col_int(query, 9),
    };
}

enum error_code
schema_list(struct db_tx *tx, int64_t source, struct arena *arena,
            struct attribute ret[SCHEMA_MAX], size_t *ret_count,
            struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SCHEMA_LIST);
    size_t count = 0;
    enum error_code rc;

    db_int(query, 1, source);
    while ((rc = db_step(query, err)) == ERR_OK && count < SCHEMA_MAX)
        ret[count++] = attribute_row(query, arena);
    if (rc == ERR_OK)
        rc = error_internal(err, "a source has more than %d attributes",
                            SCHEMA_MAX);
    if (rc == ERR_END)
        rc = ERR_OK;
    rc = row_done(query, rc, arena, err);
    if (rc == ERR_OK)
        *ret_count = count;
    return rc;
}

enum error_code
schema_insert(struct db_tx *tx, int64_t source, struct attribute *attribute,
              struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SCHEMA_NEXT_COLUMN);
    int64_t changes = 0, revision = 0;
    enum error_code rc;

    db_int(query, 1, source);
    rc = read_number(query, &attribute->number, err);
    if (rc != ERR_OK)
        return rc;

    attribute->id = uuid_mint();
    attribute->system = false;
    attribute->created_ms = attribute->modified_ms = clock_now_ms();
    rc = write_attribute(db_query(tx, STMT_SCHEMA_INSERT), source, attribute,
                         &changes, err);
    if (rc == ERR_OK && changes == 0)
        return error_set(err, ERR_CONFLICT,
                         "Unable to create schema attribute because the "
                         "technicalName \"%.*s\" is already being used.",
                         STR_ARG(attribute->technical_name));
    if (rc == ERR_OK)
        rc = source_touch(tx, source, attribute->created_ms, &revision, err);
    return rc;
}

enum error_code
schema_find(struct db_tx *tx, int64_t source, const struct uuid *id,
            struct arena *arena, struct attribute *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SCHEMA_FIND);
    enum error_code rc;

    db_int(query, 1, source);
    db_uuid(query, 2, id);
    rc = db_step(query, err);
    if (rc == ERR_OK)
        *ret = attribute_row(query, arena);
    return row_done(query, rc, arena, err);
}

enum error_code
schema_update(struct db_tx *tx, int64_t source, struct attribute *attribute,
              struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SCHEMA_UPDATE);
    int64_t now_ms = clock_now_ms();

    db_int(query, 1, source);
    db_uuid(query, 2, &attribute->id);
    db_str(query, 3, attribute->label);
    db_str(query, 4, attribute->help_text);
    db_str(query, 5, attribute->placeholder);
    db_int(query, 6, attribute->required);
    db_int(query, 7, now_ms);
    enum error_code rc = run_one(query, err);

    if (rc == ERR_OK)
        attribute->modified_ms = now_ms;
    return rc;
}

enum error_code
schema_delete(struct db_tx *tx, int64_t source, const struct uuid *id,
              struct error *err)
{
    struct db_query *query = db_query(tx, id ? STMT_SCHEMA_DELETE
                                             : STMT_SCHEMA_DELETE_ALL);
    int64_t changes = 0, revision = 0;

    db_int(query, 1, source);
    if (id != NULL)
        db_uuid(query, 2, id);
    db_int(query, id ? 3 : 2, SCHEMA_FIRST_CUSTOM);
    enum error_code rc = db_run(query, &changes, err);

    if (rc != ERR_OK)
        return rc;
    if (changes == 0)
        return id ? error_set(err, ERR_NOT_FOUND, NULL) : ERR_OK;
    return source_touch(tx, source, clock_now_ms(), &revision, err);
}

enum error_code
source_has_member(struct db_tx *tx, int64_t source, const char *role,
                  const struct uuid *identity, bool *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SOURCE_MEMBER);

    db_int(query, 1, source);
    db_str(query, 2, str_of(role));
    db_uuid(query, 3, identity);
    return row_exists(query, ret, err);
}

enum error_code
source_lock(struct db_tx *tx, const struct uuid *id, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SOURCE_LOCK);

    db_uuid(query, 1, id);
    return db_run(query, NULL, err);
}

enum error_code
source_touch(struct db_tx *tx, int64_t source, int64_t now_ms,
             int64_t *ret_revision, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SOURCE_TOUCH);

    db_int(query, 1, source);
    db_int(query, 2, now_ms);
    return read_number(query, ret_revision, err);
}

enum error_code
source_advance(struct db_tx *tx, int64_t source, int64_t count_delta,
               int64_t next_row, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_SOURCE_ADVANCE);

    db_int(query, 1, source);
    db_int(query, 2, count_delta);
    db_int(query, 3, next_row);
    return run_one(query, err);
}

#include "core/validate.h"

#include <assert.h>
#include <stdio.h>

#include "base/utf8.h"
#include "store/custom.h"

#define TEXT_MAX 256    /* code points of a built-in field */
#define CUSTOM_MAX 4000 /* of a custom value */

static void
fault_add(struct faults *faults, enum fault_kind kind, struct str field,
          const char *reason)
{
    assert(faults->count < COUNT(faults->fault));
    faults->fault[faults->count++] = (struct fault){
        .kind = kind, .field = field, .reason = reason};
}

/* At most `max` code points? Bytes are never fewer than code points. */
static bool
is_within(struct str text, size_t max)
{
    return text.len <= max || utf8_length(text) <= max;
}

static bool
is_email(struct str text)
{
    struct str rest = text;
    struct str local = str_cut(&rest, '@');

    return local.len > 0 && rest.at != NULL && rest.len > 0 &&
           memchr(rest.at, '@', rest.len) == NULL &&
           memchr(text.at, ' ', text.len) == NULL;
}

/* A built-in text that is there, trimmed already. */
static void
check_text(enum field field, struct str name, struct str text,
           struct faults *faults)
{
    if (!is_within(text, TEXT_MAX))
        fault_add(faults, FAULT_LENGTH, name, "is longer than 256 characters");
    else if (utf8_has_control(text))
        fault_add(faults, FAULT_VALUE, name, "has a control character");
    else if (field == FIELD_EMAIL && !is_email(text))
        fault_add(faults, FAULT_VALUE, name, "is not an e-mail address");
}

static enum error_code
check_manager(struct manager_lookup *managers, struct str name,
              struct str *text, struct faults *faults, struct error *err)
{
    enum error_code rc = managers->find(managers, *text, text, err);

    if (rc != ERR_NOT_FOUND)
        return rc;
    fault_add(faults, FAULT_VALUE, name, "names no identity, or more than one");
    return ERR_OK;
}

static void
check_custom(const struct attribute *attribute, struct str value,
             struct buf *custom, struct faults *faults)
{
    struct str name = attribute->technical_name;

    if (attribute->required && utf8_trim(value).len == 0) {
        fault_add(faults, FAULT_REQUIRED, name, "is missing");
    } else if (!is_within(value, CUSTOM_MAX)) {
        fault_add(faults, FAULT_LENGTH, name, "is longer than 4000 characters");
    } else if (value.len > 0 && memchr(value.at, '\0', value.len) != NULL) {
        /* No CSV file and not every database can hold one. */
        fault_add(faults, FAULT_VALUE, name, "has a NUL character");
    } else {
        custom_add(custom, attribute->number, value);
    }
}

enum error_code
validate_record(const struct schema *schema, const struct values *values,
                const struct record *old, struct manager_lookup *managers,
                struct buf *custom, struct record *ret, struct faults *faults,
                struct error *err)
{
    struct moment *dates[] = {&ret->start, &ret->end};
    bool dates_valid = true;

    assert(schema->count >= FIELD_COUNT && schema->count <= SCHEMA_MAX);
    faults->count = 0;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        struct str name = schema->attribute[i].technical_name;
        struct str text = utf8_trim(values->value[i]);
        size_t before = faults->count;
        enum error_code rc = ERR_OK;

        if (text.len == 0)
            fault_add(faults, FAULT_REQUIRED, name, "is missing");
        else if (i < FIELD_TEXTS)
            check_text((enum field)i, name, text, faults);
        else if (!moment_parse(text, dates[i - FIELD_TEXTS]))
            fault_add(faults, FAULT_VALUE, name, "is not a date");

        bool valid = faults->count == before;

        /* A record keeps the manager it has, whoever deleted that identity. */
        if (i == FIELD_MANAGER && valid && managers != NULL &&
            schema->check_managers &&
            (old == NULL || !str_eq(text, old->text[i])))
            rc = check_manager(managers, name, &text, faults, err);
        if (rc != ERR_OK)
            return rc;
        if (i < FIELD_TEXTS)
            ret->text[i] = text;
        else
            dates_valid = dates_valid && valid;
    }
    if (dates_valid && ret->end.ms < ret->start.ms)
        fault_add(faults, FAULT_VALUE,
                  schema->attribute[FIELD_END_DATE].technical_name,
                  "is before startDate");

    size_t kept = 0; /* faults that the old record has as well */

    buf_clear(custom);
    for (size_t i = FIELD_COUNT; i < schema->count; i++) {
        int64_t number = schema->attribute[i].number;
        struct str value = values->value[i], was = {NULL, 0};
        size_t before = faults->count;

        if (old != NULL)
            was = custom_find(old->custom, number);
        if (value.at == NULL)
            value = was;
        check_custom(&schema->attribute[i], value, custom, faults);
        if (old != NULL && faults->count > before && str_eq(value, was)) {
            custom_add(custom, number, value);
            kept++;
        }
    }
    if (custom->failed)
        return error_busy(err, "no memory for custom values");
    ret->custom = buf_view(custom);
    /* A new required attribute bites at the next write; this is none. */
    if (kept > 0 && kept == faults->count && record_same(schema, old, ret))
        faults->count = 0;
    return faults->count == 0 ? ERR_OK : ERR_VALUE;
}

/* The built-in fields in the order in which messages name them (contract
 * 5.2). */
static const char *const message_order[] = {
    "firstName", "lastName", "accountName", "email",  "phone",
    "manager",   "sourceId", "startDate",   "endDate"};

static size_t
message_rank(struct str field)
{
    size_t rank = 0;

    while (rank < COUNT(message_order) &&
           !str_eq(field, str_of(message_order[rank])))
        rank++;
    return rank;
}

/* Is `a` named before `b`? Custom attributes come last, by name. */
static bool
named_before(struct str a, struct str b)
{
    size_t rank_a = message_rank(a), rank_b = message_rank(b);

    if (rank_a != rank_b || rank_a < COUNT(message_order))
        return rank_a < rank_b;
    int order = memcmp(a.at, b.at, MIN(a.len, b.len));

    return order != 0 ? order < 0 : a.len < b.len;
}

/* "firstName is required; email is required;", nothing when nothing is. */
static void
add_required(const struct faults *faults, struct buf *to)
{
    const struct fault *sorted[COUNT(faults->fault)];
    size_t count = 0;

    for (size_t i = 0; i < faults->count; i++) {
        const struct fault *fault = &faults->fault[i];
        size_t at = count;

        if (fault->kind != FAULT_REQUIRED)
            continue;
        for (; at > 0 && named_before(fault->field, sorted[at - 1]->field);
             at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = fault;
        count++;
    }
    for (size_t i = 0; i < count; i++)
        buf_printf(to, "%s%.*s is required;", i > 0 ? " " : "",
                   STR_ARG(sorted[i]->field));
}

static bool
is_custom(const struct schema *schema, struct str field)
{
    for (size_t i = FIELD_COUNT; i < schema->count; i++)
        if (str_eq(schema->attribute[i].technical_name, field))
            return true;
    return false;
}

/* The sentence of contract 5.2 for one value or length fault. */
static void
add_sentence(const struct schema *schema, const struct fault *fault,
             struct buf *to)
{
    if (fault->kind == FAULT_VALUE)
        buf_printf(to, "Value of \"%.*s\" is empty or contains invalid data.",
                   STR_ARG(fault->field));
    else if (is_custom(schema, fault->field))
        buf_printf(to, "Field \"%.*s\" length is outside of range [0,%d].",
                   STR_ARG(fault->field), CUSTOM_MAX);
    else
        buf_printf(to, "Field \"%.*s\" length is outside of range [1,%d].",
                   STR_ARG(fault->field), TEXT_MAX);
}

enum error_code
faults_error(const struct schema *schema, const struct faults *faults,
             struct error *err)
{
    CLEANUP(buf_done) struct buf text;
    const struct fault *first = &faults->fault[0];
    enum error_code rc = ERR_REQUIRED;

    assert(faults->count > 0);
    buf_init(&text, 64 << 10);
    add_required(faults, &text);
    if (text.len == 0) {
        add_sentence(schema, first, &text);
        rc = first->kind == FAULT_LENGTH ? ERR_LENGTH : ERR_VALUE;
    }
    if (text.failed)
        return error_busy(err, "no memory for an error text");
    error_set(err, rc, "%s", text.data);
    if (err != NULL && rc != ERR_REQUIRED)
        snprintf(err->cause, sizeof(err->cause), "\"%.*s\" %s",
                 STR_ARG(first->field), first->reason);
    return rc;
}

void
faults_line(const struct schema *schema, const struct faults *faults,
            uint64_t line, bool reasons, struct buf *to)
{
    buf_printf(to, "Line %llu: ", (unsigned long long)line);
    size_t begin = to->len;

    add_required(faults, to);
    for (size_t i = 0; i < faults->count; i++) {
        const struct fault *fault = &faults->fault[i];

        if (fault->kind == FAULT_REQUIRED)
            continue;
        if (to->len > begin)
            buf_char(to, ' ');
        add_sentence(schema, fault, to);
        if (reasons)
            buf_printf(to, " (It %s.)", fault->reason);
    }
}

bool
record_same(const struct schema *schema, const struct record *a,
            const struct record *b)
{
    for (size_t i = 0; i < FIELD_TEXTS; i++)
        if (!str_eq(a->text[i], b->text[i]))
            return false;
    if (a->start.ms != b->start.ms || a->end.ms != b->end.ms ||
        a->start.offset_min != b->start.offset_min ||
        a->end.offset_min != b->end.offset_min)
        return false;
    for (size_t i = FIELD_COUNT; i < schema->count; i++) {
        int64_t number = schema->attribute[i].number;

        if (!str_eq(custom_find(a->custom, number),
                    custom_find(b->custom, number)))
            return false;
    }
    return true;
}

enum error_code
schema_load(struct db_tx *tx, const struct uuid *source_id, struct arena *arena,
            struct schema *ret, struct error *err)
{
    enum error_code rc = source_find(tx, source_id, arena, &ret->source, err);

    if (rc == ERR_OK)
        rc = schema_list(tx, ret->source.number, arena, ret->attribute,
                         &ret->count, err);
    ret->check_managers = true;
    return rc;
}

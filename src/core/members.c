#include "core/members.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/utf8.h"

/* Most of a client's text to repeat in an answer. */
#define ECHO_BYTES 256

void
members_init(struct members *members, const json_t *object)
{
    members->object = object;
    members->fault = ERROR_INIT;
    if (!json_is_object(object))
        error_cause(&members->fault, ERR_CONTENT,
                    "the body is not a JSON object");
}

/* Smaller is said first (contract 4, steps 8 to 10). */
static int
rank(enum error_code code)
{
    switch (code) {
    case ERR_CONTENT:
        return 0;
    case ERR_REQUIRED:
        return 1;
    case ERR_REFERENCE:
        return 3;
    case ERR_LIMIT:
        return 4;
    case ERR_OK:
        return 5;
    default:
        return 2;
    }
}

static bool
outranks(const struct members *members, enum error_code code)
{
    return rank(code) < rank(members->fault.code);
}

void
members_missing(struct members *members, const char *name)
{
    struct error *fault = &members->fault;
    size_t len = strlen(fault->text);

    if (outranks(members, ERR_REQUIRED))
        error_set(fault, ERR_REQUIRED, "%s is required;", name);
    else if (fault->code == ERR_REQUIRED)
        snprintf(fault->text + len, sizeof(fault->text) - len,
                 " %s is required;", name);
}

void
members_illegal(struct members *members, const char *name)
{
    if (outranks(members, ERR_VALUE))
        error_set(&members->fault, ERR_VALUE,
                  "Value of \"%s\" is empty or contains invalid data.", name);
}

void
members_unknown(struct members *members, const char *what, struct str text)
{
    if (outranks(members, ERR_REFERENCE))
        error_set(&members->fault, ERR_REFERENCE,
                  "Referenced %s [\"%.*s\"] was not found.", what,
                  (int)MIN(text.len, (size_t)ECHO_BYTES), text.at);
}

void
members_limit(struct members *members, int64_t limit, const char *things)
{
    if (outranks(members, ERR_LIMIT))
        error_set(&members->fault, ERR_LIMIT,
                  "You have reached the current limit of %" PRId64 " %s.",
                  limit, things);
}

enum error_code
members_finish(const struct members *members, struct error *err)
{
    if (members->fault.code != ERR_OK)
        *err = members->fault;
    return members->fault.code;
}

struct str
json_text(const json_t *value)
{
    return json_is_string(value)
               ? str_n(json_string_value(value), json_string_length(value))
               : (struct str){NULL, 0};
}

/* The member, NULL when it is absent or null; then it may be missing. */
static const json_t *
member(struct members *members, const char *name, bool required)
{
    const json_t *value = json_object_get(members->object, name);

    if (value != NULL && !json_is_null(value))
        return value;
    if (required)
        members_missing(members, name);
    return NULL;
}

/* Text with lines may hold tabs and line ends, but no other control. */
static bool
has_bad_control(struct str text, bool lines)
{
    if (!lines)
        return utf8_has_control(text);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];

        if ((c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
            return true;
    }
    return false;
}

struct str
members_text(struct members *members, const char *name, unsigned rules,
             size_t least, size_t most)
{
    const struct str none = {NULL, 0};
    bool required = (rules & MEMBER_REQUIRED) != 0;
    bool lines = (rules & MEMBER_LINES) != 0;
    const json_t *value = member(members, name, required);
    struct str text = json_text(value), trimmed = utf8_trim(text);
    size_t length;

    if (value == NULL)
        return none;
    if (text.at == NULL) {
        members_illegal(members, name);
        return none;
    }
    if (trimmed.len == 0 && required && least > 0) {
        members_missing(members, name);
        return none;
    }
    if (!lines)
        text = trimmed;
    length = utf8_length(text);
    if (length < least || length > most) {
        if (outranks(members, ERR_LENGTH))
            error_set(&members->fault, ERR_LENGTH,
                      "Field \"%s\" length is outside of range [%zu,%zu].",
                      name, least, most);
        return none;
    }
    if (has_bad_control(text, lines)) {
        members_illegal(members, name);
        return none;
    }
    return text;
}

bool
members_bool(struct members *members, const char *name, bool fallback)
{
    const json_t *value = member(members, name, false);

    if (value == NULL)
        return fallback;
    if (!json_is_boolean(value))
        members_illegal(members, name);
    return json_is_true(value);
}

static struct reference
reference(const json_t *value)
{
    struct reference ret = {.text = json_text(value)};

    if (json_is_object(value))
        ret.text = json_text(json_object_get(value, "id"));
    ret.is_id = ret.text.at != NULL && uuid_parse(ret.text, &ret.id);
    return ret;
}

struct reference
members_reference(struct members *members, const char *name, bool required)
{
    const json_t *value = member(members, name, required);
    struct reference ret = reference(value);

    if (required && json_is_object(value) &&
        json_object_get(value, "id") == NULL)
        members_missing(members, name);
    else if (value != NULL && ret.text.at == NULL)
        members_illegal(members, name);
    return ret;
}

static bool
has_reference(const struct reference *list, size_t count,
              const struct reference *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (wanted->is_id && list[i].is_id ? uuid_eq(&list[i].id, &wanted->id)
                                           : str_eq(list[i].text, wanted->text))
            return true;
    return false;
}

size_t
members_references(struct members *members, const char *name, size_t most,
                   const char *things, struct reference *ret)
{
    const json_t *value = member(members, name, false);
    size_t count = 0;

    if (value != NULL && !json_is_array(value))
        members_illegal(members, name);
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct reference one = reference(json_array_get(value, i));

        if (one.text.at == NULL || has_reference(ret, count, &one))
            members_illegal(members, name);
        else if (count < most)
            ret[count++] = one;
        else
            members_limit(members, (int64_t)most, things);
    }
    return count;
}

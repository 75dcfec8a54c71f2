/* A JSON body. What was read, written and read again is the same, and lies as
 * deep as was said before reading. The members of an object obey their rules:
 * what they gave, given again, is taken as it is. */
#include <string.h>

#include "base/utf8.h"
#include "core/members.h"
#include "fmt/json_read.h"
#include "fuzz.h"

#define REFERENCES 3
#define LENGTH 8

struct values {
    struct str name, lines;
    bool flag;
    struct reference one, many[REFERENCES];
    size_t count;
};

static size_t
depth_of(json_t *value)
{
    size_t deepest = 0, i;
    const char *name;
    json_t *item;

    json_object_foreach(value, name, item)
    {
        size_t depth = depth_of(item);

        deepest = MAX(deepest, depth);
    }
    json_array_foreach(value, i, item)
    {
        size_t depth = depth_of(item);

        deepest = MAX(deepest, depth);
    }
    return deepest + (json_is_object(value) || json_is_array(value));
}

static enum error_code
read_members(const json_t *object, struct values *ret)
{
    struct members members;
    struct error err = ERROR_INIT;

    members_init(&members, object);
    ret->name = members_text(&members, "a", MEMBER_REQUIRED, 1, LENGTH);
    ret->lines = members_text(&members, "b", MEMBER_LINES, 0, LENGTH);
    ret->flag = members_bool(&members, "c", true);
    ret->one = members_reference(&members, "d", false);
    ret->count = members_references(&members, "e", REFERENCES, "things",
                                    ret->many);
    enum error_code rc = members_finish(&members, &err);

    FUZZ_CHECK(rc == ERR_OK || err.text[0] != '\0' || err.cause[0] != '\0');
    FUZZ_CHECK(utf8_valid(str_of(err.text)) || strlen(err.text) >= 256);
    return rc;
}

static void
check_text(struct str text, size_t least)
{
    size_t length = utf8_length(text);

    FUZZ_CHECK(text.at == NULL ||
               (length >= least && length <= LENGTH && utf8_valid(text)));
}

static json_t *
text_of(struct str text)
{
    return text.at != NULL ? json_stringn(text.at, text.len) : json_null();
}

static void
check_members(const json_t *object)
{
    struct values first, second;
    enum error_code rc = read_members(object, &first);

    FUZZ_CHECK(first.count <= REFERENCES);
    check_text(first.name, 1);
    check_text(first.lines, 0);
    FUZZ_CHECK(!utf8_has_control(first.name) &&
               str_eq(utf8_trim(first.name), first.name));
    if (rc != ERR_OK)
        return;
    FUZZ_CHECK(first.name.at != NULL);
    json_t *list = json_array();

    for (size_t i = 0; i < first.count; i++)
        json_array_append_new(list, text_of(first.many[i].text));
    json_t *again = json_pack("{s:o,s:o,s:b,s:o,s:o}", "a", text_of(first.name),
                              "b", text_of(first.lines), "c", first.flag, "d",
                              text_of(first.one.text), "e", list);

    FUZZ_CHECK(again != NULL);
    FUZZ_CHECK(read_members(again, &second) == ERR_OK);
    FUZZ_CHECK(str_eq(first.name, second.name) &&
               str_eq(first.lines, second.lines) && first.flag == second.flag);
    FUZZ_CHECK(str_eq(first.one.text, second.one.text) &&
               first.one.is_id == second.one.is_id);
    FUZZ_CHECK(first.count == second.count);
    for (size_t i = 0; i < first.count; i++)
        FUZZ_CHECK(str_eq(first.many[i].text, second.many[i].text));
    json_decref(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    json_t *value = NULL, *again = NULL;
    enum error_code rc = json_read(text, &value, NULL);

    FUZZ_CHECK(rc == ERR_OK ? value != NULL : rc == ERR_SYNTAX);
    if (rc != ERR_OK) {
        json_depth(text);
        return 0;
    }
    FUZZ_CHECK(depth_of(value) == json_depth(text));
    char *dumped = json_dumps(value, JSON_COMPACT);

    FUZZ_CHECK(dumped != NULL);
    FUZZ_CHECK(json_read(str_of(dumped), &again, NULL) == ERR_OK);
    FUZZ_CHECK(json_equal(value, again));
    FUZZ_CHECK(utf8_valid(str_of(dumped)));
    check_members(value);
    free(dumped);
    json_decref(again);
    json_decref(value);
    return 0;
}

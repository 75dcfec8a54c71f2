#include "fmt/json_patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"

#define LOAD (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY)

static json_t *
load(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, LOAD, &error);

    if (value == NULL)
        fail_msg("%s: %s", text, error.text);
    return value;
}

static enum error_code
allow_all(void *context, struct str path, struct error *err)
{
    (void)context;
    (void)path;
    (void)err;
    return ERR_OK;
}

static void
assert_json(const char *label, json_t *got, const char *want)
{
    json_t *wanted = load(want);

    if (!json_equal(got, wanted)) {
        char *text = json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT);

        fail_msg("%s: %s instead of %s", label, text, want);
    }
    json_decref(wanted);
}

/* The cases of RFC 6902's appendix, and what else each operation does. A
 * result without an error code is the document afterwards. */
static const struct {
    const char *label, *document, *patch, *after;
    enum error_code rc;
} cases[] = {
    {"no operation", "{\"a\":1}", "[]", "{\"a\":1}", ERR_OK},
    {"add a member", "{\"left\":1}",
     "[{\"op\":\"add\",\"path\":\"/right\",\"value\":2}]",
     "{\"left\":1,\"right\":2}", ERR_OK},
    {"add over a member", "{\"a\":1}",
     "[{\"op\":\"add\",\"path\":\"/a\",\"value\":\"new\"}]", "{\"a\":\"new\"}",
     ERR_OK},
    {"add an element in the middle", "{\"list\":[1,3]}",
     "[{\"op\":\"add\",\"path\":\"/list/1\",\"value\":2}]",
     "{\"list\":[1,2,3]}", ERR_OK},
    {"add an element behind the last", "{\"list\":[1,2]}",
     "[{\"op\":\"add\",\"path\":\"/list/2\",\"value\":3}]",
     "{\"list\":[1,2,3]}", ERR_OK},
    {"add an element with a dash", "{\"list\":[1]}",
     "[{\"op\":\"add\",\"path\":\"/list/-\",\"value\":[2,[3]]}]",
     "{\"list\":[1,[2,[3]]]}", ERR_OK},
    {"add an object below", "{\"a\":1}",
     "[{\"op\":\"add\",\"path\":\"/b\",\"value\":{\"c\":{}}}]",
     "{\"a\":1,\"b\":{\"c\":{}}}", ERR_OK},
    {"add null", "{}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":null}]",
     "{\"a\":null}", ERR_OK},
    {"add the whole document", "{\"a\":1}",
     "[{\"op\":\"add\",\"path\":\"\",\"value\":[]}]", "[]", ERR_OK},
    {"add below nothing", "{\"a\":1}",
     "[{\"op\":\"add\",\"path\":\"/b/c\",\"value\":1}]", NULL, ERR_VALUE},
    {"add below a text", "{\"a\":\"text\"}",
     "[{\"op\":\"add\",\"path\":\"/a/0\",\"value\":1}]", NULL, ERR_VALUE},
    {"add too far behind", "{\"list\":[1]}",
     "[{\"op\":\"add\",\"path\":\"/list/2\",\"value\":1}]", NULL, ERR_VALUE},
    {"add at an index with a zero in front", "{\"list\":[1,2]}",
     "[{\"op\":\"add\",\"path\":\"/list/01\",\"value\":1}]", NULL, ERR_VALUE},
    {"add at a negative index", "{\"list\":[1,2]}",
     "[{\"op\":\"add\",\"path\":\"/list/-1\",\"value\":1}]", NULL, ERR_VALUE},
    {"add at a name of an array", "{\"list\":[1,2]}",
     "[{\"op\":\"add\",\"path\":\"/list/x\",\"value\":1}]", NULL, ERR_VALUE},
    {"add at an empty index", "{\"list\":[1,2]}",
     "[{\"op\":\"add\",\"path\":\"/list/\",\"value\":1}]", NULL, ERR_VALUE},
    {"unknown members are nobody's business", "{}",
     "[{\"op\":\"add\",\"path\":\"/a\",\"value\":1,\"why\":\"so\"}]",
     "{\"a\":1}", ERR_OK},

    {"remove a member", "{\"a\":1,\"b\":2}",
     "[{\"op\":\"remove\",\"path\":\"/a\"}]", "{\"b\":2}", ERR_OK},
    {"remove an element", "{\"list\":[1,2,3]}",
     "[{\"op\":\"remove\",\"path\":\"/list/1\"}]", "{\"list\":[1,3]}", ERR_OK},
    {"remove what is not there", "{\"a\":1}",
     "[{\"op\":\"remove\",\"path\":\"/b\"}]", NULL, ERR_VALUE},
    {"remove behind the last", "{\"list\":[1]}",
     "[{\"op\":\"remove\",\"path\":\"/list/1\"}]", NULL, ERR_VALUE},
    {"remove at the dash", "{\"list\":[1]}",
     "[{\"op\":\"remove\",\"path\":\"/list/-\"}]", NULL, ERR_VALUE},
    {"remove everything", "{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"\"}]",
     NULL, ERR_VALUE},

    {"replace a member", "{\"a\":1,\"b\":2}",
     "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":[3]}]",
     "{\"a\":[3],\"b\":2}", ERR_OK},
    {"replace an element", "[1,2,3]",
     "[{\"op\":\"replace\",\"path\":\"/1\",\"value\":0}]", "[1,0,3]", ERR_OK},
    {"replace everything", "{\"a\":1}",
     "[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"b\":2}}]", "{\"b\":2}",
     ERR_OK},
    {"replace what is not there", "{\"a\":1}",
     "[{\"op\":\"replace\",\"path\":\"/b\",\"value\":1}]", NULL, ERR_VALUE},
    {"replace behind the last", "[1]",
     "[{\"op\":\"replace\",\"path\":\"/1\",\"value\":1}]", NULL, ERR_VALUE},

    {"move a member", "{\"a\":{\"x\":1},\"b\":{}}",
     "[{\"op\":\"move\",\"from\":\"/a/x\",\"path\":\"/b/y\"}]",
     "{\"a\":{},\"b\":{\"y\":1}}", ERR_OK},
    {"move an element forth", "[1,2,3,4]",
     "[{\"op\":\"move\",\"from\":\"/1\",\"path\":\"/3\"}]", "[1,3,4,2]",
     ERR_OK},
    {"move an element back", "[1,2,3,4]",
     "[{\"op\":\"move\",\"from\":\"/3\",\"path\":\"/0\"}]", "[4,1,2,3]",
     ERR_OK},
    {"move to where it is", "{\"a\":[1,2]}",
     "[{\"op\":\"move\",\"from\":\"/a/1\",\"path\":\"/a/1\"}]", "{\"a\":[1,2]}",
     ERR_OK},
    {"move over another", "{\"a\":1,\"b\":2}",
     "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b\"}]", "{\"b\":1}",
     ERR_OK},
    {"move into itself", "{\"a\":{\"b\":{}}}",
     "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]", NULL, ERR_VALUE},
    {"move everything into itself", "{\"a\":1}",
     "[{\"op\":\"move\",\"from\":\"\",\"path\":\"/a\"}]", NULL, ERR_VALUE},
    {"move beside a name that begins alike", "{\"a\":1,\"ab\":{}}",
     "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/ab/c\"}]",
     "{\"ab\":{\"c\":1}}", ERR_OK},
    {"move what is not there", "{\"a\":1}",
     "[{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/a\"}]", NULL, ERR_VALUE},
    {"move to nowhere", "{\"a\":1}",
     "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b/c\"}]", NULL, ERR_VALUE},

    {"copy a member", "{\"a\":{\"x\":[1]}}",
     "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"},"
     "{\"op\":\"add\",\"path\":\"/b/x/-\",\"value\":2}]",
     "{\"a\":{\"x\":[1]},\"b\":{\"x\":[1,2]}}", ERR_OK},
    {"copy everything into itself", "{\"a\":1}",
     "[{\"op\":\"copy\",\"from\":\"\",\"path\":\"/b\"}]",
     "{\"a\":1,\"b\":{\"a\":1}}", ERR_OK},
    {"copy what is not there", "{\"a\":1}",
     "[{\"op\":\"copy\",\"from\":\"/b\",\"path\":\"/a\"}]", NULL, ERR_VALUE},

    {"test texts and objects", "{\"a\":\"x\",\"b\":{\"c\":[1,null,true]}}",
     "[{\"op\":\"test\",\"path\":\"/a\",\"value\":\"x\"},"
     "{\"op\":\"test\",\"path\":\"/b\",\"value\":{\"c\":[1,null,true]}}]",
     "{\"a\":\"x\",\"b\":{\"c\":[1,null,true]}}", ERR_OK},
    {"test objects in another order", "{\"a\":{\"x\":1,\"y\":2}}",
     "[{\"op\":\"test\",\"path\":\"/a\",\"value\":{\"y\":2,\"x\":1}}]",
     "{\"a\":{\"x\":1,\"y\":2}}", ERR_OK},
    {"test numbers by value", "{\"a\":[10]}",
     "[{\"op\":\"test\",\"path\":\"/a\",\"value\":[1e1]}]", "{\"a\":[10]}",
     ERR_OK},
    {"test another text", "{\"a\":\"x\"}",
     "[{\"op\":\"test\",\"path\":\"/a\",\"value\":\"y\"}]", NULL, ERR_VALUE},
    {"test a number with a text", "{\"a\":10}",
     "[{\"op\":\"test\",\"path\":\"/a\",\"value\":\"10\"}]", NULL, ERR_VALUE},
    {"test a longer array", "{\"a\":[1]}",
     "[{\"op\":\"test\",\"path\":\"/a\",\"value\":[1,2]}]", NULL, ERR_VALUE},
    {"test another element", "{\"a\":[1]}",
     "[{\"op\":\"test\",\"path\":\"/a\",\"value\":[2]}]", NULL, ERR_VALUE},
    {"test another member", "{\"a\":{\"x\":1}}",
     "[{\"op\":\"test\",\"path\":\"/a\",\"value\":{\"y\":1}}]", NULL,
     ERR_VALUE},
    {"test null for absence", "{}",
     "[{\"op\":\"test\",\"path\":\"/a\",\"value\":null}]", NULL, ERR_VALUE},

    {"escapes", "{\"/\":9,\"~1\":10,\"~\":11}",
     "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10},"
     "{\"op\":\"remove\",\"path\":\"/~1\"},"
     "{\"op\":\"remove\",\"path\":\"/~0\"}]",
     "{\"~1\":10}", ERR_OK},
    {"empty names", "{\"\":{\"\":1}}",
     "[{\"op\":\"replace\",\"path\":\"//\",\"value\":2}]", "{\"\":{\"\":2}}",
     ERR_OK},
    {"an escape without an end", "{\"a\":1}",
     "[{\"op\":\"add\",\"path\":\"/a~\",\"value\":1}]", NULL, ERR_VALUE},
    {"an unknown escape", "{\"a\":1}",
     "[{\"op\":\"add\",\"path\":\"/a~2\",\"value\":1}]", NULL, ERR_VALUE},
    {"a pointer without a slash", "{\"a\":1}",
     "[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]", NULL, ERR_VALUE},

    {"one fault undoes all", "{\"a\":1}",
     "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":2},"
     "{\"op\":\"add\",\"path\":\"\",\"value\":3},"
     "{\"op\":\"test\",\"path\":\"/a\",\"value\":1}]",
     NULL, ERR_VALUE},

    {"no array", "{}", "{\"op\":\"add\",\"path\":\"/a\",\"value\":1}", NULL,
     ERR_SYNTAX},
    {"an operation that is no object", "{}", "[\"add\"]", NULL, ERR_SYNTAX},
    {"without an op", "{}", "[{\"path\":\"/a\",\"value\":1}]", NULL,
     ERR_CONTENT},
    {"an unknown op", "{}", "[{\"op\":\"spam\",\"path\":\"/a\",\"value\":1}]",
     NULL, ERR_CONTENT},
    {"an op in upper case", "{}",
     "[{\"op\":\"ADD\",\"path\":\"/a\",\"value\":1}]", NULL, ERR_CONTENT},
    {"without a path", "{}", "[{\"op\":\"add\",\"value\":1}]", NULL,
     ERR_CONTENT},
    {"a path that is no text", "{}",
     "[{\"op\":\"add\",\"path\":5,\"value\":1}]", NULL, ERR_CONTENT},
    {"without a value", "{}", "[{\"op\":\"add\",\"path\":\"/a\"}]", NULL,
     ERR_CONTENT},
    {"test without a value", "{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\"}]",
     NULL, ERR_CONTENT},
    {"move without a from", "{\"a\":1}", "[{\"op\":\"move\",\"path\":\"/a\"}]",
     NULL, ERR_CONTENT},
};

static void
patch_does_what_the_rfc_says_or_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *document = load(cases[i].document);
        json_t *patch = load(cases[i].patch);
        struct error err = ERROR_INIT;
        enum error_code rc = json_patch_apply(&document, patch, allow_all, NULL,
                                              &err);

        if (rc != cases[i].rc)
            fail_msg("%s: %d %s (%s)", cases[i].label, rc, err.text, err.cause);
        assert_json(cases[i].label, document,
                    rc == ERR_OK ? cases[i].after : cases[i].document);
        assert_json(cases[i].label, patch, cases[i].patch);
        json_decref(document);
        json_decref(patch);
    }
}

static void
patch_says_what_is_wrong(void **state)
{
    static const struct {
        const char *patch, *text, *cause;
    } said[] = {
        {"[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]",
         "Value of \"/a\" is empty or contains invalid data.",
         "the test failed"},
        {"[{\"op\":\"remove\",\"path\":\"/b\"}]",
         "Value of \"/b\" is empty or contains invalid data.",
         "the target is not there"},
        {"[{\"op\":\"add\",\"path\":\"/c\",\"value\":1},{\"op\":\"spam\"}]", "",
         "operation 1 has an unknown \"op\""},
        {"[{\"op\":\"copy\",\"path\":\"/a\"}]", "",
         "operation 0 has no \"from\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(said); i++) {
        json_t *document = load("{\"a\":1}");
        json_t *patch = load(said[i].patch);
        struct error err = ERROR_INIT;

        assert_int_not_equal(
            json_patch_apply(&document, patch, allow_all, NULL, &err), ERR_OK);
        assert_string_equal(err.text, said[i].text);
        assert_string_equal(err.cause, said[i].cause);
        json_decref(document);
        json_decref(patch);
    }
}

static enum error_code
allow_a(void *context, struct str path, struct error *err)
{
    struct buf *asked = context;

    buf_str(asked, path);
    buf_char(asked, ' ');
    if (!str_eq(path, STR("/a")))
        return error_set(err, ERR_READ_ONLY, "not %.*s", STR_ARG(path));
    return ERR_OK;
}

static void
patch_asks_for_every_path_before_it_does_anything(void **state)
{
    static const struct {
        const char *patch, *asked;
    } refused[] = {
        {"[{\"op\":\"test\",\"path\":\"/a\",\"value\":2},"
         "{\"op\":\"add\",\"path\":\"/b\",\"value\":2}]",
         "/a /b "},
        {"[{\"op\":\"move\",\"path\":\"/a\",\"from\":\"/b\"}]", "/a /b "},
        {"[{\"op\":\"copy\",\"path\":\"/c\",\"from\":\"/a\"}]", "/c "},
        {"[{\"op\":\"test\",\"path\":\"/\",\"value\":2}]", "/ "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        CLEANUP(buf_done) struct buf asked;
        json_t *document = load("{\"a\":1}");
        json_t *patch = load(refused[i].patch);
        struct error err = ERROR_INIT;

        buf_init(&asked, 100);
        assert_int_equal(
            json_patch_apply(&document, patch, allow_a, &asked, &err),
            ERR_READ_ONLY);
        assert_string_equal(asked.data, refused[i].asked);
        assert_memory_equal(err.text, "not /", 5);
        json_decref(document);
        json_decref(patch);
    }
}

/* A document and a patch of `count` operations, made by `each`. */
static enum error_code
apply_many(const char *document_text, const char *operation, int count)
{
    CLEANUP(buf_done) struct buf text;
    json_t *document = load(document_text);

    buf_init(&text, 1 << 20);
    for (int i = 0; i < count; i++)
        buf_printf(&text, "%c%s", i == 0 ? '[' : ',', operation);
    buf_char(&text, ']');
    json_t *patch = load(text.data);
    enum error_code rc = json_patch_apply(&document, patch, allow_all, NULL,
                                          NULL);

    json_decref(document);
    json_decref(patch);
    return rc;
}

static void
patch_is_bounded_in_every_direction(void **state)
{
    static const char add[] = "{\"op\":\"add\",\"path\":\"/a\",\"value\":1}";
    static const char twice[] =
        "{\"op\":\"copy\",\"path\":\"/-\",\"from\":\"\"}";
    static const char deeper[] =
        "{\"op\":\"copy\",\"path\":\"/0\",\"from\":\"\"}";
    CLEANUP(buf_done) struct buf deep;

    (void)state;
    assert_int_equal(apply_many("{}", add, JSON_PATCH_MAX_OPERATIONS), ERR_OK);
    assert_int_equal(apply_many("{}", add, JSON_PATCH_MAX_OPERATIONS + 1),
                     ERR_LIMIT);
    /* Each of these doubles the document. */
    assert_int_equal(apply_many("[]", twice, 6), ERR_OK);
    assert_int_equal(apply_many("[]", twice, 1000), ERR_VALUE);
    assert_int_equal(apply_many("[]", deeper, 1000), ERR_VALUE);

    buf_init(&deep, 1 << 20);
    for (int extra = 0; extra < 2; extra++) {
        int depth = JSON_PATCH_MAX_DEPTH - 1 + extra;

        buf_clear(&deep);
        buf_text(&deep, "{\"op\":\"add\",\"path\":\"/a\",\"value\":");
        for (int i = 0; i < depth; i++)
            buf_char(&deep, '[');
        for (int i = 0; i < depth; i++)
            buf_char(&deep, ']');
        buf_char(&deep, '}');
        assert_int_equal(apply_many("{}", deep.data, 1),
                         extra ? ERR_VALUE : ERR_OK);
    }
    buf_clear(&deep);
    buf_text(&deep, "{\"op\":\"add\",\"path\":\"/");
    for (size_t i = 0; i <= JSON_PATCH_MAX_POINTER; i++)
        buf_char(&deep, 'x');
    buf_text(&deep, "\",\"value\":1}");
    assert_int_equal(apply_many("{}", deep.data, 1), ERR_VALUE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patch_does_what_the_rfc_says_or_nothing),
        cmocka_unit_test(patch_says_what_is_wrong),
        cmocka_unit_test(patch_asks_for_every_path_before_it_does_anything),
        cmocka_unit_test(patch_is_bounded_in_every_direction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

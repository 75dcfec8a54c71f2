/* A document in the first line, a patch behind it: all of the patch applies or
 * nothing, and it is never changed itself. */
#include <string.h>

#include "fmt/json_patch.h"
#include "fuzz.h"

static enum error_code
allowed(void *context, struct str path, struct error *err)
{
    ++*(unsigned *)context;
    if (memchr(path.at, '!', path.len) != NULL)
        return error_set(err, ERR_READ_ONLY, "not that");
    return ERR_OK;
}

static json_t *
load(const uint8_t *data, size_t size)
{
    return json_loadb((const char *)data, size,
                      JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
}

static size_t
depth_of(json_t *value)
{
    size_t below = 0;

    for (void *at = json_object_iter(value); at != NULL;
         at = json_object_iter_next(value, at)) {
        size_t depth = depth_of(json_object_iter_value(at));

        below = depth > below ? depth : below;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        size_t depth = depth_of(json_array_get(value, i));

        below = depth > below ? depth : below;
    }
    return below + 1;
}

static void
check(json_t *document, json_t *patch)
{
    json_t *before = json_deep_copy(document);
    json_t *patch_before = json_deep_copy(patch);
    struct error err = ERROR_INIT;
    unsigned asked = 0;

    FUZZ_CHECK(before != NULL && patch_before != NULL);
    enum error_code rc = json_patch_apply(&document, patch, allowed, &asked,
                                          &err);

    FUZZ_CHECK(json_equal(patch, patch_before));
    if (rc != ERR_OK)
        FUZZ_CHECK(rc == err.code && json_equal(document, before));
    else
        FUZZ_CHECK(asked >= json_array_size(patch) &&
                   (depth_of(document) <= JSON_PATCH_MAX_DEPTH ||
                    depth_of(document) <= depth_of(before)));
    json_decref(document);
    json_decref(before);
    json_decref(patch_before);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);

    if (end == NULL)
        return 0;
    json_t *document = load(data, (size_t)(end - data));
    json_t *patch = load(end + 1, size - (size_t)(end + 1 - data));

    if (document != NULL && patch != NULL)
        check(document, patch);
    else
        json_decref(document);
    json_decref(patch);
    return 0;
}

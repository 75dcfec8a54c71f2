/* JSON out: any bytes become text that a JSON reader takes, and a well-formed
 * one comes back as it was. */

#include <jansson.h>
#undef json_object
#undef json_array
#undef json_null

#include <string.h>

#include "base/utf8.h"
#include "fmt/jw.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t half = size / 2;
    struct str name = str_n((const char *)data, half);
    struct str text = str_n((const char *)data + half, size - half);
    struct jw json;
    struct buf buf;

    buf_init(&buf, 1 << 26);
    jw_init(&json, &buf);
    jw_object(&json);
    jw_key(&json, "list");
    jw_array(&json);
    jw_int(&json, (int64_t)size);
    jw_str(&json, text);
    jw_array_end(&json);
    jw_key_str(&json, name);
    jw_str(&json, text);
    jw_object_end(&json);
    FUZZ_CHECK(!buf.failed && json.depth == 0);
    FUZZ_CHECK(utf8_valid(buf_view(&buf)));

    json_t *root = json_loadb(buf.data, buf.len, JSON_ALLOW_NUL, NULL);

    /* Jansson takes no NUL in a name and keeps the last of equal ones. */
    if (memchr(data, '\0', half) == NULL || half == 0) {
        FUZZ_CHECK(root != NULL);
        json_t *value = json_object_getn(root, name.at, name.len);

        if (utf8_valid(name) && utf8_valid(text)) {
            FUZZ_CHECK(str_eq(text, str_n(json_string_value(value),
                                          json_string_length(value))));
        }
    }
    json_decref(root);
    buf_done(&buf);
    return 0;
}

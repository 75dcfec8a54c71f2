/* UTF-8, ids and the text forms of bytes. */
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "base/uuid.h"
#include "fuzz.h"

static void
check_utf8(struct str text)
{
    char *folded = malloc(3 * text.len + 1), *twice;
    size_t points = 0, bad = 0, len;
    struct str rest = text;

    while (rest.len > 0) {
        uint32_t point;

        len = utf8_decode(rest, &point);
        FUZZ_CHECK(len <= rest.len && len <= 4);
        FUZZ_CHECK(len == 0 || point <= 0x10ffff);
        bad += len == 0;
        points++;
        rest = str_n(rest.at + (len ? len : 1), rest.len - (len ? len : 1));
    }
    FUZZ_CHECK(utf8_valid(text) == (bad == 0));
    FUZZ_CHECK(bad > 0 || utf8_length(text) == points);
    utf8_has_control(text);

    struct str trimmed = utf8_trim(text);

    FUZZ_CHECK(trimmed.at >= text.at &&
               trimmed.at + trimmed.len <= text.at + text.len);
    FUZZ_CHECK(str_eq(utf8_trim(trimmed), trimmed));

    FUZZ_CHECK(folded != NULL);
    len = utf8_fold(text, folded);
    FUZZ_CHECK(len <= 3 * text.len && folded[len] == '\0');
    FUZZ_CHECK(utf8_valid(str_n(folded, len)) == (bad == 0));
    twice = malloc(3 * len + 1);
    FUZZ_CHECK(twice != NULL);
    FUZZ_CHECK(str_eq(str_n(twice, utf8_fold(str_n(folded, len), twice)),
                      str_n(folded, len)));
    free(twice);
    free(folded);
}

/* Neither control characters nor what is not UTF-8 are left. */
static void
check_defused(struct str text)
{
    char *copy = malloc(text.len + 1);
    struct str rest = {copy, text.len};

    FUZZ_CHECK(copy != NULL);
    if (text.len > 0)
        memcpy(copy, text.at, text.len);
    utf8_defuse(copy, text.len);
    FUZZ_CHECK(utf8_valid(rest));
    while (rest.at != NULL)
        FUZZ_CHECK(!utf8_has_control(str_cut(&rest, '\n')));
    free(copy);
}

static void
check_base64(struct str text)
{
    size_t len;
    unsigned char *bytes = malloc(text.len / 4 * 3 + 3);
    char *again = malloc(BASE64_SIZE(text.len));

    /* Strict means that a value has one text only. */
    FUZZ_CHECK(bytes != NULL && again != NULL);
    if (base64_decode(text, bytes, &len))
        FUZZ_CHECK(
            str_eq(str_n(again, base64_encode(bytes, len, again)), text));
    if (base64url_decode(text, bytes, &len))
        FUZZ_CHECK(
            str_eq(str_n(again, base64url_encode(bytes, len, again)), text));
    free(again);
    free(bytes);
}

static void
check_uuid(struct str text)
{
    char hex[UUID_HEX], dashed[UUID_TEXT];
    struct uuid id;

    if (!uuid_parse(text, &id))
        return;
    FUZZ_CHECK(
        str_eq_nocase(text, str_of(text.len == 32 ? uuid_hex(&id, hex)
                                                  : uuid_dashed(&id, dashed))));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    char small[24];

    check_utf8(text);
    check_defused(text);
    check_base64(text);
    check_uuid(text);
    FUZZ_CHECK(strlen(log_quote(text, small, sizeof(small))) < sizeof(small));
    return 0;
}

/* The first byte says into what pieces the rest is cut; how it is cut must
 * not matter. The rest is also a Content-Type: its boundary is found again in
 * quotes, and what is quoted before its parameters is none of them. */
#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
#include "http/message.h"
#include "http/multipart.h"

static void
note(struct buf *out, char kind, struct str text)
{
    buf_char(out, kind);
    buf_printf(out, "%d:%zu:", text.at != NULL, text.len);
    buf_str(out, text);
}

static enum error_code
on_begin(void *context, const struct multipart_part *part, struct error *err)
{
    (void)err;
    note(context, 'n', part->name);
    note(context, 'f', part->filename);
    note(context, 't', part->content_type);
    return ERR_OK;
}

static enum error_code
on_data(void *context, const char *bytes, size_t len, struct error *err)
{
    (void)err;
    FUZZ_CHECK(len > 0);
    buf_add(context, bytes, len);
    return ERR_OK;
}

static enum error_code
on_end(void *context, struct error *err)
{
    (void)err;
    buf_char(context, '\n');
    return ERR_OK;
}

static enum error_code
read_form(struct str text, size_t piece, struct buf *out)
{
    struct multipart_callbacks callbacks = {out, on_begin, on_data, on_end};
    struct multipart *m = multipart_new("b", &callbacks);
    enum error_code rc = ERR_OK;
    struct error err;

    FUZZ_CHECK(m != NULL);
    buf_init(out, 1 << 26);
    while (text.len > 0 && rc == ERR_OK) {
        size_t len = text.len < piece ? text.len : piece;
        /* Each piece alone in memory, so that reading beyond it shows. */
        char *copy = malloc(len);

        memcpy(copy, text.at, len);
        rc = multipart_feed(m, copy, len, &err);
        free(copy);
        text = str_n(text.at + len, text.len - len);
    }
    if (rc == ERR_OK)
        rc = multipart_end(m, &err);
    multipart_free(m);
    return rc;
}

/* `type` ends where its parameters begin, `added` comes between. */
static struct str
with(struct buf *to, struct str text, const char *added)
{
    struct str parameters = text, type = str_cut(&parameters, ';');

    buf_clear(to);
    buf_str(to, type);
    buf_text(to, added);
    if (parameters.at != NULL) {
        buf_char(to, ';');
        buf_str(to, parameters);
    }
    FUZZ_CHECK(!to->failed);
    return buf_view(to);
}

static void
check_type(struct str text)
{
    static const char quoted[] = ";a=\"\\\";boundary=z;charset=z;\"";
    char boundary[71], again[71];
    CLEANUP(buf_done) struct buf type;
    bool form = http_media_is(text, "multipart/form-data");
    bool found = multipart_boundary(text, boundary);
    bool utf8 = http_charset_is_utf8(text);

    buf_init(&type, text.len + 300);
    with(&type, text, quoted);
    FUZZ_CHECK(http_media_is(buf_view(&type), "multipart/form-data") == form);
    FUZZ_CHECK(http_charset_is_utf8(buf_view(&type)) == utf8);
    FUZZ_CHECK(multipart_boundary(buf_view(&type), again) == found);
    FUZZ_CHECK(!found || strcmp(boundary, again) == 0);
    FUZZ_CHECK(http_charset_is_utf8(with(&type, text, "; CharSet=\"utf-8\"")));
    FUZZ_CHECK(!http_charset_is_utf8(with(&type, text, ";charset=latin1")));
    if (!found)
        return;
    FUZZ_CHECK(form && strlen(boundary) >= 1 && strlen(boundary) <= 70);
    buf_clear(&type);
    buf_text(&type, "Multipart/Form-Data; BOUNDARY=\"");
    for (const char *at = boundary; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            buf_char(&type, '\\');
        buf_char(&type, *at);
    }
    buf_char(&type, '"');
    /* A client that escapes so much writes more than is read. */
    if (type.len <= strlen("Multipart/Form-Data; BOUNDARY=") + 72)
        FUZZ_CHECK(multipart_boundary(buf_view(&type), again) &&
                   strcmp(boundary, again) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole, cut;

    if (size == 0)
        return 0;
    struct str text = str_n((const char *)data + 1, size - 1);
    enum error_code rc = read_form(text, size, &whole);

    FUZZ_CHECK(rc == read_form(text, data[0] % 64 + 1u, &cut));
    if (rc == ERR_OK)
        FUZZ_CHECK(str_eq(buf_view(&whole), buf_view(&cut)));
    buf_done(&whole);
    buf_done(&cut);
    check_type(text);
    return 0;
}

/* The first byte says into what pieces the rest is cut; how it is cut must
 * not matter. */
#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char boundary[71];
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
    if (multipart_boundary(text, boundary))
        FUZZ_CHECK(strlen(boundary) >= 1 && strlen(boundary) <= 70);
    return 0;
}

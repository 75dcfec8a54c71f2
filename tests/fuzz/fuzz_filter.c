/* A filter that was understood, written with every bracket and quote, is the
 * same filter. */
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "fmt/filter.h"
#include "fuzz.h"

static void
put_value(struct buf *to, struct str value)
{
    buf_char(to, '"');
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] == '"' || value.at[i] == '\\')
            buf_char(to, '\\');
        buf_char(to, value.at[i]);
    }
    buf_char(to, '"');
}

static void
put_test(struct buf *to, const struct filter *filter)
{
    bool many = filter->op == OP_IN || filter->op == OP_CA;

    FUZZ_CHECK(filter->field.len > 0 && filter->op < FILTER_OPS);
    FUZZ_CHECK(filter->value_count <= (many ? FILTER_MAX_VALUES : 1u));
    FUZZ_CHECK((filter->value_count == 0) ==
               (filter->op == OP_PR || filter->op == OP_ISNULL));
    buf_str(to, filter->field);
    buf_printf(to, " %s%s", filter_op_name(filter->op), many ? " (" : " ");
    for (size_t i = 0; i < filter->value_count; i++) {
        buf_text(to, i == 0 ? "" : ",");
        FUZZ_CHECK(utf8_valid(filter->values[i]));
        put_value(to, filter->values[i]);
    }
    buf_text(to, many ? ")" : "");
}

static unsigned
put(struct buf *to, const struct filter *filter)
{
    unsigned nodes = 1;

    switch (filter->kind) {
    case FILTER_AND:
    case FILTER_OR:
        buf_char(to, '(');
        nodes += put(to, filter->left);
        buf_text(to, filter->kind == FILTER_AND ? " and " : " or ");
        nodes += put(to, filter->right);
        buf_char(to, ')');
        break;
    case FILTER_NOT:
        buf_text(to, "not ");
        nodes += put(to, filter->left);
        break;
    case FILTER_TEST:
        put_test(to, filter);
        break;
    }
    return nodes;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf first;
    CLEANUP(buf_done) struct buf second;
    struct filter *filter = NULL;
    struct error err = ERROR_INIT;

    arena_init(&arena, 1 << 20);
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    enum error_code rc = filter_parse(str_n((const char *)data, size), &arena,
                                      &filter, &err);

    if (rc != ERR_OK) {
        FUZZ_CHECK(filter == NULL && rc == err.code);
        FUZZ_CHECK(rc == ERR_UNAVAILABLE ||
                   (rc == ERR_VALUE && err.cause[0] != '\0'));
        return 0;
    }
    FUZZ_CHECK(put(&first, filter) <= FILTER_MAX_NODES);
    if (!first.failed &&
        filter_parse(buf_view(&first), &arena, &filter, &err) == ERR_OK) {
        put(&second, filter);
        FUZZ_CHECK(str_eq(buf_view(&first), buf_view(&second)));
    } else {
        FUZZ_CHECK(first.failed || err.code == ERR_UNAVAILABLE);
    }
    return 0;
}

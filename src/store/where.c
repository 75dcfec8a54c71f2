#include "store/where.h"

#include <inttypes.h>

#include "fmt/parameter.h"
#include "store/row.h"
#include "store/source_store.h"

#define VALUES_MAX 100 /* of one filter; a query has room for a few more */
#define TEXT_MAX ((size_t)64 * 1024)

struct value {
    enum { TEXT, NUMBER, ID } kind;
    struct str text;
    int64_t number;
    struct uuid id;
};

/* A text on its way, and the values of its parameters $first.. */
struct builder {
    struct db_tx *tx;
    const struct where_list *which;
    struct arena *arena;
    struct buf sql;
    struct value *values;
    int value_count, first;
};

static void
builder_done(struct builder *builder)
{
    buf_done(&builder->sql);
}

/* ---- values ---------------------------------------------------------- */

static struct str
folded_copy(struct arena *arena, struct str text)
{
    char *at = arena_alloc(arena, 3 * text.len + 1);

    return at ? str_n(at, utf8_fold(text, at)) : (struct str){NULL, 0};
}

static struct str
upper_copy(struct arena *arena, struct str text)
{
    char *at = arena_alloc(arena, text.len + 1);

    for (size_t i = 0; at != NULL && i < text.len; i++)
        at[i] = (char)(text.at[i] >= 'a' && text.at[i] <= 'z'
                           ? text.at[i] - 'a' + 'A'
                           : text.at[i]);
    return str_n(at, at ? text.len : 0);
}

/* ERR_NOT_FOUND: nothing can be equal to it. */
static enum error_code
convert(struct builder *builder, enum where_type type, struct str text,
        struct value *ret, struct error *err)
{
    struct source_mark mark;
    struct moment moment;
    struct uuid id;
    enum error_code rc;

    switch (type) {
    case WHERE_TEXT:
        *ret = (struct value){TEXT, .text = folded_copy(builder->arena, text)};
        return ERR_OK;
    case WHERE_UPPER:
        *ret = (struct value){TEXT, .text = upper_copy(builder->arena, text)};
        return ERR_OK;
    case WHERE_UUID:
        if (!uuid_parse(text, &id))
            return ERR_NOT_FOUND;
        *ret = (struct value){ID, .id = id};
        return ERR_OK;
    case WHERE_SOURCE:
        if (!uuid_parse(text, &id))
            return ERR_NOT_FOUND;
        rc = source_mark(builder->tx, &id, &mark, err);
        if (rc == ERR_OK)
            *ret = (struct value){NUMBER, .number = mark.number};
        return rc;
    case WHERE_TIME:
        break;
    }
    if (!moment_parse(text, &moment))
        return parameter_error(err, "filters", "\"%.*s\" is not a time",
                               STR_ARG(text));
    *ret = (struct value){NUMBER, .number = moment.ms};
    return ERR_OK;
}

static void
bind(struct db_query *query, int n, const struct value *value)
{
    switch (value->kind) {
    case TEXT:
        db_str(query, n, value->text);
        break;
    case NUMBER:
        db_int(query, n, value->number);
        break;
    case ID:
        db_uuid(query, n, &value->id);
        break;
    }
}

/* ---- filters --------------------------------------------------------- */

/* NULL and an error when the list does not have it. */
static const struct where_test *
find_test(const struct builder *builder, const struct filter *filter,
          struct error *err)
{
    bool known = false;

    for (size_t i = 0; i < builder->which->test_count; i++) {
        const struct where_test *test = &builder->which->tests[i];

        if (!str_eq(filter->field, str_of(test->name)))
            continue;
        if (test->operators & WHERE_OP(filter->op))
            return test;
        known = true;
    }
    if (known)
        parameter_error(err, "filters",
                        "the field \"%.*s\" does not support \"%s\"",
                        STR_ARG(filter->field), filter_op_name(filter->op));
    else
        parameter_error(err, "filters",
                        "there is no field \"%.*s\" to filter by",
                        STR_ARG(filter->field));
    return NULL;
}

/* The test's text with the parameter in the place of every '@'. */
static void
put_test(struct builder *builder, const char *sql)
{
    for (; *sql != '\0'; sql++) {
        if (*sql == '@')
            buf_printf(&builder->sql, "$%d",
                       builder->first + builder->value_count);
        else
            buf_char(&builder->sql, *sql);
    }
}

static enum error_code
put_values(struct builder *builder, const struct where_test *test,
           const struct filter *filter, struct error *err)
{
    const char *separator = "";

    for (size_t i = 0; i < filter->value_count; i++) {
        struct value value;
        enum error_code rc = convert(builder, test->type, filter->values[i],
                                     &value, err);

        if (rc == ERR_NOT_FOUND)
            continue;
        if (rc != ERR_OK)
            return rc;
        if (builder->value_count == VALUES_MAX)
            return parameter_error(err, "filters", "more than %d values",
                                   VALUES_MAX);
        buf_text(&builder->sql, separator);
        put_test(builder, test->sql);
        builder->values[builder->value_count++] = value;
        separator = " OR ";
    }
    if (separator[0] == '\0')
        buf_text(&builder->sql, "FALSE");
    return ERR_OK;
}

static enum error_code
put_filter(struct builder *builder, const struct filter *filter,
           struct error *err)
{
    struct buf *sql = &builder->sql;
    const struct where_test *test;
    enum error_code rc = ERR_OK;

    buf_char(sql, '(');
    switch (filter->kind) {
    case FILTER_AND:
    case FILTER_OR:
        rc = put_filter(builder, filter->left, err);
        if (rc != ERR_OK)
            return rc;
        buf_text(sql, filter->kind == FILTER_AND ? " AND " : " OR ");
        rc = put_filter(builder, filter->right, err);
        break;
    case FILTER_NOT:
        /* What is not known to match does not match: also about NULL. */
        rc = put_filter(builder, filter->left, err);
        buf_text(sql, " IS NOT TRUE");
        break;
    case FILTER_TEST:
    default:
        test = find_test(builder, filter, err);
        if (test == NULL)
            return ERR_VALUE;
        if (filter->value_count > 0)
            rc = put_values(builder, test, filter, err);
        else
            buf_text(sql, test->sql);
        break;
    }
    buf_char(sql, ')');
    return rc;
}

/* ---- the text -------------------------------------------------------- */

static enum error_code
put_order(struct builder *builder, const struct sorters *sorters,
          struct error *err)
{
    const struct where_list *which = builder->which;

    buf_text(&builder->sql, " ORDER BY ");
    for (size_t i = 0; i < sorters->count; i++) {
        const struct sorter *by = &sorters->by[i];
        const char *sql = NULL;

        for (size_t j = 0; j < which->sort_count; j++)
            if (str_eq(by->field, str_of(which->sorts[j].name)))
                sql = which->sorts[j].sql;
        if (sql == NULL)
            return parameter_error(err, "sorters",
                                   "there is no field \"%.*s\" to sort by",
                                   STR_ARG(by->field));
        buf_printf(&builder->sql, "%s%s NULLS LAST, ", sql,
                   by->descending ? " DESC" : "");
    }
    buf_text(&builder->sql, which->order);
    return ERR_OK;
}

/* SELECT `what` with the filter, and for `rows` with order, limit and offset.
 */
static enum error_code
build(struct builder *builder, const char *what, bool rows,
      const struct list_query *list, const struct uuid *only,
      struct db_query **ret, struct error *err)
{
    const struct where_list *which = builder->which;
    enum error_code rc = ERR_OK;

    builder->values = arena_alloc(builder->arena,
                                  (VALUES_MAX + 2) * sizeof(struct value));
    if (builder->values == NULL)
        return error_busy(err, "no memory for a filter");
    builder->first = only ? 2 : 1;
    buf_printf(&builder->sql, "SELECT %s FROM %s", what, which->from);
    if (only != NULL)
        buf_printf(&builder->sql, " AND %s", which->only);
    if (list->filter != NULL) {
        buf_text(&builder->sql, " AND ");
        rc = put_filter(builder, list->filter, err);
    }
    if (rc == ERR_OK && rows) {
        rc = put_order(builder, &list->sorters, err);
        int n = builder->first + builder->value_count;

        buf_printf(&builder->sql, " LIMIT $%d OFFSET $%d", n, n + 1);
        builder->values[builder->value_count++] = (struct value){
            NUMBER, .number = list->limit};
        builder->values[builder->value_count++] = (struct value){
            NUMBER, .number = list->offset};
    }
    if (rc != ERR_OK)
        return rc;
    if (builder->sql.failed || builder->arena->failed)
        return error_busy(err, "no memory for a filter");

    struct db_query *query = db_query_text(builder->tx, builder->sql.data);

    if (only != NULL)
        db_uuid(query, 1, only);
    for (int i = 0; i < builder->value_count; i++)
        bind(query, builder->first + i, &builder->values[i]);
    *ret = query;
    return ERR_OK;
}

enum error_code
where_rows(struct db_tx *tx, const struct where_list *which,
           const struct list_query *list, const struct uuid *only,
           struct arena *arena, struct db_query **ret, struct error *err)
{
    CLEANUP(builder_done)
    struct builder builder = {.tx = tx, .which = which, .arena = arena};

    buf_init(&builder.sql, TEXT_MAX);
    return build(&builder, which->columns, true, list, only, ret, err);
}

enum error_code
where_count(struct db_tx *tx, const struct where_list *which,
            const struct list_query *list, const struct uuid *only,
            int64_t *ret, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(builder_done)
    struct builder builder = {.tx = tx, .which = which, .arena = &arena};
    struct db_query *query = NULL;

    arena_init(&arena, WHERE_BYTES);
    buf_init(&builder.sql, TEXT_MAX);
    enum error_code rc = build(&builder, which->count, false, list, only,
                               &query, err);

    if (rc != ERR_OK)
        return rc;
    rc = db_step(query, err);
    if (rc == ERR_OK)
        *ret = db_col_int(query, 0);
    return row_done(query, rc, NULL, err);
}

#include "api/list.h"

#include <inttypes.h>

#define LIST_MAX 250 /* contract 17 */
/* 250 records with ten custom values of 4000 characters each, escaped. */
#define ANSWER_BYTES ((size_t)256 * 1024 * 1024)
#define ROW_BYTES ((size_t)4 * 1024 * 1024)

static enum error_code
illegal(const char *name, struct error *err)
{
    return error_set(err, ERR_VALUE,
                     "Value of \"%s\" is empty or contains invalid data.",
                     name);
}

static enum error_code
read_number(const struct call *call, const char *name, unsigned long long most,
            int64_t fallback, int64_t *ret, struct error *err)
{
    struct str text = http_query(&call->exchange->request, name);
    unsigned long long value;

    *ret = fallback;
    if (text.at == NULL)
        return ERR_OK;
    if (!str_to_u64(text, most, &value))
        return illegal(name, err);
    *ret = (int64_t)value;
    return ERR_OK;
}

static enum error_code
read_filters(struct reading *reading, struct error *err)
{
    struct call *call = reading->call;
    struct str text = http_query(&call->exchange->request, "filters");
    struct filter *filter = NULL;
    enum error_code rc;

    if (text.at == NULL)
        return ERR_OK;
    if (text.len == 0)
        return illegal("filters", err);
    rc = filter_parse(text, &call->exchange->arena, &filter, err);
    reading->list.filter = filter;
    return rc;
}

static enum error_code
read_sorters(struct reading *reading, struct error *err)
{
    struct str text = http_query(&reading->call->exchange->request, "sorters");

    if (text.at == NULL)
        return ERR_OK;
    return sorters_parse(text, &reading->list.sorters, err);
}

static enum error_code
read_parameters(struct reading *reading, bool filters, struct error *err)
{
    struct call *call = reading->call;
    enum error_code rc;

    if (call->exchange->request.query_bad)
        return error_set(err, ERR_SYNTAX, NULL);
    rc = read_number(call, "limit", LIST_MAX, LIST_MAX, &reading->list.limit,
                     err);
    if (rc == ERR_OK)
        rc = read_number(call, "offset", INT64_MAX, 0, &reading->list.offset,
                         err);
    if (rc == ERR_OK)
        rc = call_query_bool(call, "count", false, &reading->count, err);
    if (rc == ERR_OK && filters)
        rc = read_filters(reading, err);
    if (rc == ERR_OK)
        rc = read_sorters(reading, err);
    return rc;
}

bool
reading_more(struct reading *reading, enum error_code rc)
{
    reading->failed = rc;
    return rc == ERR_OK;
}

struct answering {
    struct reading *reading;
    reader *read;
    bool array;
    struct buf text;
};

/* As db_work: a standby that fails on the way has written for nothing. */
static enum error_code
answer_from(struct db_tx *tx, void *context, struct error *err)
{
    struct answering *answering = context;
    struct reading *reading = answering->reading;
    enum error_code rc;

    buf_clear(&answering->text);
    reading->tx = tx;
    reading->total = 0;
    reading->failed = ERR_OK;
    views_init(&reading->views, tx, &answering->text);
    arena_init(&reading->scratch, ROW_BYTES);
    if (answering->array)
        jw_array(&reading->views.json);
    rc = answering->read(reading, err);
    if (rc == ERR_OK)
        rc = reading->failed;
    if (answering->array)
        jw_array_end(&reading->views.json);
    arena_done(&reading->scratch);
    views_done(&reading->views);
    return rc;
}

static enum error_code
answer_with(struct reading *reading, reader *read, bool array,
            struct error *err)
{
    struct answering answering = {reading, read, array, {0}};
    enum error_code rc;

    buf_init(&answering.text, ANSWER_BYTES);
    rc = call_read(reading->call, array, answer_from, &answering, err);
    if (rc == ERR_OK)
        rc = call_json(reading->call, 200, &answering.text, err);
    buf_done(&answering.text);
    return rc;
}

static struct reading
reading_of(struct call *call, const void *context, struct error *err)
{
    return (struct reading){.call = call,
                            .subject = call->has_subject ? &call->subject
                                                         : NULL,
                            .err = err,
                            .context = context};
}

enum error_code
reading_run(struct call *call, reader *read, const void *context,
            struct error *err)
{
    struct reading reading = reading_of(call, context, err);

    return answer_with(&reading, read, false, err);
}

enum error_code
reading_list(struct call *call, bool filters, reader *read, const void *context,
             struct error *err)
{
    struct reading reading = reading_of(call, context, err);
    enum error_code rc = read_parameters(&reading, filters, err);

    if (rc == ERR_OK)
        rc = answer_with(&reading, read, true, err);
    if (rc == ERR_OK && reading.count)
        http_response_headerf(&call->exchange->response, "X-Total-Count",
                              "%" PRId64, reading.total);
    return rc;
}

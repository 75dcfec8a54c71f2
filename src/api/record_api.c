/* record_api.c - the people themselves (contract 12). */
#include "api/body.h"
#include "api/list.h"
#include "core/record_rules.h"

static struct record_rules
rules_of(const struct change *change)
{
    const struct api_options *options = &change->call->api->options;

    return (struct record_rules){
        .max_records = options->max_records,
        .check_managers = options->check_managers,
        .end_date_only = call_end_date_only(change->call),
        .actor = change->actor};
}

static bool
list_record(void *context, const struct record *record,
            const struct uuid *source_id UNUSED)
{
    struct reading *reading = context;

    return reading_more(reading,
                        views_record(&reading->views, record, reading->err));
}

static enum error_code
read_records(struct reading *reading, struct error *err)
{
    enum error_code rc = ERR_OK;

    if (reading->count)
        rc = record_list_count(reading->tx, reading->subject, &reading->list,
                               &reading->total, err);
    if (rc == ERR_OK)
        rc = record_list(reading->tx, reading->subject, &reading->list,
                         &reading->scratch, list_record, reading, err);
    return rc;
}

enum error_code
record_api_list(struct call *call, struct error *err)
{
    return reading_list(call, true, read_records, NULL, err);
}

static enum error_code
read_record(struct reading *reading, struct error *err)
{
    struct record record;
    struct uuid id;
    enum error_code rc = call_param_id(reading->call, 0, &id, err);

    if (rc == ERR_OK)
        rc = record_by_id(reading->tx, &id, &reading->scratch, &record, err);
    if (rc == ERR_OK)
        rc = views_record(&reading->views, &record, err);
    return rc;
}

enum error_code
record_api_get(struct call *call, struct error *err)
{
    return reading_run(call, read_record, NULL, err);
}

static enum error_code
record_create(struct change *change, struct db_tx *tx, struct views *views,
              struct error *err)
{
    const struct record_rules rules = rules_of(change);
    struct record record;
    enum error_code rc = record_rules_create(tx, change->body, &rules,
                                             change->arena, &record, err);

    return rc == ERR_OK ? views_record(views, &record, err) : rc;
}

enum error_code
record_api_create(struct call *call, struct error *err)
{
    return change_run(call, BODY_JSON, record_create, err);
}

static enum error_code
record_put(struct change *change, struct db_tx *tx, struct views *views,
           struct error *err)
{
    const struct record_rules rules = rules_of(change);
    struct record record;
    enum error_code rc = record_rules_put(tx, &change->id, change->body, &rules,
                                          change->arena, &record, err);

    return rc == ERR_OK ? views_record(views, &record, err) : rc;
}

enum error_code
record_api_put(struct call *call, struct error *err)
{
    return change_run(call, BODY_JSON, record_put, err);
}

static enum error_code
record_patch(struct change *change, struct db_tx *tx, struct views *views,
             struct error *err)
{
    const struct record_rules rules = rules_of(change);
    struct record record;
    enum error_code rc = record_rules_patch(
        tx, &change->id, change->body, &rules, change->arena, &record, err);

    return rc == ERR_OK ? views_record(views, &record, err) : rc;
}

enum error_code
record_api_patch(struct call *call, struct error *err)
{
    return change_run(call, BODY_PATCH, record_patch, err);
}

static enum error_code
record_drop(struct change *change, struct db_tx *tx, struct views *views UNUSED,
            struct error *err)
{
    return record_rules_delete(tx, &change->id, &change->actor, change->arena,
                               err);
}

enum error_code
record_api_delete(struct call *call, struct error *err)
{
    return change_run(call, BODY_NONE, record_drop, err);
}

static enum error_code
records_drop(struct change *change, struct db_tx *tx,
             struct views *views UNUSED, struct error *err)
{
    return record_rules_delete_many(tx, change->body, &change->actor,
                                    change->arena, err);
}

enum error_code
record_api_bulk_delete(struct call *call, struct error *err)
{
    return change_run(call, BODY_JSON, records_drop, err);
}

/* source_api.c - sources and their schema attributes (contract 10, 11). */
#include "api/body.h"
#include "api/list.h"
#include "core/source_rules.h"

/* --- sources ----------------------------------------------------------- */

static enum error_code
source_create(struct change *change, struct db_tx *tx, struct views *views,
              struct error *err)
{
    struct source source;
    enum error_code rc = source_rules_create(
        tx, change->body, change->call->api->options.max_sources,
        &change->actor, change->arena, &source, err);

    if (rc == ERR_OK)
        rc = views_source(views, &source, SOURCE_CREATED, err);
    return rc;
}

enum error_code
source_api_create(struct call *call, struct error *err)
{
    return change_run(call, BODY_JSON, source_create, err);
}

static bool
list_source(void *context, const struct source *source)
{
    struct reading *reading = context;
    const bool *counted = reading->context;

    return reading_more(reading,
                        views_source(&reading->views, source,
                                     *counted ? SOURCE_COUNTED : SOURCE_LISTED,
                                     reading->err));
}

static enum error_code
read_sources(struct reading *reading, struct error *err)
{
    enum error_code rc = ERR_OK;

    if (reading->count)
        rc = source_list_count(reading->tx, reading->subject, &reading->list,
                               &reading->total, err);
    if (rc == ERR_OK)
        rc = source_list(reading->tx, reading->subject, &reading->list,
                         &reading->scratch, list_source, reading, err);
    return rc;
}

enum error_code
source_api_list(struct call *call, struct error *err)
{
    bool counted;
    enum error_code rc = call_query_bool(call, "non-employee-count", false,
                                         &counted, err);

    return rc == ERR_OK ? reading_list(call, false, read_sources, &counted, err)
                        : rc;
}

/* The source that the path names. */
static enum error_code
path_source(struct reading *reading, struct source *ret, struct error *err)
{
    struct uuid id;
    enum error_code rc = call_param_id(reading->call, 0, &id, err);

    if (rc == ERR_OK)
        rc = source_find(reading->tx, &id, &reading->views.arena, ret, err);
    return rc;
}

static enum error_code
read_source(struct reading *reading, struct error *err)
{
    struct source source;
    enum error_code rc = path_source(reading, &source, err);

    if (rc == ERR_OK)
        rc = views_source(&reading->views, &source, SOURCE_FULL, err);
    return rc;
}

enum error_code
source_api_get(struct call *call, struct error *err)
{
    return reading_run(call, read_source, NULL, err);
}

static enum error_code
source_patch(struct change *change, struct db_tx *tx, struct views *views,
             struct error *err)
{
    struct source source;
    enum error_code rc = source_rules_patch(tx, &change->id, change->body,
                                            &change->actor, change->arena,
                                            &source, err);

    if (rc == ERR_OK)
        rc = views_source(views, &source, SOURCE_FULL, err);
    return rc;
}

enum error_code
source_api_patch(struct call *call, struct error *err)
{
    return change_run(call, BODY_PATCH, source_patch, err);
}

static enum error_code
source_drop(struct change *change, struct db_tx *tx, struct views *views UNUSED,
            struct error *err)
{
    return source_rules_delete(tx, &change->id, &change->actor, change->arena,
                               err);
}

enum error_code
source_api_delete(struct call *call, struct error *err)
{
    return change_run(call, BODY_NONE, source_drop, err);
}

/* --- schema attributes ------------------------------------------------- */

static enum error_code
read_attributes(struct reading *reading, struct error *err)
{
    struct attribute attributes[SCHEMA_MAX];
    struct source source;
    size_t count = 0;
    enum error_code rc = path_source(reading, &source, err);

    if (rc == ERR_OK)
        rc = schema_list(reading->tx, source.number, &reading->views.arena,
                         attributes, &count, err);
    jw_array(&reading->views.json);
    for (size_t i = 0; i < count; i++)
        views_attribute(&reading->views, &attributes[i]);
    jw_array_end(&reading->views.json);
    return rc;
}

enum error_code
schema_api_list(struct call *call, struct error *err)
{
    return reading_run(call, read_attributes, NULL, err);
}

static enum error_code
read_attribute(struct reading *reading, struct error *err)
{
    struct attribute attribute;
    struct source source;
    struct uuid id;
    enum error_code rc = path_source(reading, &source, err);

    if (rc == ERR_OK)
        rc = call_param_id(reading->call, 1, &id, err);
    if (rc == ERR_OK)
        rc = schema_find(reading->tx, source.number, &id, &reading->views.arena,
                         &attribute, err);
    if (rc == ERR_OK)
        views_attribute(&reading->views, &attribute);
    return rc;
}

enum error_code
schema_api_get(struct call *call, struct error *err)
{
    return reading_run(call, read_attribute, NULL, err);
}

static enum error_code
attribute_create(struct change *change, struct db_tx *tx, struct views *views,
                 struct error *err)
{
    struct attribute attribute;
    enum error_code rc = schema_rules_create(tx, &change->id, change->body,
                                             &change->actor, change->arena,
                                             &attribute, err);

    if (rc == ERR_OK)
        views_attribute(views, &attribute);
    return rc;
}

enum error_code
schema_api_create(struct call *call, struct error *err)
{
    return change_run(call, BODY_JSON, attribute_create, err);
}

static enum error_code
attribute_patch(struct change *change, struct db_tx *tx, struct views *views,
                struct error *err)
{
    struct attribute attribute;
    struct uuid id;
    enum error_code rc = call_param_id(change->call, 1, &id, err);

    if (rc == ERR_OK)
        rc = schema_rules_patch(tx, &change->id, &id, change->body,
                                &change->actor, change->arena, &attribute, err);
    if (rc == ERR_OK)
        views_attribute(views, &attribute);
    return rc;
}

enum error_code
schema_api_patch(struct call *call, struct error *err)
{
    return change_run(call, BODY_PATCH, attribute_patch, err);
}

static enum error_code
attribute_drop(struct change *change, struct db_tx *tx,
               struct views *views UNUSED, struct error *err)
{
    struct uuid id;
    enum error_code rc = call_param_id(change->call, 1, &id, err);

    if (rc == ERR_OK)
        rc = schema_rules_delete(tx, &change->id, &id, &change->actor,
                                 change->arena, err);
    return rc;
}

enum error_code
schema_api_delete(struct call *call, struct error *err)
{
    return change_run(call, BODY_NONE, attribute_drop, err);
}

static enum error_code
attributes_drop(struct change *change, struct db_tx *tx,
                struct views *views UNUSED, struct error *err)
{
    return schema_rules_delete(tx, &change->id, NULL, &change->actor,
                               change->arena, err);
}

enum error_code
schema_api_delete_all(struct call *call, struct error *err)
{
    return change_run(call, BODY_NONE, attributes_drop, err);
}

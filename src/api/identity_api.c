/* identity_api.c - who is there, and what anyone did. */
#include "api/list.h"

static bool
list_identity(void *context, const struct identity *identity)
{
    struct reading *reading = context;

    return reading_more(reading, views_public_identity(&reading->views,
                                                       identity, reading->err));
}

static enum error_code
read_identities(struct reading *reading, struct error *err)
{
    enum error_code rc = ERR_OK;

    if (reading->count)
        rc = identity_list_count(reading->tx, &reading->list, &reading->total,
                                 err);
    if (rc == ERR_OK)
        rc = identity_list(reading->tx, &reading->list, &reading->scratch,
                           list_identity, reading, err);
    return rc;
}

enum error_code
identity_api_list(struct call *call, struct error *err)
{
    bool ignored;
    enum error_code rc = call_query_bool(call, "add-core-filters", false,
                                         &ignored, err);

    return rc == ERR_OK ? reading_list(call, true, read_identities, NULL, err)
                        : rc;
}

static bool
list_event(void *context, const struct audit_row *row)
{
    struct reading *reading = context;

    return reading_more(reading,
                        views_audit(&reading->views, row, reading->err));
}

static enum error_code
read_events(struct reading *reading, struct error *err)
{
    enum error_code rc = ERR_OK;

    if (reading->count)
        rc = audit_list_count(reading->tx, &reading->list, &reading->total,
                              err);
    if (rc == ERR_OK)
        rc = audit_list(reading->tx, &reading->list, &reading->scratch,
                        list_event, reading, err);
    return rc;
}

enum error_code
audit_api_list(struct call *call, struct error *err)
{
    return reading_list(call, true, read_events, NULL, err);
}

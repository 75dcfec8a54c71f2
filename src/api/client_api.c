/* client_api.c - API clients, in the published shape of an OAuth client. */
#include "api/body.h"
#include "api/list.h"
#include "base/secret.h"
#include "core/client_rules.h"

static bool
list_client(void *context, const struct client *client)
{
    struct reading *reading = context;

    views_client(&reading->views, client, NULL);
    return reading_more(reading, ERR_OK);
}

static enum error_code
read_clients(struct reading *reading, struct error *err)
{
    enum error_code rc = ERR_OK;

    if (reading->count)
        rc = client_list_count(reading->tx, CLIENT_API, &reading->list, NULL,
                               &reading->total, err);
    if (rc == ERR_OK)
        rc = client_list(reading->tx, CLIENT_API, &reading->list, NULL,
                         &reading->scratch, list_client, reading, err);
    return rc;
}

enum error_code
client_api_list(struct call *call, struct error *err)
{
    return reading_list(call, true, read_clients, NULL, err);
}

static enum error_code
read_client(struct reading *reading, struct error *err)
{
    struct client client;
    struct uuid id;
    enum error_code rc = call_param_id(reading->call, 0, &id, err);

    if (rc == ERR_OK)
        rc = client_by_id(reading->tx, &id, &reading->views.arena, &client,
                          err);
    if (rc == ERR_OK && client.kind != CLIENT_API)
        rc = error_set(err, ERR_NOT_FOUND, NULL);
    if (rc == ERR_OK)
        views_client(&reading->views, &client, NULL);
    return rc;
}

enum error_code
client_api_get(struct call *call, struct error *err)
{
    return reading_run(call, read_client, NULL, err);
}

static enum error_code
create(struct change *change, struct db_tx *tx, struct views *views,
       struct error *err)
{
    char secret[SECRET_TEXT];
    struct client client;
    enum error_code rc = client_rules_create(
        tx, change->body, &change->actor, change->arena, &client, secret, err);

    if (rc == ERR_OK)
        views_client(views, &client, secret);
    secret_wipe(secret, sizeof(secret));
    return rc;
}

enum error_code
client_api_create(struct call *call, struct error *err)
{
    return change_run(call, BODY_JSON, create, err);
}

static enum error_code
patch(struct change *change, struct db_tx *tx, struct views *views,
      struct error *err)
{
    struct client client;
    enum error_code rc = client_rules_patch(tx, CLIENT_API, &change->id,
                                            change->body, &change->actor,
                                            change->arena, &client, err);

    if (rc == ERR_OK)
        views_client(views, &client, NULL);
    return rc;
}

enum error_code
client_api_patch(struct call *call, struct error *err)
{
    return change_run(call, BODY_PATCH, patch, err);
}

static enum error_code
remove_it(struct change *change, struct db_tx *tx, struct views *views UNUSED,
          struct error *err)
{
    return client_rules_delete(tx, CLIENT_API, &change->id, &change->actor,
                               err);
}

enum error_code
client_api_delete(struct call *call, struct error *err)
{
    return change_run(call, BODY_NONE, remove_it, err);
}

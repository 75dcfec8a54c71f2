/* pat_api.c - personal access tokens (contract 18.2). */
#include "api/body.h"
#include "api/list.h"
#include "base/secret.h"
#include "core/client_rules.h"

static bool
list_token(void *context, const struct client *client)
{
    struct reading *reading = context;

    return reading_more(
        reading, views_token(&reading->views, client, NULL, reading->err));
}

static enum error_code
read_tokens(struct reading *reading, struct error *err)
{
    enum error_code rc = ERR_OK;

    if (reading->count)
        rc = client_list_count(reading->tx, CLIENT_PAT, &reading->list,
                               reading->subject, &reading->total, err);
    if (rc == ERR_OK)
        rc = client_list(reading->tx, CLIENT_PAT, &reading->list,
                         reading->subject, &reading->scratch, list_token,
                         reading, err);
    return rc;
}

enum error_code
pat_api_list(struct call *call, struct error *err)
{
    return reading_list(call, true, read_tokens, NULL, err);
}

static enum error_code
create(struct change *change, struct db_tx *tx, struct views *views,
       struct error *err)
{
    char secret[SECRET_TEXT];
    struct client client;
    enum error_code rc = token_rules_create(
        tx, change->body, &change->call->principal.identity_id, &change->actor,
        change->arena, &client, secret, err);

    if (rc == ERR_OK)
        rc = views_token(views, &client, secret, err);
    secret_wipe(secret, sizeof(secret));
    return rc;
}

enum error_code
pat_api_create(struct call *call, struct error *err)
{
    return change_run(call, BODY_JSON, create, err);
}

static enum error_code
patch(struct change *change, struct db_tx *tx, struct views *views,
      struct error *err)
{
    struct client client;
    enum error_code rc = client_rules_patch(tx, CLIENT_PAT, &change->id,
                                            change->body, &change->actor,
                                            change->arena, &client, err);

    return rc == ERR_OK ? views_token(views, &client, NULL, err) : rc;
}

enum error_code
pat_api_patch(struct call *call, struct error *err)
{
    return change_run(call, BODY_PATCH, patch, err);
}

static enum error_code
remove_it(struct change *change, struct db_tx *tx, struct views *views UNUSED,
          struct error *err)
{
    return client_rules_delete(tx, CLIENT_PAT, &change->id, &change->actor,
                               err);
}

enum error_code
pat_api_delete(struct call *call, struct error *err)
{
    return change_run(call, BODY_NONE, remove_it, err);
}

/* access.c - see access.h. */
#include "api/access.h"

#include "store/identity_store.h"

enum error_code
access_token(const struct call *call, struct error *err)
{
    const struct route *route = call->route;

    if (route->user_only && !call->principal.has_identity)
        return error_set(err, ERR_FORBIDDEN, NULL);
    if (!principal_has_scope(&call->principal, route->scope))
        return error_set(err, ERR_FORBIDDEN, NULL);
    return ERR_OK;
}

/* Is the caller in the management workgroup of the source in the path? */
static enum error_code
in_workgroup(struct call *call, bool *ret, struct error *err)
{
    struct db *db = call->api->options.db;
    struct arena *arena = &call->exchange->arena;
    struct source source;
    struct db_tx *tx;
    struct uuid id;
    enum error_code rc;

    *ret = false;
    if (call_param_id(call, 0, &id, err) != ERR_OK)
        return ERR_OK;
    if (db_is_remote(db) && !call->exchange->may_block)
        return ERR_LATER;
    rc = db_read_begin(db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = source_find(tx, &id, arena, &source, err);
    if (rc == ERR_OK && source.workgroup.at != NULL)
        rc = workgroup_has(tx, source.workgroup, &call->principal.identity_id,
                           ret, err);
    db_read_end(tx);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum error_code
access_right(struct call *call, struct error *err)
{
    const struct principal *principal = &call->principal;
    bool member = false;

    if (call->route->access == ACCESS_PUBLIC || principal_is_admin(principal))
        return ERR_OK;
    if (call->route->access == ACCESS_SOURCE_SETTINGS &&
        principal->has_identity &&
        (principal->levels & LEVEL_SOURCE_SUBADMIN) != 0) {
        enum error_code rc = in_workgroup(call, &member, err);

        if (rc != ERR_OK)
            return rc;
    }
    return member ? ERR_OK : error_set(err, ERR_FORBIDDEN, NULL);
}

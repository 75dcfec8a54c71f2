/*
 * routes.c - every endpoint, one row each. The manual's list and the tests'
 * coverage come from here.
 */
#include "api/call.h"

#define TOKEN_BODY_BYTES (64 * 1024)

const struct route api_routes[] = {
    {.method = HTTP_GET,
     .path = "/non-employee-sources/{id}/non-employees/download",
     .access = ACCESS_ADMIN,
     .scope = SCOPE_NELM_READ,
     .may_be_quick = true,
     .handler = transfer_api_export,
     .summary = "Export the records of a source as CSV"},
    {.method = HTTP_GET,
     .path = "/non-employee-sources/{id}/schema-attributes-template/download",
     .access = ACCESS_SOURCE_SETTINGS,
     .scope = SCOPE_NELM_READ,
     .may_be_quick = true,
     .handler = transfer_api_template,
     .summary = "Download the header line of a source's CSV"},
    {.method = HTTP_POST,
     .path = "/oauth/token",
     .root = true,
     .access = ACCESS_PUBLIC,
     .max_body = TOKEN_BODY_BYTES,
     .handler = auth_api_token,
     .summary = "Get an access token"},
    {.method = HTTP_GET,
     .path = "/oauth/info",
     .root = true,
     .access = ACCESS_PUBLIC,
     .may_be_quick = true,
     .handler = auth_api_info,
     .summary = "Where the OAuth endpoints are"},
    {.method = HTTP_GET,
     .path = "/.well-known/jwks.json",
     .root = true,
     .access = ACCESS_PUBLIC,
     .may_be_quick = true,
     .handler = auth_api_jwks,
     .summary = "Public keys of access tokens"},
    {.method = HTTP_GET,
     .path = "/healthz",
     .root = true,
     .access = ACCESS_PUBLIC,
     .may_be_quick = true,
     .handler = ops_api_health,
     .summary = "Is the process alive"},
    {.method = HTTP_GET,
     .path = "/readyz",
     .root = true,
     .access = ACCESS_PUBLIC,
     .may_be_quick = true,
     .handler = ops_api_ready,
     .summary = "Can the process answer requests"},
};

const size_t api_route_count = COUNT(api_routes);

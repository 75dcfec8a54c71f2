/* route_list.c - see route_list.h. */
#include "api/route_list.h"

#include "api/call.h"
#include "fmt/jw.h"

static const char *
method_name(unsigned method)
{
    switch (method) {
    case HTTP_GET:
        return "GET";
    case HTTP_POST:
        return "POST";
    case HTTP_PUT:
        return "PUT";
    case HTTP_PATCH:
        return "PATCH";
    case HTTP_DELETE:
        return "DELETE";
    default:
        return NULL;
    }
}

void
route_list(struct buf *to)
{
    struct jw json;

    jw_init(&json, to);
    jw_array(&json);
    for (size_t i = 0; i < api_route_count; i++) {
        const struct route *route = &api_routes[i];

        jw_object(&json);
        jw_member_text(&json, "method", method_name(route->method));
        jw_member_text(&json, "path", route->path);
        jw_member_bool(&json, "versioned", !route->root);
        jw_member_bool(&json, "public", route->access == ACCESS_PUBLIC);
        jw_member_bool(&json, "userOnly", route->user_only);
        jw_member_bool(&json, "takesBody",
                       route->max_body > 0 || route->begin != NULL);
        jw_member_text(&json, "summary", route->summary);
        jw_object_end(&json);
    }
    jw_array_end(&json);
    buf_char(to, '\n');
}

#include "http/router.h"

#include "base/secret.h"

static bool
is_capture(struct str segment)
{
    return segment.at[0] == '{';
}

/* Cut a path at its slashes; false when there are too many segments. */
static bool
split(struct str path, struct str segments[ROUTER_MAX_SEGMENTS],
      size_t *ret_count)
{
    size_t count = 0;

    while (path.at != NULL) {
        struct str segment = str_cut(&path, '/');

        if (segment.len == 0)
            continue;
        if (count == ROUTER_MAX_SEGMENTS)
            return false;
        segments[count++] = segment;
    }
    *ret_count = count;
    return true;
}

/* Does `a` come first among patterns with `count` segments? */
static bool
is_before(const struct router_route *a, const struct router_route *b,
          size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_capture(a->segments[i]) != is_capture(b->segments[i]))
            return !is_capture(a->segments[i]);
    return false;
}

void
router_init(struct router *router)
{
    memset(router->begin, 0, sizeof(router->begin));
}

bool
router_add(struct router *router, unsigned methods, const char *pattern,
           size_t index)
{
    struct router_route route = {pattern, methods, index, {{0}}};
    size_t used = router->begin[ROUTER_MAX_SEGMENTS + 1];
    size_t count, captures = 0;

    if (used == ROUTER_MAX_ROUTES ||
        !split(str_of(pattern), route.segments, &count))
        return false;
    for (size_t i = 0; i < count; i++)
        captures += is_capture(route.segments[i]);
    if (captures > ROUTER_MAX_CAPTURES)
        return false;
    if ((methods & HTTP_GET) != 0)
        route.methods |= HTTP_HEAD;

    size_t at = router->begin[count];

    while (at < router->begin[count + 1] &&
           !is_before(&route, &router->routes[at], count))
        at++;
    memmove(&router->routes[at + 1], &router->routes[at],
            (used - at) * sizeof(route));
    router->routes[at] = route;
    for (size_t n = count + 1; n < COUNT(router->begin); n++)
        router->begin[n]++;
    return true;
}

/* Is the raw segment, decoded, that literal? */
static bool
is_literal(struct str raw, struct str literal)
{
    size_t used = 0;

    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.at[i];

        if (c == '%') {
            if (raw.len - i < 3 || !hex_decode(str_n(raw.at + i + 1, 2), &c, 1))
                return false;
            i += 2;
        }
        if (used == literal.len || literal.at[used++] != c)
            return false;
    }
    return used == literal.len;
}

/* `coded`: there may be escapes in the segments. */
static bool
fits(const struct router_route *route, const struct str *segments, size_t count,
     bool coded)
{
    for (size_t i = 0; i < count; i++) {
        struct str literal = route->segments[i];

        if (!is_capture(literal) && !(coded ? is_literal(segments[i], literal)
                                            : str_eq(segments[i], literal)))
            return false;
    }
    return true;
}

enum router_result
router_match(const struct router *router, enum http_method method,
             struct str path, struct router_match *ret)
{
    struct str segments[ROUTER_MAX_SEGMENTS];
    const struct router_route *hit = NULL;
    bool coded = path.len > 0 && memchr(path.at, '%', path.len) != NULL;
    size_t count;

    ret->allowed = 0;
    if (!split(path, segments, &count))
        return ROUTER_NO_PATH;
    for (size_t i = router->begin[count]; i < router->begin[count + 1]; i++) {
        const struct router_route *route = &router->routes[i];

        if (!fits(route, segments, count, coded))
            continue;
        ret->allowed |= route->methods;
        if (hit == NULL && (route->methods & method) != 0)
            hit = route;
    }
    if (hit == NULL)
        return ret->allowed == 0 ? ROUTER_NO_PATH : ROUTER_NO_METHOD;
    ret->index = hit->index;
    ret->capture_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct str name = hit->segments[i];

        if (is_capture(name))
            ret->captures[ret->capture_count++] = (struct http_field){
                str_n(name.at + 1, name.len - 2), segments[i]};
    }
    return ROUTER_FOUND;
}

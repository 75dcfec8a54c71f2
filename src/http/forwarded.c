#include "http/forwarded.h"

#include "http/check.h"

/* One proxy's words, as far as they are there. */
struct hop {
    struct str peer, scheme, host;
};

struct hops {
    struct hop list[FORWARDED_MAX_HOPS];
    size_t count;
};

/* What the hops say in the end. */
struct origin {
    bool has_peer;
    struct net_address peer;
    struct str scheme, host; /* `at` NULL: nothing */
};

static MUST_USE enum error_code
refuse(struct error *err, const char *reason)
{
    return error_cause(err, ERR_SYNTAX, "%s", reason);
}

/* The address in "192.0.2.1:80", "[2001:db8::1]:80" or without ports. */
static bool
node_address(struct str node, struct net_address *ret)
{
    const char *end;

    if (net_parse(node, ret))
        return true;
    if (node.len == 0)
        return false;
    if (node.at[0] == '[') {
        end = memchr(node.at, ']', node.len);
        return end != NULL &&
               net_parse(str_n(node.at + 1, (size_t)(end - node.at) - 1), ret);
    }
    end = memchr(node.at, ':', node.len);
    return end != NULL &&
           net_parse(str_n(node.at, (size_t)(end - node.at)), ret);
}

/* Take a token or a quoted string off the front of *rest. */
static bool
take_value(struct str *rest, struct arena *arena, struct str *ret)
{
    size_t at = 0, len = 0;

    if (rest->len == 0 || rest->at[0] != '"') {
        while (at < rest->len && strchr(",; \t", rest->at[at]) == NULL)
            at++;
        *ret = str_n(rest->at, at);
    } else {
        char *text = arena_alloc(arena, rest->len);

        if (text == NULL)
            return false;
        for (at = 1; at < rest->len && rest->at[at] != '"'; at++) {
            if (rest->at[at] == '\\' && ++at == rest->len)
                return false;
            text[len++] = rest->at[at];
        }
        if (at++ == rest->len)
            return false;
        *ret = str_n(text, len);
    }
    *rest = str_trim(str_n(rest->at + at, rest->len - at));
    return true;
}

/* One "name=value" off the front of *rest. */
static bool
take_pair(struct str *rest, struct arena *arena, struct hop *hop)
{
    size_t len = 0;
    struct str name, value;

    while (len < rest->len && strchr("=,; \t\"", rest->at[len]) == NULL)
        len++;
    if (len == rest->len || rest->at[len] != '=')
        return false;
    name = str_n(rest->at, len);
    *rest = str_n(rest->at + len + 1, rest->len - len - 1);
    if (!take_value(rest, arena, &value))
        return false;
    if (str_eq_nocase(name, STR("for")))
        hop->peer = value;
    else if (str_eq_nocase(name, STR("proto")))
        hop->scheme = value;
    else if (str_eq_nocase(name, STR("host")))
        hop->host = value;
    return true;
}

/* The elements of one Forwarded field. */
static bool
read_forwarded(struct str rest, struct arena *arena, struct hops *hops)
{
    struct hop hop = {0};

    while (take_pair(&rest, arena, &hop)) {
        bool more = rest.len > 0 && rest.at[0] == ';';

        if (!more) {
            if (hops->count == FORWARDED_MAX_HOPS ||
                (rest.len > 0 && rest.at[0] != ','))
                return false;
            hops->list[hops->count++] = hop;
            hop = (struct hop){0};
        }
        if (rest.len == 0)
            return true;
        rest = str_trim(str_n(rest.at + 1, rest.len - 1));
    }
    return false;
}

/* A comma-separated field of which every proxy may have added a line. */
static bool
read_list(const struct http_request *request, struct str name,
          struct str to[FORWARDED_MAX_HOPS], size_t *ret_count)
{
    *ret_count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        struct str rest = request->headers[i].value;

        if (!str_eq_nocase(request->headers[i].name, name))
            continue;
        while (rest.at != NULL) {
            if (*ret_count == FORWARDED_MAX_HOPS)
                return false;
            to[(*ret_count)++] = str_trim(str_cut(&rest, ','));
        }
    }
    return true;
}

/* The member of a shorter list that belongs to hop number `at` of `count`. */
static struct str
beside(const struct str *list, size_t list_count, size_t at, size_t count)
{
    size_t from_end = count - at; /* 1: the last */

    if (list_count == 0)
        return (struct str){NULL, 0};
    return list[list_count - MIN(from_end, list_count)];
}

static bool
read_x_forwarded(const struct http_request *request, struct hops *hops)
{
    struct str peers[FORWARDED_MAX_HOPS], schemes[FORWARDED_MAX_HOPS],
        hosts[FORWARDED_MAX_HOPS];
    size_t scheme_count, host_count;

    if (!read_list(request, STR("X-Forwarded-For"), peers, &hops->count) ||
        !read_list(request, STR("X-Forwarded-Proto"), schemes, &scheme_count) ||
        !read_list(request, STR("X-Forwarded-Host"), hosts, &host_count))
        return false;
    if (hops->count == 0 && (scheme_count > 0 || host_count > 0)) {
        peers[0] = (struct str){NULL, 0};
        hops->count = 1;
    }
    for (size_t i = 0; i < hops->count; i++)
        hops->list[i] = (struct hop){
            peers[i], beside(schemes, scheme_count, i, hops->count),
            beside(hosts, host_count, i, hops->count)};
    return true;
}

static void
find_origin(const struct hops *hops, const struct nets *trusted,
            struct origin *ret)
{
    size_t at = hops->count;
    struct net_address address;

    *ret = (struct origin){0};
    while (at > 0 && node_address(hops->list[at - 1].peer, &address)) {
        at--;
        ret->has_peer = true;
        ret->peer = address;
        if (!nets_have(trusted, &address))
            break;
    }
    if (hops->count == 0)
        return;
    /* What the client had is told by who saw the client. */
    const struct hop *hop = &hops->list[MIN(at, hops->count - 1)];

    ret->scheme = hop->scheme;
    ret->host = hop->host;
}

/* Do two sources say different things? */
static bool
differ(struct str a, struct str b)
{
    return a.len > 0 && b.len > 0 && !str_eq_nocase(a, b);
}

enum error_code
http_forwarded(struct http_request *request, const struct nets *trusted,
               struct arena *arena, struct error *err)
{
    struct hops hops = {.count = 0};
    struct origin one, two;

    for (size_t i = 0; i < request->header_count; i++)
        if (str_eq_nocase(request->headers[i].name, STR("Forwarded")) &&
            !read_forwarded(request->headers[i].value, arena, &hops))
            return refuse(err, "malformed Forwarded");
    find_origin(&hops, trusted, &one);
    if (!read_x_forwarded(request, &hops))
        return refuse(err, "too many hops in X-Forwarded");
    find_origin(&hops, trusted, &two);
    if ((one.has_peer && two.has_peer &&
         memcmp(&one.peer, &two.peer, sizeof(one.peer)) != 0) ||
        differ(one.scheme, two.scheme) || differ(one.host, two.host))
        return refuse(err, "Forwarded and X-Forwarded do not agree");
    if (!one.has_peer)
        one.peer = two.peer;
    if (one.scheme.len == 0)
        one.scheme = two.scheme;
    if (one.host.len == 0)
        one.host = two.host;

    if (one.has_peer || two.has_peer)
        request->peer = one.peer;
    if (str_eq_nocase(one.scheme, STR("https")))
        request->tls = true;
    else if (str_eq_nocase(one.scheme, STR("http")))
        request->tls = false;
    if (one.host.len > 0) {
        if (!http_is_host(one.host))
            return refuse(err, "malformed forwarded host");
        request->host = one.host;
    }
    return ERR_OK;
}

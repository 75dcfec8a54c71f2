#include "http/range.h"

#include "base/clock.h"

/* A position: digits only; too large ones are as good as the largest. */
static bool
position(struct str text, uint64_t *ret)
{
    unsigned long long value;

    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    if (text.len == 0)
        return false;
    *ret = str_to_u64(text, UINT64_MAX, &value) ? value : UINT64_MAX;
    return true;
}

enum range_result
range_parse(struct str header, uint64_t length, uint64_t *ret_first,
            uint64_t *ret_length)
{
    struct str last_text = str_trim(header);
    struct str unit = str_cut(&last_text, '=');
    struct str first_text = str_cut(&last_text, '-');
    uint64_t first, last;

    if (!str_eq_nocase(unit, STR("bytes")) || last_text.at == NULL)
        return RANGE_WHOLE;
    if (first_text.len == 0) { /* the last so many bytes */
        if (!position(last_text, &last) || (length == 0 && last > 0))
            return RANGE_WHOLE;
        if (last == 0)
            return RANGE_UNSATISFIABLE;
        *ret_length = MIN(last, length);
        *ret_first = length - *ret_length;
        return RANGE_PART;
    }
    if (!position(first_text, &first))
        return RANGE_WHOLE;
    if (last_text.len == 0)
        last = UINT64_MAX;
    else if (!position(last_text, &last) || last < first)
        return RANGE_WHOLE;
    if (first >= length)
        return RANGE_UNSATISFIABLE;
    *ret_first = first;
    *ret_length = MIN(last, length - 1) - first + 1;
    return RANGE_PART;
}

/* Take one entity tag off a list. False at the end and for what is none. */
static bool
next_tag(struct str *list, bool *ret_weak, struct str *ret)
{
    while (list->len > 0 && strchr(", \t", list->at[0]) != NULL)
        *list = str_n(list->at + 1, list->len - 1);
    *ret_weak = list->len > 1 && memcmp(list->at, "W/", 2) == 0;
    if (*ret_weak)
        *list = str_n(list->at + 2, list->len - 2);
    if (list->len < 2 || list->at[0] != '"')
        return false;
    const char *end = memchr(list->at + 1, '"', list->len - 1);

    if (end == NULL)
        return false;
    size_t len = (size_t)(end - list->at) + 1;

    *ret = str_n(list->at, len);
    *list = str_n(list->at + len, list->len - len);
    return true;
}

static bool
tag_in_list(struct str list, const char *etag, bool weak_too)
{
    struct str tag;
    bool weak;

    if (str_eq(str_trim(list), STR("*")))
        return true;
    while (next_tag(&list, &weak, &tag))
        if ((weak_too || !weak) && str_eq(tag, str_of(etag)))
            return true;
    return false;
}

bool
etag_matches(struct str header, const char *etag)
{
    return tag_in_list(header, etag, true);
}

/* As etag_matches() over all headers of that name: a list may be spread over
 * several lines. */
static bool
tag_in_headers(const struct http_request *request, struct str name,
               const char *etag, bool weak_too)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (str_eq_nocase(request->headers[i].name, name) &&
            tag_in_list(request->headers[i].value, etag, weak_too))
            return true;
    return false;
}

static bool
is_get(const struct http_request *request)
{
    return (request->method & (HTTP_GET | HTTP_HEAD)) != 0;
}

static bool
date_header(const struct http_request *request, const char *name,
            int64_t *ret_s)
{
    struct str value = http_header(request, name);

    return value.at != NULL && http_date_parse(value, ret_s);
}

int
http_condition(const struct http_request *request, const char *etag,
               int64_t modified_s)
{
    int64_t date;

    if (http_header(request, "If-Match").at != NULL) {
        if (!tag_in_headers(request, STR("If-Match"), etag, false))
            return 412;
    } else if (date_header(request, "If-Unmodified-Since", &date)) {
        if (modified_s > date)
            return 412;
    }
    if (http_header(request, "If-None-Match").at != NULL) {
        if (tag_in_headers(request, STR("If-None-Match"), etag, true))
            return is_get(request) ? 304 : 412;
    } else if (is_get(request) &&
               date_header(request, "If-Modified-Since", &date)) {
        if (modified_s <= date)
            return 304;
    }
    return 0;
}

bool
http_if_range(const struct http_request *request, const char *etag)
{
    struct str value = http_header(request, "If-Range");

    if (!is_get(request))
        return false;
    if (value.at == NULL)
        return true;
    return str_eq(value, str_of(etag));
}

/* A weight in thousandths; malformed ones weigh nothing. */
static int
weight(struct str text)
{
    int value = 0, unit = 1000;

    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.at[1] != '.'))
        return 0;
    for (size_t i = 0; i < text.len; i++) {
        if (i == 1)
            continue;
        if (text.at[i] < '0' || text.at[i] > '9')
            return 0;
        value += (text.at[i] - '0') * unit;
        unit /= 10;
    }
    return MIN(value, 1000);
}

enum http_coding
http_coding_pick(struct str accept_encoding)
{
    /* Not named yet: -1. Something other than identity that the client
     * names is meant to be used, so identity weighs least by default. */
    int weights[CODINGS] = {-1, -1, -1}, rest_weight = -1;
    enum http_coding best = CODING_IDENTITY;

    for (struct str list = accept_encoding; list.at != NULL;) {
        struct str parameters = str_cut(&list, ',');
        struct str name = str_trim(str_cut(&parameters, ';'));
        int q = 1000;

        while (parameters.at != NULL) {
            struct str value = str_cut(&parameters, ';');
            struct str key = str_trim(str_cut(&value, '='));

            if (str_eq_nocase(key, STR("q")))
                q = weight(str_trim(value));
        }
        if (str_eq_nocase(name, STR("gzip")) ||
            str_eq_nocase(name, STR("x-gzip")))
            weights[CODING_GZIP] = q;
        else if (str_eq_nocase(name, STR("zstd")))
            weights[CODING_ZSTD] = q;
        else if (str_eq_nocase(name, STR("identity")))
            weights[CODING_IDENTITY] = q;
        else if (str_eq(name, STR("*")))
            rest_weight = q;
    }
    for (int coding = CODING_GZIP; coding < CODINGS; coding++)
        if (weights[coding] < 0)
            weights[coding] = rest_weight;
    for (int coding = CODING_GZIP; coding < CODINGS; coding++)
        if (weights[coding] > 0 && weights[coding] >= weights[best])
            best = (enum http_coding)coding;
    return best;
}

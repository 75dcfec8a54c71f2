#include "http/range.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    const char *header;
    uint64_t of;
    enum range_result want;
    uint64_t first, length;
} ranges[] = {
    {"bytes=0-499", 1000, RANGE_PART, 0, 500},
    {"Bytes=500-", 1000, RANGE_PART, 500, 500},
    {" bytes=999-999 ", 1000, RANGE_PART, 999, 1},
    {"bytes=0-99999", 1000, RANGE_PART, 0, 1000},
    {"bytes=5-99999999999999999999999", 1000, RANGE_PART, 5, 995},
    {"bytes=-1", 1000, RANGE_PART, 999, 1},
    {"bytes=-5000", 1000, RANGE_PART, 0, 1000},
    {"bytes=-99999999999999999999999", 1000, RANGE_PART, 0, 1000},
    {"bytes=1000-", 1000, RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=99999999999999999999999-", 1000, RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=-0", 1000, RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=-1", 0, RANGE_WHOLE, 0, 0},
    {"bytes=5-4", 1000, RANGE_WHOLE, 0, 0},
    {"bytes=0-1,3-4", 1000, RANGE_WHOLE, 0, 0},
    {"bytes=0 - 1", 1000, RANGE_WHOLE, 0, 0},
    {"bytes=-", 1000, RANGE_WHOLE, 0, 0},
    {"bytes=", 1000, RANGE_WHOLE, 0, 0},
    {"bytes", 1000, RANGE_WHOLE, 0, 0},
    {"bytes=a-b", 1000, RANGE_WHOLE, 0, 0},
    {"bytes=+1-2", 1000, RANGE_WHOLE, 0, 0},
    {"bytes=1--2", 1000, RANGE_WHOLE, 0, 0},
    {"rows=0-5", 1000, RANGE_WHOLE, 0, 0},
    {NULL, 1000, RANGE_WHOLE, 0, 0},
};

static void
ranges_are_cut_to_the_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(ranges); i++) {
        uint64_t first = 0, length = 0;

        print_message("%s of %llu\n", ranges[i].header ? ranges[i].header : "-",
                      (unsigned long long)ranges[i].of);
        assert_int_equal(range_parse(str_of(ranges[i].header), ranges[i].of,
                                     &first, &length),
                         ranges[i].want);
        assert_true(first == ranges[i].first);
        assert_true(length == ranges[i].length);
    }
}

static const struct {
    const char *header;
    bool want;
} tags[] = {
    {"\"a\"", true},
    {"W/\"a\"", true},
    {"\"b\"", false},
    {"\"b\", \"a\"", true},
    {"\"b\",W/\"a\"", true},
    {"\"b,\\\"a\"", false},
    {"\"x, y\" , \"a\"", true},
    {"*", true},
    {" * ", true},
    {"a", false},
    {"\"a", false},
    {"", false},
    {"\"A\"", false},
    {"\"a\"x", true},
};

static void
etags_are_found_in_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(tags); i++) {
        print_message("%s\n", tags[i].header);
        assert_int_equal(etag_matches(str_of(tags[i].header), "\"a\""),
                         tags[i].want);
    }
}

#define THEN "Sun, 06 Nov 1994 08:49:37 GMT"
#define THEN_S 784111777
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define NM "If-None-Match"
#define MS "If-Modified-Since"
#define IM "If-Match"
#define US "If-Unmodified-Since"

static const struct {
    enum http_method method;
    const char *headers[4];
    int want;
} conditions[] = {
    {HTTP_GET, {NULL}, 0},
    {HTTP_GET, {NM, "\"a\""}, 304},
    {HTTP_HEAD, {NM, "W/\"a\""}, 304},
    {HTTP_PUT, {NM, "*"}, 412},
    {HTTP_GET, {NM, "\"b\""}, 0},
    {HTTP_GET, {NM, "\"b\"", NM, "\"a\""}, 304},
    {HTTP_GET, {MS, THEN}, 304},
    {HTTP_GET, {MS, BEFORE}, 0},
    {HTTP_GET, {MS, "rubbish"}, 0},
    {HTTP_POST, {MS, THEN}, 0},
    /* The tag decides alone where both are sent. */
    {HTTP_GET, {NM, "\"b\"", MS, THEN}, 0},
    {HTTP_GET, {NM, "\"a\"", MS, BEFORE}, 304},
    {HTTP_GET, {IM, "\"a\""}, 0},
    {HTTP_GET, {IM, "*"}, 0},
    {HTTP_GET, {IM, "\"b\""}, 412},
    {HTTP_GET, {IM, "W/\"a\""}, 412},
    {HTTP_PATCH, {US, THEN}, 0},
    {HTTP_PATCH, {US, BEFORE}, 412},
    {HTTP_PATCH, {US, "rubbish"}, 0},
    {HTTP_GET, {IM, "\"a\"", US, BEFORE}, 0},
    {HTTP_GET, {IM, "\"a\"", NM, "\"a\""}, 304},
};

static size_t
make_request(struct http_request *request, const char *const headers[4],
             struct http_field fields[2])
{
    size_t count = 0;

    for (size_t i = 0; i < 4 && headers[i] != NULL; i += 2)
        fields[count++] = (struct http_field){str_of(headers[i]),
                                              str_of(headers[i + 1])};
    request->headers = fields;
    request->header_count = count;
    return count;
}

static void
conditions_follow_their_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(conditions); i++) {
        struct http_request request = {.method = conditions[i].method};
        struct http_field fields[2];

        print_message("%zu\n", i);
        make_request(&request, conditions[i].headers, fields);
        assert_int_equal(http_condition(&request, "\"a\"", THEN_S),
                         conditions[i].want);
    }
}

static const struct {
    enum http_method method;
    const char *if_range;
    bool want;
} if_ranges[] = {
    {HTTP_GET, NULL, true},       {HTTP_HEAD, NULL, true},
    {HTTP_POST, NULL, false},     {HTTP_GET, "\"a\"", true},
    {HTTP_GET, "W/\"a\"", false}, {HTTP_GET, "\"b\"", false},
    {HTTP_GET, THEN, false},      {HTTP_GET, BEFORE, false},
    {HTTP_GET, "rubbish", false},
};

static void
if_range_needs_the_same_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(if_ranges); i++) {
        const char *headers[4] = {"If-Range", if_ranges[i].if_range};
        struct http_request request = {.method = if_ranges[i].method};
        struct http_field fields[2];

        make_request(&request, headers, fields);
        if (if_ranges[i].if_range == NULL)
            request.header_count = 0;
        assert_int_equal(http_if_range(&request, "\"a\""), if_ranges[i].want);
    }
}

static const struct {
    const char *header;
    enum http_coding want;
} codings[] = {
    {NULL, CODING_IDENTITY},
    {"", CODING_IDENTITY},
    {"gzip", CODING_GZIP},
    {"x-gzip", CODING_GZIP},
    {"GZIP, deflate, br", CODING_GZIP},
    {"gzip, deflate, br, zstd", CODING_ZSTD},
    {"zstd;q=0.5, gzip", CODING_GZIP},
    {"zstd;q=0.5, gzip;q=0.501", CODING_GZIP},
    {"gzip;q=0", CODING_IDENTITY},
    {"gzip;q=0.0", CODING_IDENTITY},
    {"gzip ; q=0.1", CODING_GZIP},
    {"identity;q=1, gzip;q=0.5", CODING_IDENTITY},
    {"identity, gzip", CODING_GZIP},
    {"identity;q=0", CODING_IDENTITY},
    {"identity;q=0, *;q=0", CODING_IDENTITY},
    {"*", CODING_ZSTD},
    {"*;q=0, gzip", CODING_GZIP},
    {"zstd;q=0, *", CODING_GZIP},
    {"deflate, br", CODING_IDENTITY},
    {"gzip;q=rubbish", CODING_IDENTITY},
    {"gzip;q=1.000;x=y", CODING_GZIP},
    {",,;,gzip", CODING_GZIP},
};

static void
the_best_coding_is_picked(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(codings); i++) {
        print_message("%s\n", codings[i].header ? codings[i].header : "-");
        assert_int_equal(http_coding_pick(str_of(codings[i].header)),
                         codings[i].want);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_cut_to_the_file),
        cmocka_unit_test(etags_are_found_in_lists),
        cmocka_unit_test(conditions_follow_their_order),
        cmocka_unit_test(if_range_needs_the_same_bytes),
        cmocka_unit_test(the_best_coding_is_picked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "auth/claims.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1700000000500)
#define IDS                                             \
    "\"jti\":\"0190b2b4-0000-7000-8000-000000000001\"," \
    "\"client_id\":\"0190b2b4-0000-7000-8000-000000000002\","
#define USER "\"identity_id\":\"0190b2b4000070008000000000000003\","
#define FAMILY "0190b2b4-0000-7000-8000-000000000004"
#define SID "\"sid\":\"" FAMILY "\","
#define ATI "\"ati\":\"0190b2b4-0000-7000-8000-000000000005\","
#define SCOPE "\"scope\":[\"idn:nelm:read\"],"
#define TIMES "\"iat\":1700000000,\"exp\":1700000600,"
#define OURS "\"iss\":\"i\",\"aud\":\"a\""

#define MALFORMED "JWT validation failed: JWT is malformed"
#define EXPIRED "JWT validation failed: JWT is expired"

static const struct {
    const char *label, *payload, *want; /* NULL: good */
    bool user;
} payloads[] = {
    {"application", "{" IDS SCOPE TIMES OURS "}", NULL, false},
    {"user", "{" IDS USER SCOPE TIMES OURS "}", NULL, true},
    {"unknown members", "{\"x\":{\"iss\":1}," IDS SCOPE TIMES OURS "}", NULL,
     false},
    {"a minute ahead",
     "{" IDS SCOPE "\"iat\":1700000060,\"exp\":1700000600," OURS "}", NULL,
     false},
    {"ends a second later",
     "{" IDS SCOPE "\"iat\":1,\"exp\":1700000001," OURS "}", NULL, false},

    {"ends this second", "{" IDS SCOPE "\"iat\":1,\"exp\":1700000000," OURS "}",
     EXPIRED, false},
    {"ended long ago", "{" IDS SCOPE "\"iat\":1,\"exp\":2," OURS "}", EXPIRED,
     false},
    {"ended at the beginning", "{" IDS SCOPE "\"iat\":0,\"exp\":0," OURS "}",
     EXPIRED, false},

    {"further ahead",
     "{" IDS SCOPE "\"iat\":1700000061,\"exp\":1700000600," OURS "}", MALFORMED,
     false},
    {"another issuer", "{" IDS SCOPE TIMES "\"iss\":\"j\",\"aud\":\"a\"}",
     MALFORMED, false},
    {"longer issuer", "{" IDS SCOPE TIMES "\"iss\":\"i2\",\"aud\":\"a\"}",
     MALFORMED, false},
    {"no issuer", "{" IDS SCOPE TIMES "\"aud\":\"a\"}", MALFORMED, false},
    {"another audience", "{" IDS SCOPE TIMES "\"iss\":\"i\",\"aud\":\"b\"}",
     MALFORMED, false},
    {"audience a list", "{" IDS SCOPE TIMES "\"iss\":\"i\",\"aud\":[\"a\"]}",
     MALFORMED, false},
    {"no end", "{" IDS SCOPE "\"iat\":1," OURS "}", MALFORMED, false},
    {"end a text", "{" IDS SCOPE "\"iat\":1,\"exp\":\"1700000600\"," OURS "}",
     MALFORMED, false},
    {"end a real", "{" IDS SCOPE "\"iat\":1,\"exp\":17000006e2," OURS "}",
     MALFORMED, false},
    {"end never",
     "{" IDS SCOPE "\"iat\":1,\"exp\":9223372036854775807," OURS "}", MALFORMED,
     false},
    {"end below zero", "{" IDS SCOPE "\"iat\":1,\"exp\":-1," OURS "}",
     MALFORMED, false},
    {"end null", "{" IDS SCOPE "\"iat\":1,\"exp\":null," OURS "}", MALFORMED,
     false},
    {"end twice",
     "{" IDS SCOPE "\"exp\":2,\"iat\":1,\"exp\":1700000600," OURS "}",
     MALFORMED, false},
    {"no beginning", "{" IDS SCOPE "\"exp\":1700000600," OURS "}", MALFORMED,
     false},
    {"no scope", "{" IDS TIMES OURS "}", MALFORMED, false},
    {"scope a text", "{" IDS "\"scope\":\"idn:nelm:read\"," TIMES OURS "}",
     MALFORMED, false},
    {"scope of numbers", "{" IDS "\"scope\":[1]," TIMES OURS "}", MALFORMED,
     false},
    {"no ids", "{" SCOPE TIMES OURS "}", MALFORMED, false},
    {"client not an id",
     "{\"jti\":\"0190b2b4-0000-7000-8000-000000000001\",\"client_id\":"
     "\"x\"," SCOPE TIMES OURS "}",
     MALFORMED, false},
    {"user not an id", "{" IDS "\"identity_id\":\"x\"," SCOPE TIMES OURS "}",
     MALFORMED, false},
    {"user null", "{" IDS "\"identity_id\":null," SCOPE TIMES OURS "}",
     MALFORMED, false},
    {"family", "{" IDS SID SCOPE TIMES OURS "}", NULL, false},
    {"family not an id", "{" IDS "\"sid\":\"x\"," SCOPE TIMES OURS "}",
     MALFORMED, false},
    {"a refresh token", "{" IDS ATI SID SCOPE TIMES OURS "}", MALFORMED, false},
    {"NUL in a text", "{" IDS SCOPE TIMES "\"iss\":\"i\\u0000\",\"aud\":\"a\"}",
     MALFORMED, false},
    {"not UTF-8", "{\"x\":\"\xff\"," IDS SCOPE TIMES OURS "}", MALFORMED,
     false},
    {"an array", "[]", MALFORMED, false},
    {"nothing", "", MALFORMED, false},
    {"cut", "{" IDS SCOPE TIMES OURS, MALFORMED, false},
    {"two", "{" IDS SCOPE TIMES OURS "}{}", MALFORMED, false},
};

static void
claims_must_be_as_we_write_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(payloads); i++) {
        struct principal principal;
        struct error err = ERROR_INIT;
        enum error_code rc = claims_read(str_of(payloads[i].payload), STR("i"),
                                         STR("a"), NOW_MS, &principal, &err);

        print_message("%s\n", payloads[i].label);
        assert_int_equal(rc, payloads[i].want ? ERR_UNAUTHENTICATED : ERR_OK);
        if (payloads[i].want != NULL) {
            assert_string_equal(error_text(&err), payloads[i].want);
            continue;
        }
        assert_int_equal(principal.has_identity, payloads[i].user);
        assert_int_equal(principal.scopes, SCOPE_NELM_READ);
        assert_int_equal(principal.levels, 0);
        assert_int_equal(principal.client_id.bytes[15], 2);
        assert_int_equal(principal.identity_id.bytes[15],
                         payloads[i].user ? 3 : 0);
    }
}

static const struct {
    const char *label, *payload, *want;
} refreshes[] = {
    {"good", "{" IDS ATI SID TIMES OURS "}", NULL},
    {"no access token", "{" IDS SID TIMES OURS "}", MALFORMED},
    {"no family", "{" IDS ATI TIMES OURS "}", MALFORMED},
    {"family not an id", "{" IDS ATI "\"sid\":\"x\"," TIMES OURS "}",
     MALFORMED},
    {"other issuer", "{" IDS ATI SID TIMES "\"iss\":\"j\",\"aud\":\"a\"}",
     MALFORMED},
    {"no end", "{" IDS ATI SID "\"iat\":1," OURS "}", MALFORMED},
    {"at its end", "{" IDS ATI SID "\"iat\":1,\"exp\":1700000000," OURS "}",
     EXPIRED},
    {"nothing", "", MALFORMED},
};

static void
a_refresh_token_names_its_family_and_access_token(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refreshes); i++) {
        struct refresh_claims claims;
        struct error err = ERROR_INIT;
        enum error_code rc = claims_read_refresh(str_of(refreshes[i].payload),
                                                 STR("i"), STR("a"), NOW_MS,
                                                 &claims, &err);

        print_message("%s\n", refreshes[i].label);
        assert_int_equal(rc, refreshes[i].want ? ERR_UNAUTHENTICATED : ERR_OK);
        if (refreshes[i].want != NULL) {
            assert_string_equal(error_text(&err), refreshes[i].want);
            continue;
        }
        assert_int_equal(claims.jti.bytes[15], 1);
        assert_int_equal(claims.client_id.bytes[15], 2);
        assert_int_equal(claims.family_id.bytes[15], 4);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_must_be_as_we_write_them),
        cmocka_unit_test(a_refresh_token_names_its_family_and_access_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

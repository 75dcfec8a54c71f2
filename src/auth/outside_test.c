#include "auth/outside.h"

#include "auth/jwt.h"
#include "auth/outside_fixture.h"
#include "auth/principal.h"

#define NOW_S INT64_C(1700000000)
#define ISSUER "https://id.example/realm"

static const struct outside_rules rules = {
    .issuer = {ISSUER, sizeof(ISSUER) - 1},
    .audience = {"nelm", 4},
    .subject_claim = {"sub", 3},
    .levels_claim = {"groups", 6},
    .level_count = 2,
    .levels = {{{"admins", 6}, LEVEL_ORG_ADMIN},
               {{"staff", 5}, LEVEL_SOURCE_ADMIN}},
};

/* What becomes of a token: NULL when it is good, else the reason; "not ours"
 * when it names another issuer. The signature is not looked at. */
static const char *
outcome(const char *token, const struct outside_rules *by,
        struct outside_claims *ret)
{
    static struct error err;
    struct outside_claims ignored;
    struct outside opened;

    err = ERROR_INIT;
    enum error_code rc = outside_open(str_of(token), by->issuer, &opened, &err);

    if (rc == ERR_NOT_FOUND)
        return "not ours";
    if (rc == ERR_OK) {
        rc = outside_read(&opened, by, NOW_S * 1000, ret ? ret : &ignored,
                          &err);
        outside_done(&opened);
    }
    if (rc == ERR_OK)
        return NULL;
    assert_int_equal(rc, ERR_UNAUTHENTICATED);
    return err.text + strlen("JWT validation failed: ");
}

static const char *
outcome_of(const char *header, const char *payload,
           const struct outside_rules *by, struct outside_claims *ret)
{
    char *token = fixture_token(NULL, "none", header, payload);
    const char *got = outcome(token, by, ret);

    free(token);
    return got;
}

static void
check_text(const char *label, const char *got, const char *want)
{
    const char *said = got ? got : "good", *wanted = want ? want : "good";

    if (strcmp(said, wanted) != 0)
        fail_msg("%s: %s, not %s", label, said, wanted);
}

#define HEADER "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"k\"}"
#define BASE "\"iss\":\"" ISSUER "\",\"sub\":\"ann\",\"aud\":\"nelm\""
#define GOOD BASE ",\"exp\":1700000600"

static void
headers_are_as_the_book_says(void **state UNUSED)
{
    static const struct {
        const char *header, *want;
    } rows[] = {
        {HEADER, NULL},
        {"{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"k\"}", NULL},
        {"{\"alg\":\"PS256\",\"typ\":\"application/AT+JWT\",\"kid\":\"k\"}",
         NULL},
        {"{\"alg\":\"ES384\",\"kid\":\"k\"}", NULL},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k\",\"jku\":\"https://evil/\"}", NULL},
        {"{\"alg\":\"none\",\"kid\":\"k\"}", JWT_FORGED},
        {"{\"alg\":\"NONE\",\"kid\":\"k\"}", JWT_FORGED},
        {"{\"alg\":\"HS256\",\"kid\":\"k\"}", JWT_FORGED},
        {"{\"alg\":\"RS512\",\"kid\":\"k\"}", JWT_FORGED},
        {"{\"alg\":[\"RS256\"],\"kid\":\"k\"}", JWT_MALFORMED},
        {"{\"kid\":\"k\"}", JWT_MALFORMED},
        {"{\"alg\":\"RS256\"}", JWT_FORGED},
        {"{\"alg\":\"RS256\",\"kid\":\"\"}", JWT_FORGED},
        {"{\"alg\":\"RS256\",\"kid\":7}", JWT_FORGED},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"kid\":\"l\"}", JWT_MALFORMED},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"crit\":[\"b64\"]}", JWT_MALFORMED},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":\"dpop+jwt\"}",
         JWT_MALFORMED},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":\"logout+jwt\"}",
         JWT_MALFORMED},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":null}", JWT_MALFORMED},
        {"[]", JWT_MALFORMED},
        {"x", JWT_MALFORMED},
        {"", JWT_MALFORMED},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        check_text(rows[i].header,
                   outcome_of(rows[i].header, "{" GOOD "}", &rules, NULL),
                   rows[i].want);
}

static void
claims_are_as_the_book_says(void **state UNUSED)
{
    static const struct {
        const char *payload, *want;
    } rows[] = {
        {"{" GOOD "}", NULL},
        {"{" GOOD ",\"nbf\":1700000000,\"iat\":1699999999}", NULL},
        {"{" BASE ",\"exp\":1700000000.5}", NULL},
        {"{" BASE ",\"exp\":1700000000}", JWT_EXPIRED},
        {"{" BASE ",\"exp\":1}", JWT_EXPIRED},
        {"{" BASE "}", JWT_MALFORMED},
        {"{" BASE ",\"exp\":\"1700000600\"}", JWT_MALFORMED},
        {"{" BASE ",\"exp\":null}", JWT_MALFORMED},
        {"{" BASE ",\"exp\":-1}", JWT_MALFORMED},
        {"{" BASE ",\"exp\":1e300}", JWT_MALFORMED},
        {"{" GOOD ",\"exp\":1700000600}", "not ours"}, /* a member twice */
        {"{" GOOD ",\"nbf\":1700000061}", JWT_MALFORMED},
        {"{" GOOD ",\"nbf\":\"now\"}", JWT_MALFORMED},
        {"{" GOOD ",\"iat\":1700000061}", JWT_MALFORMED},
        {"{" GOOD ",\"nbf\":1700000060,\"iat\":1700000060}", NULL},
        {"{" GOOD ",\"cnf\":{\"jkt\":\"x\"}}", JWT_MALFORMED},
        {"{" GOOD ",\"at_hash\":\"x\"}", JWT_MALFORMED},
        {"{\"iss\":\"" ISSUER "\",\"sub\":\"a\",\"exp\":1700000600}",
         JWT_MALFORMED},
        {"{\"iss\":\"" ISSUER "\",\"sub\":\"a\",\"aud\":\"nelmo\","
         "\"exp\":1700000600}",
         JWT_MALFORMED},
        {"{\"iss\":\"" ISSUER "\",\"sub\":\"a\",\"aud\":\"x nelm\","
         "\"exp\":1700000600}",
         JWT_MALFORMED},
        {"{\"iss\":\"" ISSUER "\",\"sub\":\"a\",\"aud\":[\"x\",7],"
         "\"exp\":1700000600}",
         JWT_MALFORMED},
        {"{\"iss\":\"" ISSUER "\",\"sub\":\"a\",\"aud\":[\"x\",\"nelm\"],"
         "\"exp\":1700000600}",
         NULL},
        {"{\"iss\":\"" ISSUER "\",\"aud\":\"nelm\",\"exp\":1700000600}",
         JWT_MALFORMED},
        {"{\"iss\":\"" ISSUER "\",\"sub\":\"\",\"aud\":\"nelm\","
         "\"exp\":1700000600}",
         JWT_MALFORMED},
        {"{\"iss\":\"" ISSUER "\",\"sub\":{},\"aud\":\"nelm\","
         "\"exp\":1700000600}",
         JWT_MALFORMED},
        {"{\"iss\":\"" ISSUER "/\",\"sub\":\"a\",\"aud\":\"nelm\","
         "\"exp\":1700000600}",
         "not ours"},
        {"{\"iss\":[\"" ISSUER "\"],\"sub\":\"a\",\"aud\":\"nelm\","
         "\"exp\":1700000600}",
         "not ours"},
        {"{\"sub\":\"a\",\"aud\":\"nelm\",\"exp\":1700000600}", "not ours"},
        {"[]", "not ours"},
        {"", "not ours"},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        check_text(rows[i].payload,
                   outcome_of(HEADER, rows[i].payload, &rules, NULL),
                   rows[i].want);
}

static void
texts_that_are_no_tokens_are_not_ours(void **state UNUSED)
{
    static const char *const texts[] = {"", ".", "..", "a.b", "a.b.c", "...."};
    char *good = fixture_token(NULL, "none", HEADER, "{" GOOD "}");
    char *more = NULL, *long_text = calloc(1, OUTSIDE_MAX + 2);

    for (size_t i = 0; i < COUNT(texts); i++)
        check_text(texts[i], outcome(texts[i], &rules, NULL), "not ours");
    assert_true(asprintf(&more, "%sAA.AA", good) > 0); /* encrypted ones */
    check_text("four parts", outcome(more, &rules, NULL), JWT_MALFORMED);
    free(more);
    assert_true(asprintf(&more, "%s=", good) > 0);
    check_text("padding", outcome(more, &rules, NULL), JWT_MALFORMED);
    memset(long_text, 'A', OUTSIDE_MAX + 1);
    memcpy(long_text, good, strlen(good));
    check_text("too long", outcome(long_text, &rules, NULL), "not ours");
    long_text[strlen(good) + 4000] = '\0';
    check_text("long signature", outcome(long_text, &rules, NULL), JWT_FORGED);
    free(long_text);
    free(more);
    free(good);
}

static void
levels_come_from_the_claim(void **state UNUSED)
{
    static const struct {
        const char *claim, *from;
        unsigned want;
    } rows[] = {
        {"\"groups\":[\"x\",\"admins\"]", "groups", LEVEL_ORG_ADMIN},
        {"\"groups\":[\"staff\",\"admins\",7,null]", "groups",
         LEVEL_ORG_ADMIN | LEVEL_SOURCE_ADMIN},
        {"\"groups\":\"staff\"", "groups", LEVEL_SOURCE_ADMIN},
        {"\"groups\":\"x, staff,admins\"", "groups",
         LEVEL_ORG_ADMIN | LEVEL_SOURCE_ADMIN},
        {"\"groups\":\"staff admins\"", "groups", 0},
        {"\"groups\":[\"x,admins\"]", "groups", 0},
        {"\"groups\":[\"Admins\",\"admins \",\"\"]", "groups", 0},
        {"\"groups\":{\"admins\":true}", "groups", 0},
        {"\"groups\":[[\"admins\"]]", "groups", 0},
        {"\"roles\":[\"admins\"]", "groups", 0},
        {"\"realm_access\":{\"roles\":[\"staff\"]}", "realm_access.roles",
         LEVEL_SOURCE_ADMIN},
        {"\"realm_access\":[\"staff\"]", "realm_access.roles", 0},
        {"\"realm_access\":{\"roles\":{\"x\":\"staff\"}}", "realm_access.roles",
         0},
        {"\"https://x.example/roles\":[\"staff\"]", "https://x.example/roles",
         LEVEL_SOURCE_ADMIN},
        {"\"a\":{\"a\":1}", "a.a.a.a.a.a.a.a.a.a.a", 0},
        {"\"a\":1", "...", 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct outside_rules by = rules;
        struct outside_claims claims = {.levels = ~0u};
        char payload[512];

        by.levels_claim = str_of(rows[i].from);
        snprintf(payload, sizeof(payload), "{" GOOD ",%s}", rows[i].claim);
        check_text(payload, outcome_of(HEADER, payload, &by, &claims), NULL);
        if (claims.levels != rows[i].want)
            fail_msg("%s: levels %x", payload, claims.levels);
    }
}

static void
scopes_come_from_the_token_and_none_means_none(void **state UNUSED)
{
    static const struct {
        const char *claim;
        unsigned want;
    } rows[] = {
        {"\"x\":1", 0},
        {"\"scope\":\"openid profile\"", 0},
        {"\"scope\":\"openid idn:nelm:read\"", SCOPE_NELM_READ},
        {"\"scope\":[\"idn:nelm:read\",\"idn:nelm:manage\",1]",
         SCOPE_NELM_READ | SCOPE_NELM_MANAGE},
        {"\"scp\":[\"idn:nelm:read\"]", SCOPE_NELM_READ},
        {"\"scope\":\"openid\",\"scp\":[\"idn:nelm:read\"]", 0},
        {"\"scope\":\"\",\"scp\":[\"idn:nelm:read\"]", 0},
        {"\"scope\":\"sp:scopes:all\"", SCOPE_ALL},
        {"\"scope\":null", 0},
        {"\"scope\":{\"sp:scopes:all\":true}", 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct outside_claims claims = {.levels = ~0u};
        char payload[512];

        snprintf(payload, sizeof(payload), "{" GOOD ",%s}", rows[i].claim);
        check_text(payload, outcome_of(HEADER, payload, &rules, &claims), NULL);
        if (claims.scopes != rows[i].want)
            fail_msg("%s: scopes %x", payload, claims.scopes);
    }
}

static void
subjects_come_from_the_claim(void **state UNUSED)
{
    static const struct {
        const char *claims, *from, *want;
    } rows[] = {
        {"\"x\":1", "sub", "ann"},
        {"\"preferred_username\":\"ann.s\"", "preferred_username", "ann.s"},
        {"\"user\":{\"name\":\"bo\"}", "user.name", "bo"},
        {"\"x\":1", "preferred_username", NULL},
        {"\"email\":\"a@b.c\"", "email", NULL},
        {"\"email\":\"a@b.c\",\"email_verified\":\"true\"", "email", NULL},
        {"\"email\":\"a@b.c\",\"email_verified\":true", "email", "a@b.c"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct outside_rules by = rules;
        struct outside_claims claims = {.levels = ~0u};
        char payload[512];

        by.subject_claim = str_of(rows[i].from);
        snprintf(payload, sizeof(payload), "{" GOOD ",%s}", rows[i].claims);
        check_text(payload, outcome_of(HEADER, payload, &by, &claims),
                   rows[i].want ? NULL : JWT_MALFORMED);
        if (rows[i].want != NULL &&
            !str_eq(str_n(claims.subject, claims.subject_len),
                    str_of(rows[i].want)))
            fail_msg("%s: another subject", payload);
    }

    char longest[OUTSIDE_SUBJECT + 200];

    snprintf(longest, sizeof(longest),
             "{\"iss\":\"" ISSUER "\",\"aud\":\"nelm\",\"exp\":1700000600,"
             "\"sub\":\"%0*d\"}",
             OUTSIDE_SUBJECT + 1, 0);
    check_text("long subject", outcome_of(HEADER, longest, &rules, NULL),
               JWT_MALFORMED);
}

static void
levels_are_set_by_a_list(void **state UNUSED)
{
    static const struct {
        const char *text;
        size_t count; /* 99: refused */
    } rows[] = {
        {"", 0},
        {"a=ORG_ADMIN", 1},
        {" a = ORG_ADMIN , b=SOURCE_ADMIN,a=HELPDESK,", 3},
        {"k=v=SOURCE_SUBADMIN", 1},
        {"a", 99},
        {"=ORG_ADMIN", 99},
        {"a=", 99},
        {"a=BOSS", 99},
        {"a=org_admin", 99},
        {"a=ORG_ADMIN BOSS", 99},
        {"a=ORG_ADMIN,,b=ORG_ADMIN", 99},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct outside_rules by = {.level_count = 7};
        const char *wrong = NULL;
        bool good = outside_levels_parse(str_of(rows[i].text), &by, &wrong);

        if (good != (rows[i].count != 99) ||
            (good && by.level_count != rows[i].count))
            fail_msg("\"%s\": %zu", rows[i].text, by.level_count);
        if (!good)
            assert_non_null(wrong);
    }

    CLEANUP(buf_done) struct buf many;
    struct outside_rules by;
    const char *wrong;

    buf_init(&many, 8192);
    for (int i = 0; i <= OUTSIDE_LEVELS; i++)
        buf_printf(&many, "g%d=HELPDESK,", i);
    assert_false(outside_levels_parse(buf_view(&many), &by, &wrong));
    assert_string_equal(wrong, "has too many values");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_as_the_book_says),
        cmocka_unit_test(claims_are_as_the_book_says),
        cmocka_unit_test(texts_that_are_no_tokens_are_not_ours),
        cmocka_unit_test(levels_come_from_the_claim),
        cmocka_unit_test(scopes_come_from_the_token_and_none_means_none),
        cmocka_unit_test(subjects_come_from_the_claim),
        cmocka_unit_test(levels_are_set_by_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

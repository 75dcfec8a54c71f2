#include "auth/jwks.h"

#include "auth/jwt.h"
#include "auth/outside_fixture.h"

#define MESSAGE STR("header.payload")

static EVP_PKEY *rsa, *weak, *p256, *p384, *ed25519;

static int
setup(void **state UNUSED)
{
    rsa = EVP_RSA_gen(2048);
    weak = EVP_RSA_gen(1024);
    p256 = EVP_EC_gen("P-256");
    p384 = EVP_EC_gen("P-384");
    ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return rsa && weak && p256 && p384 && ed25519 ? 0 : -1;
}

static int
teardown(void **state UNUSED)
{
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(weak);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(ed25519);
    return 0;
}

/* The set of these JWKs; NULL when there is none, with the reason. */
static struct jwks *
read_set(const char *keys, char why[sizeof(((struct error *)0)->text)])
{
    struct jwks *set = NULL;
    struct error err = ERROR_INIT;
    char *text = NULL;

    assert_true(asprintf(&text, "{\"keys\":[%s]}", keys) > 0);
    enum error_code rc = jwks_read(str_of(text), &set, &err);

    free(text);
    assert_true(rc == ERR_OK || rc == ERR_VALUE);
    if (why != NULL)
        memcpy(why, err.text, sizeof(err.text));
    return rc == ERR_OK ? set : NULL;
}

static struct jwks *
set_of(const EVP_PKEY *pkey, const char *more)
{
    char *jwk = fixture_jwk(pkey, more);
    struct jwks *set = read_set(jwk, NULL);

    free(jwk);
    return set;
}

static void
each_algorithm_is_verified(void **state UNUSED)
{
    const struct {
        const char *alg;
        EVP_PKEY *pkey;
    } rows[] = {{"RS256", rsa},
                {"PS256", rsa},
                {"ES256", p256},
                {"ES384", p384},
                {"EdDSA", ed25519}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct jwk_alg *alg = jwk_alg_find(rows[i].alg);
        CLEANUP(jwks_unref)
        struct jwks *set = set_of(rows[i].pkey, "\"kid\":\"k\"");
        unsigned char signature[JWKS_SIGNATURE];
        size_t len = fixture_sign(rows[i].pkey, rows[i].alg, MESSAGE,
                                  signature);
        struct str signed_with = str_n((char *)signature, len);

        assert_non_null(alg);
        assert_non_null(set);
        const struct jwk *key = jwks_find(set, STR("k"), alg);

        assert_non_null(key);
        assert_int_equal(jwk_verify(key, alg, MESSAGE, signed_with, NULL),
                         ERR_OK);
        assert_int_equal(
            jwk_verify(key, alg, STR("header.other"), signed_with, NULL),
            ERR_UNAUTHENTICATED);
        for (size_t cut = 0; cut < len; cut += 7)
            assert_int_equal(jwk_verify(key, alg, MESSAGE,
                                        str_n((char *)signature, cut), NULL),
                             ERR_UNAUTHENTICATED);
        signature[len / 2] ^= 1;
        assert_int_equal(jwk_verify(key, alg, MESSAGE, signed_with, NULL),
                         ERR_UNAUTHENTICATED);
        memset(signature, 0, len); /* CVE-2022-21449 */
        assert_int_equal(jwk_verify(key, alg, MESSAGE, signed_with, NULL),
                         ERR_UNAUTHENTICATED);
    }
}

static void
a_key_is_for_its_own_algorithm_only(void **state UNUSED)
{
    static const char *const names[] = {"RS256", "PS256", "ES256", "ES384",
                                        "EdDSA"};
    const struct {
        EVP_PKEY *pkey;
        const char *more, *good; /* algorithms, each with a blank */
    } rows[] = {
        {rsa, "\"kid\":\"k\"", "RS256 PS256 "},
        {rsa, "\"kid\":\"k\",\"alg\":\"RS256\"", "RS256 "},
        {rsa, "\"kid\":\"k\",\"alg\":\"PS256\"", "PS256 "},
        {p256, "\"kid\":\"k\"", "ES256 "},
        {p384, "\"kid\":\"k\"", "ES384 "},
        {ed25519, "\"kid\":\"k\",\"alg\":\"EdDSA\"", "EdDSA "},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        CLEANUP(jwks_unref)
        struct jwks *set = set_of(rows[i].pkey, rows[i].more);
        char good[64] = "";

        assert_non_null(set);
        for (size_t j = 0; j < COUNT(names); j++)
            if (jwks_find(set, STR("k"), jwk_alg_find(names[j])) != NULL)
                snprintf(good + strlen(good), sizeof(good) - strlen(good),
                         "%s ", names[j]);
        assert_string_equal(good, rows[i].good);
    }
}

static void
nothing_else_is_an_algorithm(void **state UNUSED)
{
    static const char *const names[] = {"none",  "None",  "HS256", "HS512",
                                        "RS1",   "RS512", "ES512", "ES256K",
                                        "rs256", "",      "dir"};

    for (size_t i = 0; i < COUNT(names); i++)
        assert_null(jwk_alg_find(names[i]));
}

static void
keys_that_are_not_for_signatures_are_left_out(void **state UNUSED)
{
    static const char *const left_out[] = {
        "\"kid\":\"k\",\"use\":\"enc\"",
        "\"kid\":\"k\",\"use\":7",
        "\"kid\":\"k\",\"key_ops\":[\"encrypt\",\"sign\"]",
        "\"kid\":\"k\",\"key_ops\":\"verify\"",
        "\"kid\":\"k\",\"alg\":\"RS512\"",
        "\"kid\":\"k\",\"alg\":\"ES256\"",
        "\"kid\":\"k\",\"alg\":\"HS256\"",
        "\"kid\":\"k\",\"alg\":\"none\"",
        "\"kid\":\"k\",\"alg\":null",
        "\"kid\":\"\"",
        "\"kid\":5",
        "\"name\":\"k\"",
        /* A private key that is published is everybody's. */
        "\"kid\":\"k\",\"d\":\"AQAB\"",
    };
    char why[sizeof(((struct error *)0)->text)];

    for (size_t i = 0; i < COUNT(left_out); i++) {
        CLEANUP(jwks_unref) struct jwks *set = set_of(rsa, left_out[i]);

        if (set != NULL)
            fail_msg("%s was taken", left_out[i]);
    }
    assert_null(
        read_set("{\"kty\":\"oct\",\"kid\":\"k\",\"k\":\"c2VjcmV0\"}", why));
    assert_string_equal(why, "none of the issuer's keys can be used");

    CLEANUP(jwks_unref)
    struct jwks *set = set_of(rsa, "\"kid\":\"k\",\"use\":\"sig\","
                                   "\"key_ops\":[\"verify\"],\"x5t\":\"?\"");

    assert_non_null(set);
    assert_int_equal(jwks_count(set), 1);
}

static void
weak_and_odd_keys_are_left_out(void **state UNUSED)
{
    char *n = fixture_number(rsa, OSSL_PKEY_PARAM_RSA_N, 0), *text = NULL;
    static const char *const exponents[] = {"",     "AA",      "AQ", "Ag",
                                            "AQAA", "AQAAAAE", "!!"};

    assert_null(set_of(weak, "\"kid\":\"k\""));
    for (size_t i = 0; i < COUNT(exponents); i++) {
        assert_true(asprintf(&text,
                             "{\"kty\":\"RSA\",\"kid\":\"k\",\"n\":\"%s\","
                             "\"e\":\"%s\"}",
                             n, exponents[i]) > 0);
        if (read_set(text, NULL) != NULL)
            fail_msg("the exponent %s was taken", exponents[i]);
        free(text);
    }
    free(n);

    /* Larger than we take the time for. */
    char *huge = malloc(2048);

    memset(huge, 'x', 2047);
    huge[2047] = '\0';
    assert_true(asprintf(&text,
                         "{\"kty\":\"RSA\",\"kid\":\"k\",\"n\":\"%s\","
                         "\"e\":\"AQAB\"}",
                         huge) > 0);
    assert_null(read_set(text, NULL));
    free(text);
    free(huge);

    /* No point of its curve, and a curve that does not fit. */
    assert_null(read_set("{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k\","
                         "\"x\":\"AQ\",\"y\":\"AQ\"}",
                         NULL));
    assert_null(read_set("{\"kty\":\"EC\",\"crv\":\"P-521\",\"kid\":\"k\","
                         "\"x\":\"AQ\",\"y\":\"AQ\"}",
                         NULL));
    assert_null(read_set("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k\","
                         "\"x\":\"AQ\"}",
                         NULL));
}

/* What is found in the wild: a zero in front of a number. */
static void
leading_zeros_do_not_matter(void **state UNUSED)
{
    char *x = fixture_number(p256, OSSL_PKEY_PARAM_EC_PUB_X, 33);
    char *y = fixture_number(p256, OSSL_PKEY_PARAM_EC_PUB_Y, 33);
    char *text = NULL;

    assert_true(asprintf(&text,
                         "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k\","
                         "\"x\":\"%s\",\"y\":\"%s\"}",
                         x, y) > 0);
    CLEANUP(jwks_unref) struct jwks *set = read_set(text, NULL);
    const struct jwk_alg *alg = jwk_alg_find("ES256");
    unsigned char signature[JWKS_SIGNATURE];
    size_t len = fixture_sign(p256, "ES256", MESSAGE, signature);

    assert_non_null(set);
    assert_int_equal(jwk_verify(jwks_find(set, STR("k"), alg), alg, MESSAGE,
                                str_n((char *)signature, len), NULL),
                     ERR_OK);
    free(text);
    free(x);
    free(y);
}

static void
a_name_that_two_keys_share_names_neither(void **state UNUSED)
{
    EVP_PKEY *other = EVP_EC_gen("P-256");
    char *a = fixture_jwk(p256, "\"kid\":\"k\"");
    char *b = fixture_jwk(other, "\"kid\":\"k\"");
    char *c = fixture_jwk(rsa, "\"kid\":\"k\""), *text = NULL;

    assert_true(asprintf(&text, "%s,%s,%s", a, b, c) > 0);
    CLEANUP(jwks_unref) struct jwks *set = read_set(text, NULL);

    assert_int_equal(jwks_count(set), 3);
    assert_null(jwks_find(set, STR("k"), jwk_alg_find("ES256")));
    assert_non_null(jwks_find(set, STR("k"), jwk_alg_find("RS256")));
    assert_null(jwks_find(set, STR("K"), jwk_alg_find("RS256")));
    assert_null(jwks_find(set, STR(""), jwk_alg_find("RS256")));
    free(text);
    free(a);
    free(b);
    free(c);
    EVP_PKEY_free(other);
}

static void
documents_that_are_no_key_sets_are_refused(void **state UNUSED)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "null",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[1,\"a\",null,[]]}",
        "{\"keys\":[],\"keys\":[]}", /* a member twice */
        "{\"keys\":[{\"kty\":\"RSA\",\"kty\":\"EC\"}]}",
    };
    struct jwks *set = NULL;
    struct error err;

    for (size_t i = 0; i < COUNT(texts); i++) {
        err = ERROR_INIT;
        assert_int_equal(jwks_read(str_of(texts[i]), &set, &err), ERR_VALUE);
        assert_true(err.text[0] != '\0');
    }

    CLEANUP(buf_done) struct buf many;

    buf_init(&many, 65536);
    buf_text(&many, "{\"keys\":[0");
    for (int i = 0; i < JWKS_MAX_KEYS; i++)
        buf_text(&many, ",0");
    buf_text(&many, "]}");
    err = ERROR_INIT;
    assert_int_equal(jwks_read(buf_view(&many), &set, &err), ERR_VALUE);
    assert_non_null(strstr(err.text, "at most 100 keys"));
}

static void
a_configuration_is_of_its_issuer_only(void **state UNUSED)
{
    static const struct {
        const char *text, *want; /* address or reason */
    } rows[] = {
        {"{\"issuer\":\"https://id.example\",\"jwks_uri\":\"https://k/\"}",
         "https://k/"},
        {"{\"issuer\":\"https://id.example/\",\"jwks_uri\":\"https://k/\"}",
         "the configuration is of the issuer \"https://id.example/\", not of "
         "\"https://id.example\""},
        {"{\"issuer\":\"https://ID.example\",\"jwks_uri\":\"https://k/\"}",
         "the configuration is of the issuer \"https://ID.example\", not of "
         "\"https://id.example\""},
        {"{\"issuer\":[\"https://id.example\"],\"jwks_uri\":\"https://k/\"}",
         "the configuration is of the issuer \"\", not of "
         "\"https://id.example\""},
        {"{\"issuer\":\"https://id.example\"}",
         "the issuer's configuration has no jwks_uri"},
        {"{\"issuer\":\"https://id.example\",\"jwks_uri\":7}",
         "the issuer's configuration has no jwks_uri"},
        {"{\"issuer\":\"https://evil.example\","
         "\"issuer\":\"https://id.example\",\"jwks_uri\":\"https://k/\"}",
         "the issuer's configuration is no JSON object"},
        {"[]", "the issuer's configuration is no JSON object"},
        {"<html>", "the issuer's configuration is no JSON object"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        CLEANUP(buf_done) struct buf uri;
        struct error err = ERROR_INIT;

        buf_init(&uri, 4096);
        if (discovery_read(str_of(rows[i].text), STR("https://id.example"),
                           &uri, &err) == ERR_OK)
            assert_string_equal(uri.data, rows[i].want);
        else
            assert_string_equal(err.text, rows[i].want);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_algorithm_is_verified),
        cmocka_unit_test(a_key_is_for_its_own_algorithm_only),
        cmocka_unit_test(nothing_else_is_an_algorithm),
        cmocka_unit_test(keys_that_are_not_for_signatures_are_left_out),
        cmocka_unit_test(weak_and_odd_keys_are_left_out),
        cmocka_unit_test(leading_zeros_do_not_matter),
        cmocka_unit_test(a_name_that_two_keys_share_names_neither),
        cmocka_unit_test(documents_that_are_no_key_sets_are_refused),
        cmocka_unit_test(a_configuration_is_of_its_issuer_only),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

#include "auth/jwt.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/secret.h"

#define FAILED(reason) "JWT validation failed: " reason
#define MALFORMED FAILED("JWT is malformed")
#define FORGED FAILED("signature is invalid")

static struct jwt_key keys[2]; /* kids are written @ and # in headers below */

static int
make_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(keys); i++)
        assert_int_equal(jwt_key_create(&keys[i], NULL), ERR_OK);
    return 0;
}

static int
drop_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(keys); i++)
        jwt_key_done(&keys[i]);
    return 0;
}

/* As the token service does it. */
static enum error_code
accept(struct str token, struct jwt *jwt, struct error *err)
{
    enum error_code rc = jwt_parse(token, jwt, err);

    if (rc != ERR_OK)
        return rc;
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (strcmp(keys[i].kid, jwt->kid) == 0)
            return jwt_verify(jwt, &keys[i], err);
    }
    return jwt_refuse(err, JWT_FORGED);
}

static void
check(const char *label, struct str token, const char *want)
{
    struct jwt jwt;
    struct error err = ERROR_INIT;
    enum error_code rc = accept(token, &jwt, &err);

    print_message("%s\n", label);
    assert_int_equal(rc, want ? ERR_UNAUTHENTICATED : ERR_OK);
    if (want != NULL)
        assert_string_equal(error_text(&err), want);
}

enum signer {
    KEY_0,
    KEY_1,
    KEY_0_DER,       /* the library's form instead of r and s */
    KEY_0_SHORT,     /* the last byte cut off */
    KEY_0_BIT,       /* one bit of s turned */
    HMAC_PUBLIC_PEM, /* RFC 8725 section 2.1: the public key as a secret */
    HMAC_PUBLIC_DER,
    HMAC_EMPTY,
    ZEROS,
    ORDER, /* r and s both the group order */
    NOTHING
};

static size_t
sign_hmac(const void *secret, size_t secret_len, struct str text,
          unsigned char *to)
{
    unsigned len = 0;

    HMAC(EVP_sha256(), secret, (int)secret_len, (const unsigned char *)text.at,
         text.len, to, &len);
    return len;
}

static size_t
sign_ecdsa(EVP_PKEY *pkey, bool der, struct str text, unsigned char *to)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char bytes[80];
    const unsigned char *at = bytes;
    size_t len = sizeof(bytes);

    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey);
    assert_int_equal(EVP_DigestSign(ctx, bytes, &len,
                                    (const unsigned char *)text.at, text.len),
                     1);
    EVP_MD_CTX_free(ctx);
    if (der) {
        memcpy(to, bytes, len);
        return len;
    }
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)len);

    BN_bn2binpad(ECDSA_SIG_get0_r(pair), to, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), to + 32, 32);
    ECDSA_SIG_free(pair);
    return 64;
}

static size_t
sign_hmac_public(bool pem, struct str text, unsigned char *to)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *secret;

    if (pem)
        PEM_write_bio_PUBKEY(bio, keys[0].pkey);
    else
        i2d_PUBKEY_bio(bio, keys[0].pkey);
    long len = BIO_get_mem_data(bio, &secret);
    size_t made = sign_hmac(secret, (size_t)len, text, to);

    BIO_free(bio);
    return made;
}

static size_t
sign(enum signer signer, struct str text, unsigned char *to)
{
    static const char order[] = "ffffffff00000000ffffffffffffffff"
                                "bce6faada7179e84f3b9cac2fc632551";

    switch (signer) {
    case KEY_0:
    case KEY_1:
        return sign_ecdsa(keys[signer].pkey, false, text, to);
    case KEY_0_DER:
        return sign_ecdsa(keys[0].pkey, true, text, to);
    case KEY_0_SHORT:
        return sign_ecdsa(keys[0].pkey, false, text, to) - 1;
    case KEY_0_BIT:
        sign_ecdsa(keys[0].pkey, false, text, to);
        to[63] ^= 1;
        return 64;
    case HMAC_PUBLIC_PEM:
    case HMAC_PUBLIC_DER:
        return sign_hmac_public(signer == HMAC_PUBLIC_PEM, text, to);
    case HMAC_EMPTY:
        return sign_hmac("", 0, text, to);
    case ZEROS:
        memset(to, 0, 64);
        return 64;
    case ORDER:
        hex_decode(str_of(order), to, 32);
        memcpy(to + 32, to, 32);
        return 64;
    case NOTHING:
        break;
    }
    return 0;
}

static void
add_part(struct buf *to, const void *bytes, size_t len)
{
    char *text = malloc(BASE64_SIZE(len));

    base64url_encode(bytes, len, text);
    buf_text(to, text);
    free(text);
}

static void
make(struct buf *to, const char *header, const char *payload,
     enum signer signer)
{
    unsigned char signature[256];
    struct buf expanded;

    buf_init(&expanded, 1024);
    for (const char *at = header; *at; at++) {
        if (*at == '@' || *at == '#')
            buf_text(&expanded, keys[*at == '#'].kid);
        else
            buf_char(&expanded, *at);
    }
    buf_init(to, 65536);
    add_part(to, expanded.data, expanded.len);
    buf_done(&expanded);
    buf_char(to, '.');
    add_part(to, payload, strlen(payload));
    size_t len = sign(signer, buf_view(to), signature);

    buf_char(to, '.');
    add_part(to, signature, len);
}

#define GOOD "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"@\"}"

static const struct {
    const char *label, *header, *payload;
    enum signer signer;
    const char *want; /* NULL: accepted */
} tokens[] = {
    {"ours", GOOD, "{}", KEY_0, NULL},
    {"members in another order, white space",
     "{ \"kid\" : \"@\",\"typ\":\"JWT\",\n\"alg\":\"ES256\" }", "{}", KEY_0,
     NULL},
    {"one more member",
     "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"@\",\"x\":1}", "{}", KEY_0,
     NULL},
    {"the other key", "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"#\"}", "{}",
     KEY_1, NULL},

    {"kid of another key", "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"#\"}",
     "{}", KEY_0, FORGED},
    {"unknown kid",
     "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":"
     "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
     "{}", KEY_0, FORGED},
    {"short kid", "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"a\"}", "{}",
     KEY_0, FORGED},
    {"long kid", "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"@x\"}", "{}",
     KEY_0, FORGED},
    {"path as kid",
     "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"../../../dev/null\"}", "{}",
     HMAC_EMPTY, FORGED},
    {"no kid", "{\"alg\":\"ES256\",\"typ\":\"JWT\"}", "{}", KEY_0, FORGED},
    {"key of the attacker's in the header",
     "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"jwk\":{\"kty\":\"EC\"}}", "{}",
     KEY_0, FORGED},

    {"none", "{\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"@\"}", "{}", NOTHING,
     FORGED},
    {"None", "{\"alg\":\"None\",\"typ\":\"JWT\",\"kid\":\"@\"}", "{}", NOTHING,
     FORGED},
    {"none with a good signature",
     "{\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"@\"}", "{}", KEY_0, FORGED},
    {"HS256 with the public key as PEM",
     "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"@\"}", "{}", HMAC_PUBLIC_PEM,
     FORGED},
    {"HS256 with the public key as DER",
     "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"@\"}", "{}", HMAC_PUBLIC_DER,
     FORGED},
    {"HS256 with an empty key",
     "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"@\"}", "{}", HMAC_EMPTY,
     FORGED},
    {"HMAC under our algorithm's name", GOOD, "{}", HMAC_PUBLIC_PEM, FORGED},
    {"ES384", "{\"alg\":\"ES384\",\"typ\":\"JWT\",\"kid\":\"@\"}", "{}", KEY_0,
     FORGED},
    {"RS256", "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"@\"}", "{}", KEY_0,
     FORGED},
    {"EdDSA", "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"@\"}", "{}", KEY_0,
     FORGED},
    {"ES256K", "{\"alg\":\"ES256K\",\"typ\":\"JWT\",\"kid\":\"@\"}", "{}",
     KEY_0, FORGED},
    {"es256", "{\"alg\":\"es256\",\"typ\":\"JWT\",\"kid\":\"@\"}", "{}", KEY_0,
     FORGED},
    {"empty alg", "{\"alg\":\"\",\"typ\":\"JWT\",\"kid\":\"@\"}", "{}", KEY_0,
     FORGED},

    {"DER signature", GOOD, "{}", KEY_0_DER, FORGED},
    {"short signature", GOOD, "{}", KEY_0_SHORT, FORGED},
    {"one bit of the signature", GOOD, "{}", KEY_0_BIT, FORGED},
    {"zeros for a signature", GOOD, "{}", ZEROS, FORGED},
    {"the group order for a signature", GOOD, "{}", ORDER, FORGED},
    {"no signature", GOOD, "{}", NOTHING, FORGED},

    {"no alg", "{\"typ\":\"JWT\",\"kid\":\"@\"}", "{}", KEY_0, MALFORMED},
    {"alg not a text", "{\"alg\":[\"ES256\"],\"typ\":\"JWT\",\"kid\":\"@\"}",
     "{}", KEY_0, MALFORMED},
    {"alg twice",
     "{\"alg\":\"none\",\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"@\"}", "{}",
     KEY_0, MALFORMED},
    {"kid twice",
     "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"#\",\"kid\":\"@\"}", "{}",
     KEY_0, MALFORMED},
    {"another type", "{\"alg\":\"ES256\",\"typ\":\"refresh\",\"kid\":\"@\"}",
     "{}", KEY_0, MALFORMED},
    {"no type", "{\"alg\":\"ES256\",\"kid\":\"@\"}", "{}", KEY_0, MALFORMED},
    {"critical extension",
     "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"@\",\"crit\":[\"b64\"],"
     "\"b64\":false}",
     "{}", KEY_0, MALFORMED},
    {"header an array", "[]", "{}", KEY_0, MALFORMED},
    {"header a text", "\"ES256\"", "{}", KEY_0, MALFORMED},
    {"header cut", "{\"alg\":\"ES256\"", "{}", KEY_0, MALFORMED},
    {"something behind the header", GOOD "{}", "{}", KEY_0, MALFORMED},
    {"no header", "", "{}", KEY_0, MALFORMED},
    {"no payload", GOOD, "", KEY_0, MALFORMED},
};

static void
only_our_own_signature_is_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(tokens); i++) {
        struct buf token;

        make(&token, tokens[i].header, tokens[i].payload, tokens[i].signer);
        check(tokens[i].label, buf_view(&token), tokens[i].want);
        buf_done(&token);
    }
}

static const struct {
    const char *before, *after, *want;
} framings[] = {
    {"", "=", MALFORMED},
    {"", "==", MALFORMED},
    {"", "A", FORGED},
    {"", ".", MALFORMED},
    {"", ".e30", MALFORMED},
    {"", " ", MALFORMED},
    {" ", "", MALFORMED},
    {"", "\n", MALFORMED},
    {"", "\t", MALFORMED},
    {".", "", MALFORMED},
    {"\xef\xbb\xbf", "", MALFORMED},
    {"", "\xff", MALFORMED},
    {"", "%3D", MALFORMED},
    {"", "+", MALFORMED},
    {"", "/", MALFORMED},
    {"", ",x", MALFORMED},
    {"", "AAAA", FORGED},
};

static void
nothing_may_stand_around_a_token(void **state)
{
    struct buf good;

    (void)state;
    make(&good, GOOD, "{}", KEY_0);
    for (size_t i = 0; i < COUNT(framings); i++) {
        struct buf token;

        buf_init(&token, 4096);
        buf_printf(&token, "%s%s%s", framings[i].before, good.data,
                   framings[i].after);
        check(token.data, buf_view(&token), framings[i].want);
        buf_done(&token);
    }
    buf_done(&good);
}

static const char *const broken[] = {
    "",
    ".",
    "..",
    "...",
    "a",
    "a.b",
    "a.b.c",
    "e30.e30",
    "e30.e30.",
    "e30..",
    ".e30.",
    "..e30",
    "e30.e30.e30.e30.e30",
    "e31.e30.e30",
    "eyJ9.e30.e30",
    "null",
    "e30=.e30.e30",
    "bnVsbA.e30.e30",
};

static void
what_is_no_token_is_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(broken); i++)
        check(broken[i], str_of(broken[i]), MALFORMED);
}

static void
every_changed_byte_is_noticed(void **state)
{
    struct buf token;
    struct jwt jwt;

    (void)state;
    make(&token, GOOD, "{\"exp\":1}", KEY_0);
    for (size_t i = 0; i < token.len; i++) {
        token.data[i] ^= 1;
        assert_int_equal(accept(buf_view(&token), &jwt, NULL),
                         ERR_UNAUTHENTICATED);
        token.data[i] ^= 1;
        assert_int_equal(jwt_parse(str_n(token.data, i), &jwt, NULL) ==
                                 ERR_OK &&
                             jwt_verify(&jwt, &keys[0], NULL) == ERR_OK,
                         false);
    }
    assert_int_equal(accept(buf_view(&token), &jwt, NULL), ERR_OK);
    buf_done(&token);
}

static void
length_has_a_limit(void **state)
{
    char payload[JWT_MAX];
    struct buf token;

    (void)state;
    for (size_t len = 2; len < 7000; len += 6) {
        memset(payload, ' ', len);
        memcpy(payload + len - 2, "{}", 3);
        buf_init(&token, 65536);
        enum error_code rc = jwt_sign(&keys[0], str_n(payload, len), &token,
                                      NULL);

        if (rc != ERR_OK) { /* too long to sign */
            assert_int_equal(rc, ERR_INTERNAL);
            assert_true(token.len > JWT_MAX);
            check("too long", buf_view(&token), MALFORMED);
            buf_done(&token);
            return;
        }
        assert_true(token.len <= JWT_MAX);
        if (len % 512 == 2)
            check("not too long", buf_view(&token), NULL);
        buf_done(&token);
    }
    fail_msg("nothing was too long");
}

static void
deep_nesting_is_refused_without_harm(void **state)
{
    char header[5000];
    struct buf token;

    (void)state;
    memset(header, '[', sizeof(header));
    buf_init(&token, 65536);
    add_part(&token, header, sizeof(header));
    buf_text(&token, ".e30.e30");
    check("deep", buf_view(&token), MALFORMED);
    buf_done(&token);
}

static void
a_payload_comes_back_as_it_was_signed(void **state)
{
    static const char payload[] = "{\"org\":\"acm\xc3\xa9 \\\"x\\\"\"}";
    struct buf token;
    struct jwt jwt;

    (void)state;
    buf_init(&token, JWT_MAX + 1);
    assert_int_equal(jwt_sign(&keys[1], STR(payload), &token, NULL), ERR_OK);
    assert_int_equal(accept(buf_view(&token), &jwt, NULL), ERR_OK);
    assert_true(str_eq(str_n(jwt.payload, jwt.payload_len), STR(payload)));
    assert_string_equal(jwt.kid, keys[1].kid);
    buf_done(&token);
}

static void
a_saved_key_is_the_same_key(void **state)
{
    struct jwt_key loaded;
    struct buf der, token;
    struct jwt jwt;

    (void)state;
    buf_init(&der, 4096);
    buf_init(&token, JWT_MAX + 1);
    assert_int_equal(jwt_key_save(&keys[0], &der, NULL), ERR_OK);
    assert_int_equal(jwt_key_load(buf_view(&der), &loaded, NULL), ERR_OK);
    assert_string_equal(loaded.kid, keys[0].kid);
    assert_int_equal(jwt_sign(&loaded, STR("{}"), &token, NULL), ERR_OK);
    assert_int_equal(accept(buf_view(&token), &jwt, NULL), ERR_OK);
    jwt_key_done(&loaded);
    der.data[40] ^= 1; /* in the private half */
    assert_int_equal(jwt_key_load(buf_view(&der), &loaded, NULL), ERR_INTERNAL);
    buf_done(&token);
    buf_done(&der);
}

/* RFC 7515 appendix A.3: the key and the signature of the example. */
static void
the_example_of_the_standard_verifies(void **state)
{
    static const char der_start[] =
        "3041020100301306072a8648ce3d020106082a8648ce3d030107"
        "042730250201010420";
    static const char signature[] =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
        "pmWQxfKTUJqPP3-Kg6NU1Q";
    static const char text[] =
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAs"
        "DQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    unsigned char der[35 + 32 + 2];
    struct jwt jwt = {.signed_part = STR(text)};
    struct jwt_key key;
    size_t len;

    (void)state;
    assert_true(hex_decode(STR(der_start), der, 35));
    assert_true(base64url_decode(
        STR("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"), der + 35, &len));
    assert_int_equal(jwt_key_load(str_n((char *)der, 67), &key, NULL), ERR_OK);
    assert_string_equal(key.x, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
    assert_string_equal(key.y, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");

    unsigned char decoded[80];

    assert_true(base64url_decode(STR(signature), decoded, &len));
    assert_int_equal(len, JWT_SIGNATURE);
    memcpy(jwt.signature, decoded, len);
    assert_int_equal(jwt_verify(&jwt, &key, NULL), ERR_OK);
    jwt.signed_part.len--;
    assert_int_equal(jwt_verify(&jwt, &key, NULL), ERR_UNAUTHENTICATED);
    jwt_key_done(&key);
}

static void
keys_of_another_kind_are_refused(void **state)
{
    EVP_PKEY *others[] = {EVP_EC_gen("P-384"), EVP_EC_gen("secp256k1"),
                          EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
    struct jwt_key key;

    (void)state;
    assert_int_equal(jwt_key_load(STR("not a key"), &key, NULL), ERR_INTERNAL);
    assert_int_equal(jwt_key_load(STR(""), &key, NULL), ERR_INTERNAL);
    for (size_t i = 0; i < COUNT(others); i++) {
        unsigned char *der = NULL;
        PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(others[i]);
        int len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);

        assert_true(len > 0);
        assert_int_equal(
            jwt_key_load(str_n((char *)der, (size_t)len), &key, NULL),
            ERR_INTERNAL);
        PKCS8_PRIV_KEY_INFO_free(info);
        OPENSSL_free(der);
        EVP_PKEY_free(others[i]);
    }
}

/* ---- signatures beside what they sign ---------------------------------- */

static void
detached_signature_is_of_one_text_type_and_key(void **state)
{
    CLEANUP(buf_done) struct buf text, token;
    struct jwt_key public, other;
    struct jwt jwt;
    struct str signed_text = STR("{\"a\":1}");

    (void)state;
    buf_init(&text, 1000);
    buf_init(&token, 1000);
    assert_int_equal(
        jwt_key_public(str_of(keys[0].x), str_of(keys[0].y), &public, NULL),
        ERR_OK);
    assert_int_equal(
        jwt_key_public(str_of(keys[1].x), str_of(keys[1].y), &other, NULL),
        ERR_OK);
    assert_string_equal(public.kid, keys[0].kid);
    assert_int_equal(jws_sign(&keys[0], "t+jws", signed_text, &text, NULL),
                     ERR_OK);
    assert_non_null(strstr(text.data, ".."));
    const struct {
        const char *label, *type;
        struct str text, payload;
        const struct jwt_key *key;
        enum error_code want;
    } cases[] = {
        {"as it was signed", "t+jws", buf_view(&text), signed_text, &public,
         ERR_OK},
        {"another text", "t+jws", buf_view(&text), STR("{\"a\":2}"), &public,
         ERR_UNAUTHENTICATED},
        {"another type", "u+jws", buf_view(&text), signed_text, &public,
         ERR_UNAUTHENTICATED},
        {"another key", "t+jws", buf_view(&text), signed_text, &other,
         ERR_UNAUTHENTICATED},
        {"cut", "t+jws", str_n(text.data, text.len - 4), signed_text, &public,
         ERR_UNAUTHENTICATED},
        {"nothing", "t+jws", STR(""), signed_text, &public,
         ERR_UNAUTHENTICATED},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        print_message("%s\n", cases[i].label);
        assert_int_equal(jws_verify(cases[i].text, cases[i].type,
                                    cases[i].payload, cases[i].key, NULL),
                         cases[i].want);
    }
    /* Neither is the other. */
    assert_int_equal(jwt_sign(&keys[0], signed_text, &token, NULL), ERR_OK);
    assert_int_equal(
        jws_verify(buf_view(&token), "JWT", signed_text, &public, NULL),
        ERR_UNAUTHENTICATED);
    assert_int_equal(jwt_parse(buf_view(&text), &jwt, NULL),
                     ERR_UNAUTHENTICATED);
    assert_int_equal(
        jwt_key_public(str_of(keys[0].x), str_of(keys[1].y), &other, NULL),
        ERR_VALUE);
    jwt_key_done(&public);
    jwt_key_done(&other);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_our_own_signature_is_accepted),
        cmocka_unit_test(nothing_may_stand_around_a_token),
        cmocka_unit_test(what_is_no_token_is_malformed),
        cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(length_has_a_limit),
        cmocka_unit_test(deep_nesting_is_refused_without_harm),
        cmocka_unit_test(a_payload_comes_back_as_it_was_signed),
        cmocka_unit_test(a_saved_key_is_the_same_key),
        cmocka_unit_test(the_example_of_the_standard_verifies),
        cmocka_unit_test(keys_of_another_kind_are_refused),
        cmocka_unit_test(detached_signature_is_of_one_text_type_and_key),
    };

    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}

#include "auth/outside.h"

#include "auth/jwt.h"
#include "auth/principal.h"
#include "base/secret.h"
#include "fmt/json_read.h"

#define CLOCK_SKEW_S 60
#define EXPIRES_MAX_S 253402300799.0 /* the end of the year 9999 */
#define CLAIM_DEPTH 8

/* --- settings ------------------------------------------------------------ */

bool
outside_levels_parse(struct str text, struct outside_rules *rules,
                     const char **ret_wrong)
{
    struct str rest = text;

    rules->level_count = 0;
    while (rest.at != NULL && str_trim(rest).len > 0) {
        struct str word = str_trim(str_cut(&rest, ','));
        const char *sign = word.len ? memrchr(word.at, '=', word.len) : NULL;

        *ret_wrong = "is no list of VALUE=LEVEL";
        if (sign == NULL || sign == word.at)
            return false;
        size_t len = (size_t)(sign - word.at);
        struct str name = str_trim(str_n(sign + 1, word.len - len - 1));
        struct outside_level level = {
            .value = str_trim(str_n(word.at, len)),
            .bit = levels_parse(name),
        };

        *ret_wrong = "names a level that there is not";
        if (level.bit == 0 || memchr(name.at, ' ', name.len) != NULL)
            return false;
        *ret_wrong = "has too many values";
        if (rules->level_count == OUTSIDE_LEVELS)
            return false;
        rules->levels[rules->level_count++] = level;
    }
    return true;
}

/* --- taking apart -------------------------------------------------------- */

static struct str
text_of(const json_t *value)
{
    return json_is_string(value)
               ? str_n(json_string_value(value), json_string_length(value))
               : (struct str){NULL, 0};
}

static bool
text_is(const json_t *object, const char *name, struct str want)
{
    struct str text = text_of(json_object_get(object, name));

    return text.at != NULL && str_eq(text, want);
}

/* RFC 9068 section 2.1, or the plain type that most issuers still use. Any
 * other is a token for something else (RFC 8725 section 3.11). */
static bool
type_good(const json_t *header)
{
    static const char *const types[] = {"at+jwt", "application/at+jwt", "JWT"};
    struct str type = text_of(json_object_get(header, "typ"));

    if (json_object_get(header, "typ") == NULL)
        return true;
    for (size_t i = 0; i < COUNT(types); i++)
        if (str_eq_nocase(type, str_of(types[i])))
            return true;
    return false;
}

static enum error_code
check_header(struct outside *token, struct error *err)
{
    const json_t *header = token->header;
    struct str alg = text_of(json_object_get(header, "alg"));

    if (alg.at == NULL)
        return jwt_refuse(err, JWT_MALFORMED);
    token->alg = jwk_alg_find(alg.at);
    if (token->alg == NULL)
        return jwt_refuse(err, JWT_FORGED);
    /* "crit" names extensions that must be understood, and there are none.
     * Keys and addresses of keys in the header are nothing to us. */
    if (!type_good(header) || json_object_get(header, "crit") != NULL)
        return jwt_refuse(err, JWT_MALFORMED);
    token->kid = text_of(json_object_get(header, "kid"));
    return token->kid.len > 0 ? ERR_OK : jwt_refuse(err, JWT_FORGED);
}

/* One part of the token as a JSON object; NULL when it is none. */
static enum error_code
read_part(struct str part, char *decoded, json_t **ret, struct error *err)
{
    json_t *object = NULL;
    size_t len;

    *ret = NULL;
    if (part.len == 0 || !base64url_decode(part, decoded, &len))
        return ERR_OK;
    if (json_read(str_n(decoded, len), &object, err) == ERR_UNAVAILABLE)
        return ERR_UNAVAILABLE;
    if (json_is_object(object))
        *ret = object;
    else
        json_decref(object);
    return ERR_OK;
}

enum error_code
outside_open(struct str text, struct str issuer, struct outside *ret,
             struct error *err)
{
    struct outside token = {.claims = NULL};
    struct str rest = text;
    struct str header = str_cut(&rest, '.'), payload, signature;
    char decoded[OUTSIDE_MAX];
    enum error_code rc;

    if (text.len > OUTSIDE_MAX || rest.at == NULL)
        return ERR_NOT_FOUND;
    payload = str_cut(&rest, '.');
    signature = rest;
    if (signature.at == NULL)
        return ERR_NOT_FOUND;
    token.signed_part = str_n(text.at, (size_t)(signature.at - 1 - text.at));
    rc = read_part(payload, decoded, &token.claims, err);
    if (rc == ERR_OK && !text_is(token.claims, "iss", issuer))
        rc = ERR_NOT_FOUND;
    if (rc == ERR_OK)
        rc = read_part(header, decoded, &token.header, err);
    if (rc == ERR_OK && token.header == NULL)
        rc = jwt_refuse(err, JWT_MALFORMED);
    if (rc == ERR_OK)
        rc = check_header(&token, err);
    if (rc == ERR_OK &&
        !base64url_decode(signature, decoded, &token.signature_len))
        rc = jwt_refuse(err, JWT_MALFORMED);
    if (rc == ERR_OK && token.signature_len > JWKS_SIGNATURE)
        rc = jwt_refuse(err, JWT_FORGED);
    if (rc != ERR_OK) {
        outside_done(&token);
        return rc;
    }
    memcpy(token.signature, decoded, token.signature_len);
    *ret = token;
    return ERR_OK;
}

void
outside_done(struct outside *token)
{
    json_decref(token->claims);
    json_decref(token->header);
    token->claims = token->header = NULL;
}

/* --- claims -------------------------------------------------------------- */

/* RFC 7519 section 4.1.3. */
static bool
is_for(const json_t *claims, struct str audience)
{
    const json_t *value = json_object_get(claims, "aud"), *one;
    size_t i;

    if (json_is_string(value))
        return str_eq(text_of(value), audience);
    json_array_foreach(value, i, one)
    {
        if (json_is_string(one) && str_eq(text_of(one), audience))
            return true;
    }
    return false;
}

/* A NumericDate may have a fraction. Absent is fine and leaves *ret alone. */
static bool
read_time(const json_t *claims, const char *name, double *ret)
{
    const json_t *value = json_object_get(claims, name);
    double seconds = json_number_value(value);

    if (value == NULL)
        return true;
    if (!json_is_number(value) || seconds < 0 || seconds > EXPIRES_MAX_S)
        return false;
    *ret = seconds;
    return true;
}

/* The claim of that name, or else, when the name has dots, what lies so deep
 * in claims that are objects. NULL when there is none. */
static const json_t *
find_claim(const json_t *claims, struct str name)
{
    const json_t *at = json_object_getn(claims, name.at, name.len);

    if (at != NULL)
        return at;
    at = claims;
    for (unsigned depth = 0; name.at != NULL && depth < CLAIM_DEPTH; depth++) {
        struct str step = str_cut(&name, '.');

        at = json_object_getn(at, step.at, step.len);
    }
    return name.at == NULL ? at : NULL;
}

static unsigned
level_of(struct str value, const struct outside_rules *rules)
{
    unsigned bits = 0;

    for (size_t i = 0; i < rules->level_count; i++)
        if (str_eq(value, rules->levels[i].value))
            bits |= rules->levels[i].bit;
    return bits;
}

/* A list; some issuers write it as one text with commas. */
static unsigned
read_levels(const json_t *claims, const struct outside_rules *rules)
{
    const json_t *value = find_claim(claims, rules->levels_claim), *one;
    struct str text = text_of(value);
    unsigned bits = 0;
    size_t i;

    while (text.at != NULL)
        bits |= level_of(str_trim(str_cut(&text, ',')), rules);
    json_array_foreach(value, i, one)
    {
        if (json_is_string(one))
            bits |= level_of(text_of(one), rules);
    }
    return bits;
}

/* "scope" of RFC 9068, a text; some issuers make it a list, some name it
 * "scp". A token that does not say what it may do may do nothing. */
static unsigned
read_scopes(const json_t *claims)
{
    const json_t *value = json_object_get(claims, "scope"), *one;
    unsigned bits = 0;
    size_t i;

    if (value == NULL)
        value = json_object_get(claims, "scp");
    if (json_is_string(value))
        return scopes_parse(text_of(value));
    json_array_foreach(value, i, one)
    {
        if (json_is_string(one))
            bits |= scopes_parse(text_of(one));
    }
    return bits;
}

/* An address that nobody checked may be anybody's. */
static bool
read_subject(const json_t *claims, struct str name, struct outside_claims *ret)
{
    struct str subject = text_of(find_claim(claims, name));

    if (subject.len == 0 || subject.len > OUTSIDE_SUBJECT ||
        (str_eq(name, STR("email")) &&
         !json_is_true(json_object_get(claims, "email_verified"))))
        return false;
    memcpy(ret->subject, subject.at, subject.len);
    ret->subject_len = subject.len;
    return true;
}

/* A token that is bound to a key of its bearer (RFC 7800) needs a proof that
 * we do not ask for; an ID token is for whoever signed somebody in. */
static bool
is_bearer_access(const json_t *claims)
{
    return json_object_get(claims, "cnf") == NULL &&
           json_object_get(claims, "at_hash") == NULL &&
           json_object_get(claims, "c_hash") == NULL;
}

enum error_code
outside_read(const struct outside *token, const struct outside_rules *rules,
             int64_t now_ms, struct outside_claims *ret, struct error *err)
{
    const json_t *claims = token->claims;
    struct outside_claims read = {.subject_len = 0};
    double now_s = (double)now_ms / 1000, exp = -1, nbf = 0, iat = 0;

    if (!text_is(claims, "iss", rules->issuer) ||
        !is_for(claims, rules->audience) || !is_bearer_access(claims) ||
        !read_time(claims, "exp", &exp) || exp < 0 ||
        !read_time(claims, "nbf", &nbf) || nbf > now_s + CLOCK_SKEW_S ||
        !read_time(claims, "iat", &iat) || iat > now_s + CLOCK_SKEW_S ||
        !read_subject(claims, rules->subject_claim, &read))
        return jwt_refuse(err, JWT_MALFORMED);
    read.expires_ms = (int64_t)(exp * 1000);
    if (read.expires_ms <= now_ms)
        return jwt_refuse(err, JWT_EXPIRED);
    read.levels = read_levels(claims, rules);
    read.scopes = read_scopes(claims);
    *ret = read;
    return ERR_OK;
}

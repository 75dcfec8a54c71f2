/*
 * authorize_api.c - the pages of the authorization code flow: sign in, agree,
 * go back to the client; and signing out (contract 2.3).
 *
 * Every form is sent to the address it came from, query included, so that
 * what the client asked for is checked anew each time and nothing of it has to
 * be trusted in a form. A form carries a key made from a cookie that only this
 * browser has.
 */
#include "api/page.h"

#include <stdio.h>

#include "auth/authorize.h"
#include "auth/signin.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "fmt/redirect_uri.h"
#include "http/credentials.h"

#define FORM_KEY_TEXT 65

/* One request for a page. */
struct visit {
    struct call *call;
    struct arena *arena;
    struct str session; /* cookies of ours; `at` NULL for none */
    struct str form;
    bool known; /* `identity` is signed in */
    struct identity identity;
    struct http_field *fields; /* of a form that was sent */
    size_t field_count;
    /* GET and POST /oauth/authorize: */
    struct authorization authorization;
    bool agreed;
    char form_action[REDIRECT_SOURCE]; /* where its redirect may lead */
};

/* --- cookies and forms -------------------------------------------------- */

/* Does the browser come to us over TLS, here or at a proxy? */
static bool
is_secure(const struct call *call)
{
    const char *url = call->api->options.public_url;

    return call->exchange->request.tls ||
           (url != NULL && strncmp(url, "https:", 6) == 0);
}

/* With the prefix no other host of the domain can set our cookies. */
static const char *
cookie_name(const struct visit *visit, const char *name)
{
    return arena_printf(visit->arena, "%snelm_%s",
                        is_secure(visit->call) ? "__Host-" : "", name);
}

static struct str
cookie(const struct visit *visit, const char *short_name)
{
    return http_cookie(&visit->call->exchange->request,
                       str_of(cookie_name(visit, short_name)), SECRET_TEXT - 1);
}

/* `seconds` 0: for as long as the browser runs; negative: no more. */
static void
set_cookie(const struct visit *visit, const char *name, struct str value,
           int seconds)
{
    char age[32] = "";

    if (seconds != 0)
        snprintf(age, sizeof(age), "; Max-Age=%d", MAX(seconds, 0));
    http_response_headerf(&visit->call->exchange->response, "Set-Cookie",
                          "%s=%.*s; Path=/; HttpOnly; SameSite=Lax%s%s",
                          cookie_name(visit, name), STR_ARG(value), age,
                          is_secure(visit->call) ? "; Secure" : "");
}

/* What a form must carry: who is signed in, or which browser it is. */
static void
form_key(const struct visit *visit, char to[FORM_KEY_TEXT])
{
    CLEANUP(buf_done) struct buf text;
    unsigned char digest[32];

    buf_init(&text, 256);
    buf_text(&text, "form key of ");
    buf_str(&text, visit->known ? visit->session : visit->form);
    secret_hash(buf_view(&text), digest);
    hex_encode(digest, sizeof(digest), to);
}

static struct str
field(const struct visit *visit, const char *name)
{
    for (size_t i = 0; i < visit->field_count; i++)
        if (str_eq(visit->fields[i].name, str_of(name)))
            return visit->fields[i].value;
    return STR("");
}

static bool
is_action(const struct visit *visit, const char *action)
{
    return str_eq(field(visit, "action"), str_of(action));
}

static enum error_code
read_form(struct visit *visit, struct error *err)
{
    const struct http_request *request = &visit->call->exchange->request;
    bool bad = false;

    if (!http_media_is(http_header(request, "Content-Type"),
                       "application/x-www-form-urlencoded"))
        return error_set(err, ERR_MEDIA_TYPE, NULL);
    if (!http_form_parse(request->body, visit->arena, &visit->fields,
                         &visit->field_count, &bad) ||
        bad)
        return error_set(err, ERR_SYNTAX, NULL);
    return ERR_OK;
}

static bool
form_is_ours(const struct visit *visit)
{
    struct str sent = field(visit, "form_key");
    char key[FORM_KEY_TEXT];

    if (!visit->known && visit->form.at == NULL)
        return false;
    form_key(visit, key);
    return sent.len == FORM_KEY_TEXT - 1 &&
           secret_equal(sent.at, key, sent.len);
}

/* --- pages -------------------------------------------------------------- */

static enum error_code
message_page(struct visit *visit, int status, const char *title,
             const char *text, struct error *err)
{
    const struct page_value values[] = {
        {"title", str_of(title)}, {"text", str_of(text)}, {NULL, STR("")}};

    return page_answer(visit->call, status, "message", title, values, "", err);
}

/* What is wrong with what was typed; NULL for nothing. */
struct problems {
    const char *both, *username, *password;
};

static enum error_code
login_page(struct visit *visit, int status, struct problems problems,
           struct error *err)
{
    char fresh[SECRET_TEXT], key[FORM_KEY_TEXT];
    unsigned char ignored[32];
    bool new_browser = visit->form.at == NULL;
    struct str username = field(visit, "username");
    bool ask_name = username.len == 0 || problems.username != NULL;
    enum error_code rc;

    if (new_browser) {
        secret_create(fresh, ignored);
        visit->form = arena_str(visit->arena, str_n(fresh, SECRET_TEXT - 1));
    }
    visit->known = false;
    form_key(visit, key);
    const struct page_value values[] = {
        {"client", visit->authorization.client.name},
        {"problem", str_of(problems.both)},
        {"form_key", str_of(key)},
        {"username", username},
        {"username_problem", str_of(problems.username)},
        {"password_problem", str_of(problems.password)},
        {"focus_username", ask_name ? STR("1") : STR("")},
        {"focus_password", ask_name ? STR("") : STR("1")},
        {NULL, STR("")},
    };

    rc = page_answer(visit->call, status, "login",
                     status == 200 ? "Sign in" : "Error: sign in", values,
                     visit->form_action, err);
    if (rc == ERR_OK && new_browser)
        set_cookie(visit, "form", visit->form, 0);
    return rc;
}

static const struct {
    const char *scope, *text;
} scope_texts[] = {
    {"sp:scopes:all", "do everything that you may do"},
    {"sp:scopes:default", "see who is in the directory"},
    {"idn:nelm:read", "see non-employees, requests and approvals"},
    {"idn:nelm:manage", "change non-employees, requests and approvals"},
    {"sp:my-personal-access-tokens:read", "see your access tokens"},
    {"sp:my-personal-access-tokens:manage",
     "create and delete your access tokens"},
    {"sp:all-personal-access-tokens:read", "see everybody's access tokens"},
    {"sp:all-personal-access-tokens:manage",
     "delete everybody's access tokens"},
    {"sp:oauth-client:read", "see API clients"},
    {"sp:oauth-client:manage", "create and delete API clients"},
};

static void
scope_lines(struct str scopes, struct buf *to)
{
    struct str scope;

    while (list_next(&scopes, &scope)) {
        struct str text = scope;

        for (size_t i = 0; i < COUNT(scope_texts); i++)
            if (str_eq(scope, str_of(scope_texts[i].scope)))
                text = str_of(scope_texts[i].text);
        if (to->len > 0)
            buf_char(to, '\n');
        buf_str(to, text);
    }
}

static enum error_code
consent_page(struct visit *visit, struct error *err)
{
    const struct authorization *authorization = &visit->authorization;
    CLEANUP(buf_done) struct buf scopes;
    char key[FORM_KEY_TEXT];

    buf_init(&scopes, (size_t)64 * 1024);
    scope_lines(authorization->scopes, &scopes);
    form_key(visit, key);
    const struct page_value values[] = {
        {"client", authorization->client.name},
        {"name", visit->identity.name},
        {"alias", visit->identity.alias},
        {"scopes", buf_view(&scopes)},
        {"return_to", redirect_uri_origin(authorization->redirect_uri)},
        {"form_key", str_of(key)},
        {NULL, STR("")},
    };

    return page_answer(visit->call, 200, "consent", "Allow access", values,
                       visit->form_action, err);
}

/* --- redirects ---------------------------------------------------------- */

static enum error_code
redirect(struct visit *visit, int status, struct str to, struct error *err)
{
    struct http_response *response = &visit->call->exchange->response;

    if (to.at == NULL)
        return error_internal(err, "no room for a redirect");
    http_response_empty(response, status);
    http_response_header(response, "Location", to);
    http_response_header(response, "Cache-Control", STR("no-store"));
    http_response_header(response, "Referrer-Policy", STR("no-referrer"));
    return ERR_OK;
}

/* Back to the client, with its state. */
static enum error_code
to_client(struct visit *visit, const char *name, struct str value,
          const char *description, struct error *err)
{
    struct str state = http_query(&visit->call->exchange->request, "state");
    CLEANUP(buf_done) struct buf uri;

    buf_init(&uri, (size_t)256 * 1024);
    buf_str(&uri, visit->authorization.redirect_uri);
    redirect_uri_add(&uri, name, value);
    if (description != NULL)
        redirect_uri_add(&uri, "error_description", str_of(description));
    if (state.at != NULL)
        redirect_uri_add(&uri, "state", state);
    return redirect(visit, 302,
                    uri.failed ? (struct str){NULL, 0}
                               : arena_str(visit->arena, buf_view(&uri)),
                    err);
}

/* The same page again, by GET: what a form did is done. */
static enum error_code
again(struct visit *visit, struct error *err)
{
    const struct http_request *request = &visit->call->exchange->request;
    struct str query = request->target;

    (void)str_cut(&query, '?');
    return redirect(
        visit, 303,
        str_of(arena_printf(visit->arena, "%s?%.*s", visit->call->route->path,
                            STR_ARG(query))),
        err);
}

/* --- GET and POST /oauth/authorize --------------------------------------- */

static void
visit_init(struct visit *visit, struct call *call)
{
    *visit = (struct visit){.call = call, .arena = &call->exchange->arena};
    visit->session = cookie(visit, "session");
    visit->form = cookie(visit, "form");
}

static enum error_code
find_visitor(struct visit *visit, struct db_tx *tx, struct error *err)
{
    enum error_code rc = signin_who(tx, visit->session, visit->arena,
                                    &visit->identity, err);

    visit->known = rc == ERR_OK;
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* Behind a proxy that hides the browser's Host only the setting knows. */
static struct str
console_at(const struct call *call, struct str base)
{
    return str_of(arena_printf(&call->exchange->arena, "%.*s/",
                               STR_ARG(redirect_uri_origin(base))));
}

/* The parameters of the query; false when one is there twice, which would be
 * believed in part (RFC 6749 section 3.1). */
static bool
read_request(const struct call *call, struct authorize_request *ret)
{
    const struct {
        const char *name;
        struct str *to;
    } known[] = {
        {"client_id", &ret->client_id},
        {"redirect_uri", &ret->redirect_uri},
        {"response_type", &ret->response_type},
        {"scope", &ret->scope},
        {"code_challenge", &ret->challenge},
        {"code_challenge_method", &ret->challenge_method},
    };
    const struct http_request *request = &call->exchange->request;

    *ret = (struct authorize_request){.client_id = {NULL, 0}};
    ret->console[0] = console_at(
        call,
        str_of(arena_printf(&call->exchange->arena, "http%s://%.*s",
                            request->tls ? "s" : "", STR_ARG(request->host))));
    ret->console[1] = console_at(call, call_base_url(call));
    for (size_t i = 0; i < request->query_count; i++)
        for (size_t k = 0; k < COUNT(known); k++) {
            if (!str_eq(request->query[i].name, str_of(known[k].name)))
                continue;
            if (known[k].to->at != NULL)
                return false;
            *known[k].to = request->query[i].value;
        }
    return !request->query_bad;
}

static enum error_code
look_up(struct visit *visit, const struct authorize_request *request,
        struct grant_error *refusal, struct error *err)
{
    struct db_tx *tx;
    enum error_code rc = db_read_begin(visit->call->api->options.db, &tx, err);

    if (rc != ERR_OK)
        return rc;
    rc = authorize_check(tx, request, visit->arena, &visit->authorization,
                         refusal, err);
    if (rc == ERR_OK)
        rc = find_visitor(visit, tx, err);
    if (rc == ERR_OK && visit->known)
        rc = authorize_agreed(tx, &visit->authorization, &visit->identity.id,
                              visit->arena, &visit->agreed, err);
    db_read_end(tx);
    return rc;
}

/* What both methods begin with. ERR_END: the answer is there already. */
static enum error_code
visit_begin(struct visit *visit, struct call *call, struct error *err)
{
    struct authorize_request request;
    struct grant_error refusal = {.error = "server_error"};
    enum error_code rc = ERR_NOT_FOUND;

    visit_init(visit, call);
    if (read_request(call, &request))
        rc = look_up(visit, &request, &refusal, err);
    if (rc == ERR_NOT_FOUND)
        rc = message_page(visit, 400, "This link does not work",
                          "The application that sent you here is not known, "
                          "or wants you back at an address that is not its "
                          "own. Nothing was sent to it. Please tell those who "
                          "run it.",
                          err);
    else if (rc == ERR_VALUE)
        rc = to_client(visit, "error", str_of(refusal.error),
                       refusal.description, err);
    else if (rc == ERR_OK) {
        /* Browsers hold form-action against the redirects behind a form too. */
        redirect_uri_source(visit->authorization.redirect_uri,
                            visit->form_action);
        return ERR_OK;
    }
    return rc == ERR_OK ? ERR_END : rc;
}

static enum error_code
finish(enum error_code rc)
{
    return rc == ERR_END ? ERR_OK : rc;
}

static enum error_code
give_code(struct visit *visit, bool agrees, struct error *err)
{
    char code[SECRET_TEXT];
    enum error_code rc = authorize_code(
        visit->call->api->options.db, &visit->authorization,
        &visit->identity.id, agrees, &visit->call->id, code, err);

    if (rc == ERR_OK)
        rc = to_client(visit, "code", str_n(code, sizeof(code) - 1), NULL, err);
    secret_wipe(code, sizeof(code));
    return rc;
}

enum error_code
authorize_api_page(struct call *call, struct error *err)
{
    struct visit visit;
    enum error_code rc = visit_begin(&visit, call, err);

    if (rc != ERR_OK)
        return finish(rc);
    if (!visit.known)
        return login_page(&visit, 200, (struct problems){.both = NULL}, err);
    if (visit.agreed)
        return give_code(&visit, false, err);
    return consent_page(&visit, err);
}

static enum error_code
wait_page(struct visit *visit, unsigned seconds, struct error *err)
{
    struct problems problems = {
        .both = arena_printf(visit->arena,
                             "There were too many attempts. Please wait %u %s "
                             "and try again.",
                             seconds < 60 ? seconds : (seconds + 59) / 60,
                             seconds < 60 ? "seconds" : "minutes")};
    enum error_code rc = login_page(visit, 429, problems, err);

    http_response_headerf(&visit->call->exchange->response, "Retry-After", "%u",
                          seconds);
    return rc;
}

static enum error_code
sign_in(struct visit *visit, struct error *err)
{
    const struct api_options *options = &visit->call->api->options;
    const struct signin with = {
        .alias = utf8_trim(field(visit, "username")),
        .password = field(visit, "password"),
        .address = visit->call->exchange->request.peer,
        .request_id = &visit->call->id,
    };
    struct problems problems = {.both = NULL};
    char cookie_text[SECRET_TEXT];
    unsigned wait_s = 0;
    enum error_code rc;

    if (with.alias.len == 0)
        problems.username = "Enter your user name";
    if (with.password.len == 0)
        problems.password = "Enter your password";
    if (problems.username || problems.password)
        return login_page(visit, 400, problems, err);
    struct net_address user = net_user(&with.address);

    if (!limiter_take(options->token_addresses, &user, sizeof(user),
                      clock_mono_ms(), &wait_s))
        return wait_page(visit, wait_s, err);
    rc = signin(options->db, &with, cookie_text, &wait_s, err);
    if (rc == ERR_RATE)
        return wait_page(visit, wait_s, err);
    if (rc == ERR_VALUE) {
        problems.both = "The user name or the password is wrong.";
        return login_page(visit, 400, problems, err);
    }
    if (rc == ERR_OK && visit->session.at != NULL)
        rc = signin_end(options->db, visit->session, &visit->call->id, err);
    if (rc == ERR_OK)
        rc = again(visit, err);
    if (rc == ERR_OK)
        set_cookie(visit, "session", str_n(cookie_text, SECRET_TEXT - 1),
                   SESSION_SECONDS);
    secret_wipe(cookie_text, sizeof(cookie_text));
    return rc;
}

/* Forget this browser's session and what goes with it. */
static enum error_code
sign_out(struct visit *visit, struct error *err)
{
    return signin_end(visit->call->api->options.db, visit->session,
                      &visit->call->id, err);
}

static enum error_code
refuse(struct visit *visit, struct error *err)
{
    enum error_code rc = authorize_refused(
        visit->call->api->options.db, &visit->authorization,
        &visit->identity.id, &visit->call->id, err);

    return rc == ERR_OK ? to_client(visit, "error", STR("access_denied"),
                                    "The user refused", err)
                        : rc;
}

static enum error_code
act(struct visit *visit, struct error *err)
{
    enum error_code rc;

    if (is_action(visit, "signin"))
        return sign_in(visit, err);
    if (!visit->known)
        return login_page(visit, 200, (struct problems){.both = NULL}, err);
    if (is_action(visit, "allow"))
        return give_code(visit, true, err);
    if (is_action(visit, "deny"))
        return refuse(visit, err);
    if (!is_action(visit, "switch"))
        return consent_page(visit, err);
    rc = sign_out(visit, err);
    if (rc == ERR_OK)
        rc = again(visit, err);
    if (rc == ERR_OK)
        set_cookie(visit, "session", STR(""), -1);
    return rc;
}

enum error_code
authorize_api_submit(struct call *call, struct error *err)
{
    struct visit visit;
    enum error_code rc = visit_begin(&visit, call, err);

    if (rc == ERR_OK)
        rc = read_form(&visit, err);
    if (rc != ERR_OK)
        return finish(rc);
    if (form_is_ours(&visit))
        return act(&visit, err);
    if (visit.known)
        return consent_page(&visit, err);
    return login_page(
        &visit, 403,
        (struct problems){.both = "This page was out of date, or your browser "
                                  "keeps no cookies. Please try again."},
        err);
}

/* --- /logout and the style ----------------------------------------------- */

static enum error_code
logout_begin(struct visit *visit, struct call *call, struct error *err)
{
    struct db_tx *tx;
    enum error_code rc;

    visit_init(visit, call);
    rc = db_read_begin(call->api->options.db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = find_visitor(visit, tx, err);
    db_read_end(tx);
    return rc;
}

static enum error_code
logout_page(struct visit *visit, struct error *err)
{
    char key[FORM_KEY_TEXT];

    if (!visit->known)
        return message_page(visit, 200, "You are signed out",
                            "Nobody is signed in in this browser.", err);
    form_key(visit, key);
    const struct page_value values[] = {
        {"name", visit->identity.name},
        {"alias", visit->identity.alias},
        {"form_key", str_of(key)},
        {NULL, STR("")},
    };

    return page_answer(visit->call, 200, "logout", "Sign out", values, "", err);
}

enum error_code
authorize_api_logout_page(struct call *call, struct error *err)
{
    struct visit visit;
    enum error_code rc = logout_begin(&visit, call, err);

    return rc == ERR_OK ? logout_page(&visit, err) : rc;
}

enum error_code
authorize_api_logout(struct call *call, struct error *err)
{
    struct visit visit;
    enum error_code rc = logout_begin(&visit, call, err);

    if (rc == ERR_OK)
        rc = read_form(&visit, err);
    if (rc != ERR_OK)
        return rc;
    if (!visit.known || !form_is_ours(&visit))
        return logout_page(&visit, err);
    rc = sign_out(&visit, err);
    if (rc == ERR_OK)
        rc = message_page(&visit, 200, "You are signed out",
                          "Applications that you allowed keep the access that "
                          "they have.",
                          err);
    if (rc == ERR_OK)
        set_cookie(&visit, "session", STR(""), -1);
    return rc;
}

enum error_code
authorize_api_end_session(struct call *call, const struct uuid *identity,
                          struct error *err)
{
    struct visit visit;
    enum error_code rc = logout_begin(&visit, call, err);

    if (rc != ERR_OK || !visit.known || !uuid_eq(&visit.identity.id, identity))
        return rc;
    rc = sign_out(&visit, err);
    http_response_empty(&call->exchange->response, 200);
    if (rc == ERR_OK)
        set_cookie(&visit, "session", STR(""), -1);
    return rc;
}

enum error_code
authorize_api_style(struct call *call, struct error *err UNUSED)
{
    page_style(call);
    return ERR_OK;
}

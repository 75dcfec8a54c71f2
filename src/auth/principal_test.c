#include "auth/principal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    const char *list;
    unsigned scopes;
} scope_lists[] = {
    {NULL, SCOPE_ALL},
    {"", 0},
    {"   ", 0},
    {"idn:nelm:read", SCOPE_NELM_READ},
    {"idn:nelm:manage", SCOPE_NELM_MANAGE},
    {"  idn:nelm:read  sp:scopes:default ", SCOPE_NELM_READ | SCOPE_DEFAULT},
    {"idn:nelm", 0},
    {"IDN:NELM:READ", 0},
    {"idn:nelm:reader idn:accounts:read", 0},
    {"sp:my-personal-access-tokens:read sp:my-personal-access-tokens:manage "
     "sp:all-personal-access-tokens:read sp:all-personal-access-tokens:manage",
     SCOPE_MY_PATS_READ | SCOPE_MY_PATS_MANAGE | SCOPE_ALL_PATS_READ |
         SCOPE_ALL_PATS_MANAGE},
};

static void
scopes_are_known_by_their_whole_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(scope_lists); i++)
        assert_int_equal(scopes_parse(str_of(scope_lists[i].list)),
                         scope_lists[i].scopes);
}

static void
manage_does_not_include_read_but_all_includes_both(void **state)
{
    struct principal manager = {.scopes = SCOPE_NELM_MANAGE};
    struct principal all = {.scopes = SCOPE_ALL};

    (void)state;
    assert_true(principal_has_scope(&manager, SCOPE_NELM_MANAGE));
    assert_false(principal_has_scope(&manager, SCOPE_NELM_READ));
    assert_true(principal_has_scope(&all, SCOPE_NELM_READ));
    assert_true(principal_has_scope(&all, SCOPE_NELM_MANAGE));
}

static const struct {
    const char *levels;
    unsigned bits;
    bool user, admin;
} callers[] = {
    {"ORG_ADMIN", LEVEL_ORG_ADMIN, true, true},
    {"SOURCE_ADMIN", LEVEL_SOURCE_ADMIN, true, true},
    {"SOURCE_SUBADMIN", LEVEL_SOURCE_SUBADMIN, true, false},
    {"HELPDESK", LEVEL_OTHER, true, false},
    {"HELPDESK ORG_ADMIN", LEVEL_OTHER | LEVEL_ORG_ADMIN, true, true},
    {"org_admin NOBODY", 0, true, false},
    {"", 0, true, false},
    {"", 0, false, true},
};

static void
administrators_are_two_levels_and_application_tokens(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(callers); i++) {
        struct principal principal = {
            .has_identity = callers[i].user,
            .levels = levels_parse(str_of(callers[i].levels)),
        };

        assert_int_equal(principal.levels, callers[i].bits);
        assert_int_equal(principal_is_admin(&principal), callers[i].admin);
    }
}

static const struct {
    const char *has, *wanted, *want; /* NULL: refused */
} narrowed[] = {
    {"idn:nelm:read x", "", "idn:nelm:read x"},
    {"idn:nelm:read x", " x ", "x"},
    {"idn:nelm:read x", "x idn:nelm:manage", NULL},
    {"sp:scopes:all", "idn:nelm:manage", "idn:nelm:manage"},
    {NULL, "idn:nelm:manage", "idn:nelm:manage"},
    {NULL, "", "sp:scopes:all"},
    {NULL, "a\"b", NULL},
    /* It grants nothing, so nothing comes of it. */
    {"SP:Scopes:All", "idn:nelm:manage", NULL},
};

static void
asking_for_scopes_never_widens(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(narrowed); i++) {
        struct str got = {NULL, 0}, bad;

        print_message("%s of %s\n", narrowed[i].wanted,
                      narrowed[i].has ? narrowed[i].has : "everything");
        assert_int_equal(scopes_narrow(str_of(narrowed[i].has),
                                       str_of(narrowed[i].wanted), &got, &bad),
                         narrowed[i].want != NULL);
        assert_true(str_eq(got, str_of(narrowed[i].want)));
    }
}

static void
the_actor_is_the_user_or_else_the_client(void **state)
{
    struct principal principal = {
        .identity_id = {{1}},
        .client_id = {{2}},
    };
    struct uuid request = {{3}};
    struct actor actor = principal_actor(&principal, &request);

    (void)state;
    assert_true(actor.known && uuid_eq(&actor.id, &principal.client_id));
    assert_true(actor.has_request && uuid_eq(&actor.request_id, &request));
    principal.has_identity = true;
    actor = principal_actor(&principal, NULL);
    assert_true(uuid_eq(&actor.id, &principal.identity_id));
    assert_false(actor.has_request);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scopes_are_known_by_their_whole_name),
        cmocka_unit_test(manage_does_not_include_read_but_all_includes_both),
        cmocka_unit_test(administrators_are_two_levels_and_application_tokens),
        cmocka_unit_test(asking_for_scopes_never_widens),
        cmocka_unit_test(the_actor_is_the_user_or_else_the_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

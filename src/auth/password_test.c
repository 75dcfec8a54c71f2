#include "auth/password.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
a_password_verifies_against_its_own_hash_only(void **state)
{
    char hash[PASSWORD_HASH_TEXT], again[PASSWORD_HASH_TEXT];
    bool right;

    (void)state;
    assert_int_equal(password_hash(STR("p\xc3\xa4ss word\0!"), hash, NULL),
                     ERR_OK);
    assert_int_equal(password_hash(STR("p\xc3\xa4ss word\0!"), again, NULL),
                     ERR_OK);
    assert_string_not_equal(hash, again); /* salted */
    assert_memory_equal(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31);

    static const struct {
        struct str password;
        bool right;
    } tries[] = {
        {{"p\xc3\xa4ss word\0!", 12}, true},
        {{"p\xc3\xa4ss word", 10}, false},
        {{"P\xc3\xa4ss word\0!", 12}, false},
        {{"", 0}, false},
        {{NULL, 0}, false},
    };

    for (size_t i = 0; i < COUNT(tries); i++) {
        assert_int_equal(
            password_verify(str_of(hash), tries[i].password, &right, NULL),
            ERR_OK);
        assert_int_equal(right, tries[i].right);
    }
}

static void
who_cannot_sign_in_has_no_right_password(void **state)
{
    bool right = true;

    (void)state;
    assert_int_equal(
        password_verify((struct str){NULL, 0}, STR("x"), &right, NULL), ERR_OK);
    assert_false(right);
}

static void
lengths_are_checked(void **state)
{
    char hash[PASSWORD_HASH_TEXT];
    static char much[PASSWORD_MAX + 1];
    bool right = true;

    (void)state;
    assert_int_equal(password_hash(STR(""), hash, NULL), ERR_LENGTH);
    assert_int_equal(password_hash(str_n(much, sizeof(much)), hash, NULL),
                     ERR_LENGTH);
    assert_int_equal(password_hash(str_n(much, PASSWORD_MAX), hash, NULL),
                     ERR_OK);
    assert_int_equal(
        password_verify(str_of(hash), str_n(much, sizeof(much)), &right, NULL),
        ERR_OK);
    assert_false(right);
}

static void
a_damaged_hash_is_a_fault_and_not_a_wrong_password(void **state)
{
    static const char *const damaged[] = {
        "x",
        "$argon2i$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$",
    };
    bool right;

    (void)state;
    for (size_t i = 0; i < COUNT(damaged); i++)
        assert_int_equal(
            password_verify(str_of(damaged[i]), STR("x"), &right, NULL),
            ERR_INTERNAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_verifies_against_its_own_hash_only),
        cmocka_unit_test(who_cannot_sign_in_has_no_right_password),
        cmocka_unit_test(lengths_are_checked),
        cmocka_unit_test(a_damaged_hash_is_a_fault_and_not_a_wrong_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

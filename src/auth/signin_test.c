#include "auth/signin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/password.h"
#include "db/migrate.h"
#include "db/scratch.h"
#include "store/identity_store.h"
#include "store/open.h"

#define NOW_MS INT64_C(1700000000500)
#define HOUR_MS INT64_C(3600000)

struct world {
    struct scratch scratch;
    struct db *db;
    struct identity alice;
};

static enum error_code
fill(struct db_tx *tx, void *context, struct error *err)
{
    struct world *world = context;
    struct identity nobody = {.alias = STR("nopassword"),
                              .name = STR("N"),
                              .email = STR("n@example.com")};
    static char hash[PASSWORD_HASH_TEXT];
    enum error_code rc = password_hash(STR("secret"), hash, err);

    world->alice = (struct identity){.alias = STR("Alice"),
                                     .name = STR("Alice A"),
                                     .email = STR("a@example.com"),
                                     .password_hash = str_of(hash)};
    if (rc == ERR_OK)
        rc = identity_insert(tx, &world->alice, err);
    return rc == ERR_OK ? identity_insert(tx, &nobody, err) : rc;
}

static int
setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    world->scratch = scratch_make();
    clock_set_for_test(NOW_MS);
    assert_int_equal(store_open(world->scratch.url, true, &world->db, NULL),
                     ERR_OK);
    assert_int_equal(migrate_run(world->db, NULL, NULL, NULL), ERR_OK);
    assert_int_equal(db_write(world->db, fill, world, NULL), ERR_OK);
    *state = world;
    return 0;
}

static int
teardown(void **state)
{
    struct world *world = *state;

    db_close(world->db);
    scratch_done(&world->scratch);
    clock_set_for_test(-1);
    free(world);
    return 0;
}

/* A password that is too long is wrong without the cost of a hash. */
static char wrong[PASSWORD_MAX + 2];

static int
fill_wrong(void **state)
{
    (void)state;
    memset(wrong, 'x', sizeof(wrong) - 1);
    return 0;
}

static enum error_code
attempt(struct world *world, const char *alias, const char *password,
        const char *address, char cookie[SECRET_TEXT], unsigned *ret_wait_s)
{
    struct signin with = {.alias = str_of(alias), .password = str_of(password)};

    assert_true(net_parse(str_of(address), &with.address));
    return signin(world->db, &with, cookie, ret_wait_s, NULL);
}

static void
expect(struct world *world, const char *alias, const char *password,
       const char *address, enum error_code want, unsigned want_wait_s)
{
    char cookie[SECRET_TEXT];
    unsigned wait_s = 0;

    assert_int_equal(attempt(world, alias, password, address, cookie, &wait_s),
                     want);
    assert_int_equal(wait_s, want_wait_s);
}

static bool
signed_in(struct world *world, const char *cookie)
{
    CLEANUP(arena_done) struct arena arena;
    struct identity identity;
    struct db_tx *tx;
    enum error_code rc;

    arena_init(&arena, 65536);
    assert_int_equal(db_read_begin(world->db, &tx, NULL), ERR_OK);
    rc = signin_who(tx, str_of(cookie), &arena, &identity, NULL);
    db_read_end(tx);
    if (rc == ERR_OK)
        assert_true(uuid_eq(&identity.id, &world->alice.id));
    else
        assert_int_equal(rc, ERR_NOT_FOUND);
    return rc == ERR_OK;
}

static void
the_right_password_opens_a_session(void **state)
{
    struct world *world = *state;
    char first[SECRET_TEXT], second[SECRET_TEXT];
    unsigned wait_s;

    assert_int_equal(
        attempt(world, "aLICE", "secret", "192.0.2.1", first, &wait_s), ERR_OK);
    assert_int_equal(
        attempt(world, "Alice", "secret", "192.0.2.1", second, &wait_s),
        ERR_OK);
    assert_string_not_equal(first, second);
    assert_true(signed_in(world, first));
    assert_false(signed_in(world, ""));
    second[0] = second[0] == 'a' ? 'b' : 'a';
    assert_false(signed_in(world, second));

    assert_int_equal(signin_end(world->db, str_of(first), NULL, NULL), ERR_OK);
    assert_false(signed_in(world, first));
    assert_int_equal(signin_end(world->db, str_of(first), NULL, NULL), ERR_OK);
}

static void
a_session_lasts_twelve_hours(void **state)
{
    struct world *world = *state;
    char cookie[SECRET_TEXT];
    unsigned wait_s;

    assert_int_equal(
        attempt(world, "Alice", "secret", "192.0.2.1", cookie, &wait_s),
        ERR_OK);
    clock_set_for_test(NOW_MS + 12 * HOUR_MS - 1);
    assert_true(signed_in(world, cookie));
    clock_set_for_test(NOW_MS + 12 * HOUR_MS);
    assert_false(signed_in(world, cookie));
}

static enum error_code
change_password(struct db_tx *tx, void *context, struct error *err)
{
    const struct world *world = context;

    return identity_set_password(tx, &world->alice.id, STR("another hash"),
                                 err);
}

static void
another_password_ends_the_session(void **state)
{
    struct world *world = *state;
    char cookie[SECRET_TEXT];
    unsigned wait_s;

    assert_int_equal(
        attempt(world, "Alice", "secret", "192.0.2.1", cookie, &wait_s),
        ERR_OK);
    assert_int_equal(db_write(world->db, change_password, world, NULL), ERR_OK);
    assert_false(signed_in(world, cookie));
}

static void
locks_grow_the_same_for_anybody(void **state)
{
    static const char *const aliases[] = {"Alice", "nopassword", "nobody", ""};
    static const unsigned locks[] = {30, 60, 120, 240, 480, 900, 900};
    struct world *world = *state;

    for (size_t i = 0; i < COUNT(aliases); i++) {
        int64_t now = NOW_MS;

        for (int n = 0; n < 5; n++)
            expect(world, aliases[i], wrong, "192.0.2.1", ERR_VALUE, 0);
        for (size_t n = 0; n < COUNT(locks); n++) {
            print_message("%s %zu\n", aliases[i], n);
            expect(world, aliases[i], "secret", "192.0.2.1", ERR_RATE,
                   locks[n]);
            now += locks[n] * INT64_C(1000) - 1;
            clock_set_for_test(now);
            expect(world, aliases[i], "secret", "192.0.2.1", ERR_RATE, 1);
            clock_set_for_test(++now);
            expect(world, aliases[i], wrong, "192.0.2.1", ERR_VALUE, 0);
        }
        clock_set_for_test(NOW_MS);
    }
}

static void
another_spelling_is_the_same_alias(void **state)
{
    struct world *world = *state;

    for (int n = 0; n < 5; n++)
        expect(world, n % 2 ? "alice" : "ALICE", wrong, "192.0.2.1", ERR_VALUE,
               0);
    expect(world, "Alice", "secret", "192.0.2.2", ERR_RATE, 30);
}

static void
tries_are_forgotten_after_an_hour(void **state)
{
    struct world *world = *state;

    for (int n = 0; n < 4; n++)
        expect(world, "Alice", wrong, "192.0.2.1", ERR_VALUE, 0);
    clock_set_for_test(NOW_MS + HOUR_MS);
    for (int n = 0; n < 4; n++)
        expect(world, "Alice", wrong, "192.0.2.1", ERR_VALUE, 0);
    expect(world, "Alice", "secret", "192.0.2.1", ERR_OK, 0);
}

static void
the_right_password_begins_anew(void **state)
{
    struct world *world = *state;

    for (int round = 0; round < 3; round++) {
        for (int n = 0; n < 4; n++)
            expect(world, "Alice", wrong, "192.0.2.1", ERR_VALUE, 0);
        expect(world, "Alice", "secret", "192.0.2.1", ERR_OK, 0);
    }
}

/* At aliases that differ, from number `first` on. */
static void
guess(struct world *world, int count, const char *address, int first)
{
    for (int n = 0; n < count; n++) {
        char alias[32];

        snprintf(alias, sizeof(alias), "made up %d", first + n);
        expect(world, alias, wrong, address, ERR_VALUE, 0);
    }
}

static void
an_address_that_tries_many_is_locked(void **state)
{
    struct world *world = *state;

    guess(world, 30, "192.0.2.1", 0);
    /* One good account is no licence to go on. */
    expect(world, "Alice", "secret", "192.0.2.1", ERR_OK, 0);
    guess(world, 20, "192.0.2.1", 100);
    expect(world, "Alice", "secret", "192.0.2.1", ERR_RATE, 30);
    expect(world, "Alice", "secret", "192.0.2.2", ERR_OK, 0);
}

static void
a_network_of_ipv6_is_one_guesser(void **state)
{
    struct world *world = *state;

    guess(world, 25, "2001:db8::1", 0);
    guess(world, 25, "2001:db8::ffff:2", 100);
    expect(world, "Alice", "secret", "2001:db8::3", ERR_RATE, 30);
    expect(world, "Alice", "secret", "2001:db8:0:1::3", ERR_OK, 0);
}

static void
a_proxy_on_this_machine_is_never_locked(void **state)
{
    struct world *world = *state;

    guess(world, 60, "127.0.0.1", 0);
    guess(world, 60, "::1", 100);
    expect(world, "Alice", "secret", "127.0.0.1", ERR_OK, 0);
    expect(world, "Alice", "secret", "::1", ERR_OK, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_right_password_opens_a_session),
        TEST(a_session_lasts_twelve_hours),
        TEST(another_password_ends_the_session),
        TEST(locks_grow_the_same_for_anybody),
        TEST(another_spelling_is_the_same_alias),
        TEST(tries_are_forgotten_after_an_hour),
        TEST(the_right_password_begins_anew),
        TEST(an_address_that_tries_many_is_locked),
        TEST(a_network_of_ipv6_is_one_guesser),
        TEST(a_proxy_on_this_machine_is_never_locked),
    };

    return cmocka_run_group_tests(tests, fill_wrong, NULL);
}

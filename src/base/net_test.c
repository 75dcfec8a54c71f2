#include "base/net.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/compiler.h"

static const struct {
    const char *text, *want; /* NULL: no address */
    bool loopback;
    const char *user;
} addresses[] = {
    {"192.0.2.1", "192.0.2.1", false, "192.0.2.1"},
    {"127.9.9.9", "127.9.9.9", true, "127.9.9.9"},
    {"::1", "::1", true, "::"},
    {"::ffff:127.0.0.1", "127.0.0.1", true, "127.0.0.1"},
    {"2001:DB8:0:1::5", "2001:db8:0:1::5", false, "2001:db8:0:1::"},
    {"::", "::", false, "::"},
    {"", NULL, false, NULL},
    {"192.0.2", NULL, false, NULL},
    {"192.0.2.256", NULL, false, NULL},
    {"192.0.2.1:80", NULL, false, NULL},
    {"[::1]", NULL, false, NULL},
    {"fe80::1%eth0", NULL, false, NULL},
    {" 192.0.2.1", NULL, false, NULL},
    {"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111", NULL, false, NULL},
};

static void
addresses_are_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(addresses); i++) {
        struct net_address address, user;
        char text[NET_TEXT];
        bool good = net_parse(str_of(addresses[i].text), &address);

        print_message("%s\n", addresses[i].text);
        assert_int_equal(good, addresses[i].want != NULL);
        if (!good)
            continue;
        assert_string_equal(net_text(&address, text), addresses[i].want);
        assert_int_equal(net_is_loopback(&address), addresses[i].loopback);
        user = net_user(&address);
        assert_string_equal(net_text(&user, text), addresses[i].user);
    }
    struct net_address ignored;

    assert_false(net_parse(STR("127.0.0.1\0x"), &ignored));
}

static const struct {
    const char *nets, *address;
    int want; /* -1: no list */
} lists[] = {
    {"", "127.0.0.1", 0},
    {"127.0.0.1", "127.0.0.1", 1},
    {"127.0.0.1", "127.0.0.2", 0},
    {"10.0.0.0/8", "10.255.0.1", 1},
    {"10.0.0.0/8", "11.0.0.1", 0},
    {"10.1.2.3/8", "10.9.9.9", 1},
    {"192.0.2.128/25", "192.0.2.129", 1},
    {"192.0.2.128/25", "192.0.2.127", 0},
    {"192.0.2.0/23", "192.0.3.1", 1},
    {"0.0.0.0/0", "8.8.8.8", 1},
    {"0.0.0.0/0", "2001:db8::1", 0},
    {"::/0", "8.8.8.8", 1},
    {"2001:db8::/32", "2001:db8:ffff::1", 1},
    {"2001:db8::/32", "2001:db9::1", 0},
    {"127.0.0.1", "::ffff:127.0.0.1", 1},
    {"::ffff:10.0.0.0/104", "10.1.1.1", 1},
    {" 192.0.2.1 , ::1 ", "::1", 1},
    {"192.0.2.1,", "::1", -1},
    {"192.0.2.1/33", "::1", -1},
    {"192.0.2.1/", "::1", -1},
    {"::1/129", "::1", -1},
    {"localhost", "::1", -1},
};

static void
lists_of_networks_have_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        struct net_address address;
        struct nets nets;
        bool good = nets_parse(str_of(lists[i].nets), &nets);

        print_message("%s has %s\n", lists[i].nets, lists[i].address);
        assert_int_equal(good, lists[i].want >= 0);
        assert_true(net_parse(str_of(lists[i].address), &address));
        if (good)
            assert_int_equal(nets_have(&nets, &address), lists[i].want);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_written),
        cmocka_unit_test(lists_of_networks_have_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

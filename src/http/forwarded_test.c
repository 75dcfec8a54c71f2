#include "http/forwarded.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define F "Forwarded"
#define XF "X-Forwarded-For"
#define XP "X-Forwarded-Proto"
#define XH "X-Forwarded-Host"

/* 10.0.0.0/8 and ::1 are ours; the connection comes from 10.0.0.1. */
static const struct {
    const char *label;
    const char *headers[4][2];
    const char *peer; /* NULL: refused */
    bool tls;
    const char *host;
} tries[] = {
    {"nothing", {{"X-A", "b"}}, "10.0.0.1", false, "inner"},
    {"one hop", {{XF, "192.0.2.1"}}, "192.0.2.1", false, "inner"},
    {"what the client invents is not believed",
     {{XF, "1.1.1.1, 192.0.2.1"}},
     "192.0.2.1",
     false,
     "inner"},
    {"nor in a line of its own",
     {{XF, "1.1.1.1"}, {XF, "192.0.2.1"}},
     "192.0.2.1",
     false,
     "inner"},
    {"two proxies of ours",
     {{XF, "1.1.1.1, 192.0.2.1, 10.9.9.9"}},
     "192.0.2.1",
     false,
     "inner"},
    {"all of them ours", {{XF, "10.1.1.1, ::1"}}, "10.1.1.1", false, "inner"},
    {"with a port", {{XF, "192.0.2.1:4711"}}, "192.0.2.1", false, "inner"},
    {"IPv6", {{XF, "2001:db8::1"}}, "2001:db8::1", false, "inner"},
    {"IPv6 in brackets with a port",
     {{XF, "[2001:db8::1]:4711"}},
     "2001:db8::1",
     false,
     "inner"},
    {"no address", {{XF, "unknown"}, {XP, "https"}}, "10.0.0.1", true, "inner"},
    {"an address behind no address",
     {{XF, "1.1.1.1, unknown, 10.2.2.2"}},
     "10.2.2.2",
     false,
     "inner"},
    {"https", {{XF, "192.0.2.1"}, {XP, "https"}}, "192.0.2.1", true, "inner"},
    {"a scheme for each hop",
     {{XF, "1.1.1.1, 192.0.2.1, 10.9.9.9"}, {XP, "http, HTTPS, http"}},
     "192.0.2.1",
     true,
     "inner"},
    {"one scheme for all hops",
     {{XF, "192.0.2.1, 10.9.9.9"}, {XP, "https"}},
     "192.0.2.1",
     true,
     "inner"},
    {"a scheme that is none",
     {{XF, "192.0.2.1"}, {XP, "gopher"}},
     "192.0.2.1",
     false,
     "inner"},
    {"host",
     {{XF, "192.0.2.1"}, {XP, "https"}, {XH, "outer:8443"}},
     "192.0.2.1",
     true,
     "outer:8443"},
    {"scheme and host alone",
     {{XP, "https"}, {XH, "outer"}},
     "10.0.0.1",
     true,
     "outer"},
    {"a host that is none",
     {{XF, "192.0.2.1"}, {XH, "outer/path"}},
     NULL,
     false,
     NULL},
    {"names in any case",
     {{"x-fORwarded-fOR", "192.0.2.1"}},
     "192.0.2.1",
     false,
     "inner"},
    {"Forwarded",
     {{F, "for=192.0.2.1;proto=https;host=outer;by=_x"}},
     "192.0.2.1",
     true,
     "outer"},
    {"Forwarded, quoted",
     {{F, "For=\"[2001:db8::1]:4711\" ; Proto=\"http\\s\"; Host=\"outer:1\""}},
     "2001:db8::1",
     true,
     "outer:1"},
    {"Forwarded, several",
     {{F, "for=1.1.1.1;proto=http;host=evil , for=192.0.2.1;proto=https, "
          "for=10.9.9.9;proto=http;host=middle"}},
     "192.0.2.1",
     true,
     "inner"},
    {"Forwarded in two lines",
     {{F, "for=1.1.1.1"}, {F, "for=192.0.2.1"}},
     "192.0.2.1",
     false,
     "inner"},
    {"Forwarded, hidden",
     {{F, "for=1.1.1.1, for=_gazonk;proto=https"}},
     "10.0.0.1",
     true,
     "inner"},
    {"a comma in quotes",
     {{F, "by=\"a,for=1.1.1.1\";for=192.0.2.1"}},
     "192.0.2.1",
     false,
     "inner"},
    {"no value", {{F, "for"}}, NULL, false, NULL},
    {"an open quote", {{F, "for=\"192.0.2.1"}}, NULL, false, NULL},
    {"an open escape", {{F, "for=\"192.0.2.1\\"}}, NULL, false, NULL},
    {"something behind a quote",
     {{F, "for=\"192.0.2.1\"x"}},
     NULL,
     false,
     NULL},
    {"an empty element", {{F, "for=192.0.2.1,"}}, NULL, false, NULL},
    {"both agree",
     {{F, "for=192.0.2.1;proto=https"}, {XF, "192.0.2.1"}, {XP, "https"}},
     "192.0.2.1",
     true,
     "inner"},
    {"two clients", {{F, "for=1.1.1.1"}, {XF, "192.0.2.1"}}, NULL, false, NULL},
    {"two schemes",
     {{F, "for=192.0.2.1;proto=http"}, {XF, "192.0.2.1"}, {XP, "https"}},
     NULL,
     false,
     NULL},
    {"two hosts", {{F, "for=192.0.2.1;host=a"}, {XH, "b"}}, NULL, false, NULL},
    {"too many hops",
     {{XF, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,"
           "26,27,28,29,30,31,32,33"}},
     NULL,
     false,
     NULL},
};

static void
the_client_is_who_the_last_proxies_say(void **state)
{
    struct nets trusted;

    (void)state;
    assert_true(nets_parse(STR("10.0.0.0/8,::1"), &trusted));
    for (size_t i = 0; i < COUNT(tries); i++) {
        CLEANUP(arena_done) struct arena arena;
        struct http_field headers[4];
        struct http_request request = {.headers = headers,
                                       .host = STR("inner")};
        struct error err = ERROR_INIT;
        char text[NET_TEXT];

        print_message("%s\n", tries[i].label);
        arena_init(&arena, 65536);
        assert_true(net_parse(STR("10.0.0.1"), &request.peer));
        while (request.header_count < COUNT(headers) &&
               tries[i].headers[request.header_count][0] != NULL) {
            const char *const *pair = tries[i].headers[request.header_count];

            headers[request.header_count++] = (struct http_field){
                str_of(pair[0]), str_of(pair[1])};
        }
        enum error_code rc = http_forwarded(&request, &trusted, &arena, &err);

        assert_int_equal(rc, tries[i].peer ? ERR_OK : ERR_SYNTAX);
        if (rc != ERR_OK) {
            assert_true(err.cause[0] != '\0');
            continue;
        }
        assert_string_equal(net_text(&request.peer, text), tries[i].peer);
        assert_int_equal(request.tls, tries[i].tls);
        assert_true(str_eq(request.host, str_of(tries[i].host)));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_is_who_the_last_proxies_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

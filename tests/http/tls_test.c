/*
 * TLS: which versions, whose certificate, and its replacement while clients
 * are connected.
 */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "client.h"

#define DAY_MS INT64_C(86400000)

/* Run a command of a shell, with its text in the message when it fails. */
static void PRINTF_LIKE(1, 2) run(const char *fmt, ...)
{
    char command[2048];
    va_list args;

    va_start(args, fmt);
    vsnprintf(command, sizeof(command), fmt, args);
    va_end(args);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

/* --- certificates --------------------------------------------------------- */

static struct {
    char dir[32], cert[64], key[64];
} files;

#define NEW_KEY "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

/* Certificates for "one" and "two", and for "leaf" by way of an authority
 * between. */
static int
make_files(void **state)
{
    (void)state;
    strcpy(files.dir, "/tmp/nelm-tls-XXXXXX");
    assert_non_null(mkdtemp(files.dir));
    snprintf(files.cert, sizeof(files.cert), "%s/cert.pem", files.dir);
    snprintf(files.key, sizeof(files.key), "%s/key.pem", files.dir);
    run("cd %s && for name in one two ca; do openssl req -x509 " NEW_KEY
        " -subj /CN=$name -days 2 -keyout $name.key -out $name.pem"
        " 2>/dev/null || exit 1; done",
        files.dir);
    run("cd %s && printf 'basicConstraints=critical,CA:TRUE\\n' >ca.ext && "
        "for pair in 'middle ca -extfile=ca.ext' 'leaf middle'; do"
        " set -- $pair; openssl req -new " NEW_KEY " -subj /CN=$1"
        " -keyout $1.key -out $1.csr 2>/dev/null && openssl x509 -req"
        " -in $1.csr -CA $2.pem -CAkey $2.key -CAcreateserial -days 2"
        " ${3:+-extfile ca.ext} -out $1.pem 2>/dev/null || exit 1; done; "
        "cat leaf.pem middle.pem >chain.pem",
        files.dir);
    return 0;
}

static int
remove_files(void **state)
{
    (void)state;
    run("rm -r %s", files.dir);
    return 0;
}

/* Put certificate and key where the server finds them. */
static void
install(const char *cert, const char *key)
{
    run("cd %s && cp %s.pem cert.pem && cp %s.key key.pem", files.dir, cert,
        key);
}

static void
begin_tls(void)
{
    struct http_options options = echo_options();

    options.tls_cert = files.cert;
    options.tls_key = files.key;
    begin(&options);
    assert_int_equal(strncmp(http_server_url(echo.server), "https://", 8), 0);
}

/* --- a client ------------------------------------------------------------- */

struct client {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    char name[64];  /* of the other side's certificate */
    unsigned chain; /* how many certificates it showed */
};

/* False when the handshake failed. */
static bool
client_open(struct client *client, const char *priorities)
{
    const gnutls_datum_t *shown;
    gnutls_x509_crt_t cert;
    size_t size = sizeof(client->name);
    int rc;

    client->fd = dial();
    gnutls_init(&client->session, GNUTLS_CLIENT);
    gnutls_certificate_allocate_credentials(&client->credentials);
    gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE,
                           client->credentials);
    assert_int_equal(
        gnutls_priority_set_direct(client->session, priorities, NULL), 0);
    gnutls_transport_set_int(client->session, client->fd);
    gnutls_handshake_set_timeout(client->session, PATIENCE_MS);
    do
        rc = gnutls_handshake(client->session);
    while (rc < 0 && !gnutls_error_is_fatal(rc));
    if (rc < 0)
        return false;
    shown = gnutls_certificate_get_peers(client->session, &client->chain);
    gnutls_x509_crt_init(&cert);
    gnutls_x509_crt_import(cert, &shown[0], GNUTLS_X509_FMT_DER);
    gnutls_x509_crt_get_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, 0,
                                  client->name, &size);
    gnutls_x509_crt_deinit(cert);
    return true;
}

static void
client_close(struct client *client)
{
    gnutls_deinit(client->session);
    gnutls_certificate_free_credentials(client->credentials);
    close(client->fd);
}

/* Ask, and read to the end of 200 bytes of answer. */
static bool
client_ask(struct client *client)
{
    static const char request[] = GET("/small");
    char text[4096] = "", *body;
    size_t len = 0;

    if (gnutls_record_send(client->session, request, sizeof(request) - 1) < 0)
        return false;
    do {
        ssize_t n = gnutls_record_recv(client->session, text + len,
                                       sizeof(text) - len - 1);

        if (n <= 0)
            return false;
        len += (size_t)n;
        text[len] = '\0';
        body = strstr(text, "\r\n\r\n");
    } while (body == NULL || len - (size_t)(body + 4 - text) < 200);
    return strncmp(text, "HTTP/1.1 200 OK", 15) == 0;
}

#define NORMAL "NORMAL"

static void
expect_name(const char *name)
{
    struct client client;

    assert_true(client_open(&client, NORMAL));
    assert_string_equal(client.name, name);
    assert_true(client_ask(&client));
    client_close(&client);
}

/* --- tests ---------------------------------------------------------------- */

static void
current_versions_only_are_spoken(void **state)
{
    static const struct {
        const char *version;
        bool good;
    } versions[] = {
        {"VERS-TLS1.3", true},
        {"VERS-TLS1.2", true},
        {"VERS-TLS1.1", false},
        {"VERS-TLS1.0", false},
    };

    (void)state;
    install("one", "one");
    begin_tls();
    for (size_t i = 0; i < COUNT(versions); i++) {
        struct client client;
        char priorities[100];

        print_message("%s\n", versions[i].version);
        snprintf(priorities, sizeof(priorities),
                 "LEGACY:-VERS-ALL:+%s:%%VERIFY_ALLOW_BROKEN",
                 versions[i].version);
        assert_int_equal(client_open(&client, priorities), versions[i].good);
        if (versions[i].good)
            assert_true(client_ask(&client));
        client_close(&client);
    }
    /* And as another library sees it; a file goes whole through TLS. */
    unsigned port = http_server_port(echo.server);

    run("printf 'GET /file HTTP/1.1\\r\\nHost: a\\r\\nConnection: "
        "close\\r\\n\\r\\n' | openssl s_client -quiet -ign_eof -tls1_3 "
        "-connect "
        "127.0.0.1:%u 2>/dev/null | tail -c 16 | grep -q 000000000065535",
        port);
    for (int old = 0; old < 2; old++)
        run("! printf 'GET /small HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n' | openssl "
            "s_client -quiet -ign_eof -cipher DEFAULT@SECLEVEL=0 %s -connect "
            "127.0.0.1:%u 2>/dev/null | grep -q 'HTTP/1.1'",
            old ? "-tls1" : "-tls1_1", port);
    end(NULL);
}

static void
plain_http_is_not_answered(void **state)
{
    struct buf got;

    (void)state;
    install("one", "one");
    begin_tls();
    int fd = dial();

    say_text(fd, GET("/small"));
    assert_true(hear(fd, PATIENCE_MS, &got));
    assert_null(strstr(got.data, "HTTP/"));
    buf_done(&got);
    close(fd);
    expect_name("one");
    end(NULL);
}

static void
the_chain_is_shown(void **state)
{
    struct client client;

    (void)state;
    install("chain", "leaf");
    begin_tls();
    assert_true(client_open(&client, NORMAL));
    assert_string_equal(client.name, "leaf");
    assert_int_equal(client.chain, 2);
    client_close(&client);
    run("openssl s_client -connect 127.0.0.1:%u -CAfile %s/ca.pem "
        "-verify_return_error </dev/null >/dev/null 2>&1",
        http_server_port(echo.server), files.dir);
    end(NULL);
}

static void
files_that_do_not_fit_stop_the_start(void **state)
{
    static const struct {
        const char *cert, *key, *say;
    } pairs[] = {
        {"cert", "cert", "cannot use the certificate"}, /* holds no key */
        {"cert", "two", "cannot use the certificate"},
        {"ca.ext", "key", "cannot use the certificate"},
        {"nowhere", "key", "nowhere.pem"},
    };
    struct http_options options = echo_options();

    (void)state;
    install("one", "one");
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct error err = ERROR_INIT;
        char cert[64], key[64];

        snprintf(cert, sizeof(cert), "%s/%s.pem", files.dir, pairs[i].cert);
        snprintf(key, sizeof(key), "%s/%s.%s", files.dir, pairs[i].key,
                 strcmp(pairs[i].key, "two") == 0 ? "key" : "pem");
        options.tls_cert = cert;
        options.tls_key = key;
        assert_int_equal(echo_start(&echo, &options, &err), ERR_VALUE);
        if (strstr(err.text, pairs[i].say) == NULL)
            fail_msg("%s", err.text);
        echo.server = NULL;
        end(NULL);
    }
}

static void
a_new_certificate_is_for_new_connections(void **state)
{
    struct error err = ERROR_INIT;
    struct client old;

    (void)state;
    install("one", "one");
    begin_tls();
    assert_true(client_open(&old, NORMAL));
    assert_string_equal(old.name, "one");
    assert_true(client_ask(&old));

    install("two", "two");
    expect_name("one"); /* not before it is asked for */
    assert_int_equal(http_server_reload(echo.server, &err), ERR_OK);
    expect_name("two");
    assert_true(client_ask(&old));

    static const struct {
        const char *label, *command, *say;
    } broken[] = {
        {"another key", "cp one.key key.pem", "cannot use the certificate"},
        {"no certificate", "cp two.key key.pem; echo x >cert.pem",
         "cannot use the certificate"},
        {"half a file", "head -c 200 one.pem >cert.pem; cp one.key key.pem",
         "cannot use the certificate"},
        {"no file", "rm cert.pem", "cert.pem"},
    };

    for (size_t i = 0; i < COUNT(broken); i++) {
        print_message("%s\n", broken[i].label);
        run("cd %s && %s", files.dir, broken[i].command);
        assert_int_equal(http_server_reload(echo.server, &err), ERR_VALUE);
        assert_non_null(strstr(err.text, broken[i].say));
        expect_name("two");
    }

    static const struct {
        int64_t days;
        const char *say;
    } times[] = {{3, "has expired"}, {-3, "is not valid yet"}};

    install("one", "one");
    for (size_t i = 0; i < COUNT(times); i++) {
        clock_set_for_test(clock_now_ms() + times[i].days * DAY_MS);
        assert_int_equal(http_server_reload(echo.server, &err), ERR_VALUE);
        assert_non_null(strstr(err.text, times[i].say));
        clock_set_for_test(-1);
        expect_name("two");
    }
    assert_true(client_ask(&old));
    client_close(&old);
    end(NULL);
}

struct crowd {
    atomic_bool over;
    atomic_uint good, bad;
};

static void *
connect_all_the_time(void *context)
{
    struct crowd *crowd = context;

    while (!crowd->over) {
        struct client client;
        bool good = client_open(&client, NORMAL) && client_ask(&client);

        *(good ? &crowd->good : &crowd->bad) += 1;
        client_close(&client);
    }
    return NULL;
}

static void
nobody_is_lost_while_certificates_change(void **state)
{
    struct crowd crowd = {.over = false};
    pthread_t threads[3];

    (void)state;
    install("one", "one");
    begin_tls();
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, connect_all_the_time, &crowd), 0);
    while (crowd.good < 100)
        assert_int_equal(http_server_reload(echo.server, NULL), ERR_OK);
    crowd.over = true;
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.bad, 0);
    end(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(current_versions_only_are_spoken),
        cmocka_unit_test(plain_http_is_not_answered),
        cmocka_unit_test(the_chain_is_shown),
        cmocka_unit_test(files_that_do_not_fit_stop_the_start),
        cmocka_unit_test(a_new_certificate_is_for_new_connections),
        cmocka_unit_test(nobody_is_lost_while_certificates_change),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}

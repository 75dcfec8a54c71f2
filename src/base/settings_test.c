#include "base/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* Set from at most one text in each place; NULL: not there. */
struct given {
    const char *flag, *variable, *file;
};

static char path[] = "/tmp/nelm-settings-XXXXXX";

static enum error_code
load(struct settings *settings, const char *name, struct given given,
     struct error *err)
{
    const struct setting *row = setting_find(str_of(name));
    const char *flags[SETTINGS] = {NULL};
    char variable[SETTING_VARIABLE];

    assert_non_null(row);
    flags[row - settings_table] = given.flag;
    setting_variable(row, variable);
    if (given.variable != NULL)
        setenv(variable, given.variable, 1);
    if (given.file != NULL) {
        FILE *file = fopen(path, "we");

        assert_non_null(file);
        fputs(given.file, file);
        fclose(file);
        flags[SETTING_NUMBER_config] = path;
    }
    enum error_code rc = settings_load(settings, flags, err);

    unsetenv(variable);
    return rc;
}

static const struct {
    const char *label;
    struct given given;
    const char *want;
} precedence[] = {
    {"nothing", {NULL, NULL, NULL}, "127.0.0.1:8080"},
    {"file", {NULL, NULL, "listen = a:1\n"}, "a:1"},
    {"variable over file", {NULL, "b:2", "listen = a:1\n"}, "b:2"},
    {"flag over all", {"c:3", "b:2", "listen = a:1\n"}, "c:3"},
    {"empty variable is absent", {NULL, "", "listen = a:1\n"}, "a:1"},
    {"comments and blanks",
     {NULL, NULL, "# listen = x\n\n  listen\t=  [::1]:80 \r\n  # end"},
     "[::1]:80"},
};

static void
settings_flag_beats_variable_beats_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(precedence); i++) {
        struct settings settings;
        struct error err = ERROR_INIT;

        print_message("%s\n", precedence[i].label);
        assert_int_equal(load(&settings, "listen", precedence[i].given, &err),
                         ERR_OK);
        assert_string_equal(settings.listen, precedence[i].want);
        settings_done(&settings);
    }
}

static const struct {
    const char *name, *value;
    uint64_t want, seconds;
} values[] = {
    {"workers", "1", 1, 0},
    {"workers", "1024", 1024, 0},
    {"max-upload-bytes", "1", 1, 0},
    {"max-upload-bytes", "3KiB", 3072, 0},
    {"max-upload-bytes", "2MiB", 2097152, 0},
    {"max-upload-bytes", "1GiB", 1073741824, 0},
    {"idle-timeout", "45", 45, 0},
    {"idle-timeout", "45s", 45, 0},
    {"idle-timeout", "2m", 120, 0},
    {"idle-timeout", "1h", 3600, 0},
    {"rate-limit", "5/1s", 5, 1},
    {"rate-limit", "60/1m", 60, 60},
    {"rate-limit", "60/10", 60, 10},
    {"rate-limit", "off", 0, 1},
    {"rate-limit", "0", 0, 1},
    {"check-managers", "on", 1, 0},
    {"check-managers", "off", 0, 0},
    {"log-level", "debug", LOG_DEBUG, 0},
    {"log-format", "json", LOG_JSON, 0},
    {"sandbox", "auto", SANDBOX_AUTO, 0},
    {"sandbox", "on", SANDBOX_ON, 0},
    {"sandbox", "off", SANDBOX_OFF, 0},
};

static void
settings_read_every_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        struct settings settings;
        struct error err = ERROR_INIT;
        const struct setting *row = setting_find(str_of(values[i].name));

        print_message("%s = %s\n", values[i].name, values[i].value);
        assert_int_equal(load(&settings, values[i].name,
                              (struct given){.flag = values[i].value}, &err),
                         ERR_OK);
        const void *at = (const char *)&settings + row->offset;

        if (row->kind == SETTING_SWITCH)
            assert_int_equal(*(const bool *)at, values[i].want);
        else if (row->kind == SETTING_FORMAT)
            assert_int_equal(*(const enum log_format *)at, values[i].want);
        else if (row->kind == SETTING_LEVEL)
            assert_int_equal(*(const enum log_level *)at, values[i].want);
        else if (row->kind == SETTING_SANDBOX)
            assert_int_equal(*(const enum sandbox_mode *)at, values[i].want);
        else
            assert_int_equal(*(const uint64_t *)at, values[i].want);
        if (row->kind == SETTING_RATE)
            assert_int_equal(((const struct rate *)at)->seconds,
                             values[i].seconds);
        settings_done(&settings);
    }
}

static const struct {
    const char *name;
    struct given given;
    const char *want; /* part of the text */
} refused[] = {
    {"workers",
     {.flag = "0"},
     "setting workers: \"0\" from --workers is not a whole number from 1 to "
     "1024"},
    {"workers", {.flag = "1025"}, "is not a whole number from 1 to 1024"},
    {"workers", {.flag = "8KiB"}, "is not a whole number"},
    {"workers", {.flag = "-1"}, "is not a whole number"},
    {"workers", {.flag = ""}, "\"\" from --workers is not"},
    {"workers", {.variable = "many"}, "\"many\" from NELM_WORKERS is not"},
    {"workers", {.file = "\nworkers = x\n"}, ":2 is not a whole number"},
    {"workers", {.file = "workers\n"}, ":1 is not \"name = value\""},
    {"workers", {.file = "workesr = 3\n"}, "did you mean workers?"},
    {"workers", {.file = "\n\nquack = 3\n"}, ":3: there is no setting \"quack"},
    {"workers", {.file = "workers = 1\nworkers = 2"}, ":2: workers is set a"},
    {"workers", {.file = "config = x\n"}, "cannot name another"},
    /* A value is checked also where a stronger one hides it. */
    {"workers", {.flag = "4", .variable = "x"}, "from NELM_WORKERS"},
    {"max-upload-bytes", {.flag = "0"}, "a number of bytes from 1"},
    {"max-upload-bytes", {.flag = "1kb"}, "a number of bytes"},
    {"max-upload-bytes", {.flag = "99999999TiB"}, "a number of bytes"},
    {"idle-timeout", {.flag = "25h"}, "a time from 1s to 86400s"},
    {"idle-timeout", {.flag = "0"}, "a time from 1s"},
    {"rate-limit", {.flag = "100"}, "COUNT/TIME"},
    {"rate-limit", {.flag = "100/0s"}, "COUNT/TIME"},
    {"rate-limit", {.flag = "100/s"}, "COUNT/TIME"},
    {"rate-limit", {.flag = "/10s"}, "COUNT/TIME"},
    {"check-managers", {.flag = "yes"}, "on or off"},
    {"log-level", {.flag = "loud"}, "error, warn, info or debug"},
    {"log-format", {.flag = "text"}, "logfmt or json"},
    {"listen", {.flag = "8080"}, "HOST:PORT"},
    {"listen", {.flag = ":8080"}, "HOST:PORT"},
    {"listen", {.flag = "::1:8080"}, "HOST:PORT"},
    {"listen", {.flag = "a:65536"}, "HOST:PORT"},
    {"listen", {.flag = "a:"}, "HOST:PORT"},
    {"public-url", {.flag = "nelm.example.com"}, "a URL"},
    {"public-url", {.flag = "https://nelm.example.com/"}, "a URL"},
    {"cors-origin", {.flag = "https://a.example/"}, "a list of origins"},
    {"cors-origin", {.flag = "https://a.example,*"}, "a list of origins"},
    {"cors-origin", {.flag = "https://A.example"}, "a list of origins"},
    {"cors-origin", {.flag = "https://a.example/x"}, "a list of origins"},
    {"cors-origin", {.flag = "https://a.example,"}, "a list of origins"},
    {"cors-origin", {.flag = "null"}, "a list of origins"},
    {"trusted-proxy", {.flag = "10.0.0.0/33"}, "a list of at most 64"},
    {"trusted-proxy", {.flag = "proxy.example"}, "a list of at most 64"},
    {"database", {.flag = ""}, "a text of 1"},
    {"config", {.flag = "/nowhere/at/all"}, "\"/nowhere/at/all\": No such"},
};

static void
settings_say_what_is_wrong_and_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct settings settings;
        struct error err = ERROR_INIT;

        print_message("%s: %s\n", refused[i].name, refused[i].want);
        assert_int_equal(
            load(&settings, refused[i].name, refused[i].given, &err),
            ERR_VALUE);
        print_message("  %s\n", error_text(&err));
        assert_non_null(strstr(error_text(&err), refused[i].want));
        settings_done(&settings);
    }
}

/* Values are C strings: half a line must not be taken for a whole one. */
static void
settings_file_has_no_nul(void **state)
{
    static const char text[] = "\nworkers = 4\0002\n";
    const char *flags[SETTINGS] = {[SETTING_NUMBER_config] = path};
    struct settings settings;
    struct error err = ERROR_INIT;
    FILE *file = fopen(path, "we");

    (void)state;
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, sizeof(text) - 1, file), sizeof(text) - 1);
    fclose(file);
    assert_int_equal(settings_load(&settings, flags, &err), ERR_VALUE);
    assert_non_null(strstr(error_text(&err), ":2 has a NUL byte"));
    settings_done(&settings);
}

/* An operator reads the default in the manual and writes it into the file. */
static void
settings_accept_their_own_defaults(void **state)
{
    struct settings settings;

    (void)state;
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *row = &settings_table[i];
        struct error err = ERROR_INIT;

        print_message("%s\n", row->name);
        assert_true(row->uses != 0);
        assert_int_equal(load(&settings, row->name,
                              (struct given){.flag = row->fallback}, &err),
                         ERR_OK);
        settings_done(&settings);
    }
}

static int
make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int
drop_file(void **state)
{
    (void)state;
    return unlink(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_flag_beats_variable_beats_file),
        cmocka_unit_test(settings_read_every_kind),
        cmocka_unit_test(settings_say_what_is_wrong_and_where),
        cmocka_unit_test(settings_file_has_no_nul),
        cmocka_unit_test(settings_accept_their_own_defaults),
    };
    return cmocka_run_group_tests(tests, make_file, drop_file);
}

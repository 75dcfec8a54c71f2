#include "base/log.h"

#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

static char output[3 * 4096];

/* What `log` writes to standard error. */
#define CAPTURE(log)                                               \
    do {                                                           \
        int ends_[2], saved_ = dup(STDERR_FILENO);                 \
        assert_int_equal(pipe(ends_), 0);                          \
        dup2(ends_[1], STDERR_FILENO);                             \
        close(ends_[1]);                                           \
        log;                                                       \
        dup2(saved_, STDERR_FILENO);                               \
        close(saved_);                                             \
        ssize_t got_ = read(ends_[0], output, sizeof(output) - 1); \
        close(ends_[0]);                                           \
        output[got_ > 0 ? got_ : 0] = '\0';                        \
    } while (0)

static void
line_has_time_level_and_event(void **state)
{
    (void)state;
    clock_set_for_test(1704067200001);
    CAPTURE(
        log_line(LOG_WARN, "request", "status=%d bytes=%zu", 200, (size_t)5));
    assert_string_equal(output, "time=2024-01-01T00:00:00.001Z level=warn "
                                "event=request status=200 bytes=5\n");
    CAPTURE(log_line(LOG_INFO, "stop", "%s", ""));
    assert_string_equal(
        output, "time=2024-01-01T00:00:00.001Z level=info event=stop\n");
    clock_set_for_test(-1);
}

static void
level_decides(void **state)
{
    enum log_level level = LOG_INFO;

    (void)state;
    CAPTURE(log_line(LOG_DEBUG, "x", "y=1"));
    assert_string_equal(output, "");
    assert_true(log_level_parse(STR("debug"), &level));
    assert_int_equal(level, LOG_DEBUG);
    log_set_level(level);
    assert_true(log_on(LOG_DEBUG));
    CAPTURE(log_line(LOG_DEBUG, "x", "y=1"));
    assert_non_null(strstr(output, " level=debug event=x y=1\n"));

    log_set_level(LOG_ERROR);
    assert_false(log_on(LOG_WARN));
    assert_true(log_on(LOG_ERROR));
    log_set_level(LOG_INFO);
    assert_false(log_level_parse(STR("INFO"), &level));
    assert_false(log_level_parse(STR(""), &level));
    assert_int_equal(level, LOG_DEBUG);
}

static void
long_line_is_cut_but_ends(void **state)
{
    (void)state;
    CAPTURE(log_line(LOG_INFO, "long", "a=%08000d", 0));
    assert_int_equal(strlen(output), 4096);
    assert_int_equal(output[4095], '\n');
    assert_int_equal(output[4094], '0');
}

static void
json_says_the_same(void **state)
{
    char quoted[100];

    (void)state;
    clock_set_for_test(1704067200001);
    log_set_format(LOG_JSON);
    log_quote(STR("a \"b\" \\ \n\x7f \xc3\xa9"), quoted, sizeof(quoted));
    CAPTURE(log_line(LOG_WARN, "x",
                     "status=%d big=%s neg=-5 zero=0 lead=007 text=%s "
                     "empty= plain=a-b none=- odd=a\\b",
                     200, "1234567890123456", quoted));
    assert_string_equal(
        output, "{\"time\":\"2024-01-01T00:00:00.001Z\",\"level\":\"warn\","
                "\"event\":\"x\",\"status\":200,"
                "\"big\":\"1234567890123456\",\"neg\":-5,\"zero\":0,"
                "\"lead\":\"007\",\"text\":\"a \\\"b\\\" \\\\ "
                "\\u000a\\u007f \xc3\xa9\",\"empty\":\"\","
                "\"plain\":\"a-b\",\"none\":\"-\",\"odd\":\"a\\\\b\"}\n");
    CAPTURE(log_line(LOG_INFO, "stop", "%s", ""));
    assert_string_equal(output, "{\"time\":\"2024-01-01T00:00:00.001Z\","
                                "\"level\":\"info\",\"event\":\"stop\"}\n");
    CAPTURE(log_line(LOG_INFO, "long", "a=\"%08000d", 0));
    assert_int_equal(output[strlen(output) - 2], '}');
    log_set_format(LOG_LOGFMT);
    clock_set_for_test(-1);
}

static const struct {
    const char *text;
    size_t size;
    const char *want;
} quotes[] = {
    {"plain-1.2/x:y", 64, "plain-1.2/x:y"},
    {"", 64, "\"\""},
    {"two words", 64, "\"two words\""},
    {"a=b", 64, "\"a=b\""},
    {"say \"hi\"", 64, "\"say \\\"hi\\\"\""},
    {"back\\slash", 64, "\"back\\\\slash\""},
    {"line\nevent=forged", 64, "\"line\\x0aevent=forged\""},
    {"\x1b[2J", 64, "\"\\x1b[2J\""},
    {"\x7f", 64, "\"\\x7f\""},
    {"\xc2\x9b", 64, "\"\\x9b\""},
    {"J\xc3\xb6rg", 64, "\"J\xc3\xb6rg\""},
    {"bad\xff", 64, "\"bad\\xff\""},
    {"plain", 6, "plain"},
    {"plain", 5, "\"pl\""},
    {"a\xc3\xb6", 5, "\"a\""},
    {"a\xc3\xb6", 6, "\"a\xc3\xb6\""},
    {"\n", 6, "\"\""},
    {"\n", 7, "\"\\x0a\""},
    {"x y", 3, "\"\""},
    {"x y", 2, ""},
};

static void
outside_text_cannot_forge_a_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(quotes); i++) {
        char *to = malloc(quotes[i].size);

        print_message("%zu\n", i);
        assert_ptr_equal(log_quote(str_of(quotes[i].text), to, quotes[i].size),
                         to);
        assert_string_equal(to, quotes[i].want);
        free(to);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_has_time_level_and_event),
        cmocka_unit_test(level_decides),
        cmocka_unit_test(long_line_is_cut_but_ends),
        cmocka_unit_test(json_says_the_same),
        cmocka_unit_test(outside_text_cannot_forge_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

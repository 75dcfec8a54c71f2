#include "fmt/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

/* Every term in brackets, so that the text shows the tree. */
static void
put(struct buf *to, const struct filter *filter)
{
    buf_char(to, '[');
    switch (filter->kind) {
    case FILTER_AND:
    case FILTER_OR:
        put(to, filter->left);
        buf_text(to, filter->kind == FILTER_AND ? "&" : "|");
        put(to, filter->right);
        break;
    case FILTER_NOT:
        buf_char(to, '!');
        put(to, filter->left);
        break;
    case FILTER_TEST:
        buf_str(to, filter->field);
        buf_printf(to, " %s", filter_op_name(filter->op));
        for (size_t i = 0; i < filter->value_count; i++) {
            buf_char(to, ' ');
            buf_str(to, filter->values[i]);
        }
        break;
    }
    buf_char(to, ']');
}

static void
assert_tree(struct str text, const char *tree)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf got;
    struct filter *filter = NULL;
    struct error err = ERROR_INIT;

    arena_init(&arena, 1 << 20);
    buf_init(&got, 1 << 20);
    if (filter_parse(text, &arena, &filter, &err) != ERR_OK)
        fail_msg("%.*s: %s", STR_ARG(text), err.cause);
    put(&got, filter);
    assert_string_equal(got.data, tree);
}

static void
assert_refused(struct str text, const char *cause)
{
    CLEANUP(arena_done) struct arena arena;
    struct filter *filter = NULL;
    struct error err = ERROR_INIT;

    arena_init(&arena, 1 << 24);
    assert_int_equal(filter_parse(text, &arena, &filter, &err), ERR_VALUE);
    assert_null(filter);
    assert_string_equal(
        err.text, "Value of \"filters\" is empty or contains invalid data.");
    assert_string_equal(err.cause, cause);
    assert_int_equal(filter_parse(text, &arena, &filter, NULL), ERR_VALUE);
}

static const struct {
    const char *text, *tree;
} expressions[] = {
    {"a eq \"x\"", "[a eq x]"},
    {"  a   eq   \"x\"  ", "[a eq x]"},
    {"a eq\"x\"", "[a eq x]"},
    {"a eq \"\"", "[a eq ]"},
    {"a eq \"with \\\"quotes\\\" and \\\\\"", "[a eq with \"quotes\" and \\]"},
    {"a eq \"(and) or, not\"", "[a eq (and) or, not]"},
    {"a eq \"\xc3\xa9\"", "[a eq \xc3\xa9]"},
    {"a eq Pending", "[a eq Pending]"},
    {"a eq 2c91-80_85", "[a eq 2c91-80_85]"},
    {"a eq and", "[a eq and]"},
    {"not eq eq eq", "[![eq eq eq]]"},
    {"a ne b", "[a ne b]"},
    {"a gt 1 and a ge 2", "[[a gt 1]&[a ge 2]]"},
    {"a lt 1 or a le 2", "[[a lt 1]|[a le 2]]"},
    {"a co b and a sw c", "[[a co b]&[a sw c]]"},
    {"a in (\"x\", y ,\"z\")", "[a in x y z]"},
    {"a in (\"x\")", "[a in x]"},
    {"a ca (x,y)", "[a ca x y]"},
    {"a pr", "[a pr]"},
    {"a isnull and b pr", "[[a isnull]&[b pr]]"},
    {"a pr or b pr and c pr", "[[a pr]|[[b pr]&[c pr]]]"},
    {"a pr and b pr or c pr", "[[[a pr]&[b pr]]|[c pr]]"},
    {"a pr and b pr and c pr", "[[[a pr]&[b pr]]&[c pr]]"},
    {"a pr or b pr or c pr", "[[[a pr]|[b pr]]|[c pr]]"},
    {"(a pr or b pr) and c pr", "[[[a pr]|[b pr]]&[c pr]]"},
    {"not a pr and b pr", "[[![a pr]]&[b pr]]"},
    {"not (a pr and b pr)", "[![[a pr]&[b pr]]]"},
    {"not(a pr)", "[![a pr]]"},
    {"not not a pr", "[![![a pr]]]"},
    {"a pr and not b pr", "[[a pr]&[![b pr]]]"},
    {"((a pr))", "[a pr]"},
    {"nothing pr", "[nothing pr]"},
};

static void
filter_groups_as_the_grammar_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(expressions); i++)
        assert_tree(str_of(expressions[i].text), expressions[i].tree);
}

static const struct {
    const char *text, *cause;
} faults[] = {
    {"", "a field is missing at character 1"},
    {"   ", "a field is missing at character 4"},
    {"a", "an operator is missing at character 2"},
    {"a EQ \"x\"", "an operator is missing at character 3"},
    {"a eqx \"x\"", "an operator is missing at character 3"},
    {"a eq", "a value is missing at character 5"},
    {"a eq )", "a value is missing at character 6"},
    {"a eq 'x'", "a value is missing at character 6"},
    {"a eq x.y", "more text than one expression at character 7"},
    {"a eq x y", "more text than one expression at character 8"},
    {"a pr AND b pr", "more text than one expression at character 6"},
    {"a pr andb pr", "more text than one expression at character 6"},
    {"a pr)", "more text than one expression at character 5"},
    {"a eq \"x", "a quote that is not closed at character 6"},
    {"a eq \"\xc3\xa9\xc3\xa9\" and b eq \"x",
     "a quote that is not closed at character 20"},
    {"a eq \"\\\"", "a quote that is not closed at character 6"},
    {"a eq \"\\", "unknown escape at character 7"},
    {"a eq \"x\\n\"", "unknown escape at character 8"},
    {"(a pr", "\")\" is missing at character 6"},
    {"((a pr)", "\")\" is missing at character 8"},
    {"()", "a field is missing at character 2"},
    {"not", "a field is missing at character 4"},
    {"a pr and", "a field is missing at character 9"},
    {"a pr or or b pr", "an operator is missing at character 12"},
    {"a in x", "\"(\" is missing at character 6"},
    {"a in ()", "a value is missing at character 7"},
    {"a in (x", "\")\" is missing at character 8"},
    {"a in (x,)", "a value is missing at character 9"},
    {"a in (x y)", "\")\" is missing at character 9"},
    {"a; DROP TABLE record", "an operator is missing at character 2"},
    {"a\teq x", "an operator is missing at character 2"},
    {"a eq \"\xff\"", "the text is not UTF-8"},
};

static void
filter_says_what_is_wrong_and_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(faults); i++)
        assert_refused(str_of(faults[i].text), faults[i].cause);
    assert_refused(str_n("a\0eq x", 6),
                   "an operator is missing at character 2");
    assert_refused(str_n("a eq x\0", 7),
                   "more text than one expression at character 7");
}

/* `times` copies of `text` between `before` and `after`. */
static struct str
repeat(struct buf *to, const char *before, const char *text, int times,
       const char *after)
{
    buf_clear(to);
    buf_text(to, before);
    for (int i = 0; i < times; i++)
        buf_text(to, text);
    buf_text(to, after);
    return buf_view(to);
}

static void
filter_is_bounded_in_every_direction(void **state)
{
    static const struct {
        const char *before, *text, *after;
        int most; /* that are taken */
        const char *cause;
    } cases[] = {
        {"", "not ", "a pr", FILTER_MAX_NODES - 1, "more than 64 terms"},
        {"a pr", " or not b pr", "", (FILTER_MAX_NODES - 1) / 3,
         "more than 64 terms"},
        {"a in (x", ",x", ")", FILTER_MAX_VALUES - 1,
         "too many values at character 507"},
    };
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf text;
    struct filter *filter = NULL;

    (void)state;
    arena_init(&arena, 1 << 20);
    buf_init(&text, 1 << 24);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str most = repeat(&text, cases[i].before, cases[i].text,
                                 cases[i].most, cases[i].after);

        assert_int_equal(filter_parse(most, &arena, &filter, NULL), ERR_OK);
        assert_refused(repeat(&text, cases[i].before, cases[i].text,
                              cases[i].most + 1, cases[i].after),
                       cases[i].cause);
    }
    repeat(&text, "", "(", FILTER_MAX_NODES, "a pr");
    for (int i = 0; i < FILTER_MAX_NODES; i++)
        buf_char(&text, ')');
    assert_int_equal(filter_parse(buf_view(&text), &arena, &filter, NULL),
                     ERR_OK);
    assert_refused(repeat(&text, "", "(", FILTER_MAX_NODES + 1, "a pr"),
                   "nested too deeply at character 65");
    filter = NULL;
    assert_refused(repeat(&text, "", "(", 1000000, ""),
                   "nested too deeply at character 65");
}

static void
filter_without_memory_says_so(void **state)
{
    CLEANUP(arena_done) struct arena arena;
    struct filter *filter = NULL;
    struct error err = ERROR_INIT;

    (void)state;
    for (size_t max = 0; max < 80; max += 16) {
        arena_init(&arena, max);
        assert_int_equal(
            filter_parse(STR("a eq \"xxxxxxxxxxxxxx\""), &arena, &filter, &err),
            ERR_UNAVAILABLE);
        assert_null(filter);
        arena_done(&arena);
    }
    arena_init(&arena, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filter_groups_as_the_grammar_says),
        cmocka_unit_test(filter_says_what_is_wrong_and_where),
        cmocka_unit_test(filter_is_bounded_in_every_direction),
        cmocka_unit_test(filter_without_memory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

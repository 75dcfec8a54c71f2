#include "api/page.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct page_value values[] = {
    {"plain", {"text", 4}},       {"sharp", {"<a href=\"x\" id='y'>&</a>", 24}},
    {"lines", {"one\n<two>", 9}}, {"empty", {"", 0}},
    {"none", {NULL, 0}},          {NULL, {NULL, 0}},
};

static const struct {
    const char *template_text, *want;
} pages[] = {
    {"", ""},
    {"no marks { } }}", "no marks { } }}"},
    {"a {{plain}} b", "a text b"},
    {"{{plain}}{{plain}}", "texttext"},
    {"{{unknown}}", ""},
    {"{{none}}", ""},
    {"{{sharp}}", "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;&lt;/a&gt;"},
    {"{{{sharp}}}!", "<a href=\"x\" id='y'>&</a>!"},
    {"[{{#lines}}({{.}}){{/lines}}]", "[(one)(&lt;two&gt;)]"},
    {"[{{#plain}}{{.}}, {{plain}}{{/plain}}]", "[text, text]"},
    {"[{{#empty}}x{{/empty}}{{#none}}x{{/none}}{{#unknown}}x{{/unknown}}]",
     "[]"},
    {"{{#plain}}a{{/plain}}{{#empty}}b{{/empty}}{{#plain}}c{{/plain}}", "ac"},
};

static void
marks_become_values_and_values_never_marks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pages); i++) {
        CLEANUP(buf_done) struct buf to;

        buf_init(&to, 1024);
        print_message("%s\n", pages[i].template_text);
        page_render(str_of(pages[i].template_text), values, &to);
        assert_false(to.failed);
        assert_string_equal(to.len ? to.data : "", pages[i].want);
    }
}

static void
a_value_that_looks_like_a_mark_stays_text(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf to;
    const struct page_value tricky[] = {{"a", STR("{{b}}{{{b}}}{{#b}}")},
                                        {"b", STR("secret")},
                                        {NULL, STR("")}};

    buf_init(&to, 1024);
    page_render(STR("{{a}}|{{#a}}{{.}}{{/a}}"), tricky, &to);
    assert_string_equal(to.data, "{{b}}{{{b}}}{{#b}}|{{b}}{{{b}}}{{#b}}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_become_values_and_values_never_marks),
        cmocka_unit_test(a_value_that_looks_like_a_mark_stays_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

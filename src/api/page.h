/*
 * page.h - the server's own HTML pages, from the templates in web/login.
 *
 * A template knows {{name}}, which is escaped for text and for attributes in
 * double quotes; {{{name}}}, which is HTML already; and {{#name}}...{{/name}},
 * which is there once for each line of the value, {{.}} being the line, and
 * not at all for an empty one.
 *
 * Memory:  the answer lives in the exchange's arena.
 * Errors:  ERR_INTERNAL when a page has no room.
 * Threads: see call.h.
 */
#ifndef NELM_API_PAGE_H
#define NELM_API_PAGE_H

#include "api/call.h"

struct page_value {
    const char *name;
    struct str text;
};

/* Answer with web/login/`name`.html inside the frame of every page. Values
 * are up to one without a name; one that is missing is empty. `form_action`
 * is what a Content-Security-Policy allows besides ourselves, or "". */
enum error_code page_answer(struct call *call, int status, const char *name,
                            const char *title, const struct page_value *values,
                            const char *form_action,
                            struct error *err) MUST_USE;

/* Not for page.c alone: a template of one's own, for tests. */
void page_render(struct str template_text, const struct page_value *values,
                 struct buf *to);

/* Answer with the pages' style sheet. */
void page_style(struct call *call);

#endif

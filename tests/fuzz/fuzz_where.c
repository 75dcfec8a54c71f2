/* A list by its number, sorters, LF, filters. Whatever was asked for becomes
 * SQL that the database takes; as many rows come as are counted, in any order;
 * and a filter and its opposite choose no row twice. Or, behind a question
 * mark, a text that people are searched by: every word more finds no more of
 * them. */
#include <string.h>

#include "base/utf8.h"
#include "core/fixture.h"
#include "fuzz.h"
#include "store/audit_store.h"
#include "store/auth_store.h"
#include "store/find.h"
#include "store/identity_store.h"
#include "store/record_store.h"
#include "store/request_store.h"
#include "store/where.h"

#define LIMIT 250

static struct fixture fixture;

static bool
see_identity(void *context, const struct identity *row)
{
    (void)row;
    ++*(int64_t *)context;
    return true;
}

static bool
see_record(void *context, const struct record *row, const struct uuid *source)
{
    (void)row, (void)source;
    ++*(int64_t *)context;
    return true;
}

static bool
see_client(void *context, const struct client *row)
{
    (void)row;
    ++*(int64_t *)context;
    return true;
}

static bool
see_request(void *context, const struct request *row)
{
    (void)row;
    ++*(int64_t *)context;
    return true;
}

static bool
see_item(void *context, const struct approval_item *row)
{
    (void)row;
    ++*(int64_t *)context;
    return true;
}

static bool
see_event(void *context, const struct audit_row *row)
{
    (void)row;
    ++*(int64_t *)context;
    return true;
}

/* Rows of a list, or how many it says there are. */
static enum error_code
list_rows(unsigned which, struct db_tx *tx, const struct list_query *list,
          struct arena *arena, int64_t *rows, struct error *err)
{
    *rows = 0;
    switch (which % 6) {
    case 0:
        return identity_list(tx, list, arena, see_identity, rows, err);
    case 1:
        return record_list(tx, NULL, list, arena, see_record, rows, err);
    case 2:
        return client_list(tx, CLIENT_PAT, list, NULL, arena, see_client, rows,
                           err);
    case 3:
        return request_list(tx, NULL, list, arena, see_request, rows, err);
    case 4:
        return approval_list(tx, NULL, list, arena, see_item, rows, err);
    default:
        return audit_list(tx, list, arena, see_event, rows, err);
    }
}

static enum error_code
list_count(unsigned which, struct db_tx *tx, const struct list_query *list,
           int64_t *count, struct error *err)
{
    switch (which % 6) {
    case 0:
        return identity_list_count(tx, list, count, err);
    case 1:
        return record_list_count(tx, NULL, list, count, err);
    case 2:
        return client_list_count(tx, CLIENT_PAT, list, NULL, count, err);
    case 3:
        return request_list_count(tx, NULL, list, count, err);
    case 4:
        return approval_list_count(tx, NULL, list, count, err);
    default:
        return audit_list_count(tx, list, count, err);
    }
}

static enum error_code
make_people(struct db_tx *tx, void *context, struct error *err)
{
    static const char *const names[] = {"Ann Lee", "Bob", "Zo\xc3\xab O'Neil"};
    enum error_code rc = ERR_OK;

    (void)context;
    for (size_t i = 0; rc == ERR_OK && i < COUNT(names); i++) {
        struct identity person = {.alias = str_of(names[i]),
                                  .name = str_of(names[i]),
                                  .email = STR("a%_@b.c"),
                                  .levels = STR("")};
        const struct audit_event event = {.event = "IDENTITY_CREATED",
                                          .detail = str_of(names[i])};

        rc = identity_insert(tx, &person, err);
        if (rc == ERR_OK)
            rc = audit_add(tx, &event, err);
    }
    return rc;
}

static void
remove_fixture(void)
{
    fixture_done(&fixture);
}

static void
set_up(void)
{
    if (fixture.db != NULL)
        return;
    fixture_init(&fixture);
    fixture_fill(&fixture, &fixture.source, 5, "O'Neil");
    FUZZ_CHECK(db_write(fixture.db, make_people, NULL, NULL) == ERR_OK);
    atexit(remove_fixture);
}

static void
check_code(enum error_code rc, const struct error *err)
{
    FUZZ_CHECK(rc == ERR_OK || rc == ERR_UNAVAILABLE ||
               (rc == ERR_VALUE && err->text[0] != '\0'));
}

static void
check_list(unsigned which, struct db_tx *tx, struct list_query *list,
           struct arena *scratch)
{
    const struct filter *filter = list->filter;
    struct filter opposite = {.kind = FILTER_NOT,
                              .left = (struct filter *)(uintptr_t)filter};
    struct error err = ERROR_INIT;
    int64_t rows = 0, count = 0, others = 0, all = 0;
    enum error_code rc = list_rows(which, tx, list, scratch, &rows, &err);

    check_code(rc, &err);
    if (rc != ERR_OK)
        return;
    FUZZ_CHECK(list_count(which, tx, list, &count, &err) == ERR_OK);
    FUZZ_CHECK(rows == count);
    list->sorters.count = 0;
    FUZZ_CHECK(list_rows(which, tx, list, scratch, &rows, &err) == ERR_OK);
    FUZZ_CHECK(rows == count);
    if (filter == NULL)
        return;
    list->filter = NULL;
    FUZZ_CHECK(list_count(which, tx, list, &all, &err) == ERR_OK);
    list->filter = &opposite;
    FUZZ_CHECK(list_count(which, tx, list, &others, &err) == ERR_OK);
    FUZZ_CHECK(count + others <= all);
}

static int64_t
search(struct db_tx *tx, struct str text, struct arena *scratch)
{
    const struct list_query list = {.limit = LIMIT};
    const struct record_search by = {.text = text};
    int64_t rows = 0, count = 0;

    FUZZ_CHECK(find_list(tx, NULL, &list, &by, scratch, see_record, &rows,
                         NULL) == ERR_OK);
    FUZZ_CHECK(find_count(tx, NULL, &list, &by, scratch, &count, NULL) ==
               ERR_OK);
    FUZZ_CHECK(rows == count);
    return count;
}

/* Such as a query can bring. */
static void
check_search(struct db_tx *tx, struct str text, struct arena *scratch)
{
    CLEANUP(buf_done) struct buf more;
    bool is_text = utf8_valid(text) && memchr(text.at, '\0', text.len) == NULL;

    buf_init(&more, FIND_TEXT_MAX);
    if (text.len == 0 || !is_text || text.len > FIND_TEXT_MAX / 2)
        return;
    int64_t found = search(tx, text, scratch);

    buf_text(&more, "   ");
    buf_str(&more, text);
    buf_text(&more, "  ");
    FUZZ_CHECK(search(tx, buf_view(&more), scratch) == found);
    buf_text(&more, "o'neil");
    if (found > 0)
        FUZZ_CHECK(search(tx, buf_view(&more), scratch) <= found);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_done) struct arena arena, scratch;
    struct list_query list = {.limit = LIMIT};
    struct filter *filter = NULL;
    struct db_tx *tx;

    arena_init(&arena, WHERE_BYTES);
    arena_init(&scratch, 4 * WHERE_BYTES);
    if (size == 0)
        return 0;
    set_up();
    struct str filters = str_n((const char *)data + 1, size - 1);

    if (data[0] == '?') {
        FUZZ_CHECK(db_read_begin(fixture.db, &tx, NULL) == ERR_OK);
        check_search(tx, filters, &scratch);
        db_read_end(tx);
        return 0;
    }
    struct str sorters = str_cut(&filters, '\n');

    if ((sorters.len > 0 &&
         sorters_parse(sorters, &list.sorters, NULL) != ERR_OK) ||
        (filters.len > 0 &&
         filter_parse(filters, &arena, &filter, NULL) != ERR_OK))
        return 0;
    list.filter = filter;
    FUZZ_CHECK(db_read_begin(fixture.db, &tx, NULL) == ERR_OK);
    check_list(data[0], tx, &list, &scratch);
    db_read_end(tx);
    return 0;
}

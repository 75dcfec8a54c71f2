#include "store/find.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/row.h"
#include "store/where.h"

#define DAY_MS INT64_C(86400000)
#define WEEK_MS (7 * DAY_MS)
#define SOON_MS (FIND_SOON_DAYS * DAY_MS)

/* So few are read and sorted as fast as they are found. */
#define FEW 20000
#define TERMS_MAX 8
#define TEXT_MAX FIND_TEXT_MAX
#define WORD_MAX 64 /* of a date */
#define SCOPE_MAX 512

enum find_field {
    FIND_LAST_NAME = 1,
    FIND_FIRST_NAME,
    FIND_ACCOUNT,
    FIND_EMAIL,
    FIND_MANAGER,
    FIND_NAMES = FIND_MANAGER, /* so many are names */
    FIND_START,
    FIND_END
};

static const enum field name_field[FIND_NAMES + 1] = {
    [FIND_LAST_NAME] = FIELD_LAST_NAME,
    [FIND_FIRST_NAME] = FIELD_FIRST_NAME,
    [FIND_ACCOUNT] = FIELD_ACCOUNT_NAME,
    [FIND_EMAIL] = FIELD_EMAIL,
    [FIND_MANAGER] = FIELD_MANAGER};

/* ---- kept in step ------------------------------------------------------ */

enum error_code
find_mark(struct db_tx *tx, int64_t source, int64_t *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_FIND_DONE);
    enum error_code rc;

    db_int(query, 1, source);
    rc = db_step(query, err);
    *ret = rc == ERR_OK ? db_col_int(query, 0) : 1;
    db_end(query);
    return rc == ERR_END ? ERR_OK : rc;
}

enum error_code
find_add(struct db_tx *tx, int64_t first_key, int64_t last_key,
         struct error *err)
{
    struct db_query *query = db_query(tx, STMT_FIND_ADD);

    db_int(query, 1, first_key);
    db_int(query, 2, last_key);
    return db_run(query, NULL, err);
}

enum error_code
find_drop(struct db_tx *tx, int64_t first_key, int64_t last_key,
          struct error *err)
{
    struct db_query *words = db_query(tx, STMT_FIND_WORDS);
    struct db_query *drop = db_query(tx, STMT_FIND_DROP);
    enum error_code rc;

    db_int(words, 1, first_key);
    db_int(words, 2, last_key);
    while ((rc = db_step(words, err)) == ERR_OK) {
        db_int(drop, 1, db_col_int(words, 0));
        db_str(drop, 2, db_col_str(words, 1));
        db_int(drop, 3, db_col_int(words, 2));
        rc = db_exec_later(drop, err);
        if (rc != ERR_OK)
            break;
    }
    db_end(drop);
    db_end(words);
    return rc == ERR_END ? ERR_OK : rc;
}

enum error_code
find_extend(struct db_tx *tx, int64_t source, int64_t first, int64_t end,
            struct error *err)
{
    int64_t base = record_first_key(source);
    enum error_code rc = find_add(tx, base | first, base | (end - 1), err);

    if (rc != ERR_OK)
        return rc;
    struct db_query *query = db_query(tx, STMT_FIND_DONE_PUT);

    db_int(query, 1, source);
    db_int(query, 2, end);
    return db_run(query, NULL, err);
}

enum error_code
find_forget(struct db_tx *tx, int64_t source, struct error *err)
{
    int64_t mark = 1, base = record_first_key(source);
    enum error_code rc = find_mark(tx, source, &mark, err);

    if (rc == ERR_OK)
        rc = find_drop(tx, base, base | (mark - 1), err);
    if (rc != ERR_OK)
        return rc;
    struct db_query *query = db_query(tx, STMT_FIND_DONE_DELETE);

    db_int(query, 1, source);
    return db_run(query, NULL, err);
}

/* ERR_END: all are found. */
static enum error_code
find_behind(struct db_tx *tx, int64_t *ret_source, int64_t *ret_row,
            int64_t *ret_end, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_FIND_BEHIND);
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK) {
        *ret_source = db_col_int(query, 0);
        *ret_row = db_col_int(query, 1);
        *ret_end = db_col_int(query, 2);
    }
    db_end(query);
    return rc;
}

enum error_code
find_all_found(struct db_tx *tx, bool *ret, struct error *err)
{
    int64_t source, row, end;
    enum error_code rc = find_behind(tx, &source, &row, &end, err);

    *ret = rc == ERR_END;
    return *ret ? ERR_OK : rc;
}

enum error_code
find_catch_up(struct db_tx *tx, int64_t rows, struct error *err)
{
    int64_t source, row, end;
    enum error_code rc = find_behind(tx, &source, &row, &end, err);

    if (rc == ERR_END)
        return error_set(err, ERR_NOT_FOUND, NULL);
    return rc == ERR_OK
               ? find_extend(tx, source, row, MIN(end, row + rows), err)
               : rc;
}

/* ---- what matches ------------------------------------------------------ */

enum record_state
record_state(const struct record *record, int64_t now_ms)
{
    if (record->end.ms < now_ms)
        return STATE_ENDED;
    if (record->start.ms > now_ms)
        return STATE_FUTURE;
    return record->end.ms < now_ms + SOON_MS ? STATE_ENDING : STATE_ACTIVE;
}

/* One list on its way: which sources, which terms, how far. */
struct sieve {
    const struct record_search *search;
    char text[3 * TEXT_MAX + 1]; /* folded */
    struct str terms[TERMS_MAX];
    size_t term_count;
    /* Sources in order of their numbers; else all of them. */
    bool some;
    int64_t sources[SCOPE_MAX];
    size_t source_count;
    int64_t size; /* records in them */
    int64_t skip, left, matched;
    record_visit *visit; /* NULL: count */
    void *context;
};

static bool
begins(struct str folded, struct str with)
{
    return folded.len >= with.len && memcmp(folded.at, with.at, with.len) == 0;
}

/* Bit n: name n begins with the term. */
struct folded_names {
    struct str name[FIND_NAMES + 1];
    char room[FIND_NAMES + 1][3 * TEXT_MAX + 1];
};

/* More than a search can ask for need not be folded. */
static void
fold_names(const struct record *record, struct folded_names *to)
{
    for (int i = 1; i <= FIND_NAMES; i++) {
        struct str text = record->text[name_field[i]];

        text.len = MIN(text.len, (size_t)TEXT_MAX);
        /* cppcheck-suppress uninitvar ; here it is filled */
        to->name[i] = str_n(to->room[i], utf8_fold(text, to->room[i]));
    }
}

static int
first_match(const struct folded_names *names, struct str term)
{
    for (int i = 1; i <= FIND_NAMES; i++)
        if (begins(names->name[i], term))
            return i;
    return 0;
}

static bool
in_scope(const struct sieve *sieve, int64_t source)
{
    for (size_t i = 0; i < sieve->source_count; i++)
        if (sieve->sources[i] == source)
            return true;
    return !sieve->some;
}

/* `driver` is the term by which the record was found in field `found`, so
 * that it counts once whatever else begins like that; 0: it was just read. */
static bool
matches(const struct sieve *sieve, const struct record *record,
        struct str driver, int found)
{
    const struct record_search *search = sieve->search;

    if (search->state != STATE_ANY &&
        record_state(record, search->now_ms) != search->state)
        return false;
    if (!in_scope(sieve, record->source))
        return false;
    if (sieve->term_count == 0)
        return true;
    struct folded_names names;

    fold_names(record, &names);
    if (found != 0 && first_match(&names, driver) != found)
        return false;
    for (size_t i = 0; i < sieve->term_count; i++)
        if (first_match(&names, sieve->terms[i]) == 0)
            return false;
    return true;
}

/* Hand on a record that matches; false: it was the last. */
static bool
take(struct sieve *sieve, const struct record *record)
{
    sieve->matched++;
    if (sieve->visit == NULL)
        return true;
    if (sieve->skip > 0) {
        sieve->skip--;
        return true;
    }
    if (sieve->left == 0)
        return false;
    sieve->left--;
    return sieve->visit(sieve->context, record, NULL) && sieve->left > 0;
}

static bool
sift(void *context, const struct record *record,
     const struct uuid *source_id UNUSED)
{
    struct sieve *sieve = context;

    return !matches(sieve, record, STR(""), 0) || take(sieve, record);
}

/* ---- the records that may match ---------------------------------------- */

/* A range of words in one field. */
struct range {
    int field;
    bool down, exact; /* exact: what is in it matches */
    char from[3 * TEXT_MAX + 8], to[3 * TEXT_MAX + 8];
};

static void
time_word(int64_t ms, char to[WORD_MAX])
{
    snprintf(to, WORD_MAX, "%" PRId64, ms + INT64_C(5000000000000000));
}

static const char any_from[] = "";
static const char any_to[] = "\xf4\x8f\xbf\xbf"; /* after every text */

static void
bind_range(struct db_query *query, const struct sieve *sieve,
           const struct range *range)
{
    int64_t first = 0, last = INT64_MAX;

    if (sieve->some) {
        first = record_first_key(sieve->sources[0]);
        last = record_last_key(sieve->sources[sieve->source_count - 1]);
    }
    db_int(query, 1, range->field);
    db_str(query, 2, str_of(range->from));
    db_str(query, 3, str_of(range->to));
    db_int(query, 4, first);
    db_int(query, 5, last);
}

/* Are all keys between the first and the last in scope? */
static bool
one_stretch(const struct sieve *sieve)
{
    return !sieve->some || sieve->source_count == 1;
}

static enum error_code
walk(struct db_tx *tx, struct sieve *sieve, const struct range *range,
     struct str driver, struct arena *scratch, struct error *err)
{
    bool page = range->exact && sieve->visit != NULL && one_stretch(sieve);
    struct db_query *query = db_query(
        tx, page          ? range->down ? STMT_FIND_PAGE_DOWN : STMT_FIND_PAGE
            : range->down ? STMT_FIND_ROWS_DOWN
                          : STMT_FIND_ROWS);
    bool more = true;
    enum error_code rc = ERR_OK;

    bind_range(query, sieve, range);
    if (page) {
        db_int(query, 6, sieve->left);
        db_int(query, 7, sieve->skip);
        sieve->skip = 0;
    }
    while (more && (rc = db_step(query, err)) == ERR_OK) {
        arena_reset(scratch);
        struct record record = record_row(query, scratch);

        if (scratch->failed)
            break;
        if (matches(sieve, &record, driver, driver.len ? range->field : 0))
            more = take(sieve, &record);
    }
    return row_done(query, rc == ERR_END ? ERR_OK : rc, scratch, err);
}

static enum error_code
walk_names(struct db_tx *tx, struct sieve *sieve, struct arena *scratch,
           struct error *err)
{
    struct str driver = sieve->terms[0];
    enum error_code rc = ERR_OK;

    for (size_t i = 1; i < sieve->term_count; i++)
        if (sieve->terms[i].len > driver.len)
            driver = sieve->terms[i];
    for (int field = 1; field <= FIND_NAMES && rc == ERR_OK; field++) {
        struct range range = {.field = field};

        if (sieve->visit != NULL && sieve->left == 0)
            break;
        snprintf(range.from, sizeof(range.from), "%.*s", STR_ARG(driver));
        snprintf(range.to, sizeof(range.to), "%.*s%s", STR_ARG(driver), any_to);
        rc = walk(tx, sieve, &range, driver, scratch, err);
    }
    return rc;
}

/* The part of a date's words that a state leaves. */
static void
narrow(struct range *range, const struct record_search *search)
{
    int64_t now = search->now_ms;
    bool end = range->field == FIND_END;

    snprintf(range->from, sizeof(range->from), "%s", any_from);
    snprintf(range->to, sizeof(range->to), "%s", any_to);
    range->exact = search->state == STATE_ANY;
    if (range->field < FIND_START)
        return;
    switch (search->state) {
    case STATE_ENDED:
        range->exact = end;
        if (end)
            time_word(now, range->to);
        break;
    case STATE_ENDING:
        if (end) {
            time_word(now, range->from);
            time_word(now + SOON_MS, range->to);
        }
        break;
    case STATE_ACTIVE:
        if (end)
            time_word(now + SOON_MS, range->from);
        break;
    case STATE_FUTURE:
        time_word(end ? now : now + 1, range->from);
        break;
    default:
        break;
    }
}

static int
sorted_by(const struct sorters *sorters)
{
    static const struct {
        const char *name;
        int field;
    } known[] = {{"lastName", FIND_LAST_NAME},  {"firstName", FIND_FIRST_NAME},
                 {"accountName", FIND_ACCOUNT}, {"email", FIND_EMAIL},
                 {"manager", FIND_MANAGER},     {"startDate", FIND_START},
                 {"endDate", FIND_END}};

    for (size_t i = 0; sorters->count == 1 && i < COUNT(known); i++)
        if (str_eq(sorters->by[0].field, str_of(known[i].name)))
            return known[i].field;
    return 0;
}

/* ---- lists ------------------------------------------------------------- */

static const struct where_test scope_tests[] = {
    {"sourceId", WHERE_OP(OP_EQ), WHERE_SOURCE, "s.number = @"},
};
static const struct where_list scope_list = {
    .columns = "s.number, s.record_count",
    .from = "source s WHERE TRUE",
    .only = "s.number IN (SELECT source FROM source_member"
            " WHERE identity_id = $1 AND role = 'MANAGER')",
    .order = "s.number",
    .tests = scope_tests,
    .test_count = COUNT(scope_tests),
};

/* ERR_LIMIT: more sources than are worth looking up one by one. */
static enum error_code
find_scope(struct db_tx *tx, const struct uuid *manager,
           const struct filter *filter, struct arena *scratch,
           struct sieve *sieve, struct error *err)
{
    const struct list_query all = {.filter = filter, .limit = INT64_MAX};
    struct db_query *query = NULL;
    enum error_code rc;

    sieve->some = manager != NULL || filter != NULL;
    rc = where_rows(tx, &scope_list, &all, manager, scratch, &query, err);
    if (rc != ERR_OK)
        return rc;
    while ((rc = db_step(query, err)) == ERR_OK) {
        sieve->size += db_col_int(query, 1);
        if (!sieve->some)
            continue;
        if (sieve->source_count == SCOPE_MAX)
            break;
        sieve->sources[sieve->source_count++] = db_col_int(query, 0);
    }
    db_end(query);
    if (rc == ERR_OK)
        return ERR_LIMIT;
    return rc == ERR_END ? ERR_OK : rc;
}

static void
split(struct sieve *sieve, bool whole)
{
    struct str text = utf8_trim(sieve->search->text), rest;

    text.len = MIN(text.len, (size_t)TEXT_MAX);
    rest = str_n(sieve->text, utf8_fold(text, sieve->text));
    sieve->term_count = 0;
    if (whole && rest.len > 0)
        sieve->terms[sieve->term_count++] = rest;
    while (!whole && rest.len > 0 && sieve->term_count < TERMS_MAX) {
        struct str term = str_cut(&rest, ' ');

        if (term.len > 0)
            sieve->terms[sieve->term_count++] = term;
    }
}

/* Is it worth it, and possible, to look into record_find? */
static enum error_code
is_found(struct db_tx *tx, const struct sieve *sieve, bool *ret,
         struct error *err)
{
    *ret = false;
    return sieve->size <= FEW ? ERR_OK : find_all_found(tx, ret, err);
}

static enum error_code
run(struct db_tx *tx, const struct uuid *manager, const struct list_query *list,
    struct sieve *sieve, bool found, struct arena *scratch, struct error *err)
{
    int field = sorted_by(&list->sorters);

    if (found && sieve->term_count > 0)
        return walk_names(tx, sieve, scratch, err);
    if (found && field != 0) {
        struct range range = {.field = field,
                              .down = list->sorters.by[0].descending};

        narrow(&range, sieve->search);
        return walk(tx, sieve, &range, STR(""), scratch, err);
    }
    struct list_query all = *list;

    all.limit = INT64_MAX;
    all.offset = 0;
    return record_list(tx, manager, &all, scratch, sift, sieve, err);
}

static enum error_code
find(struct db_tx *tx, const struct uuid *manager,
     const struct list_query *asked, const struct record_search *search,
     struct sieve *sieve, struct arena *scratch, struct error *err)
{
    struct list_query list = *asked;
    bool found = false;
    enum error_code rc;

    if (search->state != STATE_ANY && search->text.len == 0 &&
        list.sorters.count == 0)
        list.sorters = (struct sorters){.by = {{STR("endDate"), false}},
                                        .count = 1};
    sieve->search = search;
    rc = find_scope(tx, manager, list.filter, scratch, sieve, err);
    if (rc == ERR_OK && sieve->some && sieve->source_count == 0)
        return ERR_OK;
    if (rc == ERR_OK)
        rc = is_found(tx, sieve, &found, err);
    if (rc == ERR_LIMIT) {
        sieve->some = false; /* record_list() sees to it */
        rc = ERR_OK;
    }
    split(sieve, false);
    if (rc == ERR_OK)
        rc = run(tx, manager, &list, sieve, found, scratch, err);
    if (rc == ERR_OK && sieve->matched == 0 && sieve->term_count > 1) {
        split(sieve, true);
        rc = run(tx, manager, &list, sieve, found, scratch, err);
    }
    return rc;
}

enum error_code
find_list(struct db_tx *tx, const struct uuid *manager,
          const struct list_query *list, const struct record_search *search,
          struct arena *scratch, record_visit *visit, void *context,
          struct error *err)
{
    struct sieve sieve = {.skip = list->offset,
                          .left = list->limit,
                          .visit = visit,
                          .context = context};

    if (list->limit == 0)
        return ERR_OK;
    return find(tx, manager, list, search, &sieve, scratch, err);
}

enum error_code
find_count(struct db_tx *tx, const struct uuid *manager,
           const struct list_query *list, const struct record_search *search,
           struct arena *scratch, int64_t *ret, struct error *err)
{
    struct list_query any = {.filter = list->filter};
    struct sieve sieve = {.visit = NULL};
    enum error_code rc = find(tx, manager, &any, search, &sieve, scratch, err);

    if (rc == ERR_OK)
        *ret = sieve.matched;
    return rc;
}

/* ---- counting ---------------------------------------------------------- */

static void
tally_one(struct tally_of *list, size_t *count, size_t max, struct str name,
          int64_t source)
{
    size_t i = 0;

    while (i < *count &&
           (list[i].source != source || !str_eq(str_of(list[i].name), name)))
        i++;
    if (i == max)
        return;
    if (i == *count) {
        list[i].source = source;
        list[i].ending = 0;
        snprintf(list[i].name, sizeof(list[i].name), "%.*s", STR_ARG(name));
        ++*count;
    }
    list[i].ending++;
}

static void
tally_ending(struct record_counts *counts, const struct record *record)
{
    tally_one(counts->managers, &counts->manager_count, TALLY_MANAGERS_MAX,
              record->text[FIELD_MANAGER], 0);
    tally_one(counts->sources, &counts->source_count, TALLY_SOURCES_MAX,
              STR(""), record->source);
}

static void
tally_week(const struct record_counts *counts, int64_t ms, int64_t *weeks)
{
    int64_t week = (ms - counts->from_ms) / WEEK_MS;

    if (ms >= counts->from_ms && week < (int64_t)counts->weeks)
        weeks[week]++;
}

/* A record that was read. */
static bool
tally(void *context, const struct record *record,
      const struct uuid *source_id UNUSED)
{
    struct record_counts *counts = context;
    enum record_state state = record_state(record, counts->now_ms);

    counts->states[STATE_ANY]++;
    counts->states[state]++;
    if (state == STATE_ENDING)
        tally_ending(counts, record);
    counts->before += record->start.ms < counts->from_ms;
    counts->before -= record->end.ms < counts->from_ms;
    tally_week(counts, record->start.ms, counts->starts);
    tally_week(counts, record->end.ms, counts->ends);
    return true;
}

static bool
tally_found_ending(void *context, const struct record *record,
                   const struct uuid *source_id UNUSED)
{
    struct record_counts *counts = context;

    counts->states[STATE_ENDING]++;
    tally_ending(counts, record);
    return true;
}

static enum error_code
count_range(struct db_tx *tx, const struct sieve *sieve, int field,
            int64_t from_ms, int64_t to_ms, int64_t *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_FIND_COUNT);
    struct range range = {.field = field};
    enum error_code rc;

    time_word(from_ms, range.from);
    time_word(to_ms, range.to);
    bind_range(query, sieve, &range);
    rc = db_step(query, err);
    if (rc == ERR_OK)
        *ret = db_col_int(query, 0);
    db_end(query);
    return rc;
}

#define FIRST_MS (-INT64_C(100000000000000))
#define LAST_MS INT64_C(800000000000000)

/* The same from the words of the dates. The sieve looks for the ending. */
static enum error_code
tally_found(struct db_tx *tx, struct sieve *sieve, struct arena *scratch,
            struct record_counts *counts, struct error *err)
{
    int64_t now = counts->now_ms, from = counts->from_ms, ended = 0;
    struct range range = {.field = FIND_END};
    int64_t *states = counts->states;
    enum error_code rc;

    narrow(&range, sieve->search);
    rc = walk(tx, sieve, &range, STR(""), scratch, err);
    if (rc == ERR_OK)
        rc = count_range(tx, sieve, FIND_END, FIRST_MS, now,
                         &states[STATE_ENDED], err);
    if (rc == ERR_OK)
        rc = count_range(tx, sieve, FIND_START, now + 1, LAST_MS,
                         &states[STATE_FUTURE], err);
    states[STATE_ANY] = sieve->size;
    states[STATE_ACTIVE] = sieve->size - states[STATE_ENDED] -
                           states[STATE_FUTURE] - states[STATE_ENDING];
    if (rc == ERR_OK && counts->weeks > 0)
        rc = count_range(tx, sieve, FIND_START, FIRST_MS, from, &counts->before,
                         err);
    if (rc == ERR_OK && counts->weeks > 0)
        rc = count_range(tx, sieve, FIND_END, FIRST_MS, from, &ended, err);
    counts->before -= ended;
    for (unsigned i = 0; i < counts->weeks && rc == ERR_OK; i++) {
        int64_t begin = from + i * WEEK_MS;

        rc = count_range(tx, sieve, FIND_START, begin, begin + WEEK_MS,
                         &counts->starts[i], err);
        if (rc == ERR_OK)
            rc = count_range(tx, sieve, FIND_END, begin, begin + WEEK_MS,
                             &counts->ends[i], err);
    }
    return rc;
}

enum error_code
find_tally(struct db_tx *tx, const struct uuid *manager,
           const struct filter *filter, struct arena *scratch,
           struct record_counts *counts, struct error *err)
{
    const struct list_query all = {.filter = filter, .limit = INT64_MAX};
    const struct record_search ending = {.state = STATE_ENDING,
                                         .now_ms = counts->now_ms};
    struct sieve sieve = {.search = &ending,
                          .visit = tally_found_ending,
                          .context = counts,
                          .left = INT64_MAX};
    bool found = false;
    enum error_code rc = find_scope(tx, manager, filter, scratch, &sieve, err);

    if (rc == ERR_OK && one_stretch(&sieve))
        rc = is_found(tx, &sieve, &found, err);
    if (rc == ERR_OK && found)
        return tally_found(tx, &sieve, scratch, counts, err);
    if (rc != ERR_OK && rc != ERR_LIMIT)
        return rc;
    return record_list(tx, manager, &all, scratch, tally, counts, err);
}

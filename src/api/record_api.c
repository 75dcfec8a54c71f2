/* record_api.c - the people themselves (contract 12). */
#include "api/body.h"

#include <stdlib.h>

#include "api/list.h"
#include "base/utf8.h"
#include "core/record_rules.h"
#include "fmt/parameter.h"
#include "store/find.h"

static struct record_rules
rules_of(const struct change *change)
{
    const struct api_options *options = &change->call->api->options;

    return (struct record_rules){
        .max_records = options->max_records,
        .check_managers = options->check_managers,
        .end_date_only = call_end_date_only(change->call),
        .actor = change->actor};
}

static bool
list_record(void *context, const struct record *record,
            const struct uuid *source_id UNUSED)
{
    struct reading *reading = context;

    return reading_more(reading,
                        views_record(&reading->views, record, reading->err));
}

/* Opt-in: what begins with a text, and who is in a state (docs/manual/
 * console.md). */
static enum error_code
parse_search(struct call *call, struct record_search *ret, struct error *err)
{
    static const char *const states[STATE_COUNT] = {[STATE_ACTIVE] = "active",
                                                    [STATE_ENDING] = "ending",
                                                    [STATE_FUTURE] = "future",
                                                    [STATE_ENDED] = "ended"};
    const struct http_request *request = &call->exchange->request;
    struct str search = http_query(request, "search");
    struct str state = http_query(request, "state");

    *ret = (struct record_search){.text = utf8_trim(search),
                                  .now_ms = clock_now_ms()};
    for (size_t i = 1; i < STATE_COUNT; i++)
        if (str_eq_nocase(state, str_of(states[i])))
            ret->state = (enum record_state)i;
    if (state.at != NULL && ret->state == STATE_ANY)
        return parameter_error(err, "state",
                               "it is not one of active, ending, "
                               "future and ended");
    if (search.at != NULL && search.len == 0)
        return parameter_error(err, "search", "it is empty");
    if (ret->text.len > FIND_TEXT_MAX)
        return parameter_error(err, "search", "it is longer than %d bytes",
                               FIND_TEXT_MAX);
    if (ret->text.len > 0 && http_query(request, "sorters").at != NULL)
        return parameter_error(err, "sorters",
                               "a search has an order of its "
                               "own");
    return ERR_OK;
}

static enum error_code
read_records(struct reading *reading, struct error *err)
{
    const struct record_search *search = reading->context;
    bool plain = search->text.len == 0 && search->state == STATE_ANY;
    enum error_code rc = ERR_OK;

    if (reading->count)
        rc = plain
                 ? record_list_count(reading->tx, reading->subject,
                                     &reading->list, &reading->total, err)
                 : find_count(reading->tx, reading->subject, &reading->list,
                              search, &reading->scratch, &reading->total, err);
    if (rc == ERR_OK && plain && reading->list.sorters.count == 0)
        return record_list(reading->tx, reading->subject, &reading->list,
                           &reading->scratch, list_record, reading, err);
    return rc == ERR_OK
               ? find_list(reading->tx, reading->subject, &reading->list,
                           search, &reading->scratch, list_record, reading, err)
               : rc;
}

enum error_code
record_api_list(struct call *call, struct error *err)
{
    struct record_search search;
    enum error_code rc = parse_search(call, &search, err);

    return rc == ERR_OK ? reading_list(call, true, read_records, &search, err)
                        : rc;
}

/* --- statistics ---------------------------------------------------------- */

#define DAY_MS INT64_C(86400000)
#define WEEK_MS (7 * DAY_MS)
#define MOST_ENDING 10

struct statistics {
    struct uuid source;
    bool one; /* source only */
    struct record_counts counts;
};

static void
states_member(struct jw *json, const int64_t *states)
{
    jw_key(json, "states");
    jw_object(json);
    jw_member_int(json, "total", states[STATE_ANY]);
    jw_member_int(json, "active", states[STATE_ACTIVE]);
    jw_member_int(json, "ending", states[STATE_ENDING]);
    jw_member_int(json, "future", states[STATE_FUTURE]);
    jw_member_int(json, "ended", states[STATE_ENDED]);
    jw_object_end(json);
}

static int
most_first(const void *a, const void *b)
{
    const struct tally_of *one = a, *two = b;

    if (one->ending != two->ending)
        return one->ending < two->ending ? 1 : -1;
    return strcmp(one->name, two->name);
}

static void
weeks_member(struct jw *json, const struct record_counts *counts)
{
    int64_t there = counts->before;

    jw_key(json, "weeks");
    jw_array(json);
    for (unsigned i = 0; i < counts->weeks; i++) {
        char day[MOMENT_TEXT];

        moment_date((struct moment){.ms = counts->from_ms + i * WEEK_MS}, day);
        there += counts->starts[i] - counts->ends[i];
        jw_object(json);
        jw_member_text(json, "begins", day);
        jw_member_int(json, "starts", counts->starts[i]);
        jw_member_int(json, "ends", counts->ends[i]);
        jw_member_int(json, "headcount", there);
        jw_object_end(json);
    }
    jw_array_end(json);
}

static enum error_code
ending_members(struct reading *reading, struct record_counts *counts,
               struct error *err)
{
    struct jw *json = &reading->views.json;
    enum error_code rc = ERR_OK;

    qsort(counts->managers, counts->manager_count, sizeof(*counts->managers),
          most_first);
    qsort(counts->sources, counts->source_count, sizeof(*counts->sources),
          most_first);
    jw_key(json, "endingByManager");
    jw_array(json);
    for (size_t i = 0; i < MIN(counts->manager_count, (size_t)MOST_ENDING);
         i++) {
        jw_object(json);
        jw_member_text(json, "manager", counts->managers[i].name);
        jw_member_int(json, "count", counts->managers[i].ending);
        jw_object_end(json);
    }
    jw_array_end(json);
    jw_key(json, "endingBySource");
    jw_array(json);
    for (size_t i = 0;
         i < MIN(counts->source_count, (size_t)MOST_ENDING) && rc == ERR_OK;
         i++)
        rc = views_source_count(&reading->views, counts->sources[i].source,
                                counts->sources[i].ending, err);
    jw_array_end(json);
    return rc;
}

static enum error_code
read_statistics(struct reading *reading, struct error *err)
{
    struct statistics *statistics =
        *(struct statistics *const *)reading->context;
    struct record_counts *counts = &statistics->counts;
    struct jw *json = &reading->views.json;
    struct filter one = {.kind = FILTER_TEST,
                         .op = OP_EQ,
                         .field = STR("sourceId"),
                         .value_count = 1};
    char id[UUID_HEX];
    struct str value = str_of(uuid_hex(&statistics->source, id));
    enum error_code rc;

    one.values = &value;
    rc = find_tally(reading->tx, reading->subject,
                    statistics->one ? &one : NULL, &reading->scratch, counts,
                    err);
    if (rc != ERR_OK)
        return rc;
    jw_object(json);
    states_member(json, counts->states);
    rc = ending_members(reading, counts, err);
    weeks_member(json, counts);
    jw_object_end(json);
    return rc;
}

/* Weeks begin on a Monday, in UTC; a quarter of them is still to come. */
static int64_t
first_week(int64_t now_ms, unsigned weeks)
{
    int64_t days = now_ms / DAY_MS; /* 1970 began on a Thursday */
    int64_t monday = days - (days + 3) % 7;

    return monday * DAY_MS - (int64_t)(weeks - weeks / 4) * WEEK_MS;
}

enum error_code
record_api_statistics(struct call *call, struct error *err)
{
    const struct http_request *request = &call->exchange->request;
    struct statistics *statistics = arena_zalloc(&call->exchange->arena,
                                                 sizeof(*statistics));
    struct str source = http_query(request, "source-id");
    struct str text = http_query(request, "weeks");
    unsigned long long weeks = 52;

    if (statistics == NULL)
        return error_busy(err, "no memory for statistics");
    if (text.at != NULL && !str_to_u64(text, TALLY_WEEKS_MAX, &weeks))
        return parameter_error(err, "weeks", "it is no number up to %d",
                               TALLY_WEEKS_MAX);
    if (source.at != NULL && !uuid_parse(source, &statistics->source))
        return parameter_error(err, "source-id", "it is no id");
    statistics->one = source.at != NULL;
    statistics->counts.now_ms = clock_now_ms();
    statistics->counts.weeks = (unsigned)weeks;
    statistics->counts.from_ms = first_week(statistics->counts.now_ms,
                                            (unsigned)weeks);
    return reading_run(call, read_statistics, &statistics, err);
}

static enum error_code
read_record(struct reading *reading, struct error *err)
{
    struct record record;
    struct uuid id;
    enum error_code rc = call_param_id(reading->call, 0, &id, err);

    if (rc == ERR_OK)
        rc = record_by_id(reading->tx, &id, &reading->scratch, &record, err);
    if (rc == ERR_OK)
        rc = views_record(&reading->views, &record, err);
    return rc;
}

enum error_code
record_api_get(struct call *call, struct error *err)
{
    return reading_run(call, read_record, NULL, err);
}

static enum error_code
record_create(struct change *change, struct db_tx *tx, struct views *views,
              struct error *err)
{
    const struct record_rules rules = rules_of(change);
    struct record record;
    enum error_code rc = record_rules_create(tx, change->body, &rules,
                                             change->arena, &record, err);

    return rc == ERR_OK ? views_record(views, &record, err) : rc;
}

enum error_code
record_api_create(struct call *call, struct error *err)
{
    return change_run(call, BODY_JSON, record_create, err);
}

static enum error_code
record_put(struct change *change, struct db_tx *tx, struct views *views,
           struct error *err)
{
    const struct record_rules rules = rules_of(change);
    struct record record;
    enum error_code rc = record_rules_put(tx, &change->id, change->body, &rules,
                                          change->arena, &record, err);

    return rc == ERR_OK ? views_record(views, &record, err) : rc;
}

enum error_code
record_api_put(struct call *call, struct error *err)
{
    return change_run(call, BODY_JSON, record_put, err);
}

static enum error_code
record_patch(struct change *change, struct db_tx *tx, struct views *views,
             struct error *err)
{
    const struct record_rules rules = rules_of(change);
    struct record record;
    enum error_code rc = record_rules_patch(
        tx, &change->id, change->body, &rules, change->arena, &record, err);

    return rc == ERR_OK ? views_record(views, &record, err) : rc;
}

enum error_code
record_api_patch(struct call *call, struct error *err)
{
    return change_run(call, BODY_PATCH, record_patch, err);
}

static enum error_code
record_drop(struct change *change, struct db_tx *tx, struct views *views UNUSED,
            struct error *err)
{
    return record_rules_delete(tx, &change->id, &change->actor, change->arena,
                               err);
}

enum error_code
record_api_delete(struct call *call, struct error *err)
{
    return change_run(call, BODY_NONE, record_drop, err);
}

static enum error_code
records_drop(struct change *change, struct db_tx *tx,
             struct views *views UNUSED, struct error *err)
{
    return record_rules_delete_many(tx, change->body, &change->actor,
                                    change->arena, err);
}

enum error_code
record_api_bulk_delete(struct call *call, struct error *err)
{
    return change_run(call, BODY_JSON, records_drop, err);
}

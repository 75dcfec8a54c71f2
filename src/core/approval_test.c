#include "core/approval.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/fixture.h"
#include "store/identity_store.h"
#include "store/open.h"
#include "store/record_store.h"

#define MUST(call)                                                      \
    do {                                                                \
        struct error err = ERROR_INIT;                                  \
        if ((call) != ERR_OK)                                           \
            fail_msg("%s: %s %s", #call, error_text(&err), err.detail); \
    } while (0)

static const struct actor nobody = {.known = false};

/* A source with three approvers, and one request. */
struct world {
    struct fixture base;
    struct arena arena;
    struct uuid approver[CHAIN_MAX];
    size_t approvers;
    struct request request;
    struct approval_item chain[CHAIN_MAX];
    size_t count;
};

static enum error_code
make_approvers(struct db_tx *tx, void *context, struct error *err)
{
    struct world *world = context;
    enum error_code rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < CHAIN_MAX; i++) {
        char alias[] = {'a', 'p', 'p', (char)('0' + i), '\0'};
        struct identity identity = {.alias = str_of(alias),
                                    .name = str_of(alias),
                                    .email = STR("a@example.com"),
                                    .levels = STR("")};

        rc = identity_insert(tx, &identity, err);
        world->approver[i] = identity.id;
    }
    if (rc == ERR_OK)
        rc = source_set_members(tx, world->base.source.number, "APPROVER",
                                world->approver, world->approvers, err);
    return rc;
}

static enum error_code
submit(struct db_tx *tx, void *context, struct error *err)
{
    struct world *world = context;

    return approval_submit(tx, &world->base.source, &world->request, 0, &nobody,
                           &world->arena, err);
}

static struct request
request_for(const char *account)
{
    return (struct request){
        .record = {.text = {str_of(account), STR("Abby"), STR("Smith"),
                            STR("555"), STR("abby@example.com"),
                            STR("jane.doe")},
                   .start = {1586109600000, -600},
                   .end = {1596826800000, 0},
                   .custom = STR("")}};
}

static void
world_init(struct world *world, size_t approvers)
{
    *world = (struct world){.approvers = approvers};
    fixture_init(&world->base);
    arena_init(&world->arena, 16 << 20);
    MUST(db_write(world->base.db, make_approvers, world, &err));
    world->request = request_for("abby");
}

static void
world_done(struct world *world)
{
    arena_done(&world->arena);
    fixture_done(&world->base);
}

/* Read request and chain anew. */
static void
look(struct world *world)
{
    struct db_tx *tx;

    MUST(db_read_begin(world->base.db, &tx, &err));
    MUST(request_by_id(tx, &world->request.id, &world->arena, &world->request,
                       &err));
    MUST(approval_chain(tx, &world->request.id, &world->arena, world->chain,
                        &world->count, &err));
    db_read_end(tx);
}

struct decision {
    struct world *world;
    size_t item, approver;
    bool approve;
    struct str comment;
    int64_t max_records;
    struct approval_item ret;
};

static enum error_code
decide(struct db_tx *tx, void *context, struct error *err)
{
    struct decision *d = context;

    return approval_decide(tx, &d->world->chain[d->item].id,
                           &d->world->approver[d->approver], d->approve,
                           d->comment, d->max_records, &nobody,
                           &d->world->arena, &d->ret, err);
}

static enum error_code
leave(struct db_tx *tx, void *context, struct error *err)
{
    return approval_cancel_all(tx, context, &nobody, err);
}

/* What happens to item `item`: 'a'pproved, 'r'ejected, approver 'l'eaves. */
static enum error_code
happen(struct world *world, size_t item, char event, struct error *err)
{
    struct decision decision = {.world = world,
                                .item = item,
                                .approver = item,
                                .approve = event == 'a',
                                .comment = STR("because")};

    return event == 'l'
               ? db_write(world->base.db, leave, &world->approver[item], err)
               : db_write(world->base.db, decide, &decision, err);
}

/* "PNN P": the items' states and the request's. */
static const char *
states(struct world *world)
{
    static const char letter[STATUSES + 1] = "NPARC";
    static char text[CHAIN_MAX + 3];
    size_t at = 0;

    look(world);
    for (size_t i = 0; i < world->count; i++)
        text[at++] = letter[world->chain[i].status];
    text[at++] = ' ';
    text[at++] = letter[world->request.status];
    text[at] = '\0';
    assert_int_equal(world->request.completion_ms != 0,
                     world->request.status != STATUS_PENDING);
    return text;
}

static int64_t
record_count(struct world *world)
{
    struct source source;
    struct db_tx *tx;

    MUST(db_read_begin(world->base.db, &tx, &err));
    MUST(source_find(tx, &world->base.source.id, &world->arena, &source, &err));
    db_read_end(tx);
    return source.record_count;
}

/* Every event on the second of three items, in every state of it. */
static void
an_item_moves_only_as_the_table_says(void **state UNUSED)
{
    static const struct {
        const char *before; /* events on items 0, 1, ... */
        char event;         /* then this on item 1 */
        enum error_code rc;
        const char *cause, *after;
    } rows[] = {
        {"", 'a', ERR_CONTENT, "the approval item is NOT_READY", "PNN P"},
        {"", 'r', ERR_CONTENT, "the approval item is NOT_READY", "PNN P"},
        {"", 'l', ERR_OK, "", "CCC C"},
        {"a", 'a', ERR_OK, "", "AAP P"},
        {"a", 'r', ERR_OK, "", "ARC R"},
        {"a", 'l', ERR_OK, "", "ACC C"},
        {"aa", 'a', ERR_CONTENT, "the approval item is APPROVED", "AAP P"},
        {"aa", 'r', ERR_CONTENT, "the approval item is APPROVED", "AAP P"},
        {"aa", 'l', ERR_OK, "", "AAP P"},
        {"ar", 'a', ERR_CONTENT, "the approval item is REJECTED", "ARC R"},
        {"ar", 'r', ERR_CONTENT, "the approval item is REJECTED", "ARC R"},
        {"ar", 'l', ERR_OK, "", "ARC R"},
        {"r", 'a', ERR_CONTENT, "the approval item is CANCELLED", "RCC R"},
        {"r", 'r', ERR_CONTENT, "the approval item is CANCELLED", "RCC R"},
        {"r", 'l', ERR_OK, "", "RCC R"},
        {"aaa", 'a', ERR_CONTENT, "the approval item is APPROVED", "AAA A"},
        {"aaa", 'l', ERR_OK, "", "AAA A"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error fault = ERROR_INIT;
        struct world world;

        world_init(&world, CHAIN_MAX);
        MUST(db_write(world.base.db, submit, &world, &err));
        assert_string_equal(states(&world), "PNN P");
        for (size_t n = 0; rows[i].before[n] != '\0'; n++)
            assert_int_equal(happen(&world, n, rows[i].before[n], &fault),
                             ERR_OK);
        look(&world);
        assert_int_equal(happen(&world, 1, rows[i].event, &fault), rows[i].rc);
        assert_string_equal(fault.cause, rows[i].cause);
        assert_string_equal(states(&world), rows[i].after);
        assert_int_equal(record_count(&world),
                         world.request.status == STATUS_APPROVED);
        world_done(&world);
    }
}

static void
approvers_follow_each_other_in_order(void **state UNUSED)
{
    struct error fault = ERROR_INIT;
    struct world world;

    world_init(&world, CHAIN_MAX);
    MUST(db_write(world.base.db, submit, &world, &err));
    look(&world);
    for (size_t i = 0; i < CHAIN_MAX; i++) {
        assert_int_equal(world.chain[i].position, i);
        assert_true(uuid_eq(&world.chain[i].approver_id, &world.approver[i]));
        assert_string_equal(world.chain[i].account_name.at, "abby");
    }
    assert_int_equal(happen(&world, 0, 'a', &fault), ERR_OK);
    assert_string_equal(states(&world), "APN P");
    assert_string_equal(world.chain[0].comment.at, "because");
    assert_int_equal(happen(&world, 1, 'a', &fault), ERR_OK);
    assert_int_equal(record_count(&world), 0);
    assert_int_equal(happen(&world, 2, 'a', &fault), ERR_OK);
    assert_string_equal(states(&world), "AAA A");
    assert_int_equal(record_count(&world), 1);
    world_done(&world);
}

static void
without_approvers_the_record_is_there_at_once(void **state UNUSED)
{
    struct world world;

    world_init(&world, 0);
    MUST(db_write(world.base.db, submit, &world, &err));
    assert_int_equal(world.request.status, STATUS_APPROVED);
    assert_string_equal(states(&world), " A");
    assert_int_equal(record_count(&world), 1);
    world_done(&world);
}

static void
a_name_is_taken_by_records_and_pending_requests(void **state UNUSED)
{
    static const char *const people[FIELD_TEXTS] = {
        "Bob", "Bob", "B", "555", "b@example.com", "jane.doe"};
    static const struct {
        const char *account;
        enum error_code rc;
    } rows[] = {{"ABBY", ERR_CONFLICT}, {"bob", ERR_CONFLICT}, {"c", ERR_OK}};
    struct world world;

    world_init(&world, 1);
    fixture_record(&world.base, &world.base.source, people, "");
    MUST(db_write(world.base.db, submit, &world, &err));
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error fault = ERROR_INIT;

        world.request = request_for(rows[i].account);
        assert_int_equal(db_write(world.base.db, submit, &world, &fault),
                         rows[i].rc);
        if (rows[i].rc != ERR_OK)
            assert_non_null(strstr(fault.text, "is already being used."));
    }
    world_done(&world);
}

static void
only_the_approver_decides(void **state UNUSED)
{
    struct error fault = ERROR_INIT;
    struct world world;

    world_init(&world, CHAIN_MAX);
    MUST(db_write(world.base.db, submit, &world, &err));
    look(&world);
    struct decision wrong = {.world = &world, .approver = 1, .approve = true};

    assert_int_equal(db_write(world.base.db, decide, &wrong, &fault),
                     ERR_FORBIDDEN);
    wrong.approver = 0;
    world.chain[0].id = uuid_mint();
    assert_int_equal(db_write(world.base.db, decide, &wrong, &fault),
                     ERR_FORBIDDEN);
    assert_string_equal(states(&world), "PNN P");
    world_done(&world);
}

static void
a_comment_is_needed_to_reject_and_is_limited(void **state UNUSED)
{
    static char long_text[4002];
    const struct {
        bool approve;
        struct str comment;
        enum error_code rc;
    } rows[] = {
        {false, {NULL, 0}, ERR_REQUIRED},
        {false, STR("  "), ERR_REQUIRED},
        {false, {long_text, 4001}, ERR_LENGTH},
        {true, {long_text, 4001}, ERR_LENGTH},
        {true, {NULL, 0}, ERR_OK},
        {false, {long_text, 4000}, ERR_OK},
    };

    memset(long_text, 'x', sizeof(long_text) - 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error fault = ERROR_INIT;
        struct world world;

        world_init(&world, CHAIN_MAX);
        MUST(db_write(world.base.db, submit, &world, &err));
        look(&world);
        struct decision decision = {.world = &world,
                                    .approve = rows[i].approve,
                                    .comment = rows[i].comment};

        assert_int_equal(db_write(world.base.db, decide, &decision, &fault),
                         rows[i].rc);
        if (rows[i].rc != ERR_OK)
            assert_string_equal(states(&world), "PNN P");
        world_done(&world);
    }
}

static void
a_record_that_cannot_be_made_moves_nothing(void **state UNUSED)
{
    static const char *const people[FIELD_TEXTS] = {
        "Abby", "B", "B", "555", "b@example.com", "jane.doe"};
    struct error fault = ERROR_INIT;
    struct world world;

    world_init(&world, 1);
    MUST(db_write(world.base.db, submit, &world, &err));
    look(&world);
    fixture_record(&world.base, &world.base.source, people, "");
    struct decision last = {.world = &world, .approve = true, .max_records = 1};

    assert_int_equal(db_write(world.base.db, decide, &last, &fault), ERR_LIMIT);
    assert_string_equal(states(&world), "P P");
    last.max_records = 0;
    assert_int_equal(db_write(world.base.db, decide, &last, &fault),
                     ERR_CONFLICT);
    assert_string_equal(states(&world), "P P");
    assert_int_equal(record_count(&world), 1);
    world_done(&world);
}

/* Two clicks over two connections. */
struct click {
    struct db *db;
    struct decision decision;
    pthread_barrier_t *start;
    enum error_code rc;
    struct error err;
};

static void *
click(void *context)
{
    struct click *mine = context;

    pthread_barrier_wait(mine->start);
    mine->rc = db_write(mine->db, decide, &mine->decision, &mine->err);
    return NULL;
}

static void
of_two_decisions_at_one_instant_one_wins(void **state UNUSED)
{
    char url[128];

    for (size_t round = 0; round < 20; round++) {
        struct world world, twin;
        pthread_barrier_t start;
        pthread_t thread;
        struct db *other;

        world_init(&world, CHAIN_MAX);
        MUST(db_write(world.base.db, submit, &world, &err));
        look(&world);
        snprintf(url, sizeof(url), "sqlite:%s/test.db", world.base.dir);
        MUST(store_open(url, false, &other, &err));
        pthread_barrier_init(&start, NULL, 2);
        twin = world;
        arena_init(&twin.arena, 1 << 20);

        struct click clicks[2] = {
            {.db = world.base.db,
             .start = &start,
             .decision = {.world = &world, .approve = true}},
            {.db = other,
             .start = &start,
             .decision = {.world = &twin, .comment = STR("no")}}};

        assert_int_equal(pthread_create(&thread, NULL, click, &clicks[1]), 0);
        click(&clicks[0]);
        pthread_join(thread, NULL);
        size_t winner = clicks[0].rc == ERR_OK ? 0 : 1;

        assert_int_equal(clicks[winner].rc, ERR_OK);
        assert_int_equal(clicks[1 - winner].rc, ERR_CONTENT);
        assert_string_equal(clicks[1 - winner].err.cause,
                            winner == 0 ? "the approval item is APPROVED"
                                        : "the approval item is REJECTED");
        assert_string_equal(states(&world), winner == 0 ? "APN P" : "RCC R");
        pthread_barrier_destroy(&start);
        arena_done(&twin.arena);
        db_close(other);
        world_done(&world);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_moves_only_as_the_table_says),
        cmocka_unit_test(approvers_follow_each_other_in_order),
        cmocka_unit_test(without_approvers_the_record_is_there_at_once),
        cmocka_unit_test(a_name_is_taken_by_records_and_pending_requests),
        cmocka_unit_test(only_the_approver_decides),
        cmocka_unit_test(a_comment_is_needed_to_reject_and_is_limited),
        cmocka_unit_test(a_record_that_cannot_be_made_moves_nothing),
        cmocka_unit_test(of_two_decisions_at_one_instant_one_wins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

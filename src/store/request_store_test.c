#include "store/request_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/fixture.h"
#include "store/identity_store.h"
#include "store/source_store.h"

struct world {
    struct identity requester, approver;
    struct source source;
};

static enum error_code
make_world(struct db_tx *tx, void *context, struct error *err)
{
    struct world *world = context;

    *world = (struct world){
        .requester = {.alias = STR("zoe"),
                      .name = STR("Zoe"),
                      .email = STR("z"),
                      .levels = STR("")},
        .approver = {.alias = STR("bob"),
                     .name = STR("Bob"),
                     .email = STR("b"),
                     .levels = STR("")},
        .source = {.name = STR("Retail"), .description = STR("")},
    };
    enum error_code rc = identity_insert(tx, &world->requester, err);

    if (rc == ERR_OK)
        rc = identity_insert(tx, &world->approver, err);
    if (rc == ERR_OK)
        rc = source_insert(tx, &world->source, err);
    if (rc == ERR_OK)
        rc = source_set_members(tx, world->source.number, "MANAGER",
                                &world->approver.id, 1, err);
    return rc;
}

static struct request
ask_for(const struct world *world, const char *account)
{
    return (struct request){
        .source = world->source.number,
        .has_requester = true,
        .requester_id = world->requester.id,
        .status = STATUS_PENDING,
        .record = {.text = {str_of(account), STR("Jon"), STR("Smith"),
                            STR("555"), STR("j@e"), STR("bob")},
                   .start = {.ms = 1586109600000, .offset_min = -600},
                   .end = {.ms = 1596837600123, .offset_min = 90},
                   .custom = STR("9:3:yes")},
    };
}

static enum error_code
insert_request(struct db_tx *tx, void *context, struct error *err)
{
    return request_insert(tx, context, err);
}

static enum error_code
insert_item(struct db_tx *tx, void *context, struct error *err)
{
    return approval_insert(tx, context, err);
}

struct status_change {
    struct uuid id;
    enum approval_status status;
    int64_t now_ms;
};

static enum error_code
set_status(struct db_tx *tx, void *context, struct error *err)
{
    struct status_change *c = context;

    return request_set_status(tx, &c->id, c->status, c->now_ms, err);
}

static enum error_code
delete_request(struct db_tx *tx, void *context, struct error *err)
{
    return request_delete(tx, context, err);
}

static enum error_code
delete_identity(struct db_tx *tx, void *context, struct error *err)
{
    return identity_delete(tx, context, err);
}

static void
status_is_read_in_any_case(void **state)
{
    enum approval_status status = STATUSES;

    (void)state;
    for (int i = 0; i < STATUSES; i++) {
        assert_true(status_parse(str_of(status_name(i)), &status));
        assert_int_equal(status, i);
    }
    assert_true(status_parse(STR("not_Ready"), &status));
    assert_int_equal(status, STATUS_NOT_READY);
    assert_false(status_parse(STR("PENDIN"), &status));
    assert_false(status_parse(STR(""), &status));
    assert_int_equal(status, STATUS_NOT_READY);
}

static void
request_comes_back_as_it_was_written(void **state)
{
    FIXTURE f;
    struct world world;
    struct request found;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    struct request request = ask_for(&world, "Jon.Smith");

    fixture_write(&f, insert_request, &request);
    fixture_check(&f, request_by_id(fixture_read(&f), &request.id, &f.arena,
                                    &found, &f.err));
    assert_true(uuid_eq(&found.id, &request.id));
    assert_true(found.source == world.source.number);
    assert_true(found.record.source == world.source.number);
    assert_true(found.has_requester &&
                uuid_eq(&found.requester_id, &world.requester.id));
    assert_true(str_eq(found.requester_name, STR("Zoe")));
    assert_int_equal(found.status, STATUS_PENDING);
    for (int i = 0; i < FIELD_TEXTS; i++)
        assert_true(str_eq(found.record.text[i], request.record.text[i]));
    assert_true(found.record.start.ms == request.record.start.ms);
    assert_true(found.record.start.offset_min == -600);
    assert_true(found.record.end.ms == request.record.end.ms);
    assert_true(found.record.end.offset_min == 90);
    assert_true(str_eq(found.record.custom, STR("9:3:yes")));
    assert_true(found.completion_ms == 0);
    assert_true(found.created_ms == request.created_ms &&
                found.modified_ms == request.created_ms);

    /* The requester may leave, or have been no identity at all. */
    fixture_write(&f, delete_identity, &world.requester.id);
    fixture_check(&f, request_by_id(fixture_read(&f), &request.id, &f.arena,
                                    &found, &f.err));
    assert_false(found.has_requester);
    assert_int_equal(found.requester_name.len, 0);
    struct request other = ask_for(&world, "other");

    other.has_requester = false;
    other.record.custom = (struct str){NULL, 0};
    other.status = STATUS_APPROVED;
    fixture_write(&f, insert_request, &other);
    fixture_check(&f, request_by_id(fixture_read(&f), &other.id, &f.arena,
                                    &found, &f.err));
    assert_false(found.has_requester);
    assert_null(found.record.custom.at);
    assert_true(found.completion_ms == other.created_ms);
}

static void
request_name_is_asked_for_once_at_a_time(void **state)
{
    FIXTURE f;
    struct world world;
    bool pending = false;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    struct request one = ask_for(&world, "J\xc3\x96N");
    struct request two = ask_for(&world, "j\xc3\xb6n");

    fixture_check(&f, request_pending(fixture_read(&f), world.source.number,
                                      STR("j\xc3\xb6n"), &pending, &f.err));
    assert_false(pending);
    fixture_write(&f, insert_request, &one);
    fixture_check(&f, request_pending(fixture_read(&f), world.source.number,
                                      STR("j\xc3\xb6n"), &pending, &f.err));
    assert_true(pending);
    assert_int_equal(db_write(f.db, insert_request, &two, &f.err),
                     ERR_CONFLICT);
    assert_string_equal(f.err.text,
                        "Unable to create Non-Employee because the accountName "
                        "\"j\xc3\xb6n\" is already being used.");
    /* Once decided, it may be asked for again, any number of times. */
    for (int i = 0; i < 2; i++) {
        struct request *open = i == 0 ? &one : &two;

        fixture_write(&f, set_status,
                      &(struct status_change){open->id, STATUS_REJECTED, 5000});
        fixture_write(&f, insert_request, &two);
    }
}

static void
request_status_that_ends_it_completes_it(void **state)
{
    static const struct {
        enum approval_status status;
        int64_t completion_ms;
    } steps[] = {{STATUS_PENDING, 0},
                 {STATUS_APPROVED, 5001},
                 {STATUS_REJECTED, 5002},
                 {STATUS_CANCELLED, 5003}};
    FIXTURE f;
    struct world world;
    struct request found;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    struct request request = ask_for(&world, "jon");

    fixture_write(&f, insert_request, &request);
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct status_change change = {request.id, steps[i].status,
                                       5000 + (int64_t)i};

        fixture_write(&f, set_status, &change);
        fixture_check(&f, request_by_id(fixture_read(&f), &request.id, &f.arena,
                                        &found, &f.err));
        assert_int_equal(found.status, steps[i].status);
        assert_true(found.completion_ms == steps[i].completion_ms);
        assert_true(found.modified_ms == change.now_ms);
    }
    struct status_change unknown = {uuid_mint(), STATUS_APPROVED, 1};

    assert_int_equal(db_write(f.db, set_status, &unknown, &f.err),
                     ERR_NOT_FOUND);
}

/* Inserted out of order, to be seen in order. */
static void
insert_chain(struct fixture *f, const struct world *world,
             const struct request *request, struct approval_item items[3])
{
    static const int order[] = {2, 0, 1};

    for (size_t i = 0; i < COUNT(order); i++) {
        int at = order[i];

        items[at] = (struct approval_item){
            .request_id = request->id,
            .position = at,
            .approver_id = at == 1 ? world->approver.id : uuid_mint(),
            .approver_name = STR("Bob"),
            .status = at == 0 ? STATUS_PENDING : STATUS_NOT_READY};
        fixture_write(f, insert_item, &items[at]);
    }
}

struct item_change {
    struct approval_item item;
    int64_t now_ms;
};

static enum error_code
update_item(struct db_tx *tx, void *context, struct error *err)
{
    struct item_change *c = context;

    return approval_update(tx, &c->item, c->now_ms, err);
}

static void
chain_is_in_order_and_keeps_decisions(void **state)
{
    FIXTURE f;
    struct world world;
    struct approval_item items[3], chain[CHAIN_MAX], found;
    size_t count = 0;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    struct request request = ask_for(&world, "jon");

    fixture_write(&f, insert_request, &request);
    insert_chain(&f, &world, &request, items);
    fixture_check(&f, approval_chain(fixture_read(&f), &request.id, &f.arena,
                                     chain, &count, &f.err));
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        assert_true(uuid_eq(&chain[i].id, &items[i].id));
        assert_true(uuid_eq(&chain[i].request_id, &request.id));
        assert_true(uuid_eq(&chain[i].approver_id, &items[i].approver_id));
        assert_true(chain[i].position == (int64_t)i);
        assert_int_equal(chain[i].status, items[i].status);
        assert_true(str_eq(chain[i].approver_name, STR("Bob")));
        assert_true(str_eq(chain[i].account_name, STR("jon")));
        assert_null(chain[i].comment.at);
        assert_true(chain[i].has_requester &&
                    uuid_eq(&chain[i].requester_id, &world.requester.id));
        assert_true(str_eq(chain[i].requester_name, STR("Zoe")));
    }
    struct item_change change = {items[1], 7000};

    change.item.status = STATUS_REJECTED;
    change.item.comment = STR("no");
    fixture_write(&f, update_item, &change);
    fixture_check(&f, approval_by_id(fixture_read(&f), &items[1].id, &f.arena,
                                     &found, &f.err));
    assert_int_equal(found.status, STATUS_REJECTED);
    assert_true(str_eq(found.comment, STR("no")));
    assert_true(found.modified_ms == 7000);
    assert_true(found.created_ms == items[1].created_ms);

    /* The items go with their request. */
    fixture_write(&f, delete_request, &request.id);
    assert_int_equal(approval_by_id(fixture_read(&f), &items[1].id, &f.arena,
                                    &found, &f.err),
                     ERR_NOT_FOUND);
    assert_int_equal(db_write(f.db, delete_request, &request.id, &f.err),
                     ERR_NOT_FOUND);
    assert_int_equal(db_write(f.db, update_item, &change, &f.err),
                     ERR_NOT_FOUND);
    fixture_check(&f, approval_chain(f.read, &request.id, &f.arena, chain,
                                     &count, &f.err));
    assert_int_equal(count, 0);
}

static void
item_outlives_its_approver(void **state)
{
    FIXTURE f;
    struct world world;
    struct approval_item items[3], found;

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    struct request request = ask_for(&world, "jon");

    fixture_write(&f, insert_request, &request);
    insert_chain(&f, &world, &request, items);
    fixture_write(&f, delete_identity, &world.approver.id);
    fixture_check(&f, approval_by_id(fixture_read(&f), &items[1].id, &f.arena,
                                     &found, &f.err));
    assert_true(uuid_eq(&found.approver_id, &world.approver.id));
    assert_true(str_eq(found.approver_name, STR("Bob")));
}

struct ids {
    struct uuid id[8];
    size_t count, most;
};

static bool
keep_id(void *context, const struct uuid *id)
{
    struct ids *ids = context;

    ids->id[ids->count++] = *id;
    return ids->count < ids->most;
}

static void
open_requests_of_an_approver_are_those_still_to_decide(void **state)
{
    /* What the request and the approver's item are, and whether it counts. */
    static const struct {
        enum approval_status request, item;
        bool open;
    } cases[] = {
        {STATUS_PENDING, STATUS_PENDING, true},
        {STATUS_PENDING, STATUS_NOT_READY, true},
        {STATUS_PENDING, STATUS_APPROVED, false},
        {STATUS_REJECTED, STATUS_REJECTED, false},
        {STATUS_CANCELLED, STATUS_NOT_READY, false},
        {STATUS_PENDING, STATUS_PENDING, true},
    };
    FIXTURE f;
    struct world world;
    struct ids ids = {.most = 8};
    struct uuid open[COUNT(cases)];
    size_t count = 0;
    char account[8];

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    for (size_t i = 0; i < COUNT(cases); i++) {
        snprintf(account, sizeof(account), "a%d", (int)i);
        struct request request = ask_for(&world, account);

        request.status = cases[i].request;
        fixture_write(&f, insert_request, &request);
        fixture_write(&f, insert_item,
                      &(struct approval_item){.request_id = request.id,
                                              .approver_id = world.approver.id,
                                              .approver_name = STR("Bob"),
                                              .status = cases[i].item});
        if (cases[i].open)
            open[count++] = request.id;
    }
    fixture_check(&f,
                  approval_open_requests(fixture_read(&f), &world.approver.id,
                                         keep_id, &ids, &f.err));
    assert_int_equal(ids.count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(uuid_eq(&ids.id[i], &open[i]));
    ids = (struct ids){.most = 1};
    fixture_check(&f, approval_open_requests(f.read, &world.approver.id,
                                             keep_id, &ids, &f.err));
    assert_int_equal(ids.count, 1);
    ids = (struct ids){.most = 8};
    fixture_check(&f, approval_open_requests(f.read, &world.requester.id,
                                             keep_id, &ids, &f.err));
    assert_int_equal(ids.count, 0);
}

static void
summaries_count_by_state(void **state)
{
    static const struct {
        enum approval_status status;
        int count;
    } states[] = {{STATUS_PENDING, 3},
                  {STATUS_APPROVED, 2},
                  {STATUS_REJECTED, 1},
                  {STATUS_CANCELLED, 4},
                  {STATUS_NOT_READY, 2}};
    FIXTURE f;
    struct world world;
    struct request_summary requests;
    struct approval_summary items;
    char account[16];

    (void)state;
    fixture_init(&f);
    fixture_write(&f, make_world, &world);
    for (size_t i = 0; i < COUNT(states); i++) {
        for (int j = 0; j < states[i].count; j++) {
            snprintf(account, sizeof(account), "a%d.%d", (int)i, j);
            struct request request = ask_for(&world, account);

            if (states[i].status != STATUS_NOT_READY)
                request.status = states[i].status;
            fixture_write(&f, insert_request, &request);
            fixture_write(
                &f, insert_item,
                &(struct approval_item){.request_id = request.id,
                                        .approver_id = world.approver.id,
                                        .approver_name = STR("Bob"),
                                        .status = states[i].status});
        }
    }
    fixture_check(&f, request_summary(fixture_read(&f), &world.approver.id,
                                      &requests, &f.err));
    assert_int_equal(requests.pending, 3 + 2);
    assert_int_equal(requests.approved, 2);
    assert_int_equal(requests.rejected, 1);
    assert_int_equal(requests.records, 0);
    fixture_check(&f,
                  approval_summary(f.read, &world.approver.id, &items, &f.err));
    assert_int_equal(items.pending, 3);
    assert_int_equal(items.approved, 2);
    assert_int_equal(items.rejected, 1);

    /* Nobody's manager, nobody's approver. */
    fixture_check(
        &f, request_summary(f.read, &world.requester.id, &requests, &f.err));
    assert_int_equal(requests.pending + requests.approved + requests.rejected +
                         requests.records,
                     0);
    fixture_check(
        &f, approval_summary(f.read, &world.requester.id, &items, &f.err));
    assert_int_equal(items.pending + items.approved + items.rejected, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_is_read_in_any_case),
        cmocka_unit_test(request_comes_back_as_it_was_written),
        cmocka_unit_test(request_name_is_asked_for_once_at_a_time),
        cmocka_unit_test(request_status_that_ends_it_completes_it),
        cmocka_unit_test(chain_is_in_order_and_keeps_decisions),
        cmocka_unit_test(item_outlives_its_approver),
        cmocka_unit_test(
            open_requests_of_an_approver_are_those_still_to_decide),
        cmocka_unit_test(summaries_count_by_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "store/job_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/fixture.h"
#include "store/source_store.h"

static enum error_code
make_source(struct db_tx *tx, void *context, struct error *err)
{
    return source_insert(tx, context, err);
}

static void
make_sources(struct fixture *f, struct source sources[2])
{
    static const char *const names[] = {"one", "two"};

    for (int i = 0; i < 2; i++) {
        sources[i] = (struct source){.name = str_of(names[i]),
                                     .description = STR("")};
        fixture_write(f, make_source, &sources[i]);
    }
}

static enum error_code
insert(struct db_tx *tx, void *context, struct error *err)
{
    return job_insert(tx, context, err);
}

static const struct uuid here = {{1}}, there = {{2}};

struct claim {
    const struct uuid *node;
    struct uuid id;
    struct job_running running; /* to take over */
    struct job job;             /* to end, or to note errors of */
};

static enum error_code
claim(struct db_tx *tx, void *context, struct error *err)
{
    struct claim *c = context;
    enum error_code rc = job_next(tx, &c->id, err);

    return rc == ERR_OK ? job_claim(tx, &c->id, c->node, err) : rc;
}

static enum error_code
claim_that(struct db_tx *tx, void *context, struct error *err)
{
    const struct claim *c = context;

    return job_claim(tx, &c->id, c->node, err);
}

static enum error_code
take_over(struct db_tx *tx, void *context, struct error *err)
{
    const struct claim *c = context;

    return job_take_over(tx, &c->running, c->node, err);
}

static enum error_code
release(struct db_tx *tx, void *context, struct error *err)
{
    const struct claim *c = context;

    return job_release(tx, &c->id, c->node, err);
}

static enum error_code
held(struct db_tx *tx, void *context, struct error *err)
{
    const struct claim *c = context;

    return job_held(tx, &c->id, c->node, err);
}

static enum error_code
end(struct db_tx *tx, void *context, struct error *err)
{
    struct claim *c = context;

    return job_end(tx, &c->job, c->node, err);
}

static enum error_code
note_errors(struct db_tx *tx, void *context, struct error *err)
{
    return job_note_errors(tx, context, err);
}

static enum error_code
beat(struct db_tx *tx, void *context, struct error *err)
{
    return node_beat(tx, context, err);
}

static enum error_code
sweep(struct db_tx *tx, void *context, struct error *err)
{
    (void)context;
    return node_sweep(tx, err);
}

static struct uuid
claim_one(struct fixture *f)
{
    struct claim c = {.node = &here};

    fixture_write(f, claim, &c);
    return c.id;
}

static void
assert_nothing_to_claim(struct fixture *f)
{
    struct claim c = {.node = &here};

    assert_int_equal(db_write(f->db, claim, &c, &f->err), ERR_NOT_FOUND);
}

static void
end_one(struct fixture *f, const struct job *job)
{
    struct claim c = {.node = &here, .job = *job};

    fixture_write(f, end, &c);
}

static void
assert_same(const struct job *a, const struct job *b)
{
    assert_true(uuid_eq(&a->id, &b->id));
    assert_true(a->source == b->source);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->actor.known, b->actor.known);
    assert_true(uuid_eq(&a->actor.id, &b->actor.id));
    assert_int_equal(a->actor.has_request, b->actor.has_request);
    assert_true(a->length == b->length);
    assert_int_equal(a->guarded, b->guarded);
    assert_true(a->created_ms == b->created_ms);
    assert_true(a->modified_ms == b->modified_ms);
    assert_true(a->records_created == b->records_created);
    assert_true(a->records_updated == b->records_updated);
    assert_true(str_eq(a->errors, b->errors));
    assert_true(str_eq(a->idempotency_key, b->idempotency_key));
    assert_memory_equal(a->sha256, b->sha256, sizeof(a->sha256));
}

static void
job_comes_back_as_it_was_written(void **state)
{
    FIXTURE f;
    struct source sources[2];
    struct job found;

    (void)state;
    fixture_init(&f);
    make_sources(&f, sources);
    struct job job = {.source = sources[1].number,
                      .actor = {.known = true, .id = uuid_mint()},
                      .length = INT64_C(1) << 40,
                      .guarded = true,
                      .errors = STR(""),
                      .idempotency_key = STR("key")};

    memset(job.sha256, 0xa5, sizeof(job.sha256));
    fixture_write(&f, insert, &job);
    assert_int_equal(job.status, JOB_PENDING);
    fixture_check(
        &f, job_by_id(fixture_read(&f), &job.id, &f.arena, &found, &f.err));
    assert_same(&found, &job);
    assert_true(uuid_eq(&found.source_id, &sources[1].source_id));

    job.errors = STR("Line 3: email is required;\nLine 4: too");
    fixture_write(&f, note_errors, &job);
    fixture_check(
        &f, job_by_id(fixture_read(&f), &job.id, &f.arena, &found, &f.err));
    assert_same(&found, &job);
    job.errors = STR("Line 3: others");
    job.records_created = 3;
    job.records_updated = 4;
    for (enum job_status status = JOB_COMPLETED; status < JOB_STATUSES;
         status++) {
        struct claim c = {.node = &here, .job = job};

        if (status == JOB_ERROR) {
            c.job.idempotency_key = STR("other");
            fixture_write(&f, insert, &c.job);
        }
        c.job.status = status;
        c.job.errors = job.errors;
        c.id = claim_one(&f);
        fixture_write(&f, end, &c);
        fixture_check(&f, job_by_id(fixture_read(&f), &c.job.id, &f.arena,
                                    &found, &f.err));
        assert_same(&found, &c.job);
    }
    job.id = uuid_mint();
    assert_int_equal(db_write(f.db, note_errors, &job, &f.err), ERR_NOT_FOUND);
    assert_int_equal(job_by_id(f.read, &job.id, &f.arena, &found, &f.err),
                     ERR_NOT_FOUND);
}

static void
job_newest_and_key_are_of_one_source(void **state)
{
    FIXTURE f;
    struct source sources[2];
    struct job found, jobs[3] = {0};
    static const char *const keys[] = {"key", NULL, NULL};

    (void)state;
    fixture_init(&f);
    make_sources(&f, sources);
    for (int i = 0; i < 3; i++) {
        jobs[i].source = sources[0].number;
        jobs[i].idempotency_key = str_of(keys[i]);
        fixture_write(&f, insert, &jobs[i]);
    }
    fixture_check(&f, job_newest(fixture_read(&f), sources[0].number, &f.arena,
                                 &found, &f.err));
    assert_true(uuid_eq(&found.id, &jobs[2].id));
    assert_null(found.idempotency_key.at);
    assert_int_equal(
        job_newest(f.read, sources[1].number, &f.arena, &found, &f.err),
        ERR_NOT_FOUND);
    fixture_check(&f, job_by_key(f.read, sources[0].number, STR("key"),
                                 &f.arena, &found, &f.err));
    assert_true(uuid_eq(&found.id, &jobs[0].id));
    assert_int_equal(job_by_key(f.read, sources[1].number, STR("key"), &f.arena,
                                &found, &f.err),
                     ERR_NOT_FOUND);
    assert_int_equal(job_by_key(f.read, sources[0].number, STR("KEY"), &f.arena,
                                &found, &f.err),
                     ERR_NOT_FOUND);

    struct job again = {.source = sources[0].number,
                        .idempotency_key = STR("key")};

    assert_int_equal(db_write(f.db, insert, &again, &f.err), ERR_CONFLICT);
    again.source = sources[1].number;
    fixture_write(&f, insert, &again);
}

static void
jobs_wait_in_line_but_not_too_many(void **state)
{
    FIXTURE f;
    struct source sources[2];
    struct job job = {0};

    (void)state;
    fixture_init(&f);
    make_sources(&f, sources);
    job.source = sources[0].number;
    for (int i = 0; i < JOB_WAITING_MAX; i++)
        fixture_write(&f, insert, &job);
    assert_int_equal(db_write(f.db, insert, &job, &f.err), ERR_LIMIT);
    assert_string_equal(f.err.text, "You have reached the current limit of 10 "
                                    "waiting bulk uploads.");
    job.source = sources[1].number; /* has a line of its own */
    fixture_write(&f, insert, &job);
    claim_one(&f); /* the running one does not wait */
    job.source = sources[0].number;
    fixture_write(&f, insert, &job);
    assert_int_equal(db_write(f.db, insert, &job, &f.err), ERR_LIMIT);
}

static void
jobs_run_in_order_one_at_a_time_per_source(void **state)
{
    FIXTURE f;
    struct source sources[2];
    struct job jobs[4] = {0};
    bool active = true;

    (void)state;
    fixture_init(&f);
    make_sources(&f, sources);
    assert_nothing_to_claim(&f);
    fixture_check(
        &f, job_active(fixture_read(&f), sources[0].number, &active, &f.err));
    assert_false(active);
    for (int i = 0; i < 4; i++) {
        jobs[i].source = sources[i / 3].number; /* three, then one */
        fixture_write(&f, insert, &jobs[i]);
    }
    fixture_check(
        &f, job_active(fixture_read(&f), sources[0].number, &active, &f.err));
    assert_true(active);
    struct uuid first = claim_one(&f), other = claim_one(&f);

    assert_true(uuid_eq(&first, &jobs[0].id));
    assert_true(uuid_eq(&other, &jobs[3].id));
    assert_nothing_to_claim(&f);

    jobs[0].status = JOB_COMPLETED;
    end_one(&f, &jobs[0]);
    struct uuid second = claim_one(&f);

    assert_true(uuid_eq(&second, &jobs[1].id));
    assert_nothing_to_claim(&f);
    /* Not even by a node that saw it wait before the other one ran. */
    struct claim late = {.node = &there, .id = jobs[2].id};

    assert_int_equal(db_write(f.db, claim_that, &late, &f.err), ERR_NOT_FOUND);

    jobs[3].status = JOB_ERROR;
    end_one(&f, &jobs[3]);
    fixture_check(
        &f, job_active(fixture_read(&f), sources[1].number, &active, &f.err));
    assert_false(active);
}

static void
read_running(struct fixture *f, struct job_running *ret)
{
    size_t count = 0;

    fixture_check(f, job_running(fixture_read(f), ret, 1, &count, &f->err));
    assert_int_equal(count, 1);
}

static void
a_job_is_one_nodes_until_that_stands_still(void **state)
{
    FIXTURE f;
    struct source sources[2];
    struct job job = {0};
    struct claim c = {.node = &there};
    struct uuid node = here;

    (void)state;
    fixture_init(&f);
    make_sources(&f, sources);
    job.source = sources[0].number;
    fixture_write(&f, insert, &job);
    c.id = claim_one(&f);
    read_running(&f, &c.running);
    assert_true(uuid_eq(&c.running.id, &job.id));
    assert_true(uuid_eq(&c.running.node, &here));
    assert_int_equal(db_write(f.db, held, &c, &f.err), ERR_NOT_FOUND);
    assert_int_equal(db_write(f.db, release, &c, &f.err), ERR_NOT_FOUND);

    /* A beat since it was seen, and it stays. */
    fixture_write(&f, beat, &node);
    assert_int_equal(db_write(f.db, take_over, &c, &f.err), ERR_NOT_FOUND);
    fixture_write(&f, sweep, NULL);
    read_running(&f, &c.running);
    fixture_write(&f, take_over, &c);
    fixture_write(&f, held, &c);

    /* The old one finds that it is not its own any more. */
    struct claim old = {.node = &here, .id = job.id, .job = job};

    old.job.status = JOB_COMPLETED;
    assert_int_equal(db_write(f.db, held, &old, &f.err), ERR_NOT_FOUND);
    assert_int_equal(db_write(f.db, end, &old, &f.err), ERR_NOT_FOUND);
    assert_int_equal(db_write(f.db, take_over, &old, &f.err), ERR_NOT_FOUND);

    /* A node that was forgotten stands still as well. */
    read_running(&f, &old.running);
    fixture_write(&f, release, &c);
    fixture_write(&f, sweep, NULL);
    fixture_write(&f, claim_that, &c);
    read_running(&f, &old.running);
    assert_int_equal(old.running.beat, 1);
    fixture_write(&f, take_over, &old);
    fixture_write(&f, end, &old);
    assert_nothing_to_claim(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(job_comes_back_as_it_was_written),
        cmocka_unit_test(job_newest_and_key_are_of_one_source),
        cmocka_unit_test(jobs_wait_in_line_but_not_too_many),
        cmocka_unit_test(jobs_run_in_order_one_at_a_time_per_source),
        cmocka_unit_test(a_job_is_one_nodes_until_that_stands_still),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

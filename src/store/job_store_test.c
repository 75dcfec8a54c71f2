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

static enum error_code
update(struct db_tx *tx, void *context, struct error *err)
{
    return job_update(tx, context, err);
}

static enum error_code
requeue(struct db_tx *tx, void *context, struct error *err)
{
    (void)context;
    return job_requeue(tx, err);
}

struct claim {
    struct arena *arena;
    struct job job;
};

static enum error_code
claim(struct db_tx *tx, void *context, struct error *err)
{
    struct claim *c = context;

    return job_claim(tx, c->arena, &c->job, err);
}

static struct uuid
claim_one(struct fixture *f)
{
    struct claim c = {.arena = &f->arena};

    fixture_write(f, claim, &c);
    assert_int_equal(c.job.status, JOB_IN_PROGRESS);
    return c.job.id;
}

static void
assert_nothing_to_claim(struct fixture *f)
{
    struct claim c = {.arena = &f->arena};

    assert_int_equal(db_write(f->db, claim, &c, &f->err), ERR_NOT_FOUND);
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
    job.records_created = 3;
    job.records_updated = 4;
    for (int i = 0; i < JOB_STATUSES; i++) {
        job.status = (enum job_status)i;
        fixture_write(&f, update, &job);
        fixture_check(
            &f, job_by_id(fixture_read(&f), &job.id, &f.arena, &found, &f.err));
        assert_same(&found, &job);
    }
    job.id = uuid_mint();
    assert_int_equal(db_write(f.db, update, &job, &f.err), ERR_NOT_FOUND);
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
    fixture_write(&f, update, &jobs[0]);
    struct uuid second = claim_one(&f);

    assert_true(uuid_eq(&second, &jobs[1].id));
    assert_nothing_to_claim(&f);

    /* A restart puts both that run back where they were. */
    fixture_write(&f, requeue, NULL);
    struct uuid again = claim_one(&f);

    assert_true(uuid_eq(&again, &jobs[1].id));
    again = claim_one(&f);
    assert_true(uuid_eq(&again, &jobs[3].id));
    assert_nothing_to_claim(&f);

    jobs[3].status = JOB_ERROR;
    fixture_write(&f, update, &jobs[3]);
    fixture_check(
        &f, job_active(fixture_read(&f), sources[1].number, &active, &f.err));
    assert_false(active);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(job_comes_back_as_it_was_written),
        cmocka_unit_test(job_newest_and_key_are_of_one_source),
        cmocka_unit_test(jobs_wait_in_line_but_not_too_many),
        cmocka_unit_test(jobs_run_in_order_one_at_a_time_per_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

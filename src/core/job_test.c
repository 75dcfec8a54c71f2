#include "core/job.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sink.h"
#include "core/fixture.h"
#include "core/reject.h"
#include "store/record_store.h"
#include "store/source_store.h"

#define HEADER \
    "accountName,firstName,lastName,phone,email,manager,startDate,endDate\n"
#define TAIL ",1,a@b,jane.doe,2020-01-01,2020-12-31\n"

static struct fixture f;
static struct spool *spool;
static char directory[100];

static int
setup(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    fixture_init(&f);
    snprintf(directory, sizeof(directory), "%s/spool", f.dir);
    assert_int_equal(spool_open(directory, &spool, &err), ERR_OK);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    spool_close(spool);
    fixture_done(&f);
    return 0;
}

/* --- helpers ---------------------------------------------------------- */

static struct job_runner *
start(void)
{
    const struct job_options options = {.db = f.db, .spool = spool};
    struct job_runner *runner;
    struct error err = ERROR_INIT;

    assert_int_equal(job_runner_start(&options, &runner, &err), ERR_OK);
    return runner;
}

static void
new_file(struct str text, struct spool_file *ret)
{
    struct error err = ERROR_INIT;

    assert_int_equal(spool_create(spool, ret, &err), ERR_OK);
    assert_int_equal(write(ret->fd, text.at, text.len), text.len);
}

static enum error_code
put_in_line(const struct source *source, struct str text, const char *key,
            struct job *ret)
{
    CLEANUP(spool_file_done) struct spool_file file = {0};
    struct job job = {.source = source->number,
                      .source_id = source->source_id,
                      .length = (int64_t)text.len,
                      .idempotency_key = str_of(key)};
    struct error err = ERROR_INIT;

    new_file(text, &file);
    enum error_code rc = job_enqueue(f.db, &job, &file, false, &err);

    *ret = job;
    return rc;
}

static struct job
enqueue(const struct source *source, struct str text)
{
    struct job job;

    assert_int_equal(put_in_line(source, text, NULL, &job), ERR_OK);
    return job;
}

/* The job as it stands; texts in `arena`. */
static struct job
look(const struct uuid *id, struct arena *arena)
{
    struct error err = ERROR_INIT;
    struct db_tx *tx;
    struct job job;

    assert_int_equal(db_read_begin(f.db, &tx, &err), ERR_OK);
    assert_int_equal(job_by_id(tx, id, arena, &job, &err), ERR_OK);
    db_read_end(tx);
    return job;
}

static enum job_status
status_of(const struct uuid *id)
{
    CLEANUP(arena_done) struct arena arena;

    arena_init(&arena, 1 << 20);
    return look(id, &arena).status;
}

static void
wait_for(const struct uuid *id, enum job_status status)
{
    for (int i = 0; i < 2000 && status_of(id) != status; i++)
        usleep(10000);
    assert_string_equal(job_status_name(status_of(id)),
                        job_status_name(status));
}

static int64_t
count_records(const struct source *source)
{
    CLEANUP(arena_done) struct arena arena;
    struct error err = ERROR_INIT;
    struct source now;
    struct db_tx *tx;

    arena_init(&arena, 1 << 20);
    assert_int_equal(db_read_begin(f.db, &tx, &err), ERR_OK);
    assert_int_equal(source_find(tx, &source->id, &arena, &now, &err), ERR_OK);
    db_read_end(tx);
    return now.record_count;
}

static void
must_be_called(const struct source *source, const char *account,
               const char *last_name)
{
    CLEANUP(arena_done) struct arena arena;
    struct error err = ERROR_INIT;
    struct record record;
    struct db_tx *tx;

    arena_init(&arena, 1 << 20);
    assert_int_equal(db_read_begin(f.db, &tx, &err), ERR_OK);
    assert_int_equal(record_by_account(tx, source->number, str_of(account),
                                       &arena, &record, &err),
                     ERR_OK);
    assert_true(str_eq(record.text[FIELD_LAST_NAME], str_of(last_name)));
    db_read_end(tx);
}

static bool
is_there(const char *name)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static bool
has_file(const struct job *job)
{
    char hex[UUID_HEX], name[64];

    snprintf(name, sizeof(name), "%s.csv", uuid_hex(&job->id, hex));
    return is_there(name);
}

static void
touch(const char *name)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fclose(file);
}

static enum error_code
claim(struct db_tx *tx, void *context, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;

    arena_init(&arena, 1 << 20);
    return job_claim(tx, &arena, context, err);
}

static void
people(struct buf *to, unsigned count, const char *last_name)
{
    buf_init(to, 256 << 20);
    buf_text(to, HEADER);
    for (unsigned i = 0; i < count; i++)
        buf_printf(to, "person.%u,A,%s" TAIL, i, last_name);
}

/* --- jobs --------------------------------------------------------------- */

static void
runs_the_jobs_of_a_source_in_order(void **state)
{
    struct source other = fixture_source(&f, "Other");
    struct job jobs[4];

    (void)state;
    jobs[0] = enqueue(&f.source, STR(HEADER "one,A,First" TAIL));
    jobs[1] = enqueue(&f.source,
                      STR(HEADER "one,A,Second" TAIL "two,A,Second" TAIL));
    jobs[2] = enqueue(&other, STR(HEADER "one,A,Other" TAIL));
    jobs[3] = enqueue(&f.source, STR(HEADER "ONE,A,Third" TAIL));

    struct job_runner *runner = start();

    wait_for(&jobs[3].id, JOB_COMPLETED);
    for (size_t i = 0; i < COUNT(jobs); i++) {
        CLEANUP(arena_done) struct arena arena;

        arena_init(&arena, 1 << 20);
        wait_for(&jobs[i].id, JOB_COMPLETED);
        struct job job = look(&jobs[i].id, &arena);

        assert_int_equal(job.records_created, i < 3);
        assert_int_equal(job.records_updated, i == 1 || i == 3);
        assert_int_equal(job.errors.len, 0);
    }
    must_be_called(&f.source, "one", "Third");
    must_be_called(&f.source, "two", "Second");
    must_be_called(&other, "one", "Other");
    /* And one that comes while it runs. */
    struct job late = enqueue(&other, STR(HEADER "late,A,B" TAIL));

    job_runner_wake(runner);
    wait_for(&late.id, JOB_COMPLETED);
    job_runner_stop(runner);
    for (size_t i = 0; i < COUNT(jobs); i++)
        assert_false(has_file(&jobs[i]));
}

static void
a_bad_file_changes_nothing_and_says_why(void **state)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf lines;
    struct job bad = enqueue(&f.source,
                             STR(HEADER "one,A,B" TAIL "two,,B" TAIL
                                        "three,A,B" TAIL "ONE,A,B" TAIL));
    struct job good = enqueue(&f.source, STR(HEADER "four,A,B" TAIL));
    struct job_runner *runner = start();
    struct error err = ERROR_INIT;
    int fd;

    (void)state;
    arena_init(&arena, 1 << 20);
    wait_for(&good.id, JOB_COMPLETED);
    struct job job = look(&bad.id, &arena);

    assert_int_equal(job.status, JOB_ERROR);
    assert_true(str_eq(job.errors,
                       STR("Line 3: firstName is required;\n"
                           "Line 5: accountName is already used on line 2;")));
    assert_int_equal(count_records(&f.source), 1);
    assert_int_equal(
        spool_find_rejected(spool, &f.source.source_id, &bad.id, &fd, &err),
        ERR_OK);
    buf_init(&lines, 1 << 20);
    fixture_read(fd, &lines);
    close(fd);
    assert_string_equal(
        lines.data,
        "_line,_error," HEADER "3,Line 3: firstName is required;,two,,B" TAIL
        "5,Line 5: accountName is already used on line 2;,ONE,A,B" TAIL);
    assert_int_equal(
        spool_find_rejected(spool, &f.source.source_id, &good.id, &fd, &err),
        ERR_NOT_FOUND);
    job_runner_stop(runner);
    assert_false(has_file(&bad));
}

static void
a_job_without_its_file_fails(void **state)
{
    CLEANUP(arena_done) struct arena arena;
    struct job job = enqueue(&f.source, STR(HEADER "one,A,B" TAIL));

    (void)state;
    arena_init(&arena, 1 << 20);
    spool_remove_job(spool, &job.id);
    struct job_runner *runner = start();

    wait_for(&job.id, JOB_ERROR);
    assert_true(str_eq(look(&job.id, &arena).errors,
                       STR("The uploaded file is gone. Upload it again.")));
    job_runner_stop(runner);
}

static void
ten_may_wait(void **state)
{
    struct source other = fixture_source(&f, "Other");
    struct job job, first;

    (void)state;
    for (int i = 0; i < JOB_WAITING_MAX; i++)
        assert_int_equal(
            put_in_line(&f.source, STR(HEADER), NULL, i == 0 ? &first : &job),
            ERR_OK);
    assert_int_equal(put_in_line(&f.source, STR(HEADER), NULL, &job),
                     ERR_LIMIT);
    assert_int_equal(put_in_line(&other, STR(HEADER), "key", &job), ERR_OK);
    assert_int_equal(put_in_line(&other, STR(HEADER), "key", &job),
                     ERR_CONFLICT);
    assert_true(has_file(&first));
    char command[200];

    /* 10 and 1, and nothing of those that were refused. */
    snprintf(command, sizeof(command), "test $(ls %s | wc -l) = 11", directory);
    assert_int_equal(system(command), 0);
}

static void
what_was_interrupted_runs_again(void **state)
{
    struct job job = enqueue(&f.source, STR(HEADER "one,A,B" TAIL)), claimed;
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(db_write(f.db, claim, &claimed, &err), ERR_OK);
    assert_int_equal(status_of(&job.id), JOB_IN_PROGRESS);
    struct job_runner *runner = start();

    wait_for(&job.id, JOB_COMPLETED);
    job_runner_stop(runner);
    assert_int_equal(count_records(&f.source), 1);
}

static void
an_import_that_is_stopped_is_all_or_nothing(void **state)
{
    CLEANUP(buf_done) struct buf text;
    unsigned rows = 20000, stopped = 0;

    (void)state;
    people(&text, rows, "B");
    for (int round = 0; round < 12; round++) {
        char name[20];

        snprintf(name, sizeof(name), "Round %d", round);
        struct source source = fixture_source(&f, name);
        struct job job = enqueue(&source, buf_view(&text));
        struct job_runner *runner = start();

        usleep((useconds_t)round * 10000);
        job_runner_stop(runner);
        bool done = status_of(&job.id) == JOB_COMPLETED;

        stopped += !done;
        assert_int_equal(count_records(&source), done ? rows : 0);
        assert_true(done || has_file(&job));
        runner = start();
        wait_for(&job.id, JOB_COMPLETED);
        job_runner_stop(runner);
        assert_int_equal(count_records(&source), rows);
    }
    assert_in_range(stopped, 1, 12);
}

static void
one_of_many_runs_the_jobs(void **state)
{
    struct job_runner *first = start();
    struct job job = enqueue(&f.source, STR(HEADER "one,A,B" TAIL));

    (void)state;
    wait_for(&job.id, JOB_COMPLETED);
    struct job_runner *second = start();

    /* Not woken: found by looking from time to time. */
    job = enqueue(&f.source, STR(HEADER "two,A,B" TAIL));
    wait_for(&job.id, JOB_COMPLETED);
    job_runner_stop(first);
    job = enqueue(&f.source, STR(HEADER "three,A,B" TAIL));
    wait_for(&job.id, JOB_COMPLETED);
    job_runner_stop(second);
    assert_int_equal(count_records(&f.source), 3);
}

static enum error_code
delete_source(struct db_tx *tx, void *context, struct error *err)
{
    const struct source *source = context;

    return source_delete(tx, source->number, err);
}

static void
no_job_for_a_source_that_is_gone(void **state)
{
    struct source gone = fixture_source(&f, "Gone");
    struct error err = ERROR_INIT;
    struct job job;

    (void)state;
    assert_int_equal(db_write(f.db, delete_source, &gone, &err), ERR_OK);
    assert_int_equal(put_in_line(&gone, STR(HEADER), NULL, &job),
                     ERR_NOT_FOUND);
    assert_false(has_file(&job));
}

/* --- the spool ----------------------------------------------------------- */

static const char *
refused_name(const struct uuid *source_id, char to[SPOOL_NAME])
{
    char hex[UUID_HEX];

    snprintf(to, SPOOL_NAME, "%s.d.rejected.csv", uuid_hex(source_id, hex));
    return to;
}

static void
refused_lines_go_with_their_source(void **state)
{
    struct source other = fixture_source(&f, "Other");
    char mine[SPOOL_NAME], others[SPOOL_NAME];

    (void)state;
    touch(refused_name(&f.source.source_id, mine));
    touch(refused_name(&other.source_id, others));
    spool_remove_rejected(spool, &f.source.source_id);
    assert_false(is_there(mine));
    assert_true(is_there(others));
}

static void
nothing_is_left_lying_about(void **state)
{
    CLEANUP(spool_file_done) struct spool_file arriving = {0};
    struct job waiting = enqueue(&f.source, STR(HEADER "one,A,B" TAIL));
    struct timespec old[2] = {{.tv_sec = time(NULL) - 25 * 3600},
                              {.tv_sec = time(NULL) - 25 * 3600}};
    const struct uuid unknown = uuid_mint();
    char path[300], known_refused[SPOOL_NAME], unknown_refused[SPOOL_NAME];

    (void)state;
    new_file(STR("x"), &arriving);
    touch(refused_name(&f.source.source_id, known_refused));
    touch(refused_name(&unknown, unknown_refused));
    touch("new.0123");
    touch("01a20a1e9d1c78669e489e56cdf35f7e.csv");
    touch("01a20a1e9d1c78669e489e56cdf35f7f.guarded.csv");
    touch("a.b.rejected.csv");
    touch("c.d.rejected.csv");
    touch("something.else");
    snprintf(path, sizeof(path), "%s/a.b.rejected.csv", directory);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    struct job_runner *runner = start();

    wait_for(&waiting.id, JOB_COMPLETED);
    job_runner_stop(runner);
    assert_true(is_there(arriving.name));
    assert_false(is_there("new.0123"));
    assert_false(is_there("01a20a1e9d1c78669e489e56cdf35f7e.csv"));
    assert_false(is_there("01a20a1e9d1c78669e489e56cdf35f7f.guarded.csv"));
    assert_false(is_there("a.b.rejected.csv"));
    assert_true(is_there("c.d.rejected.csv"));
    assert_true(is_there(known_refused));
    assert_false(is_there(unknown_refused));
    assert_true(is_there("something.else"));
}

static void
files_are_their_owners_only(void **state)
{
    CLEANUP(spool_file_done) struct spool_file file = {0};
    struct error err = ERROR_INIT;
    struct spool *nowhere;
    struct stat status;

    (void)state;
    new_file(STR("x"), &file);
    assert_int_equal(fstat(file.fd, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(stat(directory, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(spool_open("/nowhere/at/all", &nowhere, &err),
                     ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
}

/* --- refused lines ------------------------------------------------------- */

static const struct {
    const char *label, *text, *lines, *refused, *rest;
} splits[] = {
    {"none", "h,i\na,b\n", "", "_line,_error,h,i\n", "h,i\na,b\n"},
    {"one of two", "h,i\na,b\nc,d\n", "3",
     "_line,_error,h,i\n3,Line 3: no;,c,d\n", "h,i\na,b\n"},
    {"lines count as they stand in the file",
     "h,i\r\n\r\n\"a\nb\",x\r\nc, d \r\n", "3 5",
     "_line,_error,h,i\n3,Line 3: no;,\"a\nb\",x\n5,Line 5: no;,c,d\n",
     "h,i\n"},
    {"ragged and malformed lines", "h,i\na\nb,c,d\n\"e\"f,g\n\"x,y\"\"\",\n",
     "2 3 4",
     "_line,_error,h,i\n2,Line 2: no;,a\n3,Line 3: no;,b,c,d\n"
     "4,Line 4: no;,\n",
     "h,i\n\"x,y\"\"\",\n"},
    {"sent again", "_line,_error,h\n3,no,a\n4,no,b\n", "3",
     "_line,_error,h\n3,Line 3: no;,b\n", "h\na\n"},
};

static void
splits_a_file_by_its_bad_lines(void **state)
{
    static struct reject reject;

    (void)state;
    for (size_t i = 0; i < COUNT(splits); i++) {
        struct buf refused, rest;
        struct buf_sink to_refused, to_rest;
        struct error err = ERROR_INIT;
        int fd = memfd_create("csv", MFD_CLOEXEC);
        const char *at = splits[i].lines;

        print_message("%s\n", splits[i].label);
        reject_init(&reject);
        while (*at != '\0') {
            char text[40], *end;
            struct import_fault fault = {.line = strtoull(at, &end, 10)};

            snprintf(text, sizeof(text), "Line %llu: no;",
                     (unsigned long long)fault.line);
            fault.text = str_of(text);
            reject_add(&reject, &fault);
            reject_add(&reject, &fault);
            at = end;
        }
        size_t len = strlen(splits[i].text);

        assert_int_equal(write(fd, splits[i].text, len), len);
        buf_init(&refused, 1 << 20);
        buf_init(&rest, 1 << 20);
        buf_sink_init(&to_refused, &refused);
        buf_sink_init(&to_rest, &rest);
        assert_int_equal(reject_split(&reject, fd, len, &to_refused.sink,
                                      &to_rest.sink, &err),
                         ERR_OK);
        assert_string_equal(refused.data, splits[i].refused);
        assert_string_equal(rest.data, splits[i].rest);
        close(fd);
        buf_done(&refused);
        buf_done(&rest);
        reject_done(&reject);
    }
}

#define WITH_SPOOL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SPOOL(runs_the_jobs_of_a_source_in_order),
        WITH_SPOOL(a_bad_file_changes_nothing_and_says_why),
        WITH_SPOOL(a_job_without_its_file_fails),
        WITH_SPOOL(ten_may_wait),
        WITH_SPOOL(what_was_interrupted_runs_again),
        WITH_SPOOL(an_import_that_is_stopped_is_all_or_nothing),
        WITH_SPOOL(one_of_many_runs_the_jobs),
        WITH_SPOOL(no_job_for_a_source_that_is_gone),
        WITH_SPOOL(refused_lines_go_with_their_source),
        WITH_SPOOL(nothing_is_left_lying_about),
        WITH_SPOOL(files_are_their_owners_only),
        cmocka_unit_test(splits_a_file_by_its_bad_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

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
#include "core/upload_file.h"
#include "store/find.h"
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
start_on(const struct spool *on)
{
    const struct job_options options = {
        .db = f.db, .spool = on, .lease_ms = 2500};
    struct job_runner *runner;
    struct error err = ERROR_INIT;

    assert_int_equal(job_runner_start(&options, &runner, &err), ERR_OK);
    return runner;
}

static struct job_runner *
start(void)
{
    return start_on(spool);
}

static int
new_file(struct str text)
{
    struct error err = ERROR_INIT;
    int fd = -1;

    assert_int_equal(spool_create(spool, &fd, &err), ERR_OK);
    assert_int_equal(write(fd, text.at, text.len), text.len);
    return fd;
}

static enum error_code
put_in_line(const struct source *source, struct str text, const char *key,
            struct job *ret)
{
    struct job job = {.source = source->number,
                      .source_id = source->source_id,
                      .length = (int64_t)text.len,
                      .idempotency_key = str_of(key)};
    struct error err = ERROR_INIT;
    int fd = new_file(text);
    enum error_code rc = job_enqueue(f.db, &job, fd, NULL, &err);

    close(fd);
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
find_file(const struct job *job, enum upload_kind kind, struct upload_file *ret)
{
    struct error err = ERROR_INIT;
    struct db_tx *tx;

    assert_int_equal(db_read_begin(f.db, &tx, &err), ERR_OK);
    enum error_code rc = upload_find(tx, kind, &job->id, ret, &err);

    db_read_end(tx);
    assert_true(rc == ERR_OK || rc == ERR_NOT_FOUND);
    return rc == ERR_OK;
}

static bool
has_file(const struct job *job)
{
    struct upload_file file;

    return find_file(job, UPLOAD_WAITING, &file);
}

static void
must_hold(enum upload_kind kind, const struct job *job, const char *text)
{
    CLEANUP(buf_done) struct buf bytes;
    struct error err = ERROR_INIT;
    uint64_t length;
    int fd;

    assert_int_equal(upload_file_read(f.db, spool, kind, &job->id, job->source,
                                      &fd, &length, &err),
                     ERR_OK);
    buf_init(&bytes, 64 << 20);
    fixture_read(fd, &bytes);
    close(fd);
    assert_int_equal(bytes.len, length);
    assert_string_equal(bytes.data, text);
}

/* How many files there are, unfinished ones among them. */
static int64_t
count_files(void)
{
    struct error err = ERROR_INIT;
    struct db_query *query;
    struct db_tx *tx;

    assert_int_equal(db_read_begin(f.db, &tx, &err), ERR_OK);
    query = db_query_text(tx, "SELECT COUNT(*) FROM upload_file");
    assert_int_equal(db_step(query, &err), ERR_OK);
    int64_t count = db_col_int(query, 0);

    db_end(query);
    db_read_end(tx);
    return count;
}

/* Run a job in the name of a node that is not there. */
static enum error_code
claim(struct db_tx *tx, void *context, struct error *err)
{
    const struct uuid *node = context;
    struct uuid id;
    enum error_code rc = job_next(tx, &id, err);

    return rc == ERR_OK ? job_claim(tx, &id, node, err) : rc;
}

static void
claim_for(const struct uuid *node)
{
    struct error err = ERROR_INIT;
    struct uuid copy = *node;

    assert_int_equal(db_write(f.db, claim, &copy, &err), ERR_OK);
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
    struct upload_file file;
    struct job bad = enqueue(&f.source,
                             STR(HEADER "one,A,B" TAIL "two,,B" TAIL
                                        "three,A,B" TAIL "ONE,A,B" TAIL));
    struct job good = enqueue(&f.source, STR(HEADER "four,A,B" TAIL));
    struct job_runner *runner = start();

    (void)state;
    arena_init(&arena, 1 << 20);
    wait_for(&good.id, JOB_COMPLETED);
    struct job job = look(&bad.id, &arena);

    assert_int_equal(job.status, JOB_ERROR);
    assert_true(str_eq(job.errors,
                       STR("Line 3: firstName is required;\n"
                           "Line 5: accountName is already used on line 2;")));
    assert_int_equal(count_records(&f.source), 1);
    must_hold(UPLOAD_REFUSED, &bad,
              "_line,_error," HEADER
              "3,Line 3: firstName is required;,two,,B" TAIL
              "5,Line 5: accountName is already used on line 2;,ONE,A,B" TAIL);
    assert_false(find_file(&good, UPLOAD_REFUSED, &file));
    job_runner_stop(runner);
    assert_false(has_file(&bad));
}

static enum error_code
lose_file(struct db_tx *tx, void *context, struct error *err)
{
    return upload_remove(tx, UPLOAD_WAITING, context, err);
}

static void
a_job_without_its_file_fails(void **state)
{
    CLEANUP(arena_done) struct arena arena;
    struct job job = enqueue(&f.source, STR(HEADER "one,A,B" TAIL));

    (void)state;
    arena_init(&arena, 1 << 20);
    struct error err = ERROR_INIT;

    assert_int_equal(db_write(f.db, lose_file, &job.id, &err), ERR_OK);
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
    /* 10 and 1, and nothing of those that were refused. */
    assert_int_equal(count_files(), 11);
}

static void
a_node_that_comes_back_goes_on_at_once(void **state)
{
    struct job job = enqueue(&f.source, STR(HEADER "one,A,B" TAIL));

    (void)state;
    claim_for(spool_node(spool));
    assert_int_equal(status_of(&job.id), JOB_IN_PROGRESS);
    struct job_runner *runner = start();
    int64_t begun_ms = clock_mono_ms();

    wait_for(&job.id, JOB_COMPLETED);
    assert_true(clock_mono_ms() - begun_ms < 2500);
    job_runner_stop(runner);
    assert_int_equal(count_records(&f.source), 1);
}

static enum error_code
beat(struct db_tx *tx, void *context, struct error *err)
{
    return node_beat(tx, context, err);
}

static void
a_dead_node_loses_its_job_and_a_living_one_does_not(void **state)
{
    struct job job = enqueue(&f.source, STR(HEADER "one,A,B" TAIL));
    struct uuid other = uuid_mint();
    struct error err = ERROR_INIT;

    (void)state;
    claim_for(&other);
    struct job_runner *runner = start();

    for (int i = 0; i < 10; i++) {
        usleep(300000);
        assert_int_equal(db_write(f.db, beat, &other, &err), ERR_OK);
    }
    assert_int_equal(status_of(&job.id), JOB_IN_PROGRESS);
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
        assert_true(done || status_of(&job.id) == JOB_PENDING);
        assert_int_equal(count_records(&source), done ? rows : 0);
        assert_true(done || has_file(&job));
        runner = start();
        wait_for(&job.id, JOB_COMPLETED);
        job_runner_stop(runner);
        assert_int_equal(count_records(&source), rows);
    }
    assert_in_range(stopped, 1, 12);
}

/* Nodes of their own, on one database: each job runs once. */
static void
nodes_share_the_jobs(void **state)
{
    struct job_runner *runners[3];
    struct spool *spools[3];
    struct source sources[4];
    struct job jobs[24];
    struct error err = ERROR_INIT;

    (void)state;
    for (int i = 0; i < 3; i++) {
        char path[sizeof(directory) + 8];

        snprintf(path, sizeof(path), "%s.%d", directory, i);
        assert_int_equal(spool_open(path, &spools[i], &err), ERR_OK);
        runners[i] = start_on(spools[i]);
    }
    for (int i = 0; i < 4; i++) {
        char name[20];

        snprintf(name, sizeof(name), "Shared %d", i);
        sources[i] = fixture_source(&f, name);
    }
    for (unsigned i = 0; i < COUNT(jobs); i++) {
        char text[300];

        snprintf(text, sizeof(text), HEADER "one,A,B" TAIL "n%u,A,B" TAIL, i);
        jobs[i] = enqueue(&sources[i % 4], str_of(text));
        job_runner_wake(runners[i % 3]);
    }
    for (unsigned i = 0; i < COUNT(jobs); i++) {
        CLEANUP(arena_done) struct arena arena;

        arena_init(&arena, 1 << 20);
        wait_for(&jobs[i].id, JOB_COMPLETED);
        struct job job = look(&jobs[i].id, &arena);

        assert_int_equal(job.records_created, i < 4 ? 2 : 1);
    }
    for (int i = 0; i < 3; i++) {
        job_runner_stop(runners[i]);
        spool_close(spools[i]);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(count_records(&sources[i]), 1 + COUNT(jobs) / 4);
}

static void
two_processes_on_one_directory_are_two_nodes(void **state)
{
    struct error err = ERROR_INIT;
    struct spool *second;
    struct uuid first = *spool_node(spool);

    (void)state;
    assert_int_equal(spool_open(directory, &second, &err), ERR_OK);
    assert_false(uuid_eq(spool_node(second), &first));
    spool_close(second);
    spool_close(spool);
    assert_int_equal(spool_open(directory, &spool, &err), ERR_OK);
    assert_true(uuid_eq(spool_node(spool), &first));
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

/* --- files --------------------------------------------------------------- */

/* `length` bytes, another one at each place. */
static int
long_file(struct buf *bytes, size_t length)
{
    buf_init(bytes, length + 1);
    for (size_t i = 0; i < length; i++)
        buf_char(bytes, (char)('a' + (i + i / 251 + i / 65521) % 26));
    return new_file(buf_view(bytes));
}

static enum error_code
finish(struct db_tx *tx, void *context, struct error *err)
{
    const struct uuid *ids = context;

    return upload_finish(tx, &ids[0], UPLOAD_REFUSED, &ids[1], err);
}

static void
files_of_any_length_come_back(void **state)
{
    static const size_t lengths[] = {0,
                                     1,
                                     UPLOAD_CHUNK_BYTES - 1,
                                     UPLOAD_CHUNK_BYTES,
                                     UPLOAD_CHUNK_BYTES + 1,
                                     4 * UPLOAD_CHUNK_BYTES,
                                     9 * UPLOAD_CHUNK_BYTES + 7};
    struct uuid ids[2] = {{{0}}, uuid_mint()};
    struct error err = ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(lengths); i++) {
        CLEANUP(buf_done) struct buf bytes;
        struct job job = {.id = ids[1], .source = f.source.number};
        int fd = long_file(&bytes, lengths[i]);

        assert_int_equal(upload_file_write(f.db, &f.source.id, UPLOAD_REFUSED,
                                           fd, lengths[i], &ids[0], &err),
                         ERR_OK);
        close(fd);
        /* The one before gives way. */
        assert_int_equal(db_write(f.db, finish, ids, &err), ERR_OK);
        must_hold(UPLOAD_REFUSED, &job, bytes.data ? bytes.data : "");
        upload_file_drop(f.db, &ids[0]);
        assert_int_equal(count_files(), 1);
        assert_int_equal(upload_file_read(f.db, spool, UPLOAD_REFUSED, &ids[1],
                                          job.source + 1, &fd, &(uint64_t){0},
                                          &err),
                         ERR_NOT_FOUND);
    }
    assert_int_equal(db_write(f.db, delete_source, &f.source, &err), ERR_OK);
    assert_int_equal(count_files(), 0);
}

static enum error_code
sweep(struct db_tx *tx, void *context, struct error *err)
{
    (void)context;
    return upload_sweep(tx, err);
}

static void
nothing_is_left_lying_about(void **state)
{
    struct uuid ids[2] = {{{0}}, uuid_mint()}, unfinished;
    struct error err = ERROR_INIT;
    int64_t now_ms = clock_now_ms();
    int fd = new_file(STR("x"));

    (void)state;
    assert_int_equal(upload_file_write(f.db, &f.source.id, UPLOAD_REFUSED, fd,
                                       1, &ids[0], &err),
                     ERR_OK);
    assert_int_equal(db_write(f.db, finish, ids, &err), ERR_OK);
    assert_int_equal(upload_file_write(f.db, &f.source.id, UPLOAD_WAITING, fd,
                                       1, &unfinished, &err),
                     ERR_OK);
    close(fd);
    /* The unfinished one goes first, the refused lines after a day. */
    for (int64_t minute = 50; count_files() > 0; minute += 60) {
        clock_set_for_test(now_ms + minute * 60 * 1000);
        assert_int_equal(db_write(f.db, sweep, NULL, &err), ERR_OK);
        assert_int_equal(count_files(), (minute < 60) + (minute < 24 * 60));
    }
    clock_set_for_test(-1);
}

static void
a_directory_that_is_not_there(void **state)
{
    struct error err = ERROR_INIT;
    struct spool *nowhere;
    struct stat status;

    (void)state;
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

/* --- what a large import left ------------------------------------------ */

static enum error_code
forget_all(struct db_tx *tx, void *context UNUSED, struct error *err)
{
    return find_forget(tx, f.source.number, err);
}

/* Rows before it are found. */
static int64_t
mark_of_source(void)
{
    struct db_tx *tx;
    int64_t mark = 0;

    assert_int_equal(db_read_begin(f.db, &tx, NULL), ERR_OK);
    assert_int_equal(find_mark(tx, f.source.number, &mark, NULL), ERR_OK);
    db_read_end(tx);
    return mark;
}

/* Somebody has just written, so the next rows are few. */
static void
writers_do_not_wait_for_many_rows_to_be_found(void **state UNUSED)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    struct job_runner *runner;
    int64_t first;

    fixture_fill(&f, &f.source, 3000, "Doe");
    assert_int_equal(db_write(f.db, forget_all, NULL, NULL), ERR_OK);
    assert_int_equal(mark_of_source(), 1);
    runner = start();
    while ((first = mark_of_source()) == 1)
        nanosleep(&pause, NULL);
    assert_in_range(first, 2, 1001);
    while (mark_of_source() < 3001)
        nanosleep(&pause, NULL);
    job_runner_stop(runner);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SPOOL(runs_the_jobs_of_a_source_in_order),
        WITH_SPOOL(a_bad_file_changes_nothing_and_says_why),
        WITH_SPOOL(a_job_without_its_file_fails),
        WITH_SPOOL(ten_may_wait),
        WITH_SPOOL(a_node_that_comes_back_goes_on_at_once),
        WITH_SPOOL(a_dead_node_loses_its_job_and_a_living_one_does_not),
        WITH_SPOOL(an_import_that_is_stopped_is_all_or_nothing),
        WITH_SPOOL(nodes_share_the_jobs),
        WITH_SPOOL(two_processes_on_one_directory_are_two_nodes),
        WITH_SPOOL(no_job_for_a_source_that_is_gone),
        WITH_SPOOL(files_of_any_length_come_back),
        WITH_SPOOL(nothing_is_left_lying_about),
        WITH_SPOOL(a_directory_that_is_not_there),
        cmocka_unit_test(splits_a_file_by_its_bad_lines),
        WITH_SPOOL(writers_do_not_wait_for_many_rows_to_be_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

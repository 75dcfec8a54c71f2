#include "db/db.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "db/scratch.h"

enum { MAKE, ADD, COUNT_ROWS, ORDER, ECHO, FEW_PAGES, GROW, FIRST, STATEMENTS };

static const struct db_statement statements[STATEMENTS] = {
    [MAKE] = {"make", "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE)",
              true, false},
    [ADD] = {"add", "INSERT INTO t (b, a) VALUES ($2, $1)", true, false},
    [COUNT_ROWS] = {"count", "SELECT COUNT(*) FROM t", false, false},
    [ORDER] = {"order", "SELECT $3, $1, $2, $1", false, false},
    [ECHO] = {"echo", "SELECT $1, typeof($1)", false, false},
    [FEW_PAGES] = {"few_pages", "PRAGMA max_page_count = 20", true, false},
    [GROW] = {"grow",
              "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 "
              "FROM n WHERE i < $2) INSERT INTO t SELECT i + $1, "
              "hex(randomblob(1000)) FROM n",
              true, false},
    [FIRST] = {"first", "SELECT a FROM t LIMIT 1", false, false},
};

static struct db *
open_waiting(const struct scratch *scratch, unsigned busy_ms)
{
    const struct db_options options = {.statements = statements,
                                       .statement_count = STATEMENTS,
                                       .busy_ms = busy_ms,
                                       .cache_bytes = 1 << 20};
    struct error err = ERROR_INIT;
    struct db *db = NULL;
    enum error_code rc = db_open(scratch->url, &options, true, &db, &err);

    if (rc != ERR_OK)
        fail_msg("%s | %s", err.text, err.detail);
    return db;
}

static enum error_code
make(struct db_tx *tx, void *context, struct error *err)
{
    (void)context;
    return db_run(db_query(tx, MAKE), NULL, err);
}

static struct db *
open_table(const struct scratch *scratch)
{
    struct db *db = open_waiting(scratch, 2000);

    assert_int_equal(db_write(db, make, NULL, NULL), ERR_OK);
    return db;
}

static enum error_code
add_row(struct db_tx *tx, int64_t a, const char *b, struct error *err)
{
    struct db_query *query = db_query(tx, ADD);

    db_int(query, 1, a);
    db_str(query, 2, str_of(b));
    return db_run(query, NULL, err);
}

static int64_t
count_in(struct db_tx *tx)
{
    struct db_query *query = db_query(tx, COUNT_ROWS);

    assert_int_equal(db_step(query, NULL), ERR_OK);
    int64_t count = db_col_int(query, 0);

    db_end(query);
    return count;
}

static int64_t
count_rows(struct db *db)
{
    struct db_tx *tx = NULL;

    assert_int_equal(db_read_begin(db, &tx, NULL), ERR_OK);
    int64_t count = count_in(tx);

    db_read_end(tx);
    return count;
}

static enum error_code
add_later(struct db_tx *tx, void *context, struct error *err)
{
    struct db_query *query = db_query(tx, ADD);
    enum error_code rc = ERR_OK;

    for (int64_t a = 1; rc == ERR_OK && a <= 3; a++) {
        db_int(query, 1, a);
        db_null(query, 2);
        rc = db_exec_later(query, err);
    }
    if (rc == ERR_OK)
        rc = db_settle(query, context, err);
    db_end(query);
    return rc;
}

static void
db_settle_counts_what_was_done_since_the_start(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_table(&scratch);
    int64_t changes = 0;

    (void)state;
    assert_int_equal(db_write(db, add_later, &changes, NULL), ERR_OK);
    assert_int_equal(changes, 3);
    assert_int_equal(count_rows(db), 3);
    changes = 0;
    assert_int_equal(db_write(db, add_later, &changes, NULL), ERR_CONFLICT);
    assert_int_equal(changes, 0);
    assert_int_equal(count_rows(db), 3);
    db_close(db);
}

/* SQLite itself numbers $3 first here. */
static void
db_binds_parameters_by_their_numbers(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_table(&scratch);
    struct db_tx *tx = NULL;

    (void)state;
    assert_int_equal(db_read_begin(db, &tx, NULL), ERR_OK);
    struct db_query *query = db_query(tx, ORDER);

    db_int(query, 1, 11);
    db_int(query, 2, 22);
    db_int(query, 3, 33);
    assert_int_equal(db_step(query, NULL), ERR_OK);
    assert_int_equal(db_col_int(query, 0), 33);
    assert_int_equal(db_col_int(query, 1), 11);
    assert_int_equal(db_col_int(query, 2), 22);
    assert_int_equal(db_col_int(query, 3), 11);
    assert_int_equal(db_step(query, NULL), ERR_END);
    db_end(query);
    db_read_end(tx);
    db_close(db);
}

static void
db_keeps_every_kind_of_value(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_table(&scratch);
    const struct uuid id = uuid_mint();
    struct db_tx *tx = NULL;

    (void)state;
    assert_int_equal(db_read_begin(db, &tx, NULL), ERR_OK);
    struct db_query *query = db_query(tx, ECHO);

    static const int64_t ints[] = {0, -1, INT64_MAX, INT64_MIN};

    for (size_t i = 0; i < COUNT(ints); i++) {
        db_int(query, 1, ints[i]);
        assert_int_equal(db_step(query, NULL), ERR_OK);
        assert_true(db_col_int(query, 0) == ints[i]);
        db_reset(query);
    }
    static const struct {
        struct str text;
    } texts[] = {{{NULL, 0}}, {{"", 0}}, {{"a\0b", 3}}, {{"\xc3\xa9\xff", 3}}};

    for (size_t i = 0; i < COUNT(texts); i++) {
        db_str(query, 1, texts[i].text);
        assert_int_equal(db_step(query, NULL), ERR_OK);
        assert_true(str_eq(db_col_str(query, 0), texts[i].text));
        assert_false(db_col_is_null(query, 0));
        assert_true(str_eq(db_col_str(query, 1), STR("text")));
        db_reset(query);
    }
    db_uuid(query, 1, &id);
    assert_int_equal(db_step(query, NULL), ERR_OK);
    struct uuid back = db_col_uuid(query, 0);

    assert_true(uuid_eq(&back, &id));
    db_reset(query);

    db_null(query, 1);
    assert_int_equal(db_step(query, NULL), ERR_OK);
    assert_true(db_col_is_null(query, 0));
    assert_int_equal(db_col_int(query, 0), 0);
    assert_int_equal(db_col_str(query, 0).len, 0);
    db_end(query);
    db_read_end(tx);
    db_close(db);
}

static enum error_code
add_seven(struct db_tx *tx, void *context, struct error *err)
{
    (void)context;
    return add_row(tx, 7, "seven", err);
}

static void
db_read_is_a_snapshot(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_table(&scratch);
    struct db_tx *tx = NULL;

    (void)state;
    assert_int_equal(db_read_begin(db, &tx, NULL), ERR_OK);
    assert_int_equal(count_in(tx), 0);
    assert_int_equal(db_write(db, add_seven, NULL, NULL), ERR_OK);
    assert_int_equal(count_in(tx), 0);
    assert_int_equal(count_rows(db), 1);
    db_read_end(tx);
    db_close(db);
}

/* A conflict is an answer, not the end of the transaction. */
static enum error_code
add_in_spite_of_conflict(struct db_tx *tx, void *context, struct error *err)
{
    (void)context;
    assert_int_equal(add_row(tx, 7, "other", err), ERR_CONFLICT);
    assert_int_equal(add_row(tx, 8, "seven", err), ERR_CONFLICT);
    return add_row(tx, 9, "nine", err);
}

static void
db_conflict_leaves_the_transaction_usable(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_table(&scratch);
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(db_write(db, add_seven, NULL, NULL), ERR_OK);
    assert_int_equal(db_write(db, add_in_spite_of_conflict, NULL, &err),
                     ERR_OK);
    assert_int_equal(count_rows(db), 2);
    db_close(db);
}

/* Leaves its query open, which is no reason to keep the transaction open. */
static enum error_code
add_and_fail(struct db_tx *tx, void *context, struct error *err)
{
    struct db_query *query = db_query(tx, COUNT_ROWS);

    (void)context;
    assert_int_equal(add_row(tx, 7, "seven", err), ERR_OK);
    assert_int_equal(db_step(query, err), ERR_OK);
    return error_set(err, ERR_NOT_FOUND, NULL);
}

static void
db_write_that_fails_alone_leaves_nothing(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_table(&scratch);

    (void)state;
    assert_int_equal(db_write(db, add_and_fail, NULL, NULL), ERR_NOT_FOUND);
    assert_int_equal(count_rows(db), 0);
    assert_int_equal(db_write(db, add_seven, NULL, NULL), ERR_OK);
    assert_int_equal(count_rows(db), 1);
    db_close(db);
}

static void
db_statement_that_cannot_be_prepared_fails_at_its_first_step(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_waiting(&scratch, 1000); /* without the table */
    struct error err = ERROR_INIT;
    struct db_tx *tx = NULL;

    (void)state;
    assert_int_equal(db_read_begin(db, &tx, NULL), ERR_OK);
    struct db_query *query = db_query(tx, COUNT_ROWS);

    db_int(query, 1, 5); /* binding is harmless */
    assert_int_equal(db_step(query, &err), ERR_INTERNAL);
    assert_string_equal(err.text, "");
    assert_non_null(strstr(err.detail, "count: no such table: t"));
    db_end(query);
    db_read_end(tx);

    /* It is prepared again once it can be. */
    assert_int_equal(db_write(db, make, NULL, NULL), ERR_OK);
    assert_int_equal(count_rows(db), 0);
    db_close(db);
}

/* ---- texts ----------------------------------------------------------- */

static struct str
text_answer(struct db_query *query)
{
    assert_int_equal(db_step(query, NULL), ERR_OK);
    return db_col_str(query, 0);
}

static void
db_text_is_kept_and_given_up_without_a_difference(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_waiting(&scratch, 1000);
    struct db_tx *tx = NULL;
    char sql[64];

    (void)state;
    assert_int_equal(db_read_begin(db, &tx, NULL), ERR_OK);
    /* More texts than are kept, in rounds, so that each is given up. */
    for (int i = 0; i < 100; i++) {
        snprintf(sql, sizeof(sql), "SELECT $2 + %d, $1", i % 25);
        struct db_query *query = db_query_text(tx, sql);

        memset(sql, 'x', sizeof(sql) - 1);
        db_int(query, 2, 1000);
        assert_int_equal(db_step(query, NULL), ERR_OK);
        assert_int_equal(db_col_int(query, 0), 1000 + i % 25);
        assert_true(db_col_is_null(query, 1)); /* nothing bound before */
        db_reset(query);
        db_int(query, 1, i);
        db_end(query);
    }
    db_read_end(tx);
    db_close(db);
}

static void
db_text_may_be_open_twice(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_waiting(&scratch, 1000);
    struct db_query *query[12];
    struct db_tx *tx = NULL;

    (void)state;
    assert_int_equal(db_read_begin(db, &tx, NULL), ERR_OK);
    for (int i = 0; i < (int)COUNT(query); i++) {
        query[i] = db_query_text(tx, "SELECT $1");
        db_int(query[i], 1, i);
        assert_int_equal(db_step(query[i], NULL), ERR_OK);
    }
    for (int i = 0; i < (int)COUNT(query); i++)
        assert_int_equal(db_col_int(query[i], 0), i);
    db_end(query[0]); /* the others are ended with the transaction */
    db_read_end(tx);
    assert_int_equal(db_read_begin(db, &tx, NULL), ERR_OK);
    query[0] = db_query_text(tx, "SELECT $1");
    assert_int_equal(db_step(query[0], NULL), ERR_OK);
    assert_true(db_col_is_null(query[0], 0));
    db_end(query[0]);
    db_read_end(tx);
    db_close(db);
}

static void
db_text_that_cannot_be_prepared_fails_at_its_first_step(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_waiting(&scratch, 1000);
    struct error err = ERROR_INIT;
    struct db_tx *tx = NULL;

    (void)state;
    assert_int_equal(db_read_begin(db, &tx, NULL), ERR_OK);
    struct db_query *query = db_query_text(tx, "SELECT $1 FROM nowhere");

    db_int(query, 1, 5);
    assert_int_equal(db_step(query, &err), ERR_INTERNAL);
    assert_non_null(strstr(err.detail, "no such table: nowhere"));
    db_end(query);
    db_read_end(tx);
    db_close(db);
}

static void
db_text_folds_beyond_ascii(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_waiting(&scratch, 1000);
    struct db_tx *tx = NULL;

    (void)state;
    assert_int_equal(db_read_begin(db, &tx, NULL), ERR_OK);
    struct db_query *query = db_query_text(tx, "SELECT lower($1)");

    db_str(query, 1, STR("\xc3\x84\xd0\x96 Q\xff"));
    assert_true(str_eq(text_answer(query), STR("\xc3\xa4\xd0\xb6 q\xff")));
    db_reset(query);
    db_str(query, 1, STR(""));
    assert_int_equal(text_answer(query).len, 0);
    assert_false(db_col_is_null(query, 0));
    db_reset(query);
    db_null(query, 1);
    assert_int_equal(text_answer(query).len, 0);
    assert_true(db_col_is_null(query, 0));
    db_end(query);
    db_read_end(tx);
    db_close(db);
}

/* ---- groups ---------------------------------------------------------- */

struct gate {
    sem_t inside, open;
};

/* Holds the writer until the gate opens. */
static enum error_code
wait_at_gate(struct db_tx *tx, void *context, struct error *err)
{
    struct gate *gate = context;

    (void)tx;
    (void)err;
    sem_post(&gate->inside);
    sem_wait(&gate->open);
    return ERR_OK;
}

struct caller {
    pthread_t thread;
    struct db *db;
    db_work *work;
    void *context;
    int64_t a;
    int64_t seen_inside, seen_outside;
    enum error_code rc;
    struct error err;
};

static void *
call_write(void *context)
{
    struct caller *caller = context;

    caller->rc = db_write(caller->db, caller->work,
                          caller->context ? caller->context : caller,
                          &caller->err);
    return NULL;
}

/* Adds a row; those with odd numbers then fail. */
static enum error_code
add_or_fail(struct db_tx *tx, void *context, struct error *err)
{
    struct caller *caller = context;
    char text[32];

    caller->seen_inside = count_in(tx);
    caller->seen_outside = count_rows(caller->db);
    snprintf(text, sizeof(text), "row %d", (int)caller->a);
    enum error_code rc = add_row(tx, caller->a, text, err);

    if (rc == ERR_OK && caller->a % 2 == 1)
        return error_set(err, ERR_VALUE, "odd %d", (int)caller->a);
    return rc;
}

/* Row by row: after such a failure SQLite gives up the whole transaction. */
static enum error_code
add_too_much(struct db_tx *tx, void *context, struct error *err)
{
    struct db_query *query = db_query(tx, FEW_PAGES);
    enum error_code rc = db_step(query, err);
    char text[2000];

    (void)context;
    assert_int_equal(rc, ERR_OK);
    db_end(query);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int i = 1000; rc == ERR_OK && i < 2000; i++) {
        snprintf(text, 8, "%d", i);
        text[strlen(text)] = 'x';
        rc = add_row(tx, i, text, err);
    }
    return rc;
}

#define CALLERS 24

/* Start the callers' writes while the writer is held, so that they form one
 * group, and wait for them. */
static void
write_as_group(struct db *db, struct caller *callers, int count)
{
    struct gate gate;
    struct caller holder = {.db = db, .work = wait_at_gate, .context = &gate};
    const struct timespec pause = {.tv_nsec = 10000000};

    sem_init(&gate.inside, 0, 0);
    sem_init(&gate.open, 0, 0);
    pthread_create(&holder.thread, NULL, call_write, &holder);
    sem_wait(&gate.inside);
    for (int i = 0; i < count; i++) {
        pthread_create(&callers[i].thread, NULL, call_write, &callers[i]);
        /* Keeps the order of the queue: it has come, and is about to wait. */
        while (counted(&db_stats(db)->writing) < (uint64_t)i + 2)
            nanosleep(&pause, NULL);
        nanosleep(&pause, NULL);
    }
    sem_post(&gate.open);
    pthread_join(holder.thread, NULL);
    for (int i = 0; i < count; i++)
        pthread_join(callers[i].thread, NULL);
    sem_destroy(&gate.inside);
    sem_destroy(&gate.open);
}

static void
db_commits_waiting_writes_together_and_undoes_only_failed_ones(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_table(&scratch);
    struct caller callers[CALLERS];

    (void)state;
    for (int i = 0; i < CALLERS; i++)
        callers[i] = (struct caller){.db = db, .work = add_or_fail, .a = i};
    write_as_group(db, callers, CALLERS);
    for (int i = 0; i < CALLERS; i++) {
        char text[32];

        /* It saw those before it, though nobody outside did yet. */
        assert_int_equal(callers[i].seen_inside, (i + 1) / 2);
        assert_int_equal(callers[i].seen_outside, 0);
        assert_int_equal(callers[i].rc, i % 2 ? ERR_VALUE : ERR_OK);
        if (i % 2) {
            snprintf(text, sizeof(text), "odd %d", i);
            assert_string_equal(callers[i].err.text, text);
        }
    }
    assert_int_equal(count_rows(db), CALLERS / 2);
    db_close(db);

    /* Still there when the file is opened again. */
    db = open_waiting(&scratch, 1000);
    assert_int_equal(count_rows(db), CALLERS / 2);
    db_close(db);
}

static void
db_write_without_space_takes_no_other_down(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_table(&scratch);
    struct caller callers[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        callers[i] = (struct caller){
            .db = db, .work = i == 2 ? add_too_much : add_or_fail, .a = 2 * i};
    write_as_group(db, callers, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(callers[i].rc, i == 2 ? ERR_UNAVAILABLE : ERR_OK);
    assert_int_equal(count_rows(db), 3);
    db_close(db);
}

static void *
call_many(void *context)
{
    struct caller *caller = context;

    for (int i = 0; i < 50 && caller->rc == ERR_OK; i++, caller->a += 2)
        caller->rc = db_write(caller->db, add_or_fail, caller, &caller->err);
    return NULL;
}

static void
db_writes_of_many_threads_all_last(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_table(&scratch);
    struct caller callers[CALLERS];

    (void)state;
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.db = db, .a = 1000 * i};
        pthread_create(&callers[i].thread, NULL, call_many, &callers[i]);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].rc, ERR_OK);
    }
    assert_int_equal(count_rows(db), CALLERS * 50);
    db_close(db);
}

static enum error_code
add_many(struct db_tx *tx, void *context, struct error *err)
{
    struct db_query *query = db_query(tx, GROW);

    db_int(query, 1, 0);
    db_int(query, 2, *(int *)context);
    return db_run(query, NULL, err);
}

static void
db_log_shrinks_after_a_large_transaction(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_table(&scratch);
    const struct timespec pause = {.tv_nsec = 10000000};
    char wal[128];
    struct stat st;
    int rows = 20000;

    (void)state;
    snprintf(wal, sizeof(wal), "%s-wal", scratch_path(&scratch));
    assert_int_equal(db_write(db, add_many, &rows, NULL), ERR_OK);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(stat(wal, &st), 0);
        if (st.st_size == 0)
            break;
        nanosleep(&pause, NULL);
    }
    assert_int_equal(st.st_size, 0);
    assert_int_equal(count_rows(db), rows);
    db_close(db);
}

/* ---- reads that are held ---------------------------------------------- */

struct block {
    int64_t after, rows;
};

static enum error_code
add_block(struct db_tx *tx, void *context, struct error *err)
{
    const struct block *block = context;
    struct db_query *query = db_query(tx, GROW);

    db_int(query, 1, block->after);
    db_int(query, 2, block->rows);
    return db_run(query, NULL, err);
}

/* Add rows that fill some thousand pages of the log; the log's size then. */
static int64_t
add_to_log(struct db *db, struct block *block, const struct scratch *scratch)
{
    char wal[128];
    struct stat st;

    for (int i = 0; i < 10; i++) {
        block->rows = 200;
        assert_int_equal(db_write(db, add_block, block, NULL), ERR_OK);
        block->after += block->rows;
    }
    snprintf(wal, sizeof(wal), "%s-wal", scratch_path(scratch));
    assert_int_equal(stat(wal, &st), 0);
    return st.st_size;
}

static void
db_read_sees_what_anybody_has_committed(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_table(&scratch), *other = open_waiting(&scratch, 2000);
    struct db_tx *tx = NULL;

    (void)state;
    for (int i = 0; i < 100; i++) {
        struct block block = {i, 1};

        assert_int_equal(count_rows(db), i);
        assert_int_equal(count_rows(db), i);
        assert_int_equal(db_write(i % 2 ? db : other, add_block, &block, NULL),
                         ERR_OK);
    }
    /* Also when the read had begun without looking at anything. */
    assert_int_equal(db_read_begin(db, &tx, NULL), ERR_OK);
    db_read_end(tx);
    assert_int_equal(db_write(other, add_block, &(struct block){100, 1}, NULL),
                     ERR_OK);
    assert_int_equal(count_rows(db), 101);
    db_close(other);
    db_close(db);
}

static void
db_reads_do_not_make_the_log_of_another_process_grow(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_table(&scratch), *other = open_waiting(&scratch, 2000);
    const struct timespec pause = {.tv_sec = 1, .tv_nsec = 500000000};
    struct block block = {0, 0};
    int64_t first = 0;

    (void)state;
    for (int i = 0; i < 4; i++) {
        count_rows(db);
        int64_t size = add_to_log(other, &block, &scratch);

        first = first ? first : size;
        assert_in_range(size, 1, 3 * first);
        nanosleep(&pause, NULL);
    }
    db_close(other);
    db_close(db);
}

struct reading {
    pthread_t thread;
    struct db *db;
    atomic_bool *end;
};

static void *
read_often(void *context)
{
    const struct timespec pause = {.tv_nsec = 50000};
    const struct reading *reading = context;
    struct db_tx *tx;

    while (!atomic_load(reading->end)) {
        assert_int_equal(db_read_begin(reading->db, &tx, NULL), ERR_OK);
        struct db_query *query = db_query(tx, FIRST);

        (void)!db_step(query, NULL);
        db_end(query);
        db_read_end(tx);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void
db_reads_that_come_often_do_not_make_the_log_grow(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_table(&scratch);
    struct reading readers[2];
    struct block block = {0, 0};
    atomic_bool end = false;

    (void)state;
    for (size_t i = 0; i < COUNT(readers); i++) {
        readers[i] = (struct reading){.db = db, .end = &end};
        pthread_create(&readers[i].thread, NULL, read_often, &readers[i]);
    }
    for (int i = 0; i < 10; i++) {
        int64_t size = add_to_log(db, &block, &scratch);

        /* Ten times some 40 MB are written. */
        assert_in_range(size, 1, 100 << 20);
    }
    atomic_store(&end, true);
    for (size_t i = 0; i < COUNT(readers); i++)
        pthread_join(readers[i].thread, NULL);
    db_close(db);
}

/* ---- what goes wrong -------------------------------------------------- */

static void
db_write_gives_up_when_another_process_keeps_the_lock(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_table(&scratch);
    struct error err = ERROR_INIT;
    sqlite3 *other = NULL;

    (void)state;
    db_close(db);
    db = open_waiting(&scratch, 60);
    assert_int_equal(sqlite3_open(scratch_path(&scratch), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                     SQLITE_OK);
    int64_t began = clock_mono_ms();

    assert_int_equal(db_write(db, add_seven, NULL, &err), ERR_UNAVAILABLE);
    assert_in_range(clock_mono_ms() - began, 40, 5000);
    assert_string_equal(err.text, "");
    assert_int_equal(count_rows(db), 0); /* readers do not mind */
    sqlite3_close(other);
    assert_int_equal(db_write(db, add_seven, NULL, &err), ERR_OK);
    db_close(db);
}

static void
db_read_waits_for_nobody(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_waiting(&scratch, 50);
    struct db_tx *tx[40];

    (void)state;
    for (size_t i = 0; i < COUNT(tx); i++)
        assert_int_equal(db_read_begin(db, &tx[i], NULL), ERR_OK);
    for (size_t i = 0; i < COUNT(tx); i++)
        db_read_end(tx[i]);
    db_close(db);
}

static void
db_open_refuses_what_is_no_database(void **state)
{
    SCRATCH scratch = scratch_make();
    const struct db_options options = {.busy_ms = 100};
    static const struct {
        const char *url;
        enum error_code want;
        const char *text;
    } cases[] = {
        {"mysql://u:secret@h/d", ERR_VALUE,
         "cannot use a database of the kind \"mysql\": give sqlite:PATH or "
         "postgresql://..."},
        {"", ERR_VALUE,
         "cannot use a database of the kind \"\": give sqlite:PATH or "
         "postgresql://..."},
        {"sqlite:", ERR_VALUE, "the database's path is empty or too long"},
        {"sqlite:/nowhere/x.db", ERR_UNAVAILABLE,
         "there is no database \"/nowhere/x.db\": \"nelm init\" makes one"},
        {"sqlite:/dev/null/x.db", ERR_UNAVAILABLE, NULL},
    };
    struct error err;
    struct db *db = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        err = ERROR_INIT;
        print_message("%s\n", cases[i].url);
        assert_int_equal(db_open(cases[i].url, &options, false, &db, &err),
                         cases[i].want);
        assert_null(db);
        if (cases[i].text != NULL)
            assert_string_equal(err.text, cases[i].text);
    }

    char url[128];

    snprintf(url, sizeof(url), "sqlite:%s/text", scratch.dir);
    FILE *out = fopen(url + strlen("sqlite:"), "w");

    assert_non_null(out);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", out);
    fclose(out);
    assert_int_equal(db_open(url, &options, true, &db, &err), ERR_INTERNAL);
    assert_non_null(strstr(err.text, "could not open the database"));
    assert_non_null(strstr(err.text, "damaged or of another kind"));
    assert_string_equal(err.detail, ""); /* it would be said twice */
}

/* Names that mean something to SQLite are files like any other here. */
static void
db_open_takes_every_path_as_a_file(void **state)
{
    SCRATCH scratch = scratch_make();
    const struct db_options options = {.busy_ms = 100};
    static const char *const names[] = {":memory:", "file:x?mode=memory"};
    char here[4096], url[64];

    (void)state;
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(scratch.dir), 0);
    for (size_t i = 0; i < COUNT(names); i++) {
        struct db *db = NULL;

        snprintf(url, sizeof(url), "sqlite:%s", names[i]);
        assert_int_equal(db_open(url, &options, true, &db, NULL), ERR_OK);
        db_close(db);
        assert_int_equal(access(names[i], F_OK), 0);
    }
    assert_int_equal(chdir(here), 0);
}

static void
db_open_makes_private_files(void **state)
{
    SCRATCH scratch = scratch_make();
    mode_t old = umask(0);
    struct db *db = open_table(&scratch);
    char path[128];
    struct stat st;

    (void)state;
    umask(old);
    assert_int_equal(stat(scratch_path(&scratch), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    snprintf(path, sizeof(path), "%s-wal", scratch_path(&scratch));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    snprintf(path, sizeof(path), "%s/new", scratch.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    db_close(db);
}

/* In a process of its own, because nothing is read-only for root. */
static void
db_open_in_a_directory_that_is_read_only_is_unavailable(void **state)
{
    SCRATCH scratch = scratch_make();
    const struct db_options options = {.busy_ms = 100};
    int status = 0;

    (void)state;
    assert_int_equal(chmod(scratch.dir, 0555), 0);
    pid_t child = fork();

    if (child == 0) {
        struct db *db = NULL;

        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(99);
        _exit((int)db_open(scratch.url, &options, true, &db, NULL));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ERR_UNAVAILABLE);
    assert_int_equal(chmod(scratch.dir, 0700), 0);
}

static enum error_code
grow_by_hundreds(struct db_tx *tx, void *context, struct error *err)
{
    struct db_query *query = db_query(tx, GROW);

    db_int(query, 1, *(int64_t *)context);
    db_int(query, 2, 800);
    return db_run(query, NULL, err);
}

/* One statement that changes more pages than are remembered in memory. */
static void
db_statement_may_change_any_number_of_pages(void **state)
{
    SCRATCH scratch = scratch_make();
    struct db *db = open_table(&scratch);

    (void)state;
    for (int64_t from = 0; from < 4000; from += 1000) {
        struct error err = ERROR_INIT;

        if (db_write(db, grow_by_hundreds, &from, &err) != ERR_OK)
            fail_msg("%s | %s", err.text, err.detail);
    }
    assert_int_equal(count_rows(db), 3200);
    db_close(db);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(db_settle_counts_what_was_done_since_the_start),
        cmocka_unit_test(db_binds_parameters_by_their_numbers),
        cmocka_unit_test(db_keeps_every_kind_of_value),
        cmocka_unit_test(db_read_is_a_snapshot),
        cmocka_unit_test(db_conflict_leaves_the_transaction_usable),
        cmocka_unit_test(db_write_that_fails_alone_leaves_nothing),
        cmocka_unit_test(
            db_statement_that_cannot_be_prepared_fails_at_its_first_step),
        cmocka_unit_test(db_text_is_kept_and_given_up_without_a_difference),
        cmocka_unit_test(db_text_may_be_open_twice),
        cmocka_unit_test(
            db_text_that_cannot_be_prepared_fails_at_its_first_step),
        cmocka_unit_test(db_text_folds_beyond_ascii),
        cmocka_unit_test(
            db_commits_waiting_writes_together_and_undoes_only_failed_ones),
        cmocka_unit_test(db_write_without_space_takes_no_other_down),
        cmocka_unit_test(db_statement_may_change_any_number_of_pages),
        cmocka_unit_test(db_writes_of_many_threads_all_last),
        cmocka_unit_test(db_log_shrinks_after_a_large_transaction),
        cmocka_unit_test(db_read_sees_what_anybody_has_committed),
        cmocka_unit_test(db_reads_do_not_make_the_log_of_another_process_grow),
        cmocka_unit_test(db_reads_that_come_often_do_not_make_the_log_grow),
        cmocka_unit_test(db_write_gives_up_when_another_process_keeps_the_lock),
        cmocka_unit_test(db_read_waits_for_nobody),
        cmocka_unit_test(db_open_refuses_what_is_no_database),
        cmocka_unit_test(db_open_takes_every_path_as_a_file),
        cmocka_unit_test(db_open_makes_private_files),
        cmocka_unit_test(
            db_open_in_a_directory_that_is_read_only_is_unavailable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

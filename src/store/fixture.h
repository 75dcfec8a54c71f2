/*
 * fixture.h - a database of one's own for a test of the store. For tests
 * only; include cmocka first.
 *
 * Memory:  FIXTURE cleans up at the end of its scope.
 * Errors:  fail the test.
 * Threads: one at a time.
 */
#ifndef NELM_STORE_FIXTURE_H
#define NELM_STORE_FIXTURE_H

#include "db/migrate.h"
#include "db/scratch.h"
#include "store/open.h"
#include "store/store.h"

struct fixture {
    struct scratch scratch;
    struct db *db;
    struct arena arena; /* for rows; a test resets it when it likes */
    struct db_tx *read;
    struct error err;
};

static inline void
fixture_check(const struct fixture *fixture, enum error_code rc)
{
    if (rc != ERR_OK)
        fail_msg("%s: %s | %s", error_name(rc), fixture->err.text,
                 fixture->err.detail);
}

static inline void
fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){.scratch = scratch_make()};
    arena_init(&fixture->arena, 1 << 20);
    fixture_check(fixture, store_open(fixture->scratch.url, true, &fixture->db,
                                      &fixture->err));
    fixture_check(fixture, migrate_run(fixture->db, NULL, NULL, &fixture->err));
}

static inline void
fixture_done(struct fixture *fixture)
{
    db_read_end(fixture->read);
    db_close(fixture->db);
    arena_done(&fixture->arena);
    scratch_done(&fixture->scratch);
}

/* A write that must succeed. */
static inline void
fixture_write(struct fixture *fixture, db_work *work, void *context)
{
    fixture_check(fixture, db_write(fixture->db, work, context, &fixture->err));
}

/* A read transaction of the newest state. */
static inline struct db_tx *
fixture_read(struct fixture *fixture)
{
    db_read_end(fixture->read);
    fixture->read = NULL;
    fixture_check(fixture,
                  db_read_begin(fixture->db, &fixture->read, &fixture->err));
    return fixture->read;
}

#define FIXTURE CLEANUP(fixture_done) struct fixture

#endif

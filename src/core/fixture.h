/*
 * fixture.h - a database with a source in it, for the tests of this layer.
 *
 * Memory:  a directory under $TMPDIR, removed by fixture_done().
 * Errors:  a failure fails the test.
 * Threads: struct fixture after fixture_init() may be shared; each function
 *          is a transaction of its own.
 */
#ifndef NELM_CORE_FIXTURE_H
#define NELM_CORE_FIXTURE_H

#include "base/buf.h"
#include "core/validate.h"

struct fixture {
    char dir[64];
    char cache[80]; /* a directory in it that does not exist yet */
    struct db *db;
    struct source source; /* empty, as made */
};

void fixture_init(struct fixture *f);
void fixture_done(struct fixture *f);

/* Another source. */
struct source fixture_source(struct fixture *f, const char *name);

/* A custom text attribute; returns its number. */
int64_t fixture_attribute(struct fixture *f, const struct source *source,
                          const char *technical_name);

/* One record with these texts and dates of 2020; `custom` may be NULL. */
void fixture_record(struct fixture *f, const struct source *source,
                    const char *const text[FIELD_TEXTS], const char *custom);

/* `rows` records "person.0", ... with this last name; those that are there
 * already are updated. One transaction. */
void fixture_fill(struct fixture *f, const struct source *source, unsigned rows,
                  const char *last_name);

struct source_mark fixture_mark(struct fixture *f, const struct source *source);

/* All of a file, NUL-terminated. */
void fixture_read(int fd, struct buf *ret);

#endif

#include "core/fixture.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "db/migrate.h"
#include "store/open.h"
#include "store/record_store.h"

#define MUST(call)                                                      \
    do {                                                                \
        struct error err = ERROR_INIT;                                  \
        if ((call) != ERR_OK)                                           \
            fail_msg("%s: %s %s", #call, error_text(&err), err.detail); \
    } while (0)

void
fixture_init(struct fixture *f)
{
    const char *tmp = getenv("TMPDIR");
    char url[128];
    int from;

    snprintf(f->dir, sizeof(f->dir), "%.40s/nelm-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->cache, sizeof(f->cache), "%s/cache", f->dir);
    snprintf(url, sizeof(url), "sqlite:%s/test.db", f->dir);
    MUST(store_open(url, true, &f->db, &err));
    MUST(migrate_run(f->db, NULL, &from, &err));
    f->source = fixture_source(f, "Contractors");
}

static int
remove_item(const char *path, const struct stat *st UNUSED, int kind UNUSED,
            struct FTW *ftw UNUSED)
{
    return remove(path);
}

void
fixture_done(struct fixture *f)
{
    db_close(f->db);
    nftw(f->dir, remove_item, 8, FTW_DEPTH | FTW_PHYS);
}

static enum error_code
make_source(struct db_tx *tx, void *context, struct error *err)
{
    return source_insert(tx, context, err);
}

struct source
fixture_source(struct fixture *f, const char *name)
{
    struct source source = {.name = str_of(name), .description = STR("x")};

    MUST(db_write(f->db, make_source, &source, &err));
    return source;
}

struct new_attribute {
    const struct source *source;
    struct attribute attribute;
};

static enum error_code
make_attribute(struct db_tx *tx, void *context, struct error *err)
{
    struct new_attribute *new = context;

    return schema_insert(tx, new->source->number, &new->attribute, err);
}

int64_t
fixture_attribute(struct fixture *f, const struct source *source,
                  const char *technical_name)
{
    struct new_attribute new = {
        .source = source,
        .attribute = {.type = STR("TEXT"),
                      .label = str_of(technical_name),
                      .technical_name = str_of(technical_name)}};

    MUST(db_write(f->db, make_attribute, &new, &err));
    return new.attribute.number;
}

struct new_records {
    const struct source *source;
    const char *const *text; /* NULL: `rows` people */
    const char *custom, *last_name;
    unsigned rows;
};

static enum error_code
write_one(struct record_writer *writer, struct record *record,
          struct arena *arena, struct error *err)
{
    struct record old;
    enum error_code rc = record_by_account(writer->tx, writer->source,
                                           record->text[FIELD_ACCOUNT_NAME],
                                           arena, &old, err);

    if (rc == ERR_NOT_FOUND)
        return record_insert(writer, record, err);
    if (rc != ERR_OK)
        return rc;
    record->key = old.key;
    record->id = old.id;
    record->created_ms = old.created_ms;
    return record_update(writer, record, err);
}

static enum error_code
make_records(struct db_tx *tx, void *context, struct error *err)
{
    const struct new_records *new = context;
    struct actor nobody = {0};
    struct record_writer writer;
    struct arena arena;
    enum error_code rc;

    arena_init(&arena, 1 << 20);
    rc = record_write_begin(&writer, tx, new->source->number, clock_now_ms(),
                            &nobody, err);
    if (rc != ERR_OK)
        return rc;
    for (unsigned i = 0; rc == ERR_OK && i < new->rows; i++) {
        char account[32];
        /* 2020-04-05T08:00:00-10:00, 2020-08-07T19:00:00Z */
        struct record record = {.source = new->source->number,
                                .custom = str_of(new->custom),
                                .start = {1586109600000, -600},
                                .end = {1596826800000, 0}};

        snprintf(account, sizeof(account), "person.%u", i);
        for (size_t t = 0; t < FIELD_TEXTS; t++)
            record.text[t] = str_of(new->text ? new->text[t] : "Some Text");
        if (new->text == NULL) {
            record.text[FIELD_ACCOUNT_NAME] = str_of(account);
            record.text[FIELD_LAST_NAME] = str_of(new->last_name);
        }
        rc = write_one(&writer, &record, &arena, err);
        arena_reset(&arena);
    }
    enum error_code finished = record_write_finish(&writer,
                                                   rc == ERR_OK ? err : NULL);

    arena_done(&arena);
    return rc != ERR_OK ? rc : finished;
}

void
fixture_record(struct fixture *f, const struct source *source,
               const char *const text[FIELD_TEXTS], const char *custom)
{
    struct new_records new = {source, text, custom, NULL, 1};

    MUST(db_write(f->db, make_records, &new, &err));
}

void
fixture_fill(struct fixture *f, const struct source *source, unsigned rows,
             const char *last_name)
{
    struct new_records new = {source, NULL, NULL, last_name, rows};

    MUST(db_write(f->db, make_records, &new, &err));
}

struct source_mark
fixture_mark(struct fixture *f, const struct source *source)
{
    struct source_mark mark;
    struct db_tx *tx;

    MUST(db_read_begin(f->db, &tx, &err));
    MUST(source_mark(tx, &source->id, &mark, &err));
    db_read_end(tx);
    return mark;
}

void
fixture_read(int fd, struct buf *ret)
{
    off_t at = 0;
    ssize_t got;

    do {
        char *to = buf_reserve(ret, 65536);

        assert_non_null(to);
        got = pread(fd, to, 65536, at);
        assert_true(got >= 0);
        ret->len += (size_t)got;
        at += got;
        to[got] = '\0';
    } while (got > 0);
}

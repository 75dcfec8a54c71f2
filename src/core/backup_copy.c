#include "core/backup.h"
#include "db/migrate.h"
#include "store/auth_store.h"
#include "store/chain.h"

#define ROWS_BYTES ((size_t)64 << 20) /* of the rows that wait */

struct copy {
    struct db *to;
    struct db_tx *from;
    const struct backup_progress *progress;
    struct backup_summary *ret;
};

/* What is read lives until the next row, what is written until its batch. */
static enum error_code
keep_row(struct arena *arena, const struct table *table,
         struct cell row[TABLE_COLUMNS_MAX], struct error *err)
{
    for (size_t i = 0; table->column[i].name != NULL; i++)
        if (!row[i].null && table->column[i].kind != COLUMN_INT)
            row[i].bytes = arena_str(arena, row[i].bytes);
    return arena->failed ? error_busy(err, "no memory for rows") : ERR_OK;
}

static enum error_code
copy_table(struct copy *copy, struct db_tx *to, const struct table *table,
           struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct cell row[TABLE_COLUMNS_MAX];
    struct table_reader reader;
    struct table_writer writer;
    int64_t rows = 0;
    enum error_code rc;

    arena_init(&arena, ROWS_BYTES);
    table_read_begin(&reader, copy->from, table);
    table_write_begin(&writer, to, table);
    while ((rc = table_read(&reader, row, err)) == ERR_OK) {
        rc = keep_row(&arena, table, row, err);
        if (rc == ERR_OK)
            rc = table_write(&writer, row, err);
        if (rc != ERR_OK)
            break;
        if (writer.waiting == 0)
            arena_reset(&arena);
        rows++;
        if (copy->progress != NULL && rows % 1024 == 0)
            copy->progress->show(copy->progress->context, 0,
                                 (uint64_t)(copy->ret->rows + rows));
    }
    if (rc == ERR_END)
        rc = table_flush(&writer, err);
    table_write_end(&writer);
    table_read_end(&reader);
    copy->ret->rows += rows;
    if (strcmp(table->name, "record") == 0)
        copy->ret->records = rows;
    return rc;
}

static enum error_code
copy_work(struct db_tx *tx, void *context, struct error *err)
{
    struct copy *copy = context;
    SUMS want = SUMS_INIT;
    SUMS found = SUMS_INIT;
    enum error_code rc = backup_require_empty(tx, err);

    copy->ret->rows = copy->ret->records = 0;
    if (rc == ERR_OK)
        rc = table_clear_all(tx, err);
    for (size_t i = 0; rc == ERR_OK && i < table_count; i++)
        rc = copy_table(copy, tx, &table_list[i], err);
    if (rc == ERR_OK)
        rc = table_renumber_all(copy->to, tx, err);
    if (rc == ERR_OK)
        rc = sums_read(copy->from, &want, err);
    if (rc == ERR_OK)
        rc = sums_read(tx, &found, err);
    if (rc == ERR_OK)
        rc = sums_compare(&want, &found, err);
    copy->ret->sources = want.count;
    return rc;
}

static enum error_code
read_registry(struct db_tx *tx, struct uuid *ret, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct registry registry;

    arena_init(&arena, 64 << 10);
    enum error_code rc = registry_find(tx, &arena, &registry, err);

    if (rc == ERR_OK)
        *ret = registry.id;
    return rc;
}

enum error_code
backup_copy(struct db *from, struct db *to,
            const struct backup_progress *progress, struct backup_summary *ret,
            struct error *err)
{
    struct copy copy = {.to = to, .progress = progress, .ret = ret};
    enum error_code rc = migrate_check(from, err);

    *ret = (struct backup_summary){.created_ms = clock_now_ms(),
                                   .schema_version = migrate_latest(),
                                   .keys = true};
    if (rc == ERR_OK)
        rc = migrate_run(to, chain_seal, NULL, err);
    if (rc == ERR_OK)
        rc = db_read_begin(from, &copy.from, err);
    if (rc != ERR_OK)
        return rc;
    rc = read_registry(copy.from, &ret->registry, err);
    if (rc == ERR_OK)
        rc = db_write_long(to, copy_work, &copy, err);
    db_read_end(copy.from);
    return rc;
}

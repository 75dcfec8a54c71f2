#include "core/sums.h"

#include <stdlib.h>

#include "core/export.h"
#include "fmt/digest.h"

#define ARENA_BYTES ((size_t)1 << 20)

enum error_code
sums_add(struct sums *sums, const struct sum *sum, struct error *err)
{
    if (sums->count == sums->size) {
        size_t size = sums->size ? 2 * sums->size : 64;
        struct sum *more = realloc(sums->sum, size * sizeof(*more));

        if (more == NULL)
            return error_busy(err, "no memory for the sums");
        sums->sum = more;
        sums->size = size;
    }
    sums->sum[sums->count++] = *sum;
    return ERR_OK;
}

struct list {
    struct sums *sums;
    struct error *err;
    enum error_code rc;
};

static bool
list_source(void *context, const struct source *source)
{
    struct list *list = context;

    list->rc = sums_add(list->sums, &(struct sum){.id = source->id}, list->err);
    return list->rc == ERR_OK;
}

static enum error_code
render(struct db_tx *tx, struct sum *sum, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct digest_sink digest;
    struct schema schema;

    arena_init(&arena, ARENA_BYTES);
    digest_begin(&digest, NULL);
    enum error_code rc = schema_load(tx, &sum->id, &arena, &schema, err);

    if (rc == ERR_OK)
        rc = export_run(tx, &schema, 0, &digest.sink, &sum->records, err);
    if (rc != ERR_OK)
        return rc;
    sum->revision = schema.source.revision;
    sum->changed_ms = schema.source.changed_ms;
    sum->bytes = digest.length;
    digest_finish(&digest, sum->sha256);
    return ERR_OK;
}

enum error_code
sums_read(struct db_tx *tx, struct sums *ret, struct error *err)
{
    CLEANUP(arena_done) struct arena scratch;
    struct list list = {.sums = ret, .err = err};

    ret->count = 0;
    arena_init(&scratch, ARENA_BYTES);
    enum error_code rc = source_each(tx, &scratch, list_source, &list, err);

    if (rc == ERR_OK)
        rc = list.rc;
    for (size_t i = 0; rc == ERR_OK && i < ret->count; i++)
        rc = render(tx, &ret->sum[i], err);
    return rc;
}

enum error_code
sums_compare(const struct sums *want, const struct sums *found,
             struct error *err)
{
    char id[UUID_TEXT];

    if (want->count != found->count)
        return error_set(err, ERR_CONTENT, "there are %zu sources and not %zu",
                         found->count, want->count);
    for (size_t i = 0; i < want->count; i++) {
        const struct sum *a = &want->sum[i], *b = &found->sum[i];

        if (!uuid_eq(&a->id, &b->id) || a->revision != b->revision ||
            a->changed_ms != b->changed_ms || a->records != b->records ||
            a->bytes != b->bytes ||
            memcmp(a->sha256, b->sha256, sizeof(a->sha256)) != 0)
            return error_set(err, ERR_CONTENT,
                             "the CSV of source %s is not the same",
                             uuid_dashed(&a->id, id));
    }
    return ERR_OK;
}

void
sums_done(struct sums *sums)
{
    free(sums->sum);
    *sums = SUMS_INIT;
}

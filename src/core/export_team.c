#include "core/export_team.h"

#include <pthread.h>

/* A chunk is so many segments, and waits in a slot for its turn to be written.
 * Rows of the usual length make half a megabyte of it; one that does not fit is
 * left to the caller, who needs no room for it. */
#define CHUNK_SEGMENTS 4
#define SLOT_BYTES ((size_t)1 << 20)
#define SLOTS_MAX (2 * (EXPORT_HELPERS_MAX + 1))
#define LEAST_SEGMENTS 32

struct slot {
    struct sink sink; /* into `bytes` */
    enum { SLOT_EMPTY, SLOT_WHOLE, SLOT_LEFT } state;
    struct buf bytes;
    struct {
        int64_t number, rows;
        size_t end; /* in `bytes` */
    } segments[CHUNK_SEGMENTS];
    size_t count;
};

struct team {
    struct db *db;
    const struct schema *schema;
    unsigned variant;
    int64_t first, last; /* segments */
    int64_t chunks;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    int64_t taken, written; /* chunks before */
    bool stop;
    struct slot slots[SLOTS_MAX];
    int64_t slot_count;
};

static struct slot *
slot_of(struct team *team, int64_t chunk)
{
    return &team->slots[chunk % team->slot_count];
}

static int64_t
chunk_first(const struct team *team, int64_t chunk)
{
    return team->first + chunk * CHUNK_SEGMENTS;
}

static int64_t
chunk_last(const struct team *team, int64_t chunk)
{
    return MIN(chunk_first(team, chunk + 1) - 1, team->last);
}

/* The next chunk that nobody makes and that has a slot, or -1. With the lock
 * held. */
static int64_t
take(struct team *team)
{
    if (team->stop || team->taken == team->chunks ||
        team->taken == team->written + team->slot_count)
        return -1;
    return team->taken++;
}

/* Takes what there is no room for as well: a stream that is cut off ends its
 * transaction. */
static enum error_code
keep_bytes(struct sink *sink, const void *bytes, size_t len,
           struct error *err UNUSED)
{
    buf_add(&((struct slot *)sink)->bytes, bytes, len);
    return ERR_OK;
}

static enum error_code
keep_segment(void *context, int64_t number, int64_t rows,
             struct error *err UNUSED)
{
    struct slot *slot = context;

    slot->segments[slot->count].number = number;
    slot->segments[slot->count].rows = rows;
    slot->segments[slot->count++].end = slot->bytes.len;
    return ERR_OK;
}

static void
fill_slot(struct team *team, struct export *export, int64_t chunk)
{
    struct slot *slot = slot_of(team, chunk);
    enum error_code rc;

    buf_clear(&slot->bytes);
    slot->count = 0;
    export->sink = &slot->sink;
    rc = export_segments(export, chunk_first(team, chunk),
                         chunk_last(team, chunk), keep_segment, slot, NULL);
    pthread_mutex_lock(&team->lock);
    slot->state = rc == ERR_OK && !slot->bytes.failed ? SLOT_WHOLE : SLOT_LEFT;
    pthread_cond_broadcast(&team->changed);
    pthread_mutex_unlock(&team->lock);
}

/* Does the transaction see what the schema was read with? */
static bool
sees_the_same(struct db_tx *tx, const struct source *source)
{
    struct source_mark mark;

    return source_mark(tx, &source->id, &mark, NULL) == ERR_OK &&
           mark.revision == source->revision &&
           mark.changed_ms == source->changed_ms;
}

static void
help_with(struct team *team, struct db_tx *tx)
{
    CLEANUP(export_done) struct export export;
    int64_t chunk;

    export_begin(&export, tx, team->schema, team->variant, NULL);
    for (;;) {
        pthread_mutex_lock(&team->lock);
        while ((chunk = take(team)) < 0 && !team->stop &&
               team->taken < team->chunks)
            pthread_cond_wait(&team->changed, &team->lock);
        pthread_mutex_unlock(&team->lock);
        if (chunk < 0)
            return;
        fill_slot(team, &export, chunk);
    }
}

static void *
help(void *context)
{
    struct team *team = context;
    struct db_tx *tx;

    /* Who waited here could wait for a caller who waits for its end. */
    if (db_read_try(team->db, &tx, NULL) != ERR_OK)
        return NULL;
    if (sees_the_same(tx, &team->schema->source))
        help_with(team, tx);
    db_read_end(tx);
    return NULL;
}

/* Until the chunk is there, make others. */
static void
await(struct team *team, struct export *export, int64_t chunk)
{
    struct slot *slot = slot_of(team, chunk);

    pthread_mutex_lock(&team->lock);
    while (slot->state == SLOT_EMPTY) {
        int64_t other = take(team);

        if (other < 0) {
            pthread_cond_wait(&team->changed, &team->lock);
            continue;
        }
        pthread_mutex_unlock(&team->lock);
        fill_slot(team, export, other);
        pthread_mutex_lock(&team->lock);
    }
    pthread_mutex_unlock(&team->lock);
}

static enum error_code
write_slot(const struct slot *slot, struct sink *sink, export_ended *ended,
           void *context, struct error *err)
{
    size_t at = 0;

    for (size_t i = 0; i < slot->count; i++) {
        size_t end = slot->segments[i].end;
        enum error_code rc = sink_write(sink, slot->bytes.data + at, end - at,
                                        err);

        if (rc == ERR_OK)
            rc = ended(context, slot->segments[i].number,
                       slot->segments[i].rows, err);
        if (rc != ERR_OK)
            return rc;
        at = end;
    }
    return ERR_OK;
}

static void
free_slot(struct team *team, struct slot *slot)
{
    pthread_mutex_lock(&team->lock);
    slot->state = SLOT_EMPTY;
    team->written++;
    pthread_cond_broadcast(&team->changed);
    pthread_mutex_unlock(&team->lock);
}

static enum error_code
lead(struct team *team, struct export *export, export_ended *ended,
     void *context, struct error *err)
{
    struct sink *sink = export->sink;
    enum error_code rc = ERR_OK;

    for (int64_t chunk = 0; rc == ERR_OK && chunk < team->chunks; chunk++) {
        struct slot *slot = slot_of(team, chunk);

        await(team, export, chunk);
        export->sink = sink;
        if (slot->state == SLOT_WHOLE)
            rc = write_slot(slot, sink, ended, context, err);
        else
            rc = export_segments(export, chunk_first(team, chunk),
                                 chunk_last(team, chunk), ended, context, err);
        free_slot(team, slot);
    }
    return rc;
}

enum error_code
export_team_segments(struct db *db, unsigned helpers, struct export *export,
                     int64_t first, int64_t last, export_ended *ended,
                     void *context, struct error *err)
{
    pthread_t threads[EXPORT_HELPERS_MAX];
    struct team team = {.db = db,
                        .schema = export->schema,
                        .variant = export->variant,
                        .first = MAX(first, 0),
                        .last = last};
    unsigned count = 0;
    enum error_code rc = ERR_OK;

    helpers = MIN(helpers, EXPORT_HELPERS_MAX);
    if (helpers == 0 || last - first < LEAST_SEGMENTS)
        return export_segments(export, first, last, ended, context, err);
    if (first == EXPORT_HEAD)
        rc = export_segments(export, first, first, ended, context, err);
    if (rc != ERR_OK)
        return rc;
    team.chunks = (last - team.first) / CHUNK_SEGMENTS + 1;
    team.slot_count = 2 * ((int64_t)helpers + 1);
    pthread_mutex_init(&team.lock, NULL);
    pthread_cond_init(&team.changed, NULL);
    for (int64_t i = 0; i < team.slot_count; i++) {
        team.slots[i].sink.write = keep_bytes;
        buf_init(&team.slots[i].bytes, SLOT_BYTES);
    }
    while (count < helpers &&
           pthread_create(&threads[count], NULL, help, &team) == 0)
        count++;
    rc = lead(&team, export, ended, context, err);
    pthread_mutex_lock(&team.lock);
    team.stop = true;
    pthread_cond_broadcast(&team.changed);
    pthread_mutex_unlock(&team.lock);
    while (count > 0)
        pthread_join(threads[--count], NULL);
    for (int64_t i = 0; i < team.slot_count; i++)
        buf_done(&team.slots[i].bytes);
    pthread_cond_destroy(&team.changed);
    pthread_mutex_destroy(&team.lock);
    return rc;
}

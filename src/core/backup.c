#include "core/backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "core/bundle.h"
#include "core/row_text.h"
#include "db/migrate.h"
#include "fmt/digest.h"
#include "fmt/jw.h"
#include "store/auth_store.h"
#include "store/chain.h"

#define PIECE_BYTES ((size_t)4 << 20) /* then a new one begins */

const char *const backup_kinds[] = {
    [COLUMN_INT] = "integer", [COLUMN_TEXT] = "text", [COLUMN_BLOB] = "bytes"};

struct run {
    struct db_tx *tx;
    const struct backup_progress *progress;
    struct backup_summary *ret;
    bool keys;
    struct bundle bundle;
    uint64_t bytes;                   /* written, before compression */
    struct buf piece;                 /* rows that wait */
    struct buf pieces, tables, heads; /* JSON elements of the manifest */
    struct jw piece_json, table_json, head_json;
    struct jwt_key key; /* that signs */
    bool key_known;
    struct error *err;
    enum error_code rc;
};

static void
member_hex(struct jw *json, const char *name, const unsigned char bytes[32])
{
    char hex[65];

    hex_encode(bytes, 32, hex);
    jw_member_text(json, name, hex);
}

/* One piece into the file, and into the list of all. */
static enum error_code
add_piece(struct run *run, const char *name, struct str bytes,
          struct error *err)
{
    unsigned char sha256[32];

    digest_of(bytes.at, bytes.len, sha256);
    jw_object(&run->piece_json);
    jw_member_text(&run->piece_json, "name", name);
    jw_member_int(&run->piece_json, "bytes", (int64_t)bytes.len);
    member_hex(&run->piece_json, "sha256", sha256);
    jw_object_end(&run->piece_json);
    run->bytes += bytes.len;
    run->ret->pieces++;
    return bundle_add(&run->bundle, name, bytes, err);
}

static enum error_code
add_head(struct run *run, struct error *err)
{
    struct jw json;

    buf_clear(&run->piece);
    jw_init(&json, &run->piece);
    jw_object(&json);
    jw_member_text(&json, "format", "nelm backup");
    jw_member_int(&json, "version", BACKUP_VERSION);
    jw_member_text(&json, "program", "nelm " NELM_VERSION);
    jw_member_int(&json, "schemaVersion", run->ret->schema_version);
    jw_object_end(&json);
    buf_char(&run->piece, '\n');
    return add_piece(run, BACKUP_HEAD, buf_view(&run->piece), err);
}

/* ---- tables ---------------------------------------------------------- */

static enum error_code
end_piece(struct run *run, const struct table *table, unsigned *number,
          struct error *err)
{
    char name[BUNDLE_NAME_MAX];

    if (run->piece.failed)
        return error_busy(err, "no memory for a piece of the backup");
    if (run->piece.len == 0)
        return ERR_OK;
    snprintf(name, sizeof(name), "tables/%s/%06u.tsv", table->name, ++*number);
    enum error_code rc = add_piece(run, name, buf_view(&run->piece), err);

    buf_clear(&run->piece);
    return rc;
}

static void
note_table(struct run *run, const struct table *table, int64_t rows)
{
    struct jw *json = &run->table_json;

    jw_object(json);
    jw_member_text(json, "name", table->name);
    jw_member_text(json, "of", table->of ? table->of : table->name);
    jw_member_int(json, "keys", (int64_t)table->keys);
    jw_member_bool(json, "update", table->update);
    jw_member_int(json, "rows", rows);
    jw_key(json, "columns");
    jw_array(json);
    for (size_t i = 0; i < table_columns(table); i++) {
        jw_object(json);
        jw_member_text(json, "name", table->column[i].name);
        jw_member_text(json, "kind", backup_kinds[table->column[i].kind]);
        jw_object_end(json);
    }
    jw_array_end(json);
    jw_object_end(json);
    run->ret->rows += rows;
    if (strcmp(table->name, "record") == 0)
        run->ret->records = rows;
}

static enum error_code
add_table(struct run *run, const struct table *table, struct error *err)
{
    struct cell row[TABLE_COLUMNS_MAX];
    struct table_reader reader;
    unsigned number = 0;
    int64_t rows = 0;
    enum error_code rc;

    buf_clear(&run->piece);
    table_read_begin(&reader, run->tx, table);
    while ((rc = table_read(&reader, row, err)) == ERR_OK) {
        row_text_add(&run->piece, table, row);
        rows++;
        if (run->piece.len < PIECE_BYTES && !run->piece.failed)
            continue;
        rc = end_piece(run, table, &number, err);
        if (rc != ERR_OK)
            break;
        if (run->progress != NULL)
            run->progress->show(run->progress->context, run->bytes,
                                (uint64_t)(run->ret->rows + rows));
    }
    table_read_end(&reader);
    if (rc == ERR_END)
        rc = end_piece(run, table, &number, err);
    note_table(run, table, rows);
    return rc;
}

static enum error_code
add_tables(struct run *run, struct error *err)
{
    enum error_code rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < table_count; i++)
        if (strcmp(table_list[i].name, "signing_key") == 0 && !run->keys)
            note_table(run, &table_list[i], 0);
        else
            rc = add_table(run, &table_list[i], err);
    return rc;
}

/* ---- manifest -------------------------------------------------------- */

/* The key that signs access tokens signs this too: the newest in use. */
static bool
take_key(void *context, const struct signing_key *key)
{
    struct run *run = context;

    if (key->expires_ms != 0)
        return true;
    run->rc = jwt_key_load(key->private_der, &run->key, run->err);
    run->key_known = run->rc == ERR_OK;
    return false;
}

static bool
note_head(void *context, const struct chain_head *head)
{
    struct run *run = context;
    struct jw *json = &run->head_json;

    jw_object(json);
    jw_member_text(json, "chain", chain_kinds[head->kind]);
    jw_member_int(json, "number", head->source);
    jw_member_int(json, "links", head->last.link);
    member_hex(json, "hash", head->last.hash);
    jw_object_end(json);
    return true;
}

static void
put_sums(struct jw *json, const struct sums *sums)
{
    char id[UUID_TEXT], base64[BASE64_SIZE(32)], digest[80];

    jw_key(json, "sources");
    jw_array(json);
    for (size_t i = 0; i < sums->count; i++) {
        const struct sum *sum = &sums->sum[i];

        base64_encode(sum->sha256, sizeof(sum->sha256), base64);
        snprintf(digest, sizeof(digest), "sha-256=:%s:", base64);
        jw_object(json);
        jw_member_text(json, "id", uuid_dashed(&sum->id, id));
        jw_member_int(json, "revision", sum->revision);
        jw_member_int(json, "changed", sum->changed_ms);
        jw_member_int(json, "records", sum->records);
        jw_member_int(json, "bytes", (int64_t)sum->bytes);
        jw_member_text(json, "reprDigest", digest);
        jw_object_end(json);
    }
    jw_array_end(json);
}

/* "key": [ELEMENTS] of a list that was written beside. */
static void
put_list(struct jw *json, const char *key, const struct buf *elements)
{
    jw_key(json, key);
    jw_array(json);
    buf_str(json->to, buf_view(elements));
    jw_array_end(json);
}

static void
put_manifest(struct run *run, const struct sums *sums, struct buf *to)
{
    char text[UUID_TEXT], time[MOMENT_TEXT];
    struct jw json;

    jw_init(&json, to);
    jw_object(&json);
    jw_member_text(&json, "format", "nelm backup");
    jw_member_int(&json, "version", BACKUP_VERSION);
    jw_member_text(&json, "program", "nelm " NELM_VERSION);
    jw_member_int(&json, "schemaVersion", run->ret->schema_version);
    jw_member_text(&json, "registry", uuid_dashed(&run->ret->registry, text));
    moment_utc(run->ret->created_ms, time);
    jw_member_text(&json, "created", time);
    jw_member_bool(&json, "keys", run->keys);
    jw_key(&json, "key");
    jw_object(&json);
    jw_member_text(&json, "kty", "EC");
    jw_member_text(&json, "crv", "P-256");
    jw_member_text(&json, "kid", run->key.kid);
    jw_member_text(&json, "x", run->key.x);
    jw_member_text(&json, "y", run->key.y);
    jw_object_end(&json);
    put_list(&json, "pieces", &run->pieces);
    put_list(&json, "tables", &run->tables);
    put_sums(&json, sums);
    put_list(&json, "heads", &run->heads);
    jw_object_end(&json);
    buf_char(to, '\n');
}

static enum error_code
add_manifest(struct run *run, struct error *err)
{
    CLEANUP(buf_done) struct buf manifest, signature;
    SUMS sums = SUMS_INIT;

    buf_init(&manifest, BACKUP_MANIFEST_BYTES);
    buf_init(&signature, 2 * BACKUP_MANIFEST_BYTES);
    enum error_code rc = sums_read(run->tx, &sums, err);

    if (rc == ERR_OK)
        rc = chain_each(run->tx, note_head, run, err);
    if (rc != ERR_OK)
        return rc;
    run->ret->sources = sums.count;
    put_manifest(run, &sums, &manifest);
    if (manifest.failed || run->pieces.failed || run->tables.failed ||
        run->heads.failed)
        return error_busy(err, "no memory for the manifest");
    rc = jws_sign(&run->key, BACKUP_TYPE, buf_view(&manifest), &signature, err);
    if (rc == ERR_OK)
        rc = bundle_add(&run->bundle, BACKUP_MANIFEST, buf_view(&manifest),
                        err);
    if (rc == ERR_OK)
        rc = bundle_add(&run->bundle, BACKUP_SIGNATURE, buf_view(&signature),
                        err);
    memcpy(run->ret->kid, run->key.kid, sizeof(run->ret->kid));
    digest_of(manifest.data, manifest.len, run->ret->manifest);
    return rc;
}

static enum error_code
read_registry(struct run *run, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct registry registry;

    arena_init(&arena, 64 << 10);
    enum error_code rc = registry_find(run->tx, &arena, &registry, err);

    if (rc == ERR_OK)
        rc = signing_key_each(run->tx, take_key, run, err);
    if (rc == ERR_OK)
        rc = run->rc;
    if (rc == ERR_OK && !run->key_known)
        return error_set(err, ERR_CONFLICT,
                         "there is no key to sign with: run \"nelm key "
                         "rotate\"");
    if (rc == ERR_OK)
        run->ret->registry = registry.id;
    return rc;
}

static enum error_code
write_all(struct run *run, int fd, struct error *err)
{
    enum error_code rc = read_registry(run, err);

    if (rc == ERR_OK)
        rc = bundle_create(&run->bundle, fd, err);
    if (rc == ERR_OK)
        rc = add_head(run, err);
    if (rc == ERR_OK)
        rc = add_tables(run, err);
    if (rc == ERR_OK)
        rc = add_manifest(run, err);
    if (rc == ERR_OK)
        rc = bundle_finish(&run->bundle, err);
    bundle_done(&run->bundle);
    return rc;
}

enum error_code
backup_write(struct db *db, int fd, bool keys,
             const struct backup_progress *progress, struct backup_summary *ret,
             struct error *err)
{
    struct run run = {
        .progress = progress, .ret = ret, .keys = keys, .err = err};
    enum error_code rc;

    *ret = (struct backup_summary){.created_ms = clock_now_ms(),
                                   .schema_version = migrate_latest(),
                                   .keys = keys};
    rc = db_read_begin(db, &run.tx, err);
    if (rc != ERR_OK)
        return rc;
    buf_init(&run.piece, BUNDLE_PIECE_MAX);
    buf_init(&run.pieces, BACKUP_MANIFEST_BYTES);
    buf_init(&run.tables, BACKUP_MANIFEST_BYTES);
    buf_init(&run.heads, BACKUP_MANIFEST_BYTES);
    jw_init(&run.piece_json, &run.pieces);
    jw_init(&run.table_json, &run.tables);
    jw_init(&run.head_json, &run.heads);
    rc = write_all(&run, fd, err);
    jwt_key_done(&run.key);
    buf_done(&run.heads);
    buf_done(&run.tables);
    buf_done(&run.pieces);
    buf_done(&run.piece);
    db_read_end(run.tx);
    return rc;
}

/*
 * Verification reads the file once and keeps the sum of every piece, then holds
 * them against the manifest, which comes last. A restore reads it once more and
 * takes no piece whose sum is not the one that was verified. Whoever made the
 * file chose how many pieces and tables it names, so the pieces are sorted, and
 * neither are more than a backup can have.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/token.h"
#include "base/secret.h"
#include "core/backup.h"
#include "core/bundle.h"
#include "core/row_text.h"
#include "db/migrate.h"
#include "fmt/digest.h"
#include "fmt/json_read.h"
#include "store/audit_store.h"
#include "store/auth_store.h"
#include "store/chain.h"
#include "store/check.h"

#define TABLES_MAX 100
/* No row of the manifest's list is shorter than 100 bytes. */
#define PIECES_MAX (BACKUP_MANIFEST_BYTES / 100)

struct piece {
    char name[BUNDLE_NAME_MAX];
    size_t bytes;
    unsigned char sha256[32];
    int64_t rows;
    bool listed;
};

struct file {
    int fd;
    const struct backup_check *check;
    const struct backup_progress *progress;
    struct backup_summary *ret;
    struct piece *piece; /* by name, after sort_pieces() */
    size_t count, size;
    int64_t problems;
    uint64_t rows;
    json_t *manifest;
    struct buf buf, manifest_text, signature;
};

static void PRINTF_LIKE(2, 3) problem(struct file *file, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    file->problems++;
    if (file->check->problem != NULL)
        file->check->problem(file->check->context, text);
}

static void
show(const struct file *file)
{
    off_t at = lseek(file->fd, 0, SEEK_CUR);

    if (file->progress != NULL && at >= 0)
        file->progress->show(file->progress->context, (uint64_t)at, file->rows);
}

/* ---- reading --------------------------------------------------------- */

static int
compare_pieces(const void *a, const void *b)
{
    return strcmp(((const struct piece *)a)->name,
                  ((const struct piece *)b)->name);
}

/* One of each name stays. */
static void
sort_pieces(struct file *file)
{
    size_t kept = 0;

    if (file->count > 0)
        qsort(file->piece, file->count, sizeof(struct piece), compare_pieces);
    for (size_t i = 0; i < file->count; i++) {
        struct piece *piece = &file->piece[i];

        if (kept > 0 && compare_pieces(&file->piece[kept - 1], piece) == 0)
            problem(file, "\"%s\" is there twice", piece->name);
        else
            file->piece[kept++] = *piece;
    }
    file->count = kept;
}

static int
compare_name(const void *name, const void *piece)
{
    return strcmp(name, ((const struct piece *)piece)->name);
}

static struct piece *
find_piece(const struct file *file, const char *name)
{
    return file->count > 0 ? bsearch(name, file->piece, file->count,
                                     sizeof(struct piece), compare_name)
                           : NULL;
}

static int64_t
count_lines(struct str text)
{
    int64_t lines = 0;
    const char *at = text.at, *end = text.at + text.len;

    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        lines++;
        at++;
    }
    return lines;
}

static enum error_code
keep_piece(struct file *file, const char *name, struct error *err)
{
    if (file->count == PIECES_MAX)
        return error_set(err, ERR_CONTENT,
                         "the archive has more pieces than nelm writes");
    if (file->count == file->size) {
        size_t size = file->size ? 2 * file->size : 64;
        struct piece *more = realloc(file->piece, size * sizeof(*more));

        if (more == NULL)
            return error_busy(err, "no memory for the list of pieces");
        file->piece = more;
        file->size = size;
    }
    struct piece *piece = &file->piece[file->count++];

    *piece = (struct piece){.bytes = file->buf.len};
    snprintf(piece->name, sizeof(piece->name), "%s", name);
    digest_of(file->buf.data, file->buf.len, piece->sha256);
    if (strncmp(name, "tables/", 7) == 0)
        piece->rows = count_lines(buf_view(&file->buf));
    file->rows += (uint64_t)piece->rows;
    return ERR_OK;
}

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

static int64_t
number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

/* Head and manifest: are they of a version that this program reads? */
static enum error_code
check_version(const json_t *object, struct error *err)
{
    int64_t version = number_of(object, "version");
    int64_t schema = number_of(object, "schemaVersion");

    if (strcmp(text_of(object, "format"), "nelm backup") != 0 || version < 1)
        return error_set(err, ERR_CONTENT, "the file is no backup of nelm");
    if (schema < 1)
        return error_set(err, ERR_CONTENT, "the backup has no schema version");
    if (version > BACKUP_VERSION)
        return error_set(err, ERR_CONFLICT,
                         "the backup has format version %" PRId64
                         " and this program knows versions up to %d: use a "
                         "newer nelm (it was written by %.40s)",
                         version, BACKUP_VERSION, text_of(object, "program"));
    if (schema > migrate_latest())
        return error_set(err, ERR_CONFLICT,
                         "the backup has schema version %" PRId64
                         " and this program knows versions up to %d: use a "
                         "newer nelm (it was written by %.40s)",
                         schema, migrate_latest(), text_of(object, "program"));
    return ERR_OK;
}

static enum error_code
check_head(struct file *file, const char *name, struct error *err)
{
    json_t *head = NULL;
    enum error_code rc;

    if (strcmp(name, BACKUP_HEAD) != 0 ||
        json_read(buf_view(&file->buf), &head, NULL) != ERR_OK)
        return error_set(err, ERR_CONTENT, "the file is no backup of nelm");
    rc = check_version(head, err);
    json_decref(head);
    return rc;
}

static enum error_code
read_pieces(struct file *file, struct bundle *bundle, struct error *err)
{
    bool first = true;
    enum error_code rc;

    while ((rc = bundle_next(bundle, &file->buf, err)) == ERR_OK) {
        struct str bytes = buf_view(&file->buf);

        if (first)
            rc = check_head(file, bundle->name, err);
        first = false;
        if (rc != ERR_OK)
            return rc;
        if (strcmp(bundle->name, BACKUP_MANIFEST) == 0)
            buf_str(&file->manifest_text, bytes);
        else if (strcmp(bundle->name, BACKUP_SIGNATURE) == 0)
            buf_str(&file->signature, bytes);
        else
            rc = keep_piece(file, bundle->name, err);
        if (rc != ERR_OK)
            return rc;
        show(file);
    }
    if (rc != ERR_END)
        return rc;
    if (file->manifest_text.failed || file->signature.failed)
        return error_busy(err, "no memory for the manifest");
    if (file->manifest_text.len == 0)
        return error_set(err, ERR_CONTENT,
                         "the backup has no manifest: it was cut, or is not "
                         "finished");
    sort_pieces(file);
    return ERR_OK;
}

/* ---- verifying ------------------------------------------------------- */

static bool
is_sum(const char *hex, const unsigned char want[32])
{
    unsigned char sha256[32];

    return hex_decode(str_of(hex), sha256, sizeof(sha256)) &&
           memcmp(sha256, want, sizeof(sha256)) == 0;
}

static void
check_pieces(struct file *file)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(file->manifest, "pieces"), i, item)
    {
        const char *name = text_of(item, "name");
        struct piece *piece = find_piece(file, name);

        if (piece == NULL) {
            problem(file, "\"%.100s\" is missing", name);
            continue;
        }
        piece->listed = true;
        if ((int64_t)piece->bytes != number_of(item, "bytes"))
            problem(file, "\"%s\" has %zu bytes and not %" PRId64, name,
                    piece->bytes, number_of(item, "bytes"));
        else if (!is_sum(text_of(item, "sha256"), piece->sha256))
            problem(file, "\"%s\" was changed: its SHA-256 is another one",
                    name);
    }
    for (i = 0; i < file->count; i++)
        if (!file->piece[i].listed)
            problem(file, "\"%s\" is not in the manifest", file->piece[i].name);
}

static void
check_rows(struct file *file)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(file->manifest, "tables"), i, item)
    {
        char prefix[BUNDLE_NAME_MAX];
        int64_t rows = 0, want = number_of(item, "rows");

        snprintf(prefix, sizeof(prefix), "tables/%.60s/",
                 text_of(item, "name"));
        for (size_t j = 0; j < file->count; j++)
            if (strncmp(file->piece[j].name, prefix, strlen(prefix)) == 0)
                rows += file->piece[j].rows;
        if (rows != want)
            problem(file, "table %.60s has %" PRId64 " rows and not %" PRId64,
                    text_of(item, "name"), rows, want);
        file->ret->rows += rows;
        if (strcmp(text_of(item, "name"), "record") == 0)
            file->ret->records = rows;
    }
}

static void
check_signature(struct file *file)
{
    const json_t *jwk = json_object_get(file->manifest, "key");
    struct str text = str_trim(buf_view(&file->signature));
    const struct backup_check *check = file->check;
    struct jwt_key key = {.pkey = NULL};
    bool trusted = check->trusted_count == 0;

    if (file->signature.len == 0) {
        problem(file, "the signature is missing");
        return;
    }
    if (jwt_key_public(str_of(text_of(jwk, "x")), str_of(text_of(jwk, "y")),
                       &key, NULL) != ERR_OK) {
        problem(file, "the key in the manifest is none");
        return;
    }
    memcpy(file->ret->kid, key.kid, sizeof(file->ret->kid));
    if (jws_verify(text, BACKUP_TYPE, buf_view(&file->manifest_text), &key,
                   NULL) != ERR_OK)
        problem(file, "the signature is not of this manifest, or not by the "
                      "key in it");
    for (size_t i = 0; i < check->trusted_count; i++)
        trusted = trusted || str_eq(check->trusted[i], str_of(key.kid));
    if (!trusted)
        problem(file,
                "it was signed with the key %s, which is not the one "
                "that was asked for",
                key.kid);
    jwt_key_done(&key);
}

static enum error_code
read_manifest(struct file *file, struct error *err)
{
    struct moment created;
    struct backup_summary *ret = file->ret;

    if (json_read(buf_view(&file->manifest_text), &file->manifest, NULL) !=
            ERR_OK ||
        !uuid_parse(str_of(text_of(file->manifest, "registry")),
                    &ret->registry) ||
        !moment_parse(str_of(text_of(file->manifest, "created")), &created))
        return error_set(err, ERR_CONTENT, "the manifest cannot be read");
    enum error_code rc = check_version(file->manifest, err);

    if (rc != ERR_OK)
        return rc;
    if (json_array_size(json_object_get(file->manifest, "tables")) > TABLES_MAX)
        return error_set(err, ERR_CONTENT,
                         "the manifest has more than %d tables", TABLES_MAX);
    ret->created_ms = created.ms;
    ret->schema_version = number_of(file->manifest, "schemaVersion");
    ret->keys = json_is_true(json_object_get(file->manifest, "keys"));
    ret->sources = json_array_size(json_object_get(file->manifest, "sources"));
    ret->pieces = file->count;
    digest_of(file->manifest_text.data, file->manifest_text.len, ret->manifest);
    return ERR_OK;
}

static enum error_code
verify_file(struct file *file, struct error *err)
{
    struct bundle bundle = {.archive = NULL};
    enum error_code rc = bundle_open(&bundle, file->fd, err);

    if (rc == ERR_OK)
        rc = read_pieces(file, &bundle, err);
    bundle_done(&bundle);
    if (rc == ERR_OK)
        rc = read_manifest(file, err);
    if (rc != ERR_OK)
        return rc;
    check_signature(file);
    check_pieces(file);
    check_rows(file);
    if (file->problems > 0)
        return error_set(err, ERR_CONTENT,
                         "the backup has %" PRId64 " problem%s, see above",
                         file->problems, file->problems == 1 ? "" : "s");
    return ERR_OK;
}

static void
file_init(struct file *file, int fd, const struct backup_check *check,
          const struct backup_progress *progress, struct backup_summary *ret)
{
    *file = (struct file){
        .fd = fd, .check = check, .progress = progress, .ret = ret};
    *ret = (struct backup_summary){.rows = 0};
    buf_init(&file->buf, BUNDLE_PIECE_MAX + 1);
    buf_init(&file->manifest_text, BUNDLE_PIECE_MAX + 1);
    buf_init(&file->signature, 4096);
}

static void
file_done(struct file *file)
{
    json_decref(file->manifest);
    free(file->piece);
    buf_done(&file->signature);
    buf_done(&file->manifest_text);
    buf_done(&file->buf);
}

enum error_code
backup_verify(int fd, const struct backup_check *check,
              const struct backup_progress *progress,
              struct backup_summary *ret, struct error *err)
{
    CLEANUP(file_done) struct file file;

    file_init(&file, fd, check, progress, ret);
    return verify_file(&file, err);
}

/* ---- restoring ------------------------------------------------------- */

struct restore {
    struct file *file;
    struct db *db;
    struct db_tx *tx;
    struct sums want;
    struct table *tables; /* as the manifest has them */
    size_t table_count;
    const struct table *table; /* whose pieces come */
    struct table_writer writer;
    bool upgrade; /* the file is of an older schema */
};

enum error_code
backup_require_empty(struct db_tx *tx, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct registry registry;

    arena_init(&arena, 64 << 10);
    enum error_code rc = registry_find(tx, &arena, &registry, err);

    if (rc == ERR_NOT_FOUND)
        return ERR_OK;
    if (rc != ERR_OK)
        return rc;
    return error_set(err, ERR_CONFLICT,
                     "the database is not empty: it has a registry already, "
                     "and nothing was changed");
}

/* What the manifest says of the CSV of each source. */
static enum error_code
read_sums(const json_t *manifest, struct sums *ret, struct error *err)
{
    const json_t *item;
    size_t i;
    enum error_code rc = ERR_OK;

    json_array_foreach(json_object_get(manifest, "sources"), i, item)
    {
        struct str digest = str_of(text_of(item, "reprDigest"));
        unsigned char bytes[64];
        size_t len = 0;
        struct sum sum = {.revision = number_of(item, "revision"),
                          .changed_ms = number_of(item, "changed"),
                          .records = number_of(item, "records"),
                          .bytes = (uint64_t)number_of(item, "bytes")};

        if (!uuid_parse(str_of(text_of(item, "id")), &sum.id) ||
            digest.len != 54 || memcmp(digest.at, "sha-256=:", 9) != 0 ||
            !base64_decode(str_n(digest.at + 9, 44), bytes, &len) || len != 32)
            return error_set(err, ERR_CONTENT,
                             "the manifest has a source that cannot be read");
        memcpy(sum.sha256, bytes, sizeof(sum.sha256));
        rc = sums_add(ret, &sum, err);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

/* Names from the file become part of statements. */
static bool
is_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

    return len > 0 && len < 64 && name[len] == '\0';
}

static bool
read_column(const json_t *item, struct column *ret)
{
    ret->name = text_of(item, "name");
    for (int kind = 0; kind < 3; kind++)
        if (strcmp(text_of(item, "kind"), backup_kinds[kind]) == 0) {
            ret->kind = (enum column_kind)kind;
            return is_name(ret->name);
        }
    return false;
}

static bool
read_table(const json_t *item, struct table *ret)
{
    const json_t *columns = json_object_get(item, "columns"), *column;
    size_t count = json_array_size(columns), i;

    *ret = (struct table){
        .name = text_of(item, "name"),
        .of = text_of(item, "of"),
        .keys = (size_t)number_of(item, "keys"),
        .update = json_is_true(json_object_get(item, "update")),
    };
    if (!is_name(ret->name) || !is_name(ret->of) || count == 0 ||
        count > TABLE_COLUMNS_MAX || ret->keys < 1 || ret->keys > count ||
        (ret->update && ret->keys == count))
        return false;
    json_array_foreach(
        columns, i,
        column) if (!read_column(column, &ret->column[i])) return false;
    return true;
}

/* Is it what this program has under that name? */
static bool
is_ours(const struct table *table)
{
    for (size_t i = 0; i < table_count; i++) {
        const struct table *ours = &table_list[i];

        if (strcmp(ours->name, table->name) != 0)
            continue;
        if (table_columns(ours) != table_columns(table) ||
            strcmp(ours->of ? ours->of : ours->name, table->of) != 0 ||
            ours->keys != table->keys || ours->update != table->update)
            return false;
        for (size_t j = 0; j < table_columns(ours); j++)
            if (strcmp(ours->column[j].name, table->column[j].name) != 0 ||
                ours->column[j].kind != table->column[j].kind)
                return false;
        return true;
    }
    return false;
}

static enum error_code
read_tables(struct restore *restore, struct error *err)
{
    const json_t *list = json_object_get(restore->file->manifest, "tables");
    const json_t *item;
    size_t i;

    restore->table_count = json_array_size(list);
    restore->tables = calloc(restore->table_count + 1, sizeof(struct table));
    if (restore->tables == NULL)
        return error_busy(err, "no memory for the tables");
    json_array_foreach(list, i, item) if (
        !read_table(item, &restore->tables[i]) ||
        (!restore->upgrade &&
         !is_ours(
             &restore
                  ->tables[i]))) return error_set(err, ERR_CONTENT,
                                                  "the manifest has a table "
                                                  "\"%.60s\" that is not "
                                                  "one of this schema version",
                                                  text_of(item, "name"));
    return ERR_OK;
}

static enum error_code
end_table(struct restore *restore, struct error *err)
{
    enum error_code rc = ERR_OK;

    if (restore->table == NULL)
        return rc;
    rc = table_flush(&restore->writer, err);
    table_write_end(&restore->writer);
    restore->table = NULL;
    return rc;
}

/* The writer of the table that a piece belongs to. */
static enum error_code
take_table(struct restore *restore, const char *piece, struct error *err)
{
    struct str rest = str_of(piece);
    struct str tables = str_cut(&rest, '/');
    struct str name = str_cut(&rest, '/');

    if (restore->table != NULL && str_eq(name, str_of(restore->table->name)))
        return ERR_OK;
    enum error_code rc = end_table(restore, err);

    for (size_t i = 0; rc == ERR_OK && i < restore->table_count; i++) {
        if (!str_eq(tables, STR("tables")) || rest.at == NULL ||
            !str_eq(name, str_of(restore->tables[i].name)))
            continue;
        restore->table = &restore->tables[i];
        table_write_begin(&restore->writer, restore->tx, restore->table);
        return ERR_OK;
    }
    if (rc != ERR_OK)
        return rc;
    return error_set(err, ERR_CONTENT, "\"%s\" is no piece of a backup", piece);
}

static enum error_code
load_piece(struct restore *restore, const char *name, struct error *err)
{
    struct buf *buf = &restore->file->buf;
    const struct piece *piece = find_piece(restore->file, name);
    struct cell row[TABLE_COLUMNS_MAX];
    unsigned char sha256[32];
    char *at = buf->data, *end = buf->data + buf->len;

    digest_of(buf->data, buf->len, sha256);
    if (piece == NULL || memcmp(sha256, piece->sha256, sizeof(sha256)) != 0)
        return error_set(err, ERR_CONTENT,
                         "\"%s\" changed while it was restored", name);
    if (strcmp(name, BACKUP_HEAD) == 0)
        return ERR_OK;
    enum error_code rc = take_table(restore, name, err);

    while (rc == ERR_OK && at < end) {
        if (!row_text_read(&at, end, restore->table, row))
            return error_set(err, ERR_CONTENT,
                             "\"%s\" has a line that cannot be read", name);
        rc = table_write(&restore->writer, row, err);
        restore->file->rows++;
    }
    /* The cells that wait point into the piece. */
    if (rc == ERR_OK)
        rc = table_flush(&restore->writer, err);
    return rc;
}

static enum error_code
load_pieces(struct restore *restore, struct error *err)
{
    struct file *file = restore->file;
    struct bundle bundle = {.archive = NULL};
    enum error_code rc = bundle_open(&bundle, file->fd, err);

    file->rows = 0;
    while (rc == ERR_OK &&
           (rc = bundle_next(&bundle, &file->buf, err)) == ERR_OK) {
        if (strcmp(bundle.name, BACKUP_MANIFEST) == 0 ||
            strcmp(bundle.name, BACKUP_SIGNATURE) == 0)
            continue;
        rc = load_piece(restore, bundle.name, err);
        show(file);
    }
    bundle_done(&bundle);
    return rc == ERR_END ? end_table(restore, err) : rc;
}

/* Who looks at the audit sees that it was restored, and from when. */
static enum error_code
note_restore(struct db_tx *tx, const struct backup_summary *from,
             struct error *err)
{
    char time[MOMENT_TEXT], detail[160];

    moment_utc(from->created_ms, time);
    snprintf(detail, sizeof(detail), "backup of %s signed by %s", time,
             from->kid);
    return audit_add(tx,
                     &(struct audit_event){.event = "REGISTRY_RESTORED",
                                           .has_object = true,
                                           .object_id = from->registry,
                                           .detail = str_of(detail)},
                     err);
}

/* Everything that the file has, into a schema of its version. */
static enum error_code
load(struct db_tx *tx, struct restore *restore, struct error *err)
{
    enum error_code rc = backup_require_empty(tx, err);

    restore->tx = tx;
    restore->table = NULL;
    for (size_t i = restore->table_count; rc == ERR_OK && i-- > 0;)
        rc = table_clear(tx, &restore->tables[i], err);
    if (rc == ERR_OK)
        rc = load_pieces(restore, err);
    if (restore->table != NULL)
        table_write_end(&restore->writer);
    return rc;
}

/* What makes it this registry again, if it is. */
static enum error_code
conclude(struct db_tx *tx, struct restore *restore, struct error *err)
{
    SUMS found = SUMS_INIT;
    struct check check = {.problem = restore->file->check->problem,
                          .context = restore->file->check->context};
    enum error_code rc = table_renumber_all(restore->db, tx, err);

    if (rc == ERR_OK && !restore->file->ret->keys)
        rc = token_key_create(tx, err);
    if (rc == ERR_OK)
        rc = check_numbers(tx, &check, err);
    if (rc == ERR_OK && check.problems > 0)
        return error_set(err, ERR_CONTENT,
                         "the backup has numbers that no registry has, see "
                         "above");
    if (rc == ERR_OK)
        rc = sums_read(tx, &found, err);
    if (rc == ERR_OK)
        rc = sums_compare(&restore->want, &found, err);
    if (rc == ERR_OK)
        rc = note_restore(tx, restore->file->ret, err);
    return rc;
}

static enum error_code
load_work(struct db_tx *tx, void *context, struct error *err)
{
    return load(tx, context, err);
}

static enum error_code
conclude_work(struct db_tx *tx, void *context, struct error *err)
{
    return conclude(tx, context, err);
}

static enum error_code
restore_work(struct db_tx *tx, void *context, struct error *err)
{
    enum error_code rc = load(tx, context, err);

    return rc == ERR_OK ? conclude(tx, context, err) : rc;
}

static enum error_code
clear_work(struct db_tx *tx, void *context UNUSED, struct error *err)
{
    return table_clear_all(tx, err);
}

/* Steps of the schema are transactions of their own, so here nothing is what
 * is left after a failure because it is taken away again. */
static enum error_code
restore_older(struct restore *restore, int version, struct error *err)
{
    struct db *db = restore->db;
    enum error_code rc = migrate_make(db, version, err);

    if (rc == ERR_OK)
        rc = db_write_long(db, load_work, restore, err);
    if (rc != ERR_OK)
        return rc;
    rc = migrate_run(db, chain_seal, NULL, err);
    if (rc == ERR_OK)
        rc = db_write_long(db, conclude_work, restore, err);
    if (rc != ERR_OK) {
        /* Why it failed matters more than that this failed as well. */
        enum error_code cleared UNUSED = db_write_long(db, clear_work, NULL,
                                                       NULL);
    }
    return rc;
}

enum error_code
backup_restore(int fd, struct db *db, const struct backup_check *check,
               const struct backup_progress *progress,
               struct backup_summary *ret, struct error *err)
{
    CLEANUP(file_done) struct file file;
    struct restore restore = {.file = &file, .db = db, .want = SUMS_INIT};

    file_init(&file, fd, check, progress, ret);
    enum error_code rc = verify_file(&file, err);

    restore.upgrade = ret->schema_version != migrate_latest();
    if (rc == ERR_OK)
        rc = read_tables(&restore, err);
    if (rc == ERR_OK)
        rc = read_sums(file.manifest, &restore.want, err);
    if (rc == ERR_OK && restore.upgrade)
        rc = restore_older(&restore, (int)ret->schema_version, err);
    else if (rc == ERR_OK &&
             (rc = migrate_run(db, chain_seal, NULL, err)) == ERR_OK)
        rc = db_write_long(db, restore_work, &restore, err);
    sums_done(&restore.want);
    free(restore.tables);
    return rc;
}

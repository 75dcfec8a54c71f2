/*
 * Tables of a backup, behind a byte of bits, cut by FS: a name, LF, rows. The
 * driver makes the backup of them: the sums are right, those of the CSV too
 * where the database takes the rows, and it is signed.
 *
 * It is restored whole, or the database stays empty. What was restored is
 * checked, backed up and restored again, and is the same then.
 */
#include <jansson.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/secret.h"
#include "core/backup.h"
#include "core/bundle.h"
#include "core/fixture.h"
#include "core/row_text.h"
#include "db/migrate.h"
#include "fmt/digest.h"
#include "fuzz.h"
#include "store/check.h"
#include "store/row.h"

#define PARTS_MAX 40
#define FS '\x1c'

static struct jwt_key key;
static struct fixture fixture;

static enum error_code
clear(struct db_tx *tx, void *context, struct error *err)
{
    (void)context;
    return table_clear_all(tx, err);
}

static void
remove_fixture(void)
{
    fixture_done(&fixture);
    jwt_key_done(&key);
}

static void
set_up(void)
{
    if (key.pkey != NULL)
        return;
    FUZZ_CHECK(jwt_key_create(&key, NULL) == ERR_OK);
    fixture_init(&fixture);
    FUZZ_CHECK(db_write(fixture.db, clear, NULL, NULL) == ERR_OK);
    atexit(remove_fixture);
}

/* ---- what goes in ----------------------------------------------------- */

struct input {
    struct {
        const struct table *table;
        char name[BUNDLE_NAME_MAX];
        struct str rows;
    } part[PARTS_MAX];
    size_t count;
    bool keys;
    struct sums sums; /* of the CSV, as far as there are sources */
};

static void
read_input(struct input *input, struct str rest)
{
    while (rest.at != NULL && input->count < PARTS_MAX) {
        struct str rows = str_cut(&rest, FS);
        struct str name = str_cut(&rows, '\n');
        size_t i = 0;

        while (i < table_count && !str_eq(name, str_of(table_list[i].name)))
            i++;
        if (i == table_count || rows.len == 0)
            continue;
        input->part[input->count].table = &table_list[i];
        snprintf(input->part[input->count].name, BUNDLE_NAME_MAX,
                 "tables/%s/%06zu.tsv", table_list[i].name, input->count);
        input->part[input->count++].rows = rows;
    }
}

static int64_t
lines_of(struct str text)
{
    int64_t lines = 0;

    for (size_t i = 0; i < text.len; i++)
        lines += text.at[i] == '\n';
    return lines;
}

/* The rows, without what a restore does beside them. */
static enum error_code
insert_rows(struct db_tx *tx, const struct table *table, struct str rows,
            struct error *err)
{
    struct cell row[TABLE_COLUMNS_MAX];
    char *copy = malloc(rows.len), *at = copy;
    struct table_writer writer;
    enum error_code rc = ERR_OK;

    FUZZ_CHECK(copy != NULL);
    memcpy(copy, rows.at, rows.len);
    table_write_begin(&writer, tx, table);
    while (rc == ERR_OK && at < copy + rows.len)
        rc = row_text_read(&at, copy + rows.len, table, row)
                 ? table_write(&writer, row, err)
                 : ERR_CONTENT;
    if (rc == ERR_OK)
        rc = table_flush(&writer, err);
    table_write_end(&writer);
    free(copy);
    return rc;
}

static enum error_code
try_rows(struct db_tx *tx, void *context, struct error *err)
{
    struct input *input = context;
    struct check check = {.problem = NULL};
    enum error_code rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < input->count; i++)
        rc = insert_rows(tx, input->part[i].table, input->part[i].rows, err);
    if (rc == ERR_OK)
        rc = check_numbers(tx, &check, err);
    if (rc == ERR_OK && check.problems > 0)
        return error_set(err, ERR_CONTENT, "numbers");
    if (rc == ERR_OK)
        rc = sums_read(tx, &input->sums, err);
    /* Nothing of it stays. */
    return rc == ERR_OK ? error_set(err, ERR_CONFLICT, "taken") : rc;
}

/* ---- the backup of it -------------------------------------------------- */

static json_t *
list_pieces(const struct input *input, struct str head)
{
    json_t *list = json_array();

    for (size_t i = 0; i <= input->count; i++) {
        struct str bytes = i == 0 ? head : input->part[i - 1].rows;
        const char *name = i == 0 ? BACKUP_HEAD : input->part[i - 1].name;
        unsigned char sha256[32];
        char hex[65];

        digest_of(bytes.at, bytes.len, sha256);
        hex_encode(sha256, sizeof(sha256), hex);
        json_array_append_new(list,
                              json_pack("{s:s,s:I,s:s}", "name", name, "bytes",
                                        (json_int_t)bytes.len, "sha256", hex));
    }
    return list;
}

static json_t *
list_tables(const struct input *input)
{
    json_t *list = json_array();

    for (size_t i = 0; i < table_count; i++) {
        const struct table *table = &table_list[i];
        json_t *columns = json_array();
        int64_t rows = 0;

        for (size_t j = 0; j < input->count; j++)
            if (input->part[j].table == table)
                rows += lines_of(input->part[j].rows);
        for (size_t j = 0; j < table_columns(table); j++)
            json_array_append_new(
                columns,
                json_pack("{s:s,s:s}", "name", table->column[j].name, "kind",
                          backup_kinds[table->column[j].kind]));
        json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:I,s:b,s:I,s:o}", "name", table->name, "of",
                      table->of ? table->of : table->name, "keys",
                      (json_int_t)table->keys, "update", (int)table->update,
                      "rows", (json_int_t)rows, "columns", columns));
    }
    return list;
}

static json_t *
list_sources(const struct sums *sums)
{
    json_t *list = json_array();

    for (size_t i = 0; i < sums->count; i++) {
        const struct sum *sum = &sums->sum[i];
        char id[UUID_TEXT], base64[BASE64_SIZE(32)], digest[80];

        base64_encode(sum->sha256, sizeof(sum->sha256), base64);
        snprintf(digest, sizeof(digest), "sha-256=:%s:", base64);
        json_array_append_new(
            list, json_pack("{s:s,s:I,s:I,s:I,s:I,s:s}", "id",
                            uuid_dashed(&sum->id, id), "revision",
                            (json_int_t)sum->revision, "changed",
                            (json_int_t)sum->changed_ms, "records",
                            (json_int_t)sum->records, "bytes",
                            (json_int_t)sum->bytes, "reprDigest", digest));
    }
    return list;
}

static int
make_backup(const struct input *input)
{
    json_t *head = json_pack("{s:s,s:i,s:i}", "format", "nelm backup",
                             "version", BACKUP_VERSION, "schemaVersion",
                             migrate_latest());
    char *text = json_dumps(head, JSON_COMPACT), *manifest;
    CLEANUP(buf_done) struct buf signature;
    int fd = memfd_create("backup", MFD_CLOEXEC);
    struct bundle bundle;

    FUZZ_CHECK(fd >= 0 && text != NULL);
    json_object_update_new(
        head,
        json_pack("{s:s,s:s,s:b,s:{s:s,s:s},s:o,s:o,s:o}", "registry",
                  "0192d5a0-0000-7000-8000-000000000001", "created",
                  "2026-01-01T00:00:00Z", "keys", (int)input->keys, "key", "x",
                  key.x, "y", key.y, "pieces", list_pieces(input, str_of(text)),
                  "tables", list_tables(input), "sources",
                  list_sources(&input->sums)));
    manifest = json_dumps(head, JSON_COMPACT);
    FUZZ_CHECK(manifest != NULL);
    buf_init(&signature, 1 << 20);
    FUZZ_CHECK(jws_sign(&key, BACKUP_TYPE, str_of(manifest), &signature,
                        NULL) == ERR_OK);
    FUZZ_CHECK(bundle_create(&bundle, fd, NULL) == ERR_OK);
    FUZZ_CHECK(bundle_add(&bundle, BACKUP_HEAD, str_of(text), NULL) == ERR_OK);
    for (size_t i = 0; i < input->count; i++)
        FUZZ_CHECK(bundle_add(&bundle, input->part[i].name, input->part[i].rows,
                              NULL) == ERR_OK);
    FUZZ_CHECK(bundle_add(&bundle, BACKUP_MANIFEST, str_of(manifest), NULL) ==
               ERR_OK);
    FUZZ_CHECK(bundle_add(&bundle, BACKUP_SIGNATURE, buf_view(&signature),
                          NULL) == ERR_OK);
    FUZZ_CHECK(bundle_finish(&bundle, NULL) == ERR_OK);
    bundle_done(&bundle);
    json_decref(head);
    free(text);
    free(manifest);
    return fd;
}

/* ---- what came out ----------------------------------------------------- */

/* A restore adds an event of its own to these, and a key where it has none. */
static bool
is_added_to(const struct table *table)
{
    static const char *const names[] = {"audit", "chain", "signing_key"};

    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(table->name, names[i]) == 0)
            return true;
    return false;
}

/* All rows, or what a restore does not add to: nor the count of changes of who
 * may what, which a key moves. */
static void
dump(bool all, struct buf *to)
{
    struct db_tx *tx;

    buf_clear(to);
    FUZZ_CHECK(db_read_begin(fixture.db, &tx, NULL) == ERR_OK);
    for (size_t i = 0; i < table_count; i++) {
        struct cell row[TABLE_COLUMNS_MAX];
        struct table_reader reader;
        enum error_code rc = ERR_END;

        if (!all && is_added_to(&table_list[i]))
            continue;
        table_read_begin(&reader, tx, &table_list[i]);
        while ((rc = table_read(&reader, row, NULL)) == ERR_OK) {
            if (!all && strcmp(table_list[i].name, "registry") == 0)
                row[3].number = 0; /* auth_epoch */
            row_text_add(to, &table_list[i], row);
        }
        table_read_end(&reader);
        FUZZ_CHECK(rc == ERR_END);
    }
    db_read_end(tx);
    FUZZ_CHECK(!to->failed);
}

static enum error_code
restore(int fd)
{
    const struct backup_check check = {.problem = NULL};
    struct backup_summary summary;
    struct error err = ERROR_INIT;
    CLEANUP(buf_done) struct buf rows;

    buf_init(&rows, 1 << 24);
    enum error_code rc = backup_restore(fd, fixture.db, &check, NULL, &summary,
                                        &err);

    FUZZ_CHECK(rc == ERR_OK || rc == err.code);
    if (rc != ERR_OK) {
        dump(true, &rows);
        FUZZ_CHECK(rows.len == 0);
    }
    return rc;
}

static void
see_problem(void *context, const char *text)
{
    FUZZ_CHECK(text[0] != '\0');
    ++*(int64_t *)context;
}

static void
check_database(void)
{
    int64_t problems = 0, last = 0;
    struct check check = {.problem = see_problem, .context = &problems};
    struct db_tx *tx;

    FUZZ_CHECK(db_read_begin(fixture.db, &tx, NULL) == ERR_OK);
    FUZZ_CHECK(read_number(db_query_text(tx, "SELECT MAX(value) FROM counter"),
                           &last, NULL) == ERR_OK);
    /* The check has room for every source that there ever was. */
    if (last < 100000) {
        FUZZ_CHECK(check_run(fixture.db, tx, &check, NULL) == ERR_OK);
        FUZZ_CHECK(check.problems == problems);
    }
    db_read_end(tx);
}

/* Again, by what the program itself writes. */
static void
check_again(bool keys)
{
    CLEANUP(buf_done) struct buf before, after;
    int fd = memfd_create("again", MFD_CLOEXEC);
    struct backup_summary summary;

    FUZZ_CHECK(fd >= 0);
    buf_init(&before, 1 << 24);
    buf_init(&after, 1 << 24);
    dump(false, &before);
    enum error_code rc = backup_write(fixture.db, fd, keys, NULL, &summary,
                                      NULL);

    FUZZ_CHECK(db_write(fixture.db, clear, NULL, NULL) == ERR_OK);
    if (rc == ERR_OK) { /* it has a key that signs */
        FUZZ_CHECK(restore(fd) == ERR_OK);
        dump(false, &after);
        FUZZ_CHECK(str_eq(buf_view(&before), buf_view(&after)));
    }
    close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = ERROR_INIT;
    struct input input = {.count = 0};

    if (size == 0)
        return 0;
    set_up();
    input.keys = data[0] & 1;
    read_input(&input, str_n((const char *)data + 1, size - 1));
    bool taken = db_write_long(fixture.db, try_rows, &input, &err) ==
                     ERR_CONFLICT &&
                 strcmp(err.text, "taken") == 0;
    int fd = make_backup(&input);

    if (restore(fd) == ERR_OK) {
        FUZZ_CHECK(taken);
        check_database();
        check_again(input.keys);
        FUZZ_CHECK(db_write(fixture.db, clear, NULL, NULL) == ERR_OK);
    }
    close(fd);
    sums_done(&input.sums);
    return 0;
}

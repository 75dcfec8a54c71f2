/*
 * cmd_backup.c - everything into a file and back, and to another database.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "cli/out_file.h"
#include "cli/progress.h"
#include "cli/view.h"
#include "core/backup.h"
#include "fmt/json_read.h"
#include "store/open.h"

#define JWKS_BYTES 65536

static void
show_progress(void *context, uint64_t bytes, uint64_t rows)
{
    progress_show(context, bytes, rows);
}

/* What was done, as one JSON object. */
static void
view_summary(struct cli *cli, const struct backup_summary *summary)
{
    struct jw *json = &cli->json;
    char id[UUID_TEXT], hex[65];

    view_begin(cli);
    jw_object(json);
    jw_member_text(json, "registry", uuid_dashed(&summary->registry, id));
    view_time(json, "created", summary->created_ms);
    jw_member_int(json, "schemaVersion", summary->schema_version);
    jw_member_int(json, "sources", (int64_t)summary->sources);
    jw_member_int(json, "records", summary->records);
    jw_member_int(json, "rows", summary->rows);
    if (summary->kid[0] != '\0') {
        jw_member_bool(json, "keys", summary->keys);
        jw_member_text(json, "signedBy", summary->kid);
        hex_encode(summary->manifest, sizeof(summary->manifest), hex);
        jw_member_text(json, "manifestSha256", hex);
    }
    jw_object_end(json);
    buf_char(&cli->out, '\n');
}

/* --- backup ------------------------------------------------------------ */

static enum error_code
write_to(struct cli *cli, int fd, struct error *err)
{
    struct progress progress;
    struct backup_progress shown = {show_progress, &progress};
    struct backup_summary summary;
    bool keys = cli_value(cli, "without-keys") == NULL;
    enum error_code rc;

    progress_begin(&progress, "backing up", "rows", 0);
    rc = backup_write(cli->db, fd, keys, &shown, &summary, err);
    progress_end(&progress);
    if (rc == ERR_OK)
        view_summary(cli, &summary);
    return rc;
}

enum error_code
cmd_backup(struct cli *cli, struct error *err)
{
    CLEANUP(out_file_close) struct out_file file = OUT_FILE_INIT;
    const char *path = cli_value(cli, "output");
    bool to_stdout = strcmp(path, "-") == 0;
    enum error_code rc;

    if (to_stdout && isatty(STDOUT_FILENO))
        return cli_wrong(cli, err,
                         "a backup is nothing for a terminal: give a file");
    rc = cli_open(cli, err);
    if (rc == ERR_OK && !to_stdout) {
        /* It has what lets people in: nobody else is to read it. */
        mode_t before = umask(0077);

        rc = out_file_open(&file, path, err);
        umask(before);
    }
    if (rc == ERR_OK && !to_stdout && file.partial[0] != '\0' &&
        fchmod(file.fd, 0600) != 0)
        rc = error_set(err, ERR_UNAVAILABLE, "could not write \"%s\": %s", path,
                       strerrordesc_np(errno));
    if (rc == ERR_OK)
        rc = write_to(cli, to_stdout ? STDOUT_FILENO : file.fd, err);
    if (rc == ERR_OK && !to_stdout)
        return out_file_keep(&file, err);
    /* Standard output has the backup, so the summary goes beside it. */
    if (rc == ERR_OK)
        fprintf(stderr, "%s", cli->out.data);
    buf_clear(&cli->out);
    return rc;
}

/* --- verify and restore ------------------------------------------------ */

struct input {
    int fd;
    uint64_t bytes;
    struct backup_check check;
};

/* The kid of each key of a JWKS file. They are checked to be what the key's
 * thumbprint is when a signature is. */
static enum error_code
read_jwks(struct cli *cli, const char *path, struct backup_check *check,
          struct error *err)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = arena_alloc(&cli->arena, JWKS_BYTES);
    const json_t *keys, *item;
    json_t *set = NULL;
    ssize_t len;
    size_t i;

    if (fd < 0)
        return error_set(err, ERR_UNAVAILABLE,
                         "--key \"%s\" is no fingerprint, and no file that can "
                         "be read: %s",
                         path, strerrordesc_np(errno));
    len = text ? read(fd, text, JWKS_BYTES) : -1;
    if (len < 0 || len == JWKS_BYTES ||
        json_read(str_n(text, (size_t)len), &set, NULL) != ERR_OK)
        return error_set(err, ERR_VALUE, "\"%s\" is no JWKS", path);
    keys = json_object_get(set, "keys");
    check->trusted = arena_zalloc(&cli->arena, (json_array_size(keys) + 1) *
                                                   sizeof(*check->trusted));
    if (check->trusted == NULL) {
        json_decref(set);
        return error_busy(err, "no memory for keys");
    }
    json_array_foreach(keys, i, item)
    {
        struct jwt_key key;
        const char *x = json_string_value(json_object_get(item, "x"));
        const char *y = json_string_value(json_object_get(item, "y"));

        if (jwt_key_public(str_of(x), str_of(y), &key, NULL) != ERR_OK)
            continue; /* of another kind */
        check->trusted[check->trusted_count++] = arena_str(&cli->arena,
                                                           str_of(key.kid));
        jwt_key_done(&key);
    }
    json_decref(set);
    if (check->trusted_count == 0)
        return error_set(err, ERR_VALUE, "\"%s\" has no key for ES256", path);
    return ERR_OK;
}

static enum error_code
open_backup(struct cli *cli, struct input *input, struct error *err)
{
    const char *key = cli_value(cli, "key");
    struct stat st;

    *input = (struct input){.fd = open(cli->argument, O_RDONLY | O_CLOEXEC),
                            .check = {.problem = cli_print_problem}};
    if (input->fd < 0 || fstat(input->fd, &st) != 0)
        return error_set(err, ERR_UNAVAILABLE, "could not read \"%s\": %s",
                         cli->argument, strerrordesc_np(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_VALUE,
                         "\"%s\" is no file: a backup is read twice",
                         cli->argument);
    input->bytes = (uint64_t)st.st_size;
    if (key == NULL)
        return ERR_OK;
    if (strlen(key) != JWT_KID - 1 || access(key, F_OK) == 0)
        return read_jwks(cli, key, &input->check, err);
    input->check.trusted = arena_alloc(&cli->arena,
                                       sizeof(*input->check.trusted));
    if (input->check.trusted == NULL)
        return error_busy(err, "no memory for a key");
    input->check.trusted[0] = str_of(key);
    input->check.trusted_count = 1;
    return ERR_OK;
}

enum error_code
cmd_verify(struct cli *cli, struct error *err)
{
    struct progress progress;
    struct backup_progress shown = {show_progress, &progress};
    struct backup_summary summary;
    struct input input;
    enum error_code rc = open_backup(cli, &input, err);

    if (rc == ERR_OK) {
        progress_begin(&progress, "verifying", "rows", input.bytes);
        rc = backup_verify(input.fd, &input.check, &shown, &summary, err);
        progress_end(&progress);
    }
    close_fd(&input.fd);
    if (rc == ERR_OK)
        view_summary(cli, &summary);
    return rc;
}

enum error_code
cmd_restore(struct cli *cli, struct error *err)
{
    struct progress progress;
    struct backup_progress shown = {show_progress, &progress};
    struct backup_summary summary;
    struct input input;
    enum error_code rc = open_backup(cli, &input, err);

    if (rc == ERR_OK)
        rc = store_open_as(&cli->settings, cli->settings.database, true,
                           &cli->db, err);
    if (rc == ERR_OK) {
        progress_begin(&progress, "restoring", "rows", input.bytes);
        rc = backup_restore(input.fd, cli->db, &input.check, &shown, &summary,
                            err);
        progress_end(&progress);
    }
    close_fd(&input.fd);
    if (rc == ERR_OK)
        view_summary(cli, &summary);
    return rc;
}

/* --- copy -------------------------------------------------------------- */

enum error_code
cmd_copy(struct cli *cli, struct error *err)
{
    struct progress progress;
    struct backup_progress shown = {show_progress, &progress};
    struct backup_summary summary;
    struct db *from = NULL;
    enum error_code rc = store_open_as(&cli->settings, cli_value(cli, "from"),
                                       false, &from, err);

    if (rc == ERR_OK)
        rc = store_open_as(&cli->settings, cli_value(cli, "to"), true, &cli->db,
                           err);
    if (rc == ERR_OK) {
        progress_begin(&progress, "copying", "rows", 0);
        rc = backup_copy(from, cli->db, &shown, &summary, err);
        progress_end(&progress);
    }
    db_close(from);
    if (rc == ERR_OK)
        view_summary(cli, &summary);
    return rc;
}

/*
 * cmd_data.c - sources, and their people in and out.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "api/views.h"
#include "base/cleanup.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "cli/out_file.h"
#include "cli/progress.h"
#include "cli/view.h"
#include "core/export.h"
#include "core/import.h"
#include "core/sample.h"
#include "core/source_rules.h"

#define COPY_BYTES ((size_t)256 * 1024)

/* --- sources ----------------------------------------------------------- */

struct source_job {
    struct cli *cli;
    json_t *body; /* as the API takes it, but for people: they have aliases */
};

/* As the API's JSON (contract 9.2). */
static enum error_code MUST_USE
view_source(struct cli *cli, struct db_tx *tx, const struct source *source,
            enum source_form form, struct error *err)
{
    CLEANUP(views_done) struct views views;
    enum error_code rc;

    views_init(&views, tx, &cli->out);
    views.json = cli->json;
    rc = views_source(&views, source, form, err);
    cli->json = views.json;
    return rc;
}

/* {"id": ...} of the identity with that alias. */
static enum error_code MUST_USE
person(struct source_job *job, struct db_tx *tx, struct str alias, json_t **ret,
       struct error *err)
{
    struct identity identity;
    char id[UUID_HEX];
    enum error_code rc = cli_find_identity(job->cli, tx, alias, &identity, err);

    if (rc == ERR_OK)
        *ret = json_pack("{s:s}", "id", uuid_hex(&identity.id, id));
    return rc;
}

static enum error_code MUST_USE
people(struct source_job *job, struct db_tx *tx, const char *option,
       const char *member, struct error *err)
{
    json_t *list = json_array(), *one = NULL;
    struct str rest;
    enum error_code rc = cli_joined(job->cli, option, '\n', &rest, err);

    while (rc == ERR_OK && rest.at != NULL) {
        rc = person(job, tx, str_cut(&rest, '\n'), &one, err);
        if (rc == ERR_OK)
            json_array_append_new(list, one);
    }
    json_object_set_new(job->body, member, list);
    return rc;
}

static enum error_code
source_create(struct db_tx *tx, void *context, struct error *err)
{
    const struct actor nobody = {.known = false};
    struct source_job *job = context;
    struct cli *cli = job->cli;
    struct source source;
    json_t *owner = NULL;
    enum error_code rc;

    view_begin(cli);
    rc = person(job, tx, str_of(cli_value(cli, "owner")), &owner, err);
    if (rc == ERR_OK) {
        json_object_set_new(job->body, "owner", owner);
        rc = people(job, tx, "approver", "approvers", err);
    }
    if (rc == ERR_OK)
        rc = people(job, tx, "account-manager", "accountManagers", err);
    if (rc == ERR_OK)
        rc = source_rules_create(tx, job->body,
                                 (int64_t)cli->settings.max_sources, &nobody,
                                 &cli->arena, &source, err);
    if (rc == ERR_OK)
        rc = view_source(cli, tx, &source, SOURCE_CREATED, err);
    return rc;
}

static void
set_text(json_t *body, const char *member, struct str text)
{
    if (text.at != NULL)
        json_object_set_new(body, member, json_stringn(text.at, text.len));
}

enum error_code
cmd_source_create(struct cli *cli, struct error *err)
{
    struct source_job job = {.cli = cli};
    struct str description = str_of(cli_value(cli, "description"));
    struct str name, workgroup = {NULL, 0};
    enum error_code rc;

    rc = cli_text(cli, "name", 1, 128, NULL, &name, err);
    if (rc == ERR_OK && cli_value(cli, "workgroup") != NULL)
        rc = cli_text(cli, "workgroup", 1, 128, NULL, &workgroup, err);
    if (rc != ERR_OK)
        return rc;
    /* Free text: it may have lines. */
    if (!utf8_valid(description) || utf8_length(description) > 4000)
        return cli_wrong(cli, err,
                         "--description is not UTF-8 text of at most 4000 "
                         "characters");
    job.body = json_object();
    set_text(job.body, "name", name);
    set_text(job.body, "description", description);
    set_text(job.body, "managementWorkgroup", workgroup);
    rc = view_write(cli, source_create, &job, err);
    json_decref(job.body);
    return rc;
}

static bool
list_source(void *context, const struct source *source)
{
    struct view_each *each = context;

    each->rc = view_source(each->cli, each->tx, source, SOURCE_COUNTED,
                           each->err);
    return view_more(each);
}

static enum error_code
list_sources(struct view_each *each, struct arena *scratch, struct error *err)
{
    return source_each(each->tx, scratch, list_source, each, err);
}

enum error_code
cmd_source_list(struct cli *cli, struct error *err)
{
    return view_run(cli, list_sources, err);
}

/* The source that --source names. */
static enum error_code MUST_USE
named_source(struct cli *cli, struct db_tx *tx, struct source *ret,
             struct error *err)
{
    const char *text = cli_value(cli, "source");
    struct uuid id;
    enum error_code rc = ERR_NOT_FOUND;

    if (uuid_parse(str_of(text), &id))
        rc = source_find(tx, &id, &cli->arena, ret, err);
    if (rc == ERR_NOT_FOUND)
        return error_set(
            err, rc, "there is no source \"%s\"; see nelm source list", text);
    return rc;
}

/* --- import ------------------------------------------------------------ */

static enum error_code
cannot_read(struct error *err, const char *path)
{
    return error_set(err, ERR_UNAVAILABLE, "could not read \"%s\": %s", path,
                     strerrordesc_np(errno));
}

/* An import may run again from the beginning of its file, so what comes from a
 * pipe is kept in a file without a name. */
static enum error_code MUST_USE
spool(int from, int *ret, struct error *err)
{
    const char *directory = getenv("TMPDIR");
    char path[PATH_MAX], *bytes;
    struct fd_sink to;
    ssize_t got = 0;
    enum error_code rc = ERR_OK;

    snprintf(path, sizeof(path), "%s/nelm-import-XXXXXX",
             directory && directory[0] ? directory : "/var/tmp");
    *ret = mkostemp(path, O_CLOEXEC);
    if (*ret < 0)
        return error_set(err, ERR_UNAVAILABLE,
                         "could not make a temporary file \"%s\": %s", path,
                         strerrordesc_np(errno));
    unlink(path);
    bytes = malloc(COPY_BYTES);
    if (bytes == NULL)
        return error_busy(err, "out of memory");
    fd_sink_init(&to, *ret);
    while (rc == ERR_OK && (got = read(from, bytes, COPY_BYTES)) > 0)
        rc = sink_write(&to.sink, bytes, (size_t)got, err);
    free(bytes);
    return got < 0 ? cannot_read(err, "-") : rc;
}

static enum error_code MUST_USE
open_input(const char *path, int *ret, uint64_t *ret_length, struct error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    enum error_code rc = ERR_OK;

    if (fd < 0 || fstat(fd, &info) != 0)
        return cannot_read(err, path);
    *ret = fd;
    /* A redirected file may have been read in part by somebody before. */
    if (is_stdin || !S_ISREG(info.st_mode)) {
        rc = spool(fd, ret, err);
        if (!is_stdin)
            close(fd);
        if (rc == ERR_OK && fstat(*ret, &info) != 0)
            return cannot_read(err, path);
    }
    if (rc == ERR_OK)
        *ret_length = (uint64_t)info.st_size;
    return rc;
}

static void
import_progress(void *context, uint64_t bytes, uint64_t rows)
{
    progress_show(context, bytes, rows);
}

static void
view_import(struct cli *cli, const struct import_result *result, bool done)
{
    struct jw *json = &cli->json;

    view_begin(cli);
    jw_object(json);
    jw_member_int(json, "rows", result->rows);
    jw_member_int(json, "created", done ? result->created : 0);
    jw_member_int(json, "updated", done ? result->updated : 0);
    jw_member_int(json, "unchanged", done ? result->unchanged : 0);
    jw_member_int(json, "errors", result->error_count);
    jw_object_end(json);
    buf_char(&cli->out, '\n');
}

/* The bad lines on standard error, the counts on standard output. */
static enum error_code MUST_USE
report_bad_lines(struct cli *cli, struct import_result *result,
                 struct error *err)
{
    struct fd_sink to;
    enum error_code rc;

    fd_sink_init(&to, STDERR_FILENO);
    buf_char(&result->errors, '\n');
    utf8_defuse(result->errors.data, result->errors.len);
    rc = sink_write(&to.sink, result->errors.data, result->errors.len, err);
    view_import(cli, result, false);
    if (rc == ERR_OK)
        rc = cli_flush(cli, err);
    if (rc != ERR_OK)
        return rc;
    return error_set(err, ERR_CONTENT,
                     "nothing was imported: %" PRId64 " of %" PRId64
                     " lines are wrong",
                     result->error_count, result->rows);
}

enum error_code
cmd_import(struct cli *cli, struct error *err)
{
    CLEANUP(import_result_done) struct import_result result;
    CLEANUP(close_fd) int fd = -1;
    struct progress progress;
    struct import_options options = {
        .unguard = cli_value(cli, "formula-guard") != NULL,
        .check_managers = cli->settings.check_managers,
        .reasons = true,
        .max_records = (int64_t)cli->settings.max_records_per_source,
        .progress = import_progress,
        .context = &progress};
    struct source source;
    struct db_tx *tx;
    uint64_t length = 0;
    enum error_code rc = cli_open(cli, err);

    import_result_init(&result);
    if (rc == ERR_OK)
        rc = db_read_begin(cli->db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = named_source(cli, tx, &source, err);
    db_read_end(tx);
    if (rc == ERR_OK)
        rc = open_input(cli->argument, &fd, &length, err);
    if (rc != ERR_OK)
        return rc;
    options.source_id = source.id;
    progress_begin(&progress, "importing", "rows", length);
    rc = import_apply(cli->db, fd, length, &options, &result, err);
    progress_end(&progress);
    if (rc == ERR_CONTENT && result.error_count > 0)
        return report_bad_lines(cli, &result, err);
    if (rc == ERR_OK)
        view_import(cli, &result, true);
    return rc;
}

/* --- export ------------------------------------------------------------ */

/* Passes bytes on, counts and digests them. */
struct out {
    struct sink sink;
    struct fd_sink to;
    EVP_MD_CTX *digest;
    uint64_t bytes;
    struct progress progress;
};

static enum error_code
out_write(struct sink *sink, const void *bytes, size_t len, struct error *err)
{
    struct out *out = (struct out *)sink;
    enum error_code rc = sink_write(&out->to.sink, bytes, len, err);

    if (rc == ERR_OK && EVP_DigestUpdate(out->digest, bytes, len) != 1)
        rc = error_internal(err, "EVP_DigestUpdate");
    out->bytes += len;
    progress_show(&out->progress, 0, out->bytes >> 20);
    return rc;
}

static enum error_code MUST_USE
out_begin(struct out *out, int fd, struct error *err)
{
    out->sink.write = out_write;
    fd_sink_init(&out->to, fd);
    progress_begin(&out->progress, "writing", "MiB", 0);
    out->digest = EVP_MD_CTX_new();
    if (out->digest == NULL ||
        EVP_DigestInit_ex(out->digest, EVP_sha256(), NULL) != 1)
        return error_internal(err, "EVP_DigestInit_ex");
    return ERR_OK;
}

static void
out_done(struct out *out)
{
    progress_end(&out->progress);
    EVP_MD_CTX_free(out->digest);
}

static enum error_code MUST_USE
read_variant(struct cli *cli, unsigned *ret, struct error *err)
{
    const char *line_end = cli_value(cli, "line-end");
    bool crlf = line_end != NULL && strcmp(line_end, "crlf") == 0;

    if (line_end != NULL && !crlf && strcmp(line_end, "lf") != 0)
        return cli_wrong(cli, err, "--line-end is \"%s\", not lf or crlf",
                         line_end);
    *ret = (crlf ? EXPORT_CRLF : 0) | (cli_value(cli, "bom") ? EXPORT_BOM : 0) |
           (cli_value(cli, "formula-guard") ? EXPORT_GUARD : 0);
    return ERR_OK;
}

static enum error_code MUST_USE
export_to(struct cli *cli, int fd, unsigned variant, struct error *err)
{
    CLEANUP(out_done) struct out out = {.bytes = 0};
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    unsigned digest_len = 0;
    struct source source;
    struct schema schema;
    struct db_tx *tx;
    int64_t rows = 0;
    enum error_code rc = out_begin(&out, fd, err);

    if (rc == ERR_OK)
        rc = db_read_begin(cli->db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = named_source(cli, tx, &source, err);
    if (rc == ERR_OK)
        rc = schema_load(tx, &source.id, &cli->arena, &schema, err);
    if (rc == ERR_OK)
        rc = export_run(tx, &schema, variant, &out.sink, &rows, err);
    db_read_end(tx);
    if (rc != ERR_OK)
        return rc;
    if (EVP_DigestFinal_ex(out.digest, digest, &digest_len) != 1)
        return error_internal(err, "EVP_DigestFinal_ex");
    hex_encode(digest, digest_len, hex);
    view_begin(cli);
    jw_object(&cli->json);
    jw_member_int(&cli->json, "rows", rows);
    jw_member_int(&cli->json, "bytes", (int64_t)out.bytes);
    jw_member_text(&cli->json, "sha256", hex);
    jw_member_int(&cli->json, "revision", schema.source.revision);
    jw_object_end(&cli->json);
    buf_char(&cli->out, '\n');
    return ERR_OK;
}

enum error_code
cmd_export(struct cli *cli, struct error *err)
{
    CLEANUP(out_file_close) struct out_file file = OUT_FILE_INIT;
    const char *path = cli_value(cli, "output");
    unsigned variant = 0;
    enum error_code rc = read_variant(cli, &variant, err);

    if (rc == ERR_OK)
        rc = cli_open(cli, err);
    if (rc == ERR_OK && path != NULL)
        rc = out_file_open(&file, path, err);
    if (rc == ERR_OK)
        rc = export_to(cli, path ? file.fd : STDOUT_FILENO, variant, err);
    if (rc == ERR_OK && path != NULL)
        return out_file_keep(&file, err);
    /* Standard output has the CSV, so the summary is for eyes only. */
    if (rc == ERR_OK && isatty(STDERR_FILENO))
        fprintf(stderr, "%s", cli->out.data);
    buf_clear(&cli->out);
    return rc;
}

/* --- made-up people ---------------------------------------------------- */

enum error_code
cmd_sample(struct cli *cli, struct error *err)
{
    uint64_t rows = 0, seed = 0;
    struct fd_sink to;
    enum error_code rc;

    rc = cli_number(cli, "rows", 0, UINT32_MAX, 0, &rows, err);
    if (rc == ERR_OK)
        rc = cli_number(cli, "seed", 0, INT64_MAX, 1, &seed, err);
    if (rc != ERR_OK)
        return rc;
    fd_sink_init(&to, STDOUT_FILENO);
    return sample_write(&to.sink, rows, seed, cli_value(cli, "custom") != NULL,
                        err);
}

static enum error_code
sample_identities(struct db_tx *tx, void *context, struct error *err)
{
    struct cli *cli = context;
    enum error_code rc = ERR_OK;

    view_begin(cli);
    jw_array(&cli->json);
    for (unsigned i = 0; rc == ERR_OK && i < sample_manager_count; i++) {
        const struct sample_manager *manager = &sample_managers[i];
        struct identity identity;

        rc = identity_by_alias(tx, str_of(manager->alias), &cli->arena,
                               &identity, err);
        if (rc == ERR_NOT_FOUND) {
            identity = (struct identity){.alias = str_of(manager->alias),
                                         .name = str_of(manager->name),
                                         .email = str_of(manager->email),
                                         .levels = STR("")};
            rc = identity_insert(tx, &identity, err);
        }
        if (rc == ERR_OK)
            rc = view_identity(cli, tx, &identity, err);
    }
    jw_array_end(&cli->json);
    return rc;
}

enum error_code
cmd_sample_identities(struct cli *cli, struct error *err)
{
    return view_write(cli, sample_identities, cli, err);
}

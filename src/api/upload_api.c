/*
 * upload_api.c - bulk uploads (contract 16.4, 16.5): the file on its way to
 * the spool, its validation, the job, and the lines that were refused.
 */
#include "api/call.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/job.h"
#include "core/reject.h"
#include "fmt/digest.h"
#include "fmt/jw.h"
#include "http/multipart.h"

/* What may stand around the file: heads of parts, and small other parts. */
#define FRAME_BYTES ((uint64_t)64 * 1024)
#define MAX_KEY_BYTES 255
#define JOB_ARENA_BYTES ((size_t)1 << 20)
#define ANSWER_BYTES ((size_t)4 << 20)

struct upload {
    struct call *call;
    struct source source;
    struct multipart *form; /* NULL: the type names no boundary */
    bool in_data, has_data; /* of the part "data" */
    unsigned parts;
    uint64_t received; /* bytes of the body */
    uint64_t claimed;  /* of the spool's room */
    int fd;            /* of the file as it came; -1: none yet */
    struct fd_sink to;
    struct digest_sink digest;
    struct job job;
    bool dry_run, skip_rejected;
};

void
upload_free(struct call *call)
{
    struct upload *upload = call->upload;

    if (upload == NULL)
        return;
    call->upload = NULL;
    spool_give_back(call->api->options.spool, upload->claimed);
    multipart_free(upload->form);
    if (upload->fd < 0)
        return;
    if (call->exchange->may_block)
        close(upload->fd);
    else
        job_runner_close(call->api->options.jobs, upload->fd);
}

static const struct api_options *
options_of(const struct upload *upload)
{
    return &upload->call->api->options;
}

/* --- the body ------------------------------------------------------------ */

static enum error_code
on_part(void *context, const struct multipart_part *part, struct error *err)
{
    struct upload *upload = context;

    if (++upload->parts > options_of(upload)->max_parts)
        return error_set(err, ERR_VALUE, "The form has more than %u parts.",
                         options_of(upload)->max_parts);
    upload->in_data = str_eq(part->name, STR("data"));
    if (upload->in_data && upload->has_data)
        return error_set(err, ERR_VALUE,
                         "More than one file was supplied for import.");
    upload->has_data = upload->has_data || upload->in_data;
    return ERR_OK;
}

static enum error_code
on_data(void *context, const char *bytes, size_t len, struct error *err)
{
    struct upload *upload = context;

    if (!upload->in_data)
        return ERR_OK;
    if (upload->digest.length + len > options_of(upload)->max_upload_bytes)
        return error_set(err, ERR_TOO_LARGE, NULL);
    return sink_write(&upload->digest.sink, bytes, len, err);
}

static enum error_code
on_part_end(void *context, struct error *err UNUSED)
{
    struct upload *upload = context;

    upload->in_data = false;
    return ERR_OK;
}

static enum error_code
take(struct http_exchange *exchange, struct str piece, struct error *err)
{
    struct call *call = exchange->user;
    struct upload *upload = call->upload;

    upload->received += piece.len;
    if (upload->form == NULL)
        return error_cause(err, ERR_SYNTAX,
                           "the media type names no valid boundary");
    enum error_code rc = spool_claim(options_of(upload)->spool, piece.len, err);

    if (rc != ERR_OK)
        return rc;
    upload->claimed += piece.len;
    return multipart_feed(upload->form, piece.at, piece.len, err);
}

static enum error_code
find_source(struct call *call, struct source *ret, struct error *err)
{
    struct uuid id;
    struct db_tx *tx;
    enum error_code rc = call_param_id(call, 0, &id, err);

    if (rc == ERR_OK)
        rc = call_read_begin(call, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = source_find(tx, &id, &call->exchange->arena, ret, err);
    db_read_end(tx);
    return rc;
}

static enum error_code
open_upload(struct upload *upload, struct str type, struct error *err)
{
    const struct multipart_callbacks callbacks = {
        .context = upload,
        .begin = on_part,
        .data = on_data,
        .end = on_part_end,
    };
    char boundary[71];
    enum error_code rc = spool_create(options_of(upload)->spool, &upload->fd,
                                      err);

    if (rc != ERR_OK)
        return rc;
    fd_sink_init(&upload->to, upload->fd);
    digest_begin(&upload->digest, &upload->to.sink);
    if (!multipart_boundary(type, boundary))
        return ERR_OK;
    upload->form = multipart_new(boundary, &callbacks);
    return upload->form ? ERR_OK : error_busy(err, "no memory for a form");
}

enum error_code
upload_api_begin(struct call *call, struct error *err)
{
    struct http_exchange *exchange = call->exchange;
    struct str type = http_header(&exchange->request, "Content-Type");
    uint64_t max = call->api->options.max_upload_bytes + FRAME_BYTES;

    if (!exchange->may_block)
        return ERR_LATER;
    struct upload *upload = arena_zalloc(&exchange->arena, sizeof(*upload));

    if (upload == NULL)
        return error_busy(err, "no memory for an upload");
    upload->call = call;
    upload->fd = -1;
    enum error_code rc = find_source(call, &upload->source, err);

    if (rc != ERR_OK)
        return rc;
    if (!http_media_is(type, "multipart/form-data"))
        return error_set(err, ERR_MEDIA_TYPE, NULL);
    if (exchange->request.body_length != UINT64_MAX &&
        exchange->request.body_length > max)
        return error_set(err, ERR_TOO_LARGE, NULL);
    call->upload = upload;
    exchange->max_body = max;
    exchange->take = take;
    rc = open_upload(upload, type, err);
    if (rc != ERR_OK)
        upload_free(call);
    return rc;
}

/* The body is over: was there a file in it? */
static enum error_code
end_body(struct upload *upload, struct error *err)
{
    enum error_code rc = ERR_OK;

    /* Some clients leave out an empty file, and with it the whole form. */
    if (upload->form != NULL && upload->received > 0)
        rc = multipart_end(upload->form, err);
    if (rc == ERR_OK && upload->digest.length == 0)
        rc = error_set(err, ERR_VALUE, "No files were supplied for import.");
    if (rc == ERR_OK)
        digest_finish(&upload->digest, upload->job.sha256);
    upload->job.length = (int64_t)upload->digest.length;
    return rc;
}

static enum error_code
read_parameters(struct upload *upload, struct error *err)
{
    const struct call *call = upload->call;
    struct str key = http_header(&call->exchange->request, "Idempotency-Key");
    enum error_code rc;

    rc = call_query_bool(call, "dryRun", false, &upload->dry_run, err);
    if (rc == ERR_OK)
        rc = call_query_bool(call, "skipRejected", false,
                             &upload->skip_rejected, err);
    if (rc == ERR_OK)
        rc = call_query_bool(call, "formulaGuard", false, &upload->job.guarded,
                             err);
    if (rc != ERR_OK)
        return rc;
    if (key.at != NULL && (key.len == 0 || key.len > MAX_KEY_BYTES))
        return error_set(err, ERR_LENGTH,
                         "Field \"Idempotency-Key\" length is outside of range "
                         "[1,%d].",
                         MAX_KEY_BYTES);
    upload->job.idempotency_key = key;
    upload->job.source = upload->source.number;
    upload->job.source_id = upload->source.source_id;
    upload->job.actor = call_actor(call);
    return ERR_OK;
}

/* --- answers ---------------------------------------------------------------
 */

static void
member_time(struct jw *json, const char *name, int64_t ms)
{
    char text[MOMENT_TEXT];

    moment_utc(ms, text);
    jw_member_text(json, name, text);
}

static void
member_job(struct jw *json, const struct job *job)
{
    char id[UUID_HEX];

    jw_member_text(json, "id", uuid_hex(&job->id, id));
    member_time(json, "created", job->created_ms);
    member_time(json, "modified", job->modified_ms);
    jw_member_text(json, "status", job_status_name(job->status));
}

static enum error_code
answer_job(struct upload *upload, struct error *err)
{
    CLEANUP(buf_done) struct buf body;
    struct jw json;
    char id[UUID_HEX];

    buf_init(&body, ANSWER_BYTES);
    jw_init(&json, &body);
    jw_object(&json);
    member_job(&json, &upload->job);
    jw_member_text(&json, "sourceId", uuid_hex(&upload->job.source_id, id));
    jw_object_end(&json);
    return call_json(upload->call, 202, &body, err);
}

/* Where the refused lines of the upload `id` are. */
static const char *
errors_path(const struct upload *upload, const struct uuid *id)
{
    const struct call *call = upload->call;
    const char *slash = "/", *version = "";
    struct str family = call->family;
    char source[UUID_TEXT], hex[UUID_HEX];

    if (str_eq(family, STR("v1"))) {
        slash = "";
        family = STR("");
        version = "/v1";
    }
    return arena_printf(&call->exchange->arena,
                        "%s%.*s/non-employee-sources%s/%s/"
                        "non-employee-bulk-upload/%s/errors",
                        slash, STR_ARG(family), version,
                        uuid_dashed(&upload->source.id, source),
                        uuid_hex(id, hex));
}

/* --- validation -------------------------------------------------------------
 */

static struct import_options
import_options(const struct upload *upload)
{
    const struct api_options *options = options_of(upload);

    return (struct import_options){
        .source_id = upload->source.id,
        .actor = upload->job.actor,
        .unguard = upload->job.guarded,
        .check_managers = options->check_managers,
        .max_records = options->max_records,
    };
}

static void
list_fault(void *context, const struct import_fault *fault)
{
    struct jw *json = context;

    jw_object(json);
    jw_member_int(json, "line", (int64_t)fault->line);
    if (fault->column.len > 0)
        jw_member(json, "column", fault->column);
    jw_member_text(json, "reason", fault->reason);
    jw_member(json, "text", fault->text);
    jw_object_end(json);
}

/* Tell what an upload would do. */
static enum error_code
dry_run(struct upload *upload, struct error *err)
{
    CLEANUP(import_result_done) struct import_result result;
    CLEANUP(buf_done) struct buf body;
    struct import_options options = import_options(upload);
    struct jw json;

    import_result_init(&result);
    buf_init(&body, ANSWER_BYTES);
    jw_init(&json, &body);
    jw_object(&json);
    jw_key(&json, "errors");
    jw_array(&json);
    options.count = true;
    options.fault = list_fault;
    options.context = &json;
    enum error_code rc = import_check(options_of(upload)->db, upload->fd,
                                      upload->digest.length, &options, &result,
                                      err);

    if (rc != ERR_OK && result.error_count == 0)
        return rc;
    jw_array_end(&json);
    jw_member_int(&json, "errorCount", result.error_count);
    jw_member_int(&json, "rows", result.rows);
    jw_member_int(&json, "created", result.created);
    jw_member_int(&json, "updated", result.updated);
    jw_member_int(&json, "unchanged", result.unchanged);
    jw_object_end(&json);
    return call_json(upload->call, 200, &body, err);
}

static void
note_fault(void *context, const struct import_fault *fault)
{
    reject_add(context, fault);
}

/* Tell where the refused lines of the upload `id` are. */
static void
link_refused(const struct upload *upload, const struct uuid *id)
{
    http_response_headerf(&upload->call->exchange->response, "Link",
                          "<%s>; rel=\"related\"; type=\"text/csv\"",
                          errors_path(upload, id));
}

/* Keep the refused lines in the database; with `ret_rest_fd` the others in a
 * file. */
static enum error_code
keep_refused(const struct upload *upload, const struct reject *reject,
             int *ret_rest_fd, struct uuid *ret_id, struct error *err)
{
    const struct api_options *options = options_of(upload);

    return reject_keep(reject, options->db, options->spool, &upload->source.id,
                       upload->fd, upload->digest.length, ret_rest_fd, ret_id,
                       err);
}

struct refusal {
    struct uuid file, id;
};

static enum error_code
finish_refused(struct db_tx *tx, void *context, struct error *err)
{
    const struct refusal *refusal = context;

    return upload_finish(tx, &refusal->file, UPLOAD_REFUSED, &refusal->id, err);
}

/* The answer to a file with bad lines, whose texts have no room in an
 * error. */
static enum error_code
refuse_lines(struct upload *upload, const struct import_result *result,
             const struct reject *reject, struct error *err)
{
    struct call *call = upload->call;
    struct db *db = options_of(upload)->db;
    struct refusal refusal = {.id = uuid_mint()};
    enum error_code rc = keep_refused(upload, reject, NULL, &refusal.file, err);

    if (rc == ERR_OK)
        rc = db_write(db, finish_refused, &refusal, err);
    if (rc != ERR_OK)
        return rc;
    link_refused(upload, &refusal.id);
    call->text =
        arena_str(&call->exchange->arena, buf_view(&result->errors)).at;
    error_set(err, ERR_CONTENT, NULL);
    snprintf(err->cause, sizeof(err->cause),
             "The refused lines, to be corrected and sent again, are for a day "
             "at %s",
             errors_path(upload, &refusal.id));
    return ERR_CONTENT;
}

/* --- the job
 * ------------------------------------------------------------------ */

/* The job that an earlier try with the same key has made. ERR_NOT_FOUND. */
static enum error_code
find_earlier(struct upload *upload, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct job job;
    struct db_tx *tx;
    enum error_code rc;

    arena_init(&arena, JOB_ARENA_BYTES);
    if (upload->job.idempotency_key.at == NULL)
        return ERR_NOT_FOUND;
    rc = db_read_begin(options_of(upload)->db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = job_by_key(tx, upload->source.number, upload->job.idempotency_key,
                    &arena, &job, err);
    db_read_end(tx);
    if (rc != ERR_OK)
        return rc;
    if (memcmp(job.sha256, upload->job.sha256, sizeof(job.sha256)) != 0)
        return error_set(err, ERR_CONFLICT,
                         "The Idempotency-Key was already used for another "
                         "file.");
    /* Its texts go with the arena; the answer has none. */
    upload->job.id = job.id;
    upload->job.status = job.status;
    upload->job.created_ms = job.created_ms;
    upload->job.modified_ms = job.modified_ms;
    return ERR_OK;
}

static enum error_code
enqueue(struct upload *upload, int fd, const struct uuid *refused,
        struct error *err)
{
    enum error_code rc = job_enqueue(options_of(upload)->db, &upload->job, fd,
                                     refused, err);

    /* Two tries at the same time: the other one was first. */
    if (rc == ERR_CONFLICT)
        return find_earlier(upload, err);
    if (rc == ERR_OK)
        job_runner_wake(options_of(upload)->jobs);
    return rc;
}

/* Queue the good lines of a file that has bad ones. */
static enum error_code
enqueue_rest(struct upload *upload, const struct import_result *result,
             const struct reject *reject, struct error *err)
{
    struct stat status;
    struct uuid refused;
    int fd;
    enum error_code rc = keep_refused(upload, reject, &fd, &refused, err);

    if (rc != ERR_OK)
        return rc;
    if (fstat(fd, &status) != 0)
        rc = error_errno(err, "stat");
    if (rc == ERR_OK) {
        upload->job.length = status.st_size;
        upload->job.errors = buf_view(&result->errors);
        rc = enqueue(upload, fd, &refused, err);
    }
    close(fd);
    if (rc == ERR_OK)
        link_refused(upload, &upload->job.id);
    /* Unless it has become the job's. */
    upload_file_drop(options_of(upload)->db, &refused);
    return rc;
}

static enum error_code
check_and_enqueue(struct upload *upload, struct error *err)
{
    CLEANUP(import_result_done) struct import_result result;
    CLEANUP(reject_done) struct reject reject;
    struct import_options options = import_options(upload);

    import_result_init(&result);
    reject_init(&reject);
    options.fault = note_fault;
    options.context = &reject;
    enum error_code rc = import_check(options_of(upload)->db, upload->fd,
                                      upload->digest.length, &options, &result,
                                      err);

    if (rc == ERR_OK)
        return enqueue(upload, upload->fd, NULL, err);
    if (rc != ERR_CONTENT)
        return rc;
    /* Lines that were only counted cannot be left out. */
    if (upload->skip_rejected && reject.faults == result.error_count)
        return enqueue_rest(upload, &result, &reject, err);
    return refuse_lines(upload, &result, &reject, err);
}

enum error_code
upload_api_finish(struct call *call, struct error *err)
{
    struct upload *upload = call->upload;
    enum error_code rc = end_body(upload, err);

    if (rc == ERR_OK)
        rc = read_parameters(upload, err);
    if (rc == ERR_OK && upload->dry_run) {
        rc = dry_run(upload, err);
    } else if (rc == ERR_OK) {
        rc = find_earlier(upload, err);
        if (rc == ERR_NOT_FOUND)
            rc = check_and_enqueue(upload, err);
        if (rc == ERR_OK)
            rc = answer_job(upload, err);
    }
    /* Here, where a long file may take its time to go. */
    upload_free(call);
    return rc;
}

/* --- afterwards
 * --------------------------------------------------------------- */

static void
member_errors(struct jw *json, struct str errors)
{
    jw_key(json, "errors");
    jw_array(json);
    while (errors.at != NULL && errors.len > 0)
        jw_str(json, str_cut(&errors, '\n'));
    jw_array_end(json);
}

enum error_code
upload_api_status(struct call *call, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf body;
    struct source source;
    struct job job;
    struct jw json;
    struct db_tx *tx;
    enum error_code rc = find_source(call, &source, err);

    arena_init(&arena, JOB_ARENA_BYTES);
    buf_init(&body, ANSWER_BYTES);
    if (rc == ERR_OK)
        rc = call_read_begin(call, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = job_newest(tx, source.number, &arena, &job, err);
    db_read_end(tx);
    if (rc != ERR_OK && rc != ERR_NOT_FOUND)
        return rc;
    jw_init(&json, &body);
    jw_object(&json);
    if (rc == ERR_OK) {
        member_job(&json, &job);
        jw_member_int(&json, "recordsCreated", job.records_created);
        jw_member_int(&json, "recordsUpdated", job.records_updated);
        member_errors(&json, job.errors);
    } else {
        jw_member_text(&json, "status", NULL);
    }
    jw_object_end(&json);
    return call_json(call, 200, &body, err);
}

enum error_code
upload_api_errors(struct call *call, struct error *err)
{
    struct http_response *response = &call->exchange->response;
    const struct api_options *options = &call->api->options;
    struct source source;
    struct uuid id;
    uint64_t length;
    int fd;

    if (!call->exchange->may_block)
        return ERR_LATER;
    enum error_code rc = find_source(call, &source, err);

    if (rc == ERR_OK)
        rc = call_param_id(call, 1, &id, err);
    if (rc == ERR_OK)
        rc = upload_file_read(options->db, options->spool, UPLOAD_REFUSED, &id,
                              source.number, &fd, &length, err);
    if (rc != ERR_OK)
        return rc;
    http_response_file(response, 200, "text/csv; charset=utf-8", fd, 0, length);
    http_response_header(response, "Content-Disposition",
                         STR("attachment; filename=\"refused_lines.csv\""));
    return ERR_OK;
}

/* transfer_api.c - the CSV of a source, out of the server. */
#include "api/call.h"

#include <inttypes.h>

#include "base/secret.h"
#include "http/range.h"
#include "store/mark_cache.h"

/* The CSV's own caching rule: a stored copy is fine, but ask first. */
#define CSV_CACHE_CONTROL STR("private, no-cache")

/* Contract 16.2: line ends, byte order mark and formula guard are opt-in. */
static enum error_code
parse_variant(const struct call *call, unsigned *ret, struct error *err)
{
    struct str line_end = http_query(&call->exchange->request, "lineEnd");
    bool bom, guard;
    enum error_code rc;

    *ret = 0;
    if (str_eq_nocase(line_end, STR("crlf")))
        *ret |= EXPORT_CRLF;
    else if (line_end.at != NULL && !str_eq_nocase(line_end, STR("lf")))
        return error_set(err, ERR_VALUE,
                         "Value of \"lineEnd\" is empty or contains invalid "
                         "data.");
    rc = call_query_bool(call, "bom", false, &bom, err);
    if (rc == ERR_OK)
        rc = call_query_bool(call, "formulaGuard", false, &guard, err);
    if (rc != ERR_OK)
        return rc;
    *ret |= (bom ? EXPORT_BOM : 0) | (guard ? EXPORT_GUARD : 0);
    return ERR_OK;
}

/* One byte of an extended parameter value (RFC 8187 section 3.2.1). */
static void
rfc8187_byte(struct buf *to, char c)
{
    bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                 (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_';

    if (plain)
        buf_char(to, c);
    else
        buf_printf(to, "%%%02X", (unsigned char)c);
}

static void
disposition(struct http_response *response, const char *prefix,
            struct str source_name)
{
    CLEANUP(buf_done) struct buf name, value;
    bool changed;

    buf_init(&name, 4096);
    buf_init(&value, 16384);
    export_file_name(prefix, source_name, &name, &changed);
    buf_printf(&value, "attachment; filename=\"%.*s\"",
               STR_ARG(buf_view(&name)));
    if (changed) {
        buf_printf(&value, "; filename*=UTF-8''%s", prefix);
        for (size_t i = 0; i < source_name.len; i++)
            rfc8187_byte(&value, source_name.at[i]);
        buf_text(&value, ".csv");
    }
    http_response_header(response, "Content-Disposition", buf_view(&value));
}

/* The change as a whole second, rounded up. A client that was shown this time
 * asked after that second was over, so no later change can have it. */
static int64_t
modified_s(int64_t changed_ms)
{
    return changed_ms / 1000 + 1;
}

/* Headers that 200, 206, 304 and 416 share. Last-Modified is never later than
 * the answer itself (RFC 9110 section 8.8.2.1). */
static void
validators(struct http_response *response, const char *etag, int64_t changed_ms)
{
    char date[MOMENT_TEXT];

    moment_http(MIN(modified_s(changed_ms) * 1000, clock_now_ms()), date);
    http_response_header(response, "ETag", str_of(etag));
    http_response_header(response, "Last-Modified", str_of(date));
    http_response_header(response, "Cache-Control", CSV_CACHE_CONTROL);
    http_response_header(response, "Vary", STR("Accept-Encoding"));
}

static void
wake_call(struct snapshot_waiter *waiter)
{
    struct call *call = (struct call *)((char *)waiter -
                                        offsetof(struct call, waiter));

    http_wake(call->exchange);
}

/* Read what the first look at the source has to tell, once per call: after a
 * wait the same revision is asked for, so that a source that changes all the
 * time cannot starve a download. */
static enum error_code
mark_source(struct call *call, struct error *err)
{
    struct uuid id;
    enum error_code rc;

    if (call->marked)
        return ERR_OK;
    if (db_is_remote(call->api->options.db) && !call->exchange->may_block)
        return ERR_LATER;
    rc = call_param_id(call, 0, &id, err);
    if (rc == ERR_OK)
        rc = mark_cache_get(call->api->marks, &id, &call->mark, err);
    call->marked = rc == ERR_OK;
    return rc;
}

static enum error_code
source_name(struct call *call, struct str *ret, struct error *err)
{
    struct source source;
    struct db_tx *tx;
    enum error_code rc = db_read_begin(call->api->options.db, &tx, err);

    if (rc != ERR_OK)
        return rc;
    rc = source_find(tx, &call->mark.id, &call->exchange->arena, &source, err);
    db_read_end(tx);
    if (rc == ERR_OK)
        *ret = source.name;
    return rc;
}

/* 200, 206 or 416 with the file. Takes over the snapshot's descriptor. */
static void
send_snapshot(struct call *call, struct snapshot *file,
              enum snapshot_coding coding)
{
    const struct http_request *request = &call->exchange->request;
    struct http_response *response = &call->exchange->response;
    static const char *const coding_name[SNAPSHOT_CODINGS] = {
        [SNAPSHOT_GZIP] = "gzip", [SNAPSHOT_ZSTD] = "zstd"};
    struct str range = http_header(request, "Range");
    uint64_t first = 0, length = file->length;
    enum range_result part = RANGE_WHOLE;
    char digest[BASE64_SIZE(sizeof(file->sha256))];

    if (range.at != NULL && http_if_range(request, file->etag))
        part = range_parse(range, file->length, &first, &length);
    if (part == RANGE_UNSATISFIABLE) {
        http_response_empty(response, 416);
        http_response_headerf(response, "Content-Range", "bytes */%" PRIu64,
                              file->length);
        validators(response, file->etag, file->changed_ms);
        return;
    }
    http_response_file(response, part == RANGE_PART ? 206 : 200,
                       "text/csv; charset=utf-8", file->fd, first, length);
    file->fd = -1;
    validators(response, file->etag, file->changed_ms);
    if (part == RANGE_PART)
        http_response_headerf(response, "Content-Range",
                              "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first,
                              first + length - 1, file->length);
    base64_encode(file->sha256, sizeof(file->sha256), digest);
    http_response_headerf(response, "Repr-Digest", "sha-256=:%s:", digest);
    http_response_headerf(response, "X-Total-Count", "%" PRId64, file->rows);
    http_response_header(response, "Accept-Ranges", STR("bytes"));
    if (coding_name[coding] != NULL)
        http_response_header(response, "Content-Encoding",
                             str_of(coding_name[coding]));
}

/* A download: the export, or with EXPORT_TEMPLATE only its header line. */
static enum error_code
download(struct call *call, unsigned variant, const char *file_prefix,
         struct error *err)
{
    const struct http_request *request = &call->exchange->request;
    CLEANUP(snapshot_release) struct snapshot file = {.fd = -1};
    static const enum snapshot_coding coding[CODINGS] = {
        [CODING_IDENTITY] = SNAPSHOT_IDENTITY,
        [CODING_GZIP] = SNAPSHOT_GZIP,
        [CODING_ZSTD] = SNAPSHOT_ZSTD};
    struct snapshot_key key = {.coding = SNAPSHOT_IDENTITY};
    struct str name;
    char etag[sizeof(file.etag)];
    enum error_code rc;

    rc = mark_source(call, err);
    if (rc == ERR_OK)
        rc = parse_variant(call, &key.variant, err);
    if (rc != ERR_OK)
        return rc;
    key.variant |= variant;
    key.source_id = call->mark.id;
    key.coding =
        coding[http_coding_pick(http_header(request, "Accept-Encoding"))];

    /* Everything that can still become another status happens here: once
     * the first byte of a file has left, the status can no longer change. */
    snapshot_etag(call->api->options.snapshots, &key, call->mark.revision,
                  call->mark.changed_ms, etag);
    int status = http_condition(request, etag,
                                modified_s(call->mark.changed_ms));

    if (status != 0) {
        http_response_empty(&call->exchange->response, status);
        validators(&call->exchange->response, etag, call->mark.changed_ms);
        return ERR_OK;
    }
    call->waiter.wake = wake_call;
    call->for_others = true;
    rc = snapshot_get(call->api->options.snapshots, &key, call->mark.revision,
                      call->exchange->may_block, &call->waiter, &file, err);
    call->for_others = false;
    if (rc == ERR_LATER)
        call->waits = call->exchange->may_block;
    if (rc == ERR_OK)
        rc = source_name(call, &name, err);
    if (rc != ERR_OK)
        return rc;
    send_snapshot(call, &file, key.coding);
    disposition(&call->exchange->response, file_prefix, name);
    return ERR_OK;
}

enum error_code
transfer_api_export(struct call *call, struct error *err)
{
    return download(call, 0, "non_employees_for_source_", err);
}

enum error_code
transfer_api_template(struct call *call, struct error *err)
{
    return download(call, EXPORT_TEMPLATE, "non_employee_template_for_source_",
                    err);
}

#include "store/upload_store.h"

#include "store/row.h"

#define HOUR_MS ((int64_t)3600 * 1000)
#define REFUSED_KEEP_MS (24 * HOUR_MS)
#define WRITING_MAX_MS HOUR_MS

static struct str
kind_name(enum upload_kind kind)
{
    return kind == UPLOAD_WAITING ? STR("WAITING") : STR("REFUSED");
}

enum error_code
upload_insert(struct db_tx *tx, int64_t source, enum upload_kind kind,
              struct uuid *ret_id, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_UPLOAD_FILE_INSERT);
    const struct uuid id = uuid_mint();

    db_uuid(query, 1, &id);
    db_int(query, 2, source);
    db_str(query, 3, kind_name(kind));
    db_int(query, 4, clock_now_ms());
    enum error_code rc = db_run(query, NULL, err);

    if (rc == ERR_OK)
        *ret_id = id;
    return rc;
}

enum error_code
upload_add(struct db_tx *tx, const struct uuid *id, int64_t number,
           struct str bytes, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_UPLOAD_FILE_GROW);

    db_uuid(query, 1, id);
    db_int(query, 2, (int64_t)bytes.len);
    enum error_code rc = run_one(query, err);

    if (rc != ERR_OK)
        return rc;
    query = db_query(tx, STMT_UPLOAD_CHUNK_INSERT);
    db_uuid(query, 1, id);
    db_int(query, 2, number);
    db_blob(query, 3, bytes);
    return db_run(query, NULL, err);
}

enum error_code
upload_finish(struct db_tx *tx, const struct uuid *id, enum upload_kind kind,
              const struct uuid *upload_id, struct error *err)
{
    enum error_code rc = upload_remove(tx, kind, upload_id, err);

    if (rc != ERR_OK)
        return rc;
    struct db_query *query = db_query(tx, STMT_UPLOAD_FILE_FINISH);

    db_uuid(query, 1, id);
    db_uuid(query, 2, upload_id);
    return run_one(query, err);
}

enum error_code
upload_find(struct db_tx *tx, enum upload_kind kind,
            const struct uuid *upload_id, struct upload_file *ret,
            struct error *err)
{
    struct db_query *query = db_query(tx, STMT_UPLOAD_FILE_FIND);

    db_str(query, 1, kind_name(kind));
    db_uuid(query, 2, upload_id);
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK)
        *ret = (struct upload_file){.id = db_col_uuid(query, 0),
                                    .source = db_col_int(query, 1),
                                    .length = db_col_int(query, 2)};
    return row_done(query, rc, NULL, err);
}

enum error_code
upload_chunk(struct db_tx *tx, const struct uuid *id, int64_t number,
             struct db_query **ret_query, struct str *ret, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_UPLOAD_CHUNK_FIND);

    db_uuid(query, 1, id);
    db_int(query, 2, number);
    enum error_code rc = db_step(query, err);

    if (rc != ERR_OK)
        return row_done(query, rc, NULL, err);
    *ret = db_col_str(query, 0);
    *ret_query = query;
    return ERR_OK;
}

enum error_code
upload_remove(struct db_tx *tx, enum upload_kind kind,
              const struct uuid *upload_id, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_UPLOAD_FILE_REMOVE);

    db_str(query, 1, kind_name(kind));
    db_uuid(query, 2, upload_id);
    return db_run(query, NULL, err);
}

enum error_code
upload_drop(struct db_tx *tx, const struct uuid *id, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_UPLOAD_FILE_DROP);

    db_uuid(query, 1, id);
    return db_run(query, NULL, err);
}

enum error_code
upload_sweep(struct db_tx *tx, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_UPLOAD_FILE_SWEEP);
    int64_t now_ms = clock_now_ms();

    db_int(query, 1, now_ms - REFUSED_KEEP_MS);
    db_int(query, 2, now_ms - WRITING_MAX_MS);
    return db_run(query, NULL, err);
}

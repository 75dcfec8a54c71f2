/*
 * upload_store.h - files of bulk uploads, in chunks: those that wait for their
 * import and lines that were refused. core/upload_file.h moves their bytes.
 *
 * Memory, errors, threads: see store.h.
 */
#ifndef NELM_STORE_UPLOAD_STORE_H
#define NELM_STORE_UPLOAD_STORE_H

#include "store/store.h"

#define UPLOAD_CHUNK_BYTES ((size_t)1 << 20)

enum upload_kind { UPLOAD_WAITING, UPLOAD_REFUSED };

struct upload_file {
    struct uuid id;
    int64_t source, length;
};

/* A new, empty file, which belongs to no upload yet. Fills ret_id. */
enum error_code upload_insert(struct db_tx *tx, int64_t source,
                              enum upload_kind kind, struct uuid *ret_id,
                              struct error *err) MUST_USE;
/* Add chunk `number`; chunks are full but for the last. ERR_NOT_FOUND when the
 * file has gone, or is finished. */
enum error_code upload_add(struct db_tx *tx, const struct uuid *id,
                           int64_t number, struct str bytes,
                           struct error *err) MUST_USE;
/* The file is whole, and is the one of its kind for this upload from now on.
 * ERR_NOT_FOUND when it has gone. */
enum error_code upload_finish(struct db_tx *tx, const struct uuid *id,
                              enum upload_kind kind,
                              const struct uuid *upload_id,
                              struct error *err) MUST_USE;

enum error_code upload_find(struct db_tx *tx, enum upload_kind kind,
                            const struct uuid *upload_id,
                            struct upload_file *ret,
                            struct error *err) MUST_USE;
/* The bytes are valid until the query that *ret_query is ends: db_end(). */
enum error_code upload_chunk(struct db_tx *tx, const struct uuid *id,
                             int64_t number, struct db_query **ret_query,
                             struct str *ret, struct error *err) MUST_USE;

/* The finished file of an upload, if there is one. */
enum error_code upload_remove(struct db_tx *tx, enum upload_kind kind,
                              const struct uuid *upload_id,
                              struct error *err) MUST_USE;
/* A file that will not be finished. A finished one stays. */
enum error_code upload_drop(struct db_tx *tx, const struct uuid *id,
                            struct error *err) MUST_USE;
/* All that nobody needs, or writes, any more. */
enum error_code upload_sweep(struct db_tx *tx, struct error *err) MUST_USE;

#endif

/*
 * backup.h - all of a registry as one file, back again, and from one database
 * to another.
 *
 * The file is a bundle (core/bundle.h) of
 *     nelm-backup.json          the version of this format, who wrote it
 *     tables/TABLE/NUMBER.tsv   rows (core/row_text.h), some 4 MB in a piece
 *     manifest.json             how many rows, which sums, what the CSV of each
 *                               source is, the heads of all chains
 *     manifest.jws              the registry's signature over the manifest
 * It is one state of the database, and the same rows make the same pieces.
 *
 * Memory:  one piece, whatever the size of the database.
 * Errors:  ERR_CONTENT for a file that is damaged, incomplete or not ours, with
 *          a text that says where; ERR_CONFLICT for a database that is not
 *          empty and for a version that does not fit.
 * Threads: each call is on its own.
 */
#ifndef NELM_CORE_BACKUP_H
#define NELM_CORE_BACKUP_H

#include "auth/jwt.h"
#include "core/sums.h"
#include "store/table.h"

#define BACKUP_VERSION 1

/* Called now and then with how far the work is. */
struct backup_progress {
    void (*show)(void *context, uint64_t bytes, uint64_t rows);
    void *context;
};

/* What a file has. */
struct backup_summary {
    struct uuid registry;
    int64_t created_ms, schema_version;
    int64_t rows, records; /* of all tables, of people */
    size_t sources, pieces;
    bool keys;                  /* the keys that sign are in it */
    char kid[JWT_KID];          /* of the key that signed it */
    unsigned char manifest[32]; /* SHA-256 of manifest.json */
};

/* Write all to `fd`, from its present position. `keys`: with the private keys
 * that sign access tokens, so that tokens stay valid where it is restored. */
enum error_code backup_write(struct db *db, int fd, bool keys,
                             const struct backup_progress *progress,
                             struct backup_summary *ret,
                             struct error *err) MUST_USE;

/* Needs no database. Reads all of `fd`, a file, and says everything that is
 * wrong: each thing with one line to `problem`, the whole with the error.
 * `trusted` are fingerprints (RFC 7638) of keys, one of which must have signed;
 * without any, whatever key the file brings will do. */
struct backup_check {
    struct str *trusted;
    size_t trusted_count;
    void (*problem)(void *context, const char *text);
    void *context;
};
enum error_code backup_verify(int fd, const struct backup_check *check,
                              const struct backup_progress *progress,
                              struct backup_summary *ret,
                              struct error *err) MUST_USE;

/* backup_verify(), then everything into `db`, whose schema this makes, or
 * nothing. A backup of an older schema is upgraded as that database would have
 * been. In the end the CSV of every source is what the manifest says. */
enum error_code backup_restore(int fd, struct db *db,
                               const struct backup_check *check,
                               const struct backup_progress *progress,
                               struct backup_summary *ret,
                               struct error *err) MUST_USE;

/* Everything from one database into another, which is empty, or nothing. In
 * the end the CSV of every source is the same in both. */
enum error_code backup_copy(struct db *from, struct db *to,
                            const struct backup_progress *progress,
                            struct backup_summary *ret,
                            struct error *err) MUST_USE;

/* --- for the files of this module --------------------------------------- */

#define BACKUP_HEAD "nelm-backup.json"
#define BACKUP_MANIFEST "manifest.json"
#define BACKUP_SIGNATURE "manifest.jws"
#define BACKUP_TYPE "nelm-backup+jws"
#define BACKUP_MANIFEST_BYTES ((size_t)32 << 20) /* at most */
extern const char *const backup_kinds[3]; /* of columns, by enum column_kind */

/* ERR_CONFLICT when there is a registry in it. */
enum error_code backup_require_empty(struct db_tx *tx,
                                     struct error *err) MUST_USE;

#endif

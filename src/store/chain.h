/*
 * chain.h - what makes tampering visible (sql/migrate/0005_chain.sql).
 *
 * Audit rows, and changes of records with their history and what they made of
 * the records, are links of chains: the hash of link n is
 *     SHA-256(hash of link n - 1 || digest of the row)
 * where nothing stands before the first one. The digest is a tally
 * (fmt/digest.h) of
 *     audit: at_ms, event, actor, request_id, object_id, source, detail
 *     change: source, revision, at_ms, actor, request_id, first and last key
 *       created (0, 0 for none), the tally of what was created (for each record
 *       in the order of keys: key, id, line, custom) and of what was updated
 *       and deleted (change, key, id, line and custom before; after an update
 *       both again).
 * The head of a chain, its number of links and last hash, is in the table
 * `chain`. So an edited, removed or moved row is found by whoever reads the
 * chain, and missing last rows by its head. Who can rewrite a chain from a row
 * to its head is found by a head that was noted elsewhere.
 *
 * Memory, errors, threads: see store.h.
 */
#ifndef NELM_STORE_CHAIN_H
#define NELM_STORE_CHAIN_H

#include "fmt/digest.h"
#include "store/audit_store.h"

#define CHAIN_HASH 32

enum chain_kind { CHAIN_AUDIT, CHAIN_CHANGE, CHAIN_KINDS };
extern const char *const chain_kinds[CHAIN_KINDS]; /* "AUDIT", "CHANGE" */

struct chain_link {
    int64_t link; /* from 1; 0: none */
    unsigned char hash[CHAIN_HASH];
};

/* Add a link to the chain of `source` (0: no source). Until the transaction
 * ends nobody else adds to that chain. */
enum error_code chain_add(struct db_tx *tx, enum chain_kind kind,
                          int64_t source,
                          const unsigned char digest[CHAIN_HASH],
                          struct chain_link *ret, struct error *err) MUST_USE;

/* The next link behind *link, by the rule above. */
void chain_next(struct chain_link *link,
                const unsigned char digest[CHAIN_HASH]);

/* Bind link and hash as $n and $n+1. */
void chain_bind(struct db_query *query, int n, const struct chain_link *link);

/* --- digests of rows --------------------------------------------------- */

void chain_audit_digest(const struct audit_row *row,
                        unsigned char ret[CHAIN_HASH]);

/* One record that was created, in the order of keys. */
void chain_tally_created(struct tally *created, int64_t key, struct str id,
                         struct str line, struct str custom);

struct chain_change {
    int64_t source, revision, at_ms;
    struct actor actor;
    struct chain_link link;
};
/* The digest of a change whose history is written. `created` is the tally of
 * what it created, which this ends; NULL: read it from the database. */
enum error_code chain_change_digest(struct db_tx *tx,
                                    const struct chain_change *change,
                                    struct tally *created,
                                    unsigned char ret[CHAIN_HASH],
                                    struct error *err) MUST_USE;

/* --- upgrade, heads, verification -------------------------------------- */

/* db_work, the end of an upgrade: link the rows from before there were
 * chains. */
enum error_code chain_seal(struct db_tx *tx, void *context, struct error *err);

struct chain_head {
    enum chain_kind kind;
    int64_t source; /* 0: audit rows without a source */
    struct chain_link last;
};
typedef bool chain_visit(void *context, const struct chain_head *head);
enum error_code chain_each(struct db_tx *tx, chain_visit *visit, void *context,
                           struct error *err) MUST_USE;

struct chain_verify {
    /* Hashes noted elsewhere, and whether a link has them. */
    struct chain_anchor {
        unsigned char hash[CHAIN_HASH];
        bool found;
    } * anchors;
    size_t anchor_count;
    /* Called for each thing that is wrong, with one line. */
    void (*problem)(void *context, const char *text);
    void *context;
    int64_t audit_rows, changes, problems; /* what was read and found */
};
/* Read all chains, as `tx` sees them. ERR_OK also when there are problems. */
enum error_code chain_verify(struct db_tx *tx, struct chain_verify *verify,
                             struct error *err) MUST_USE;

/* --- for chain_verify.c ------------------------------------------------ */

/* Rows as chain_audit and chain_changes have their columns; texts live as long
 * as the row. Link 0: in no chain. */
struct chain_audit {
    struct audit_row row;
    struct chain_link link;
};
void chain_audit_row(struct db_query *query, struct chain_audit *ret);
void chain_change_row(struct db_query *query, struct chain_change *ret);

#endif

#include "store/chain.h"

#include "store/row.h"

const char *const chain_kinds[CHAIN_KINDS] = {"AUDIT", "CHANGE"};

static struct str
hash_str(const unsigned char hash[CHAIN_HASH])
{
    return str_n((const char *)hash, CHAIN_HASH);
}

/* Link and hash in two columns; link 0 for a row that is in no chain. */
static struct chain_link
row_link(struct db_query *query, int column)
{
    struct chain_link link = {.link = db_col_int(query, column)};
    struct str hash = db_col_str(query, column + 1);

    if (hash.len == CHAIN_HASH)
        memcpy(link.hash, hash.at, CHAIN_HASH);
    return link;
}

enum error_code
chain_add(struct db_tx *tx, enum chain_kind kind, int64_t source,
          const unsigned char digest[CHAIN_HASH], struct chain_link *ret,
          struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CHAIN_ADD);

    db_str(query, 1, str_of(chain_kinds[kind]));
    db_int(query, 2, source);
    db_blob(query, 3, hash_str(digest));
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK)
        *ret = row_link(query, 0);
    return row_done(query, rc, NULL, err);
}

void
chain_next(struct chain_link *link, const unsigned char digest[CHAIN_HASH])
{
    unsigned char both[2 * CHAIN_HASH];
    size_t before = link->link == 0 ? 0 : CHAIN_HASH;

    memcpy(both, link->hash, before);
    memcpy(both + before, digest, CHAIN_HASH);
    digest_of(both, before + CHAIN_HASH, link->hash);
    /* What was read may be any number. */
    link->link = (int64_t)((uint64_t)link->link + 1);
}

void
chain_bind(struct db_query *query, int n, const struct chain_link *link)
{
    db_int(query, n, link->link);
    db_blob(query, n + 1, hash_str(link->hash));
}

/* ---- digests of rows ------------------------------------------------- */

static void
tally_uuid(struct tally *tally, bool there, const struct uuid *id)
{
    if (there)
        tally_str(tally, str_n((const char *)id->bytes, sizeof(id->bytes)));
    else
        tally_null(tally);
}

static void
tally_actor(struct tally *tally, const struct actor *actor)
{
    tally_uuid(tally, actor->known, &actor->id);
    tally_uuid(tally, actor->has_request, &actor->request_id);
}

void
chain_audit_digest(const struct audit_row *row, unsigned char ret[CHAIN_HASH])
{
    struct tally tally;

    tally_begin(&tally);
    tally_int(&tally, row->at_ms);
    tally_str(&tally, row->event);
    tally_actor(&tally, &row->actor);
    tally_uuid(&tally, row->has_object, &row->object_id);
    tally_int(&tally, row->source);
    tally_str(&tally, row->detail);
    tally_finish(&tally, ret);
}

/* The packed values; none is NULL. */
static void
tally_state(struct tally *tally, struct str line, struct str custom)
{
    tally_str(tally, line);
    tally_str(tally, custom);
}

void
chain_tally_created(struct tally *created, int64_t key, struct str id,
                    struct str line, struct str custom)
{
    tally_int(created, key);
    tally_str(created, id);
    tally_state(created, line, custom);
}

/* What was created with the keys in [first, last], each in the first of its
 * states. */
static enum error_code
tally_range(struct db_tx *tx, int64_t first, int64_t last,
            struct tally *created, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CHAIN_CREATED);
    int64_t seen = 0;
    enum error_code rc;

    db_int(query, 1, first);
    db_int(query, 2, last);
    while ((rc = db_step(query, err)) == ERR_OK) {
        int64_t key = db_col_int(query, 0);

        if (key != seen)
            chain_tally_created(created, key, db_col_str(query, 2),
                                db_col_str(query, 3), db_col_str(query, 4));
        seen = key;
    }
    db_end(query);
    return rc == ERR_END ? ERR_OK : rc;
}

/* What was updated and deleted; says which keys were created. */
static enum error_code
tally_changed(struct db_tx *tx, const struct chain_change *change,
              struct tally *changed, int64_t *ret_first, int64_t *ret_last,
              struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CHAIN_CHANGE_ROWS);
    enum error_code rc;

    *ret_first = *ret_last = 0;
    db_int(query, 1, change->source);
    db_int(query, 2, change->revision);
    while ((rc = db_step(query, err)) == ERR_OK) {
        struct str what = db_col_str(query, 2);

        if (str_eq(what, STR("C"))) {
            *ret_first = db_col_int(query, 0);
            *ret_last = db_col_int(query, 1);
            continue;
        }
        tally_str(changed, what);
        tally_int(changed, db_col_int(query, 0));
        tally_int(changed, db_col_int(query, 1));
        tally_str(changed, db_col_str(query, 3));
        tally_state(changed, db_col_str(query, 4), db_col_str(query, 5));
        if (str_eq(what, STR("U")))
            tally_state(changed, db_col_str(query, 6), db_col_str(query, 7));
    }
    db_end(query);
    return rc == ERR_END ? ERR_OK : rc;
}

enum error_code
chain_change_digest(struct db_tx *tx, const struct chain_change *change,
                    struct tally *created, unsigned char ret[CHAIN_HASH],
                    struct error *err)
{
    unsigned char made[CHAIN_HASH], altered[CHAIN_HASH];
    struct tally changed, read;
    int64_t first = 0, last = 0;

    tally_begin(&changed);
    enum error_code rc = tally_changed(tx, change, &changed, &first, &last,
                                       err);

    if (created == NULL) {
        created = &read;
        tally_begin(created);
        if (rc == ERR_OK && first != 0)
            rc = tally_range(tx, first, last, created, err);
    }
    if (rc != ERR_OK)
        return rc;
    tally_finish(created, made);
    tally_finish(&changed, altered);

    struct tally tally;

    tally_begin(&tally);
    tally_int(&tally, change->source);
    tally_int(&tally, change->revision);
    tally_int(&tally, change->at_ms);
    tally_actor(&tally, &change->actor);
    tally_int(&tally, first);
    tally_int(&tally, last);
    tally_str(&tally, hash_str(made));
    tally_str(&tally, hash_str(altered));
    tally_finish(&tally, ret);
    return ERR_OK;
}

/* ---- reading --------------------------------------------------------- */

void
chain_audit_row(struct db_query *query, struct chain_audit *ret)
{
    *ret = (struct chain_audit){
        .row = {.number = db_col_int(query, 0),
                .at_ms = db_col_int(query, 1),
                .event = db_col_str(query, 2),
                .actor = row_actor(query, 3),
                .source = db_col_int(query, 6),
                .detail = db_col_str(query, 7)},
        .link = row_link(query, 8),
    };
    ret->row.has_object = row_uuid(query, 5, &ret->row.object_id);
}

void
chain_change_row(struct db_query *query, struct chain_change *ret)
{
    *ret = (struct chain_change){
        .source = db_col_int(query, 0),
        .revision = db_col_int(query, 1),
        .at_ms = db_col_int(query, 2),
        .actor = row_actor(query, 3),
        .link = row_link(query, 5),
    };
}

enum error_code
chain_each(struct db_tx *tx, chain_visit *visit, void *context,
           struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CHAIN_EACH);
    enum error_code rc;

    while ((rc = db_step(query, err)) == ERR_OK) {
        struct chain_head head = {
            .kind = str_eq(db_col_str(query, 0), STR("AUDIT")) ? CHAIN_AUDIT
                                                               : CHAIN_CHANGE,
            .source = db_col_int(query, 1),
            .last = row_link(query, 2),
        };

        if (!visit(context, &head))
            break;
    }
    db_end(query);
    return rc == ERR_END ? ERR_OK : rc;
}

/* ---- the rows from before -------------------------------------------- */

/* The first row that is in no chain behind the one given. ERR_END. */
static enum error_code
seal_audit(struct db_tx *tx, int64_t *number, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CHAIN_AUDIT_UNSEALED);
    unsigned char digest[CHAIN_HASH];
    struct chain_audit audit;

    db_int(query, 1, *number);
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK) {
        chain_audit_row(query, &audit);
        chain_audit_digest(&audit.row, digest);
    }
    db_end(query);
    if (rc == ERR_OK)
        rc = chain_add(tx, CHAIN_AUDIT, audit.row.source, digest, &audit.link,
                       err);
    if (rc != ERR_OK)
        return rc;
    *number = audit.row.number;
    query = db_query(tx, STMT_CHAIN_AUDIT_SEAL);
    db_int(query, 1, audit.row.number);
    chain_bind(query, 2, &audit.link);
    return db_run(query, NULL, err);
}

static enum error_code
seal_change(struct db_tx *tx, struct chain_change *change, struct error *err)
{
    struct db_query *query = db_query(tx, STMT_CHAIN_CHANGES_UNSEALED);
    unsigned char digest[CHAIN_HASH];

    db_int(query, 1, change->source);
    db_int(query, 2, change->revision);
    enum error_code rc = db_step(query, err);

    if (rc == ERR_OK)
        chain_change_row(query, change);
    db_end(query);
    if (rc == ERR_OK)
        rc = chain_change_digest(tx, change, NULL, digest, err);
    if (rc == ERR_OK)
        rc = chain_add(tx, CHAIN_CHANGE, change->source, digest, &change->link,
                       err);
    if (rc != ERR_OK)
        return rc;
    query = db_query(tx, STMT_CHAIN_CHANGES_SEAL);
    db_int(query, 1, change->source);
    db_int(query, 2, change->revision);
    chain_bind(query, 3, &change->link);
    return db_run(query, NULL, err);
}

enum error_code
chain_seal(struct db_tx *tx, void *context UNUSED, struct error *err)
{
    struct chain_change change = {.source = 0};
    int64_t number = 0;
    enum error_code rc;

    do
        rc = seal_audit(tx, &number, err);
    while (rc == ERR_OK);
    if (rc != ERR_END)
        return rc;
    do
        rc = seal_change(tx, &change, err);
    while (rc == ERR_OK);
    return rc == ERR_END ? ERR_OK : rc;
}

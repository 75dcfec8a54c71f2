/*
 * Every row of the audit is read once, in the order of its numbers, with the
 * state of each source's chain at hand; then the changes of one source after
 * the other.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/chain.h"
#include "store/record_store.h"
#include "store/row.h"

/* How far a chain was read. */
struct chain {
    struct chain_link last;
    struct chain_link head; /* as the table `chain` has it; link 0: nothing */
    bool ended;             /* the source was deleted, says the audit */
};

struct run {
    struct db_tx *tx;
    struct chain_verify *verify;
    struct chain *chains[CHAIN_KINDS]; /* by number of the source, from 0 */
    bool *there;                       /* is there such a source? */
    int64_t last_source;               /* the last number given */
};

static void PRINTF_LIKE(2, 3) problem(struct run *run, const char *fmt, ...)
{
    char text[320];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    run->verify->problems++;
    if (run->verify->problem != NULL)
        run->verify->problem(run->verify->context, text);
}

static void
seek_anchor(struct chain_verify *verify, const struct chain_link *link)
{
    for (size_t i = 0; i < verify->anchor_count; i++)
        if (memcmp(verify->anchors[i].hash, link->hash, CHAIN_HASH) == 0)
            verify->anchors[i].found = true;
}

/* One row of a chain: `what` names it, `link` is what it says, `digest` what it
 * is. */
static void
follow(struct run *run, struct chain *chain, const char *what,
       const struct chain_link *link, const unsigned char digest[CHAIN_HASH])
{
    struct chain_link next = chain->last;

    chain_next(&next, digest);
    if (link->link <= 0) {
        problem(run, "%s is in no chain: it was not written by this program",
                what);
        return;
    }
    int64_t missing = link->link - chain->last.link - 1;

    if (missing < 0) {
        problem(run,
                "%s is out of order: link %" PRId64 " behind link %" PRId64,
                what, link->link, chain->last.link);
        return;
    }
    if (missing > 0)
        problem(run,
                "%" PRId64 " row%s missing before %s: its link is %" PRId64
                " behind link %" PRId64,
                missing, missing == 1 ? " is" : "s are", what, link->link,
                chain->last.link);
    else if (memcmp(next.hash, link->hash, CHAIN_HASH) != 0)
        problem(run, "%s was changed: it is not what its hash says", what);
    chain->last = *link;
    seek_anchor(run->verify, link);
}

/* "source 3", "no source" */
static const char *
source_text(int64_t source, char to[40])
{
    if (source == 0)
        return "no source";
    snprintf(to, 40, "source %" PRId64, source);
    return to;
}

static bool
is_known(struct run *run, const char *what, int64_t source)
{
    if (source >= 0 && source <= run->last_source)
        return true;
    problem(run, "%s names source %" PRId64 ", which there never was", what,
            source);
    return false;
}

static enum error_code
verify_audit(struct run *run, struct error *err)
{
    struct db_query *query = db_query(run->tx, STMT_CHAIN_AUDIT);
    unsigned char digest[CHAIN_HASH];
    struct chain_audit audit;
    char what[120], source[40];
    enum error_code rc;

    while ((rc = db_step(query, err)) == ERR_OK) {
        chain_audit_row(query, &audit);
        snprintf(what, sizeof(what),
                 "audit row %" PRId64 " (%s, link %" PRId64 ")",
                 audit.row.number, source_text(audit.row.source, source),
                 audit.link.link);
        run->verify->audit_rows++;
        if (!is_known(run, what, audit.row.source))
            continue;
        struct chain *chain = &run->chains[CHAIN_AUDIT][audit.row.source];

        chain_audit_digest(&audit.row, digest);
        follow(run, chain, what, &audit.link, digest);
        chain->ended = str_eq(audit.row.event,
                              STR("NON_EMPLOYEE_SOURCE_DELETED"));
    }
    db_end(query);
    return rc == ERR_END ? ERR_OK : rc;
}

static enum error_code
verify_changes(struct run *run, int64_t source, struct error *err)
{
    struct db_query *query = db_query(run->tx, STMT_CHAIN_CHANGES);
    unsigned char digest[CHAIN_HASH];
    struct chain_change change;
    char what[120];
    enum error_code rc;

    db_int(query, 1, source);
    while ((rc = db_step(query, err)) == ERR_OK) {
        chain_change_row(query, &change);
        snprintf(what, sizeof(what),
                 "the change to revision %" PRId64 " of source %" PRId64
                 " (record_change, record_history or record; link %" PRId64 ")",
                 change.revision, source, change.link.link);
        run->verify->changes++;
        rc = chain_change_digest(run->tx, &change, NULL, digest, err);
        if (rc != ERR_OK)
            break;
        follow(run, &run->chains[CHAIN_CHANGE][source], what, &change.link,
               digest);
    }
    db_end(query);
    return rc == ERR_END ? ERR_OK : rc;
}

/* What the chain's rows say against what its head says. */
static void
compare_head(struct run *run, enum chain_kind kind, int64_t source)
{
    const struct chain *chain = &run->chains[kind][source];
    int64_t missing = MAX(chain->head.link, 0) - chain->last.link;
    char name[40], of[80];

    snprintf(of, sizeof(of), "the %s chain of %s",
             kind == CHAIN_AUDIT ? "audit" : "change",
             source_text(source, name));
    if (missing > 0)
        problem(run,
                "the last %" PRId64 " row%s of %s %s missing: %" PRId64
                " were written",
                missing, missing == 1 ? "" : "s", of,
                missing == 1 ? "is" : "are", chain->head.link);
    else if (missing < 0 || chain->head.link < 0)
        problem(run,
                "the head of %s was changed: it says %" PRId64
                " links and there are %" PRId64,
                of, chain->head.link, chain->last.link);
    else if (memcmp(chain->head.hash, chain->last.hash, CHAIN_HASH) != 0)
        problem(run,
                "the head of %s was changed, or its last row: they have "
                "different hashes",
                of);
}

static bool
keep_head(void *context, const struct chain_head *head)
{
    struct run *run = context;

    if (is_known(run, "a head of a chain", head->source))
        run->chains[head->kind][head->source].head = head->last;
    return true;
}

static enum error_code
read_sources(struct run *run, struct error *err)
{
    struct db_query *query = db_query(run->tx, STMT_CHAIN_SOURCE_NUMBERS);
    enum error_code rc;

    while ((rc = db_step(query, err)) == ERR_OK) {
        int64_t number = db_col_int(query, 0);

        if (is_known(run, "a source", number))
            run->there[number] = true;
    }
    db_end(query);
    return rc == ERR_END ? ERR_OK : rc;
}

static enum error_code
allocate(struct run *run, struct error *err)
{
    size_t count = (size_t)run->last_source + 1;

    run->there = calloc(count, sizeof(*run->there));
    for (int kind = 0; kind < CHAIN_KINDS; kind++)
        run->chains[kind] = calloc(count, sizeof(*run->chains[kind]));
    if (run->there == NULL || run->chains[CHAIN_AUDIT] == NULL ||
        run->chains[CHAIN_CHANGE] == NULL)
        return error_busy(err, "no memory for the chains");
    return ERR_OK;
}

static enum error_code
verify_all(struct run *run, struct error *err)
{
    struct chain_verify *verify = run->verify;
    enum error_code rc = read_number(db_query(run->tx, STMT_CHAIN_LAST_SOURCE),
                                     &run->last_source, err);

    if (rc != ERR_OK && rc != ERR_NOT_FOUND)
        return rc;
    if (rc == ERR_NOT_FOUND || run->last_source < 0 ||
        run->last_source > RECORD_SOURCES_MAX) {
        problem(run,
                "the counter of sources is missing or no number of one: no "
                "chain was read");
        return ERR_OK;
    }
    rc = allocate(run, err);
    if (rc == ERR_OK)
        rc = read_sources(run, err);
    if (rc == ERR_OK)
        rc = chain_each(run->tx, keep_head, run, err);
    if (rc == ERR_OK)
        rc = verify_audit(run, err);
    for (int64_t i = 1; rc == ERR_OK && i <= run->last_source; i++)
        if (run->there[i])
            rc = verify_changes(run, i, err);
        else if (!run->chains[CHAIN_AUDIT][i].ended)
            problem(run,
                    "source %" PRId64
                    " is gone and the audit does not end with its deletion",
                    i);
    if (rc != ERR_OK)
        return rc;
    for (int64_t i = 0; i <= run->last_source; i++)
        for (int kind = 0; kind < CHAIN_KINDS; kind++)
            compare_head(run, (enum chain_kind)kind, i);
    for (size_t i = 0; i < verify->anchor_count; i++)
        if (!verify->anchors[i].found)
            problem(run,
                    "head %zu that was given is in no chain: what it stood "
                    "for was rewritten or removed",
                    i + 1);
    return ERR_OK;
}

enum error_code
chain_verify(struct db_tx *tx, struct chain_verify *verify, struct error *err)
{
    struct run run = {.tx = tx, .verify = verify};

    verify->audit_rows = verify->changes = verify->problems = 0;
    enum error_code rc = verify_all(&run, err);

    free(run.there);
    for (int kind = 0; kind < CHAIN_KINDS; kind++)
        free(run.chains[kind]);
    return rc;
}

/*
 * cmd_check.c - is the database what this program wrote?
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "cli/view.h"
#include "store/check.h"
#include "store/source_store.h"

/* The end of a command that looks for problems. Its summary is printed in any
 * case. */
static enum error_code
conclude(struct cli *cli, int64_t problems, struct error *err)
{
    buf_char(&cli->out, '\n');
    enum error_code rc = cli_flush(cli, err);

    if (rc == ERR_OK && problems > 0)
        return error_set(err, ERR_CONFLICT, "%" PRId64 " problem%s, see above",
                         problems, problems == 1 ? "" : "s");
    return rc;
}

/* --- audit verify ------------------------------------------------------ */

static enum error_code
read_anchors(struct cli *cli, struct chain_verify *verify, struct error *err)
{
    struct str rest;
    enum error_code rc = cli_joined(cli, "head", '\n', &rest, err);

    if (rc != ERR_OK || rest.at == NULL)
        return rc;
    verify->anchors = arena_zalloc(&cli->arena,
                                   cli->given_count * sizeof(*verify->anchors));
    if (verify->anchors == NULL)
        return error_busy(err, "no memory for heads");
    while (rest.at != NULL) {
        struct chain_anchor *anchor = &verify->anchors[verify->anchor_count++];

        if (!hex_decode(str_cut(&rest, '\n'), anchor->hash, CHAIN_HASH))
            return cli_wrong(cli, err, "--head is not a hash of 64 hex digits");
    }
    return ERR_OK;
}

struct heads {
    struct cli *cli;
    struct db_tx *tx;
    struct chain_head *head;
    size_t count, size;
};

static bool
keep_head(void *context, const struct chain_head *head)
{
    struct heads *heads = context;

    if (heads->count == heads->size) {
        size_t size = heads->size ? 2 * heads->size : 64;
        struct chain_head *more = realloc(heads->head, size * sizeof(*more));

        if (more == NULL)
            return false;
        heads->head = more;
        heads->size = size;
    }
    heads->head[heads->count++] = *head;
    return true;
}

/* {"chain":"AUDIT","source":ID,"links":N,"hash":HEX} of each; no source for
 * what belongs to none, its number for one that is gone. */
static enum error_code
view_heads(struct heads *heads, struct error *err)
{
    struct cli *cli = heads->cli;
    struct jw *json = &cli->json;
    char hex[2 * CHAIN_HASH + 1], id[UUID_TEXT];
    enum error_code rc = ERR_OK;

    jw_key(json, "heads");
    jw_array(json);
    for (size_t i = 0; rc == ERR_OK && i < heads->count; i++) {
        CLEANUP(arena_done) struct arena arena;
        const struct chain_head *head = &heads->head[i];
        struct source source;

        arena_init(&arena, 64 << 10);
        jw_object(json);
        jw_member_text(json, "chain", chain_kinds[head->kind]);
        if (head->source != 0) {
            rc = source_by_number(heads->tx, head->source, &arena, &source,
                                  err);
            if (rc == ERR_OK)
                jw_member_text(json, "source", uuid_dashed(&source.id, id));
            else if (rc == ERR_NOT_FOUND)
                rc = ERR_OK;
            jw_member_int(json, "number", head->source);
        }
        jw_member_int(json, "links", head->last.link);
        hex_encode(head->last.hash, CHAIN_HASH, hex);
        jw_member_text(json, "hash", hex);
        jw_object_end(json);
    }
    jw_array_end(json);
    return rc;
}

enum error_code
cmd_audit_verify(struct cli *cli, struct error *err)
{
    struct chain_verify verify = {.problem = cli_print_problem};
    struct heads heads = {.cli = cli};
    enum error_code rc = read_anchors(cli, &verify, err);

    if (rc == ERR_OK)
        rc = cli_open(cli, err);
    if (rc == ERR_OK)
        rc = db_read_begin(cli->db, &heads.tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = chain_verify(heads.tx, &verify, err);
    if (rc == ERR_OK)
        rc = chain_each(heads.tx, keep_head, &heads, err);
    if (rc == ERR_OK) {
        jw_object(&cli->json);
        jw_member_int(&cli->json, "auditRows", verify.audit_rows);
        jw_member_int(&cli->json, "changes", verify.changes);
        jw_member_int(&cli->json, "problems", verify.problems);
        rc = view_heads(&heads, err);
        jw_object_end(&cli->json);
    }
    free(heads.head);
    db_read_end(heads.tx);
    return rc == ERR_OK ? conclude(cli, verify.problems, err) : rc;
}

/* --- check ------------------------------------------------------------- */

enum error_code
cmd_check(struct cli *cli, struct error *err)
{
    struct check check = {.problem = cli_print_problem};
    struct db_tx *tx;
    enum error_code rc = cli_open(cli, err);

    if (rc == ERR_OK)
        rc = db_read_begin(cli->db, &tx, err);
    if (rc != ERR_OK)
        return rc;
    rc = check_run(cli->db, tx, &check, err);
    db_read_end(tx);
    if (rc != ERR_OK)
        return rc;
    jw_object(&cli->json);
    jw_member_int(&cli->json, "tables", check.tables);
    jw_member_int(&cli->json, "rows", check.rows);
    jw_member_int(&cli->json, "records", check.records);
    jw_member_int(&cli->json, "changes", check.changes);
    jw_member_int(&cli->json, "auditRows", check.audit_rows);
    jw_member_int(&cli->json, "problems", check.problems);
    jw_object_end(&cli->json);
    return conclude(cli, check.problems, err);
}

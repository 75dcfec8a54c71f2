/*
 * view.h - what several commands check, look up and print.
 *
 * Memory:  text lives in the cli's arena.
 * Errors:  words of the caller that cannot be used are wrong usage; what is
 *          not there is ERR_NOT_FOUND with the name in its text.
 * Threads: the main thread only.
 */
#ifndef NELM_CLI_VIEW_H
#define NELM_CLI_VIEW_H

#include "cli/cli.h"
#include "store/identity_store.h"

/* The text of a flag without blanks at its ends: UTF-8 without control
 * characters, `least` to `most` characters. `fallback` when it was not
 * given. */
enum error_code cli_text(struct cli *cli, const char *option, size_t least,
                         size_t most, const char *fallback, struct str *ret,
                         struct error *err) MUST_USE;

/* An id from the command line, of a `what` that it is for. */
enum error_code cli_id(const char *text, const char *what, struct uuid *ret,
                       struct error *err) MUST_USE;

enum error_code cli_find_identity(struct cli *cli, struct db_tx *tx,
                                  struct str alias, struct identity *ret,
                                  struct error *err) MUST_USE;

/* Note in the audit log what the command line did to `object`. */
enum error_code cli_audit(struct db_tx *tx, const char *event,
                          const struct uuid *object, int64_t source,
                          struct error *err) MUST_USE;

/* Forget what was printed and not flushed: work in a transaction may run more
 * than once and begins with this. */
void view_begin(struct cli *cli);

/* Open the database and run `work` in a write transaction; what it printed
 * gets a line end. */
enum error_code view_write(struct cli *cli, db_work *work, void *context,
                           struct error *err) MUST_USE;

/* {"type":"IDENTITY","id":...,"name":...} as member `key`. */
void view_reference(struct jw *json, const char *key,
                    const struct identity *identity);
/* The same for an id; the member is left out when nobody has that id. */
enum error_code view_reference_id(struct cli *cli, struct db_tx *tx,
                                  const char *key, const struct uuid *id,
                                  struct error *err) MUST_USE;

/* ["A","B"] of "A B" as member `key`; null of a str without text. */
void view_list(struct jw *json, const char *key, struct str list, char mark);

/* An identity with its manager, as one JSON object. */
enum error_code view_identity(struct cli *cli, struct db_tx *tx,
                              const struct identity *identity,
                              struct error *err) MUST_USE;

void view_time(struct jw *json, const char *key, int64_t ms);

/* What every personal access token has: kind, grants, an end. */
#define PAT_SECONDS 43200
void view_personal(struct client *client, int64_t now_ms);

/* A list that is printed while it is read: [ ... ]. */
struct view_each {
    struct cli *cli;
    struct db_tx *tx;
    enum error_code rc;
    struct error *err;
};
typedef enum error_code view_all(struct view_each *each, struct arena *scratch,
                                 struct error *err);

/* Open the database and let `all` visit its rows, each of which writes one
 * element and then asks view_more(). */
enum error_code view_run(struct cli *cli, view_all *all,
                         struct error *err) MUST_USE;
bool view_more(struct view_each *each);

#endif

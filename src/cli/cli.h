/*
 * cli.h - the command line: one table of commands, from which parsing, --help
 * and docs/manual/commands.md come. Shared by the files of src/cli only, but
 * for cli_main().
 *
 * Machine-readable output goes to standard output, everything else to standard
 * error. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
 *
 * Memory:  a struct cli lives for one command; texts of flags are argv's.
 * Errors:  a command returns its error, the frame prints it: one line.
 * Threads: the main thread only.
 */
#ifndef NELM_CLI_CLI_H
#define NELM_CLI_CLI_H

#include "base/settings.h"
#include "db/db.h"
#include "fmt/jw.h"

enum cli_many { OPTION_MAY, OPTION_MUST, OPTION_REPEATS };

struct cli_option {
    const char *name;
    const char *value; /* what the value is called in --help; NULL: a switch */
    enum cli_many many;
    const char *help;
};

#define CLI_MAX_OPTIONS 12

struct cli;
typedef enum error_code cli_run(struct cli *cli, struct error *err);

struct cli_command {
    const char *name;     /* "identity create" */
    const char *argument; /* the one word without a flag; NULL: none */
    unsigned uses;        /* enum setting_use */
    const char *help;     /* its first sentence is the summary */
    bool hidden;          /* not listed */
    struct cli_option options[CLI_MAX_OPTIONS];
    cli_run *run;
};

extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;

/* A flag of the command as it was given. */
struct cli_given {
    const struct cli_option *option;
    const char *text;
};

struct cli {
    const struct cli_command *command;
    struct settings settings;
    const char *flags[SETTINGS]; /* of the settings, as they were given */
    struct arena arena;          /* for what lives as long as the command */
    struct cli_given *given;     /* in order */
    size_t given_count;
    const char *argument;
    struct db *db;  /* after cli_open() */
    struct buf out; /* waits for standard output */
    struct jw json; /* writes to `out` */
    bool usage;     /* the error is the caller's mistake: exit 2 */
};

int cli_main(int argc, char **argv);

/* Read the command line into `cli`, whose arena and `out` are ready, and load
 * the settings. ERR_END with a text in `out` that is all that was asked for;
 * ERR_VALUE for a wrong command line. */
enum error_code cli_parse(struct cli *cli, int argc, char **argv,
                          struct error *err) MUST_USE;

/* The text of a flag, NULL when it was not given ("" for a switch). */
const char *cli_value(const struct cli *cli, const char *option);
/* The texts of a repeated flag, joined by `separator`; at NULL when there is
 * none. */
enum error_code cli_joined(struct cli *cli, const char *option, char separator,
                           struct str *ret, struct error *err) MUST_USE;

/* Say that the command was called wrongly. */
enum error_code cli_wrong(struct cli *cli, struct error *err, const char *fmt,
                          ...) PRINTF_LIKE(3, 4);

/* A whole number of a flag; `fallback` when the flag was not given. */
enum error_code cli_number(struct cli *cli, const char *option, uint64_t least,
                           uint64_t most, uint64_t fallback, uint64_t *ret,
                           struct error *err) MUST_USE;

/* Open the database of the settings as cli->db: initialised and of this
 * program's schema, or an error that says which command helps. */
enum error_code cli_open(struct cli *cli, struct error *err) MUST_USE;

/* Send what waits in cli->out to standard output. */
enum error_code cli_flush(struct cli *cli, struct error *err) MUST_USE;

/* What an error says on the command line, where the reader may see the
 * detail. */
void cli_error_text(const struct error *err, struct buf *to);

/* A line on standard error, harmless to a terminal whoever wrote it. */
void cli_print_problem(void *context, const char *text);

/* Help and manual pages, from the rows (cli_help.c). */
void cli_help_all(struct buf *to);
void cli_help_group(struct str group, struct buf *to);
void cli_help_command(const struct cli_command *command, struct buf *to);
void cli_man(struct buf *to); /* nelm(1): cli_man.c */
cli_run cli_doc;

/* The commands. */
cli_run cmd_init, cmd_migrate;
cli_run cmd_identity_create, cmd_identity_list, cmd_identity_delete;
cli_run cmd_identity_set_password;
cli_run cmd_workgroup_add, cmd_workgroup_remove, cmd_workgroup_list;
cli_run cmd_token_create, cmd_token_list, cmd_token_delete;
cli_run cmd_client_create, cmd_client_list, cmd_client_delete;
cli_run cmd_source_create, cmd_source_list;
cli_run cmd_key_rotate, cmd_key_list;
cli_run cmd_import, cmd_export, cmd_sample, cmd_sample_identities;
cli_run cmd_audit_list, cmd_audit_verify, cmd_check;
cli_run cmd_backup, cmd_verify, cmd_restore, cmd_copy;
cli_run cmd_serve;

#endif

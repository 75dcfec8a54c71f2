/*
 * commands.c - the table of commands.
 */
#include "cli/cli.h"

#define DB (USED_ALWAYS | USED_WITH_DATABASE)

const struct cli_command cli_commands[] = {
    {.name = "init",
     .uses = DB | USED_BY_INIT,
     .help = "Create the schema, a signing key and the first administrator. "
             "Prints the administrator and the client id and secret of a "
             "personal access token; the secret is shown this once. On an "
             "initialised database it changes nothing and exits 1.",
     .options = {{"alias", "ALIAS", OPTION_MAY,
                  "account ID of the administrator (admin)"},
                 {"name", "NAME", OPTION_MAY, "display name (Administrator)"},
                 {"email", "EMAIL", OPTION_MAY,
                  "e-mail address (admin@localhost)"}},
     .run = cmd_init},
    {.name = "migrate",
     .uses = DB,
     .help = "Upgrade the schema of an initialised database. Prints the "
             "version it had and the one it has.",
     .run = cmd_migrate},

    {.name = "identity create",
     .uses = DB,
     .help = "Add an identity. Somebody who calls the API, decides on "
             "requests or is named as a manager; prints it as JSON. A taken "
             "alias is refused.",
     .options = {{"alias", "ALIAS", OPTION_MUST,
                  "account ID; records name their manager by it"},
                 {"name", "NAME", OPTION_MUST, "display name"},
                 {"email", "EMAIL", OPTION_MUST, "e-mail address"},
                 {"manager", "ALIAS", OPTION_MAY, "the identity's own manager"},
                 {"level", "LEVEL", OPTION_REPEATS,
                  "user level: ORG_ADMIN, SOURCE_ADMIN or SOURCE_SUBADMIN; the "
                  "other published ones give no rights here"}},
     .run = cmd_identity_create},
    {.name = "identity list",
     .uses = DB,
     .help = "List all identities.",
     .run = cmd_identity_list},
    {.name = "identity delete",
     .argument = "ALIAS",
     .uses = DB,
     .help = "Delete an identity with its tokens and memberships. Its access "
             "tokens stop working at once.",
     .run = cmd_identity_delete},
    {.name = "identity set-password",
     .argument = "ALIAS",
     .uses = DB,
     .help = "Set the password for signing in. It is read from standard "
             "input, one line; on a terminal it is asked for without echo.",
     .run = cmd_identity_set_password},

    {.name = "workgroup add",
     .uses = DB,
     .help = "Put an identity into a management workgroup. A SOURCE_SUBADMIN "
             "has rights on the sources of its workgroups.",
     .options = {{"group", "ID", OPTION_MUST, "the workgroup"},
                 {"identity", "ALIAS", OPTION_MUST, "who joins it"}},
     .run = cmd_workgroup_add},
    {.name = "workgroup remove",
     .uses = DB,
     .help = "Take an identity out of a management workgroup.",
     .options = {{"group", "ID", OPTION_MUST, "the workgroup"},
                 {"identity", "ALIAS", OPTION_MUST, "who leaves it"}},
     .run = cmd_workgroup_remove},
    {.name = "workgroup list",
     .uses = DB,
     .help = "List the members of all management workgroups.",
     .run = cmd_workgroup_list},

    {.name = "token create",
     .uses = DB,
     .help = "Make a personal access token. It acts for its identity and "
             "expires after six months; prints the client id and the secret, "
             "which is shown this once. An identity has at most 10.",
     .options = {{"identity", "ALIAS", OPTION_MUST, "whose token"},
                 {"name", "NAME", OPTION_MAY,
                  "a name, unique for the identity (the time)"},
                 {"scope", "SCOPE", OPTION_REPEATS,
                  "what it may be used for (everything the user level "
                  "allows)"},
                 {"validity", "SECONDS", OPTION_MAY,
                  "life of an access token, 15 to 43200 (43200)"}},
     .run = cmd_token_create},
    {.name = "token list",
     .uses = DB,
     .help = "List all personal access tokens, without secrets.",
     .run = cmd_token_list},
    {.name = "token delete",
     .argument = "ID",
     .uses = DB,
     .help = "Delete a personal access token. Its access tokens stop working "
             "at once.",
     .run = cmd_token_delete},

    {.name = "client create",
     .uses = DB,
     .help = "Make an API client. A program that calls without an identity; "
             "prints the client id and the secret, which is shown this once.",
     .options = {{"name", "NAME", OPTION_MUST, "what the client is called"},
                 {"scope", "SCOPE", OPTION_REPEATS,
                  "what it may do (sp:scopes:all)"},
                 {"grant", "GRANT", OPTION_REPEATS,
                  "CLIENT_CREDENTIALS, AUTHORIZATION_CODE or REFRESH_TOKEN "
                  "(CLIENT_CREDENTIALS)"},
                 {"redirect-uri", "URI", OPTION_REPEATS,
                  "where AUTHORIZATION_CODE may return to, exactly"},
                 {"type", "TYPE", OPTION_MAY,
                  "PUBLIC has no secret and must use PKCE (CONFIDENTIAL)"},
                 {"validity", "SECONDS", OPTION_MAY,
                  "life of an access token, 15 to 43200 (750)"}},
     .run = cmd_client_create},
    {.name = "client list",
     .uses = DB,
     .help = "List all API clients, without secrets.",
     .run = cmd_client_list},
    {.name = "client delete",
     .argument = "ID",
     .uses = DB,
     .help = "Delete an API client. Its access tokens stop working at once.",
     .run = cmd_client_delete},

    {.name = "key rotate",
     .uses = DB,
     .help = "Sign access tokens with a new key from now on, on every server "
             "at once. The old key verifies what it signed until the last of "
             "those tokens has ended, and is deleted then. Prints all keys as "
             "\"key list\" does.",
     .options = {{"revoke", NULL, OPTION_MAY,
                  "delete the old keys at once, as when one was stolen: every "
                  "token must be fetched again"}},
     .run = cmd_key_rotate},
    {.name = "key list",
     .uses = DB,
     .help = "List the keys that sign or still verify access tokens. Nothing "
             "secret is shown.",
     .run = cmd_key_list},

    {.name = "source create",
     .uses = DB | USED_BY_SOURCE,
     .help = "Add a source of non-employees. Prints it as the API does.",
     .options = {{"name", "NAME", OPTION_MUST, "1 to 128 characters, unique"},
                 {"description", "TEXT", OPTION_MUST,
                  "at most 4000 characters"},
                 {"owner", "ALIAS", OPTION_MUST, "the identity that owns it"},
                 {"workgroup", "ID", OPTION_MAY,
                  "the management workgroup of its sub-admins"},
                 {"approver", "ALIAS", OPTION_REPEATS,
                  "who decides on requests, in this order, at most 3"},
                 {"account-manager", "ALIAS", OPTION_REPEATS,
                  "who requests people for it, at most 10"}},
     .run = cmd_source_create},
    {.name = "source list",
     .uses = DB,
     .help = "List all sources with the number of their records.",
     .run = cmd_source_list},

    {.name = "import",
     .argument = "FILE",
     .uses = DB | USED_BY_IMPORT,
     .help = "Load a CSV into a source, all of it or nothing. FILE \"-\" is "
             "standard input. The rules of the bulk upload: an account name "
             "that exists is updated, another one created, nothing deleted. "
             "Bad lines are listed on standard error. Prints a summary with "
             "counts.",
     .options = {{"source", "ID", OPTION_MUST, "id or sourceId of the source"},
                 {"formula-guard", NULL, OPTION_MAY,
                  "drop the ' that an export with --formula-guard put in "
                  "front of cells"}},
     .run = cmd_import},
    {.name = "export",
     .uses = DB,
     .help = "Write the CSV of a source, the same bytes as the API. To "
             "standard output, or to a file that appears only when it is "
             "complete; then a summary with its digest is printed.",
     .options = {{"source", "ID", OPTION_MUST, "id or sourceId of the source"},
                 {"output", "FILE", OPTION_MAY,
                  "write here instead of standard output"},
                 {"line-end", "END", OPTION_MAY, "lf or crlf (lf)"},
                 {"bom", NULL, OPTION_MAY, "begin with a byte order mark"},
                 {"formula-guard", NULL, OPTION_MAY,
                  "put ' in front of cells that a spreadsheet would take for "
                  "a formula"}},
     .run = cmd_export},
    {.name = "sample",
     .uses = USED_ALWAYS,
     .help = "Write a CSV of made-up people to standard output, the same "
             "people for the same seed. Their managers are those of \"sample "
             "identities\".",
     .options = {{"rows", "N", OPTION_MUST, "how many"},
                 {"seed", "S", OPTION_MAY, "a number (1)"},
                 {"custom", NULL, OPTION_MAY,
                  "two custom columns more: costCenter and notes"}},
     .run = cmd_sample},
    {.name = "sample identities",
     .uses = DB,
     .help = "Add the identities that sample people have as managers. Those "
             "that exist stay as they are. Prints all of them.",
     .run = cmd_sample_identities},

    {.name = "audit list",
     .uses = DB,
     .help = "List what anyone did. Oldest first: event, actor, request, "
             "object and the names of what changed. Changes of records are "
             "in it; their values are not.",
     .options = {{"filters", "EXPRESSION", OPTION_MAY,
                  "as the API's: event, actor, object (eq), created (ge, "
                  "le)"},
                 {"limit", "N", OPTION_MAY, "at most so many (all)"},
                 {"offset", "N", OPTION_MAY, "leave out so many (0)"}},
     .run = cmd_audit_list},
    {.name = "audit verify",
     .uses = DB,
     .help = "Find audit rows and changes of records that were edited, removed "
             "or moved. Each is named on standard error, and the exit code is "
             "1. Prints how much was read and the heads of all chains: note "
             "them elsewhere, since who can rewrite the whole database can "
             "rewrite its chains.",
     .options = {{"head", "HASH", OPTION_REPEATS,
                  "a head noted before, which must still be in a chain"}},
     .run = cmd_audit_verify},

    {.name = "check",
     .uses = DB,
     .help = "Find what is wrong in a database. As one state, while servers "
             "run: references, counters, keys, the line of every person "
             "against the columns, history against what there is, requests, "
             "uploads, all chains as \"audit verify\" does, and SQLite's own "
             "pages and indexes. Each problem is a line on standard error, "
             "and the exit code is 1. Prints how much was read.",
     .run = cmd_check},
    {.name = "backup",
     .uses = DB,
     .help = "Write everything into one file. While servers run, and as one "
             "state: sources, people with their history, requests, "
             "identities, clients, keys, the audit and uploads that wait. "
             "The file has sums of all its pieces and the registry's "
             "signature, and appears only when it is complete. It lets its "
             "reader in: keep it as the database itself.",
     .options = {{"output", "FILE", OPTION_MUST,
                  "where to, or - for standard output"},
                 {"without-keys", NULL, OPTION_MAY,
                  "leave out the keys that sign access tokens: where it is "
                  "restored every token must be fetched again"}},
     .run = cmd_backup},
    {.name = "verify",
     .argument = "FILE",
     .uses = USED_ALWAYS,
     .help = "Check a backup. Needs no server and no database: sums, counts "
             "and signature. What is wrong is named on standard error, and "
             "the exit code is 1.",
     .options = {{"key", "KEY", OPTION_MAY,
                  "who must have signed it: the fingerprint that backup "
                  "printed, or a file with the JWKS of the registry (whoever "
                  "the file names)"}},
     .run = cmd_verify},
    {.name = "restore",
     .argument = "FILE",
     .uses = DB,
     .help = "Put a backup into an empty database. The file is verified "
             "first, and either all of it is there in the end, with the same "
             "CSV of every source, or nothing.",
     .options = {{"key", "KEY", OPTION_MAY,
                  "who must have signed it, as for verify (whoever the file "
                  "names)"}},
     .run = cmd_restore},
    {.name = "copy",
     .uses = USED_ALWAYS | USED_BY_COPY,
     .help = "Copy a whole database into another, empty one. From SQLite to "
             "PostgreSQL or back, all of it or nothing; the CSV of every "
             "source is compared in the end. Stop the servers of the old one "
             "first, or what they write meanwhile is not in the copy.",
     .options = {{"from", "URL", OPTION_MUST, "the database that is there"},
                 {"to", "URL", OPTION_MUST, "the one to fill"}},
     .run = cmd_copy},

    {.name = "serve",
     .uses = DB | USED_BY_SERVE,
     .help = "Serve the API until SIGTERM or SIGINT. Prints \"listening on "
             "URL\" on standard error when it is ready. A signal lets answers "
             "in progress finish; a second one ends at once. SIGHUP reads the "
             "certificate again.",
     .run = cmd_serve},

    {.name = "doc",
     .argument = "settings|commands|errors|metrics|routes|man",
     .hidden = true,
     .uses = USED_ALWAYS,
     .help = "Print a page of the manual, in Markdown, from the tables in "
             "the program. The page \"routes\" is JSON, \"man\" is nelm(1).",
     .run = cli_doc},
};
const size_t cli_command_count = COUNT(cli_commands);

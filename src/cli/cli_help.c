#include "cli/cli.h"

#include <stdio.h>

#include "api/metrics.h"
#include "api/route_list.h"

/* The first sentence: what a list of commands shows. */
static struct str
summary(const struct cli_command *command)
{
    const char *end = strstr(command->help, ". ");

    return end ? str_n(command->help, (size_t)(end - command->help))
               : str_n(command->help, strlen(command->help) - 1);
}

static void
usage(const struct cli_command *command, struct buf *to)
{
    buf_printf(to, "nelm %s", command->name);
    for (const struct cli_option *o = command->options; o->name; o++) {
        bool must = o->many == OPTION_MUST;

        buf_printf(to, " %s--%s%s%s%s%s", must ? "" : "[", o->name,
                   o->value ? " " : "", o->value ? o->value : "",
                   must ? "" : "]", o->many == OPTION_REPEATS ? "..." : "");
    }
    if (command->argument != NULL)
        buf_printf(to, " %s", command->argument);
}

/* `text` broken into lines of at most 78 columns, the later ones indented. */
static void
wrap(struct str text, size_t column, size_t indent, struct buf *to)
{
    while (text.at != NULL) {
        struct str word = str_cut(&text, ' ');

        if (column + word.len + 1 > 78) {
            buf_printf(to, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            buf_char(to, ' ');
            column++;
        }
        buf_str(to, word);
        column += word.len;
    }
    buf_char(to, '\n');
}

#define HELP_COLUMN 28

static void
row(const char *left, struct str help, struct buf *to)
{
    size_t width = strlen(left) + 2;

    buf_printf(to, "  %s", left);
    if (width + 2 > HELP_COLUMN)
        buf_printf(to, "\n%*s", HELP_COLUMN, "");
    else
        buf_printf(to, "%*s", (int)(HELP_COLUMN - width), "");
    wrap(help, HELP_COLUMN, HELP_COLUMN, to);
}

static bool
in_group(const struct cli_command *command, struct str group)
{
    struct str name = str_of(command->name);

    return str_eq(str_cut(&name, ' '), group);
}

void
cli_help_group(struct str group, struct buf *to)
{
    buf_text(to, "Commands:\n");
    for (size_t i = 0; i < cli_command_count; i++)
        if (!cli_commands[i].hidden &&
            (group.at == NULL || in_group(&cli_commands[i], group)))
            row(cli_commands[i].name, summary(&cli_commands[i]), to);
    buf_text(to, "\nFor one of them: nelm COMMAND --help\n");
}

void
cli_help_all(struct buf *to)
{
    buf_text(to, "nelm " NELM_VERSION
                 " - the registry of an organisation's non-employees\n\n"
                 "Usage: nelm COMMAND [FLAG]...\n\n");
    cli_help_group((struct str){NULL, 0}, to);
    buf_text(to,
             "\nEvery setting is a flag (--listen), an environment variable "
             "(NELM_LISTEN) or\na line of the file that --config names "
             "(listen = ...), in that order of\nprecedence. Exit codes: 0 "
             "done, 1 refused or failed, 2 wrong usage.\n");
}

void
cli_help_command(const struct cli_command *command, struct buf *to)
{
    CLEANUP(buf_done) struct buf line;

    buf_init(&line, 4096);
    usage(command, &line);
    buf_text(to, "Usage: ");
    wrap(buf_view(&line), 7, 7, to);
    buf_char(to, '\n');
    wrap(str_of(command->help), 0, 0, to);
    if (command->options[0].name != NULL)
        buf_text(to, "\nFlags:\n");
    for (const struct cli_option *o = command->options; o->name; o++) {
        buf_clear(&line);
        buf_printf(&line, "--%s%s%s", o->name, o->value ? " " : "",
                   o->value ? o->value : "");
        row(line.data, str_of(o->help), to);
    }
    buf_text(to, "\nSettings:\n");
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *setting = &settings_table[i];
        char left[64];

        if (!(setting->uses & command->uses))
            continue;
        snprintf(left, sizeof(left), "--%s", setting->name);
        buf_clear(&line);
        buf_text(&line, setting->help);
        if (setting->fallback[0] != '\0')
            buf_printf(&line, " (%s)", setting->fallback);
        row(left, buf_view(&line), to);
    }
}

/* Text inside a Markdown table. */
static void
cell(const char *text, struct buf *to)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            buf_char(to, '\\');
        buf_char(to, *text);
    }
}

static const char from_tables[] =
    "<!-- Made by \"nelm doc\" from the tables in the program. -->\n\n";

static void
doc_settings(struct buf *to)
{
    char variable[SETTING_VARIABLE];

    buf_text(to, "# Settings\n\n");
    buf_text(to, from_tables);
    buf_text(to,
             "Every setting is a flag, an environment variable or a line "
             "`name = value` of the file that `--config` names. A flag beats "
             "a variable, a variable beats the file. An empty variable counts "
             "as absent. Lines of the file that begin with `#` are comments. "
             "A value that does not fit is refused wherever it stands, with "
             "its place and the reason, and exit code 2.\n");
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *setting = &settings_table[i];
        const char *comma = "";

        buf_printf(to, "\n## %s\n\n%s\n\n| | |\n| --- | --- |\n", setting->name,
                   setting->help);
        buf_printf(to, "| flag | `--%s` |\n| variable | `%s` |\n| value | ",
                   setting->name, setting_variable(setting, variable));
        setting_form(setting, to);
        if (setting->fallback[0] != '\0')
            buf_printf(to, " |\n| default | `%s` |\n", setting->fallback);
        else
            buf_text(to, " |\n| default | empty |\n");
        buf_text(to, "| used by | ");
        if (setting->uses & USED_ALWAYS)
            buf_text(to, "every command");
        for (size_t c = 0; c < cli_command_count; c++)
            if (!(setting->uses & USED_ALWAYS) &&
                setting->uses & cli_commands[c].uses) {
                buf_printf(to, "%s`%s`", comma, cli_commands[c].name);
                comma = ", ";
            }
        buf_text(to, " |\n");
    }
}

static void
doc_commands(struct buf *to)
{
    buf_text(to, "# Commands\n\n");
    buf_text(to, from_tables);
    buf_text(to,
             "Machine-readable output goes to standard output, everything "
             "else to standard error. Commands end with 0 when all is done, "
             "with 1 and a line that says why when not, with 2 when they were "
             "called wrongly. Servers on the same database may go on running, "
             "and see the effect at once. `nelm --help`, `nelm COMMAND --help` "
             "and `nelm "
             "--version` do what one expects. Settings are in "
             "[settings.md](settings.md).\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = &cli_commands[i];

        if (command->hidden)
            continue;
        buf_printf(to, "\n## nelm %s\n\n```\n", command->name);
        usage(command, to);
        buf_printf(to, "\n```\n\n%s\n", command->help);
        if (command->options[0].name != NULL)
            buf_text(to, "\n| Flag | |\n| --- | --- |\n");
        for (const struct cli_option *o = command->options; o->name; o++) {
            buf_printf(to, "| `--%s%s%s` | ", o->name, o->value ? " " : "",
                       o->value ? o->value : "");
            cell(o->help, to);
            buf_text(to, " |\n");
        }
        buf_text(to, "\nSettings: ");
        const char *comma = "";

        for (size_t s = 0; s < SETTINGS; s++)
            if (settings_table[s].uses & command->uses) {
                buf_printf(to, "%s`%s`", comma, settings_table[s].name);
                comma = ", ";
            }
        buf_text(to, ".\n");
    }
}

static void
doc_errors(struct buf *to)
{
    buf_text(to, "# Errors\n\n");
    buf_text(to, from_tables);
    buf_text(to, "What a call can be refused with. The text is the one that is "
                 "used when there is nothing closer to say.\n\n"
                 "| Status | Code | Text |\n| --- | --- | --- |\n");
    for (enum error_code code = ERR_OK + 1; code < ERR_END; code++) {
        buf_printf(to, "| %d | `%s` | ", error_status(code),
                   error_detail_code(code));
        cell(error_default_text(code), to);
        buf_text(to, " |\n");
    }
}

static void
doc_metrics(struct buf *to)
{
    buf_text(to, "# Metrics\n\n");
    buf_text(to, from_tables);
    buf_text(to, "What `GET /metrics` shows; how to use it is in "
                 "[monitoring.md](monitoring.md). Times are in seconds, sizes "
                 "in bytes. Counters begin at 0 with the process.\n\n"
                 "| Metric | Type | Labels | |\n| --- | --- | --- | --- |\n");
    metrics_doc(to);
}

enum error_code
cli_doc(struct cli *cli, struct error *err)
{
    static const struct {
        const char *name;
        void (*write)(struct buf *to);
    } pages[] = {
        {"settings", doc_settings}, {"commands", doc_commands},
        {"errors", doc_errors},     {"metrics", doc_metrics},
        {"routes", route_list},     {"man", cli_man},
    };

    for (size_t i = 0; i < COUNT(pages); i++)
        if (strcmp(cli->argument, pages[i].name) == 0) {
            pages[i].write(&cli->out);
            return ERR_OK;
        }
    return cli_wrong(cli, err, "there is no page \"%s\"", cli->argument);
}

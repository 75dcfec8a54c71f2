/*
 * cli_man.c - nelm(1), made from the rows as the pages of the manual are.
 */
#include "cli/cli.h"

/* When the words in this file changed last; the rows have no date. */
#define MAN_DATE "2026-11-27"
#define MAN_COLUMNS 72

/* A word in which nothing means anything to roff. */
static void
word(struct str text, struct buf *to)
{
    if (text.len > 0 && (text.at[0] == '.' || text.at[0] == '\''))
        buf_text(to, "\\&");
    for (size_t i = 0; i < text.len; i++)
        switch (text.at[i]) {
        case '\\':
            buf_text(to, "\\e");
            break;
        case '-':
            buf_text(to, "\\-");
            break;
        case '\'':
            buf_text(to, "\\(aq");
            break;
        case '~':
            buf_text(to, "\\(ti");
            break;
        default:
            buf_char(to, text.at[i]);
        }
}

/* Lines of text, each sentence on one of its own, as roff likes it. */
static void
prose(const char *words, struct buf *to)
{
    struct str text = str_of(words);
    size_t column = 0;

    while (text.at != NULL) {
        struct str next = str_cut(&text, ' ');

        if (column > 0 && column + 1 + next.len > MAN_COLUMNS) {
            buf_char(to, '\n');
            column = 0;
        } else if (column > 0) {
            buf_char(to, ' ');
            column++;
        }
        word(next, to);
        column += next.len;
        if (next.len > 0 && next.at[next.len - 1] == '.') {
            buf_text(to, text.at ? "\n" : "");
            column = 0;
        }
    }
    buf_char(to, '\n');
}

static void
bold(const char *before, const char *text, struct buf *to)
{
    buf_text(to, "\\fB");
    word(str_of(before), to);
    word(str_of(text), to);
    buf_text(to, "\\fR");
}

static void
man_command(const struct cli_command *command, struct buf *to)
{
    CLEANUP(buf_done) struct buf names;
    const char *comma = "Settings: ";

    buf_printf(to, ".SS nelm %s", command->name);
    if (command->argument != NULL)
        buf_printf(to, " %s", command->argument);
    buf_char(to, '\n');
    prose(command->help, to);
    for (const struct cli_option *o = command->options; o->name; o++) {
        buf_text(to, ".TP\n");
        bold("--", o->name, to);
        if (o->value != NULL)
            buf_printf(to, " \\fI%s\\fR", o->value);
        buf_text(to, o->many == OPTION_MUST      ? " (required)\n"
                     : o->many == OPTION_REPEATS ? " (repeatable)\n"
                                                 : "\n");
        prose(o->help, to);
    }
    buf_init(&names, 4096);
    for (size_t i = 0; i < SETTINGS; i++)
        if (settings_table[i].uses & command->uses) {
            buf_printf(&names, "%s%s", comma, settings_table[i].name);
            comma = ", ";
        }
    buf_char(&names, '.');
    buf_text(to, ".PP\n");
    prose(names.data, to);
}

static void
man_setting(const struct setting *setting, struct buf *to)
{
    CLEANUP(buf_done) struct buf form;
    char variable[SETTING_VARIABLE];

    buf_text(to, ".TP\n");
    bold("--", setting->name, to);
    buf_text(to, ", ");
    bold("", setting_variable(setting, variable), to);
    buf_char(to, '\n');
    prose(setting->help, to);
    buf_init(&form, 4096);
    buf_text(&form, "Takes ");
    setting_form(setting, &form);
    buf_printf(&form, "; the default is %s.",
               setting->fallback[0] != '\0' ? setting->fallback : "empty");
    prose(form.data, to);
}

void
cli_man(struct buf *to)
{
    buf_text(to, ".\\\" Made by \"nelm doc man\" from the tables in the "
                 "program.\n"
                 ".TH NELM 1 " MAN_DATE " \"nelm " NELM_VERSION "\"\n"
                 ".SH NAME\n"
                 "nelm \\- the registry of an organisation\\(aqs "
                 "non\\-employees\n"
                 ".SH SYNOPSIS\n"
                 ".B nelm\n"
                 ".I COMMAND\n"
                 "[\\fIFLAG\\fR]...\n"
                 ".SH DESCRIPTION\n");
    prose("nelm keeps the people who work with an organisation but are not "
          "its employees, in an SQLite file or in PostgreSQL, and serves them "
          "by HTTP. Machine-readable output goes to standard output, "
          "everything else to standard error. Servers on the same database may "
          "go on running, and see the effect of a command at once.",
          to);
    buf_text(to, ".SH COMMANDS\n");
    for (size_t i = 0; i < cli_command_count; i++)
        if (!cli_commands[i].hidden)
            man_command(&cli_commands[i], to);
    buf_text(to, ".SH SETTINGS\n");
    prose("Every setting is a flag, an environment variable or a line \"name "
          "= value\" of the file that --config names. A flag beats a "
          "variable, a variable beats the file. An empty variable counts as "
          "absent.",
          to);
    for (size_t i = 0; i < SETTINGS; i++)
        man_setting(&settings_table[i], to);
    buf_text(to, ".SH EXIT STATUS\n"
                 "0 when all is done, 1 with a line that says why when not, "
                 "2 for wrong usage.\n"
                 ".SH FILES\n"
                 "Of the Debian package; the program itself knows none of "
                 "them.\n"
                 ".TP\n"
                 ".I /etc/nelm/nelm.conf\n"
                 "The settings of the server.\n"
                 ".TP\n"
                 ".I /var/lib/nelm\n"
                 "The database, and uploads that arrive.\n"
                 ".TP\n"
                 ".I /var/cache/nelm\n"
                 "Rendered exports.\n"
                 ".TP\n"
                 ".I /usr/share/doc/nelm/manual\n"
                 "The manual.\n");
}

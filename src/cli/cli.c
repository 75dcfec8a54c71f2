#include "cli/cli.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/near.h"
#include "base/sink.h"
#include "base/utf8.h"

#define MAX_ARENA_BYTES (16 * 1024 * 1024)
#define MAX_JOINED_BYTES 65536
#define MAX_OUT_BYTES (16 * 1024 * 1024)

enum error_code
cli_wrong(struct cli *cli, struct error *err, const char *fmt, ...)
{
    char text[sizeof(err->text)];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    cli->usage = true;
    return error_set(err, ERR_VALUE, "%s", text);
}

const char *
cli_value(const struct cli *cli, const char *option)
{
    for (size_t i = 0; i < cli->given_count; i++)
        if (strcmp(cli->given[i].option->name, option) == 0)
            return cli->given[i].text;
    return NULL;
}

enum error_code
cli_joined(struct cli *cli, const char *option, char separator, struct str *ret,
           struct error *err)
{
    CLEANUP(buf_done) struct buf all;

    buf_init(&all, MAX_JOINED_BYTES);
    for (size_t i = 0; i < cli->given_count; i++)
        if (strcmp(cli->given[i].option->name, option) == 0) {
            buf_text(&all, cli->given[i].text);
            buf_char(&all, separator);
        }
    *ret = (struct str){NULL, 0};
    if (all.len > 0)
        *ret = arena_str(&cli->arena, str_n(all.data, all.len - 1));
    /* Without the list a token would get every right there is. */
    if (all.failed || cli->arena.failed)
        return cli_wrong(cli, err, "the list of --%s is too long", option);
    return ERR_OK;
}

enum error_code
cli_number(struct cli *cli, const char *option, uint64_t least, uint64_t most,
           uint64_t fallback, uint64_t *ret, struct error *err)
{
    const char *text = cli_value(cli, option);
    unsigned long long value = fallback;

    if (text != NULL &&
        (!str_to_u64(str_of(text), most, &value) || value < least))
        return cli_wrong(
            cli, err, "--%s \"%s\" is not a whole number from %llu to %llu",
            option, text, (unsigned long long)least, (unsigned long long)most);
    *ret = value;
    return ERR_OK;
}

enum error_code
cli_flush(struct cli *cli, struct error *err)
{
    struct fd_sink out;
    enum error_code rc;

    if (cli->out.failed)
        return error_internal(err, "the output is too long");
    fd_sink_init(&out, STDOUT_FILENO);
    rc = sink_write(&out.sink, cli->out.data, cli->out.len, err);
    buf_clear(&cli->out);
    return rc;
}

void
cli_error_text(const struct error *err, struct buf *to)
{
    bool only_detail = err->text[0] == '\0' && err->detail[0] != '\0';

    struct str text = str_of(error_text(err));

    /* A sentence goes on with its cause. */
    if (err->cause[0] != '\0' && text.len > 0 && text.at[text.len - 1] == '.')
        text.len--;
    if (!only_detail)
        buf_str(to, text);
    if (err->cause[0] != '\0')
        buf_printf(to, "%s%s", only_detail ? "" : ": ", err->cause);
    if (err->detail[0] != '\0')
        buf_printf(to, only_detail ? "%s" : " (%s)", err->detail);
}

void
cli_print_problem(void *context UNUSED, const char *text)
{
    char line[1024];

    snprintf(line, sizeof(line), "%s", text);
    utf8_defuse(line, strlen(line));
    fprintf(stderr, "%s\n", line);
}

/* Take the command's words off the arguments. NULL with cli->out filled when
 * help was asked for (ERR_END), or with the error. */
static enum error_code MUST_USE
find_command(struct cli *cli, int argc, char **argv, int *ret_words,
             struct error *err)
{
    const char *first = argc > 1 ? argv[1] : NULL;
    const char *second = argc > 2 ? argv[2] : "";
    bool help = strcmp(second, "--help") == 0 || strcmp(second, "-h") == 0;
    bool group = false;
    struct near one, two;
    char *both;

    if (first == NULL)
        return cli_wrong(cli, err, "no command was given; see nelm --help");
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) {
        cli_help_all(&cli->out);
        return ERR_END;
    }
    if (strcmp(first, "--version") == 0) {
        buf_text(&cli->out, "nelm " NELM_VERSION "\n");
        return ERR_END;
    }
    if (first[0] == '-')
        return cli_wrong(cli, err, "a command goes before %s; see nelm --help",
                         first);
    both = arena_printf(&cli->arena, "%s %s", first, second);
    if (both == NULL)
        return error_internal(err, "the arguments are too long");
    near_init(&one, str_of(first));
    near_init(&two, str_of(both));
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = &cli_commands[i];
        struct str rest = str_of(command->name);
        struct str head = str_cut(&rest, ' ');

        if (strcmp(command->name, both) == 0) {
            cli->command = command;
            *ret_words = 3;
            return ERR_OK;
        }
        if (strcmp(command->name, first) == 0) {
            cli->command = command;
            *ret_words = 2;
        }
        group = group || (rest.at != NULL && str_eq(head, str_of(first)));
        if (!command->hidden)
            near_offer(rest.at ? &two : &one, command->name);
    }
    if (cli->command != NULL)
        return ERR_OK;
    if (group && help) {
        cli_help_group(str_of(first), &cli->out);
        return ERR_END;
    }
    const char *meant = two.best ? two.best : one.best;

    return cli_wrong(
        cli, err, "there is no command \"%s\"%s%s%s; see nelm %s",
        group && second[0] ? both : first, meant ? "; did you mean " : "",
        meant ? meant : "", meant ? "?" : "",
        group ? arena_printf(&cli->arena, "%s --help", first) : "--help");
}

/* The option or the setting of the command that is called `name`. */
static const struct cli_option *
find_option(const struct cli_command *command, struct str name)
{
    for (const struct cli_option *o = command->options; o->name != NULL; o++)
        if (str_eq(name, str_of(o->name)))
            return o;
    return NULL;
}

static enum error_code
unknown_flag(struct cli *cli, struct str name, struct error *err)
{
    struct near near;

    near_init(&near, name);
    for (const struct cli_option *o = cli->command->options; o->name; o++)
        near_offer(&near, o->name);
    for (size_t i = 0; i < SETTINGS; i++)
        if (settings_table[i].uses & cli->command->uses)
            near_offer(&near, settings_table[i].name);
    return cli_wrong(cli, err, "there is no flag --%.*s%s%s%s", STR_ARG(name),
                     near.best ? "; did you mean --" : "",
                     near.best ? near.best : "", near.best ? "?" : "");
}

/* A switch among the settings may stand alone: "--insecure" is "--insecure
 * on". */
static bool
is_bare(const struct setting *setting, const char *next)
{
    return setting != NULL && setting->kind == SETTING_SWITCH &&
           (next == NULL ||
            (strcmp(next, "on") != 0 && strcmp(next, "off") != 0));
}

/* One "--name", "--name=value" or "--name" "value". */
static enum error_code MUST_USE
parse_flag(struct cli *cli, char **argv, int *at, struct error *err)
{
    struct str value = str_of(argv[*at] + 2);
    struct str name = str_cut(&value, '=');
    const struct cli_option *option = find_option(cli->command, name);
    const struct setting *setting = option ? NULL : setting_find(name);
    bool is_switch = option != NULL && option->value == NULL;

    if (setting != NULL && !(setting->uses & cli->command->uses))
        return cli_wrong(cli, err, "--%s is not for nelm %s", setting->name,
                         cli->command->name);
    if (option == NULL && setting == NULL)
        return unknown_flag(cli, name, err);
    if (is_switch && value.at != NULL)
        return cli_wrong(cli, err, "--%s takes no value", option->name);
    const char *text = value.at;

    if (is_switch) {
        text = "";
    } else if (text == NULL && is_bare(setting, argv[*at + 1])) {
        text = "on";
    } else if (text == NULL) {
        text = argv[*at + 1];
        if (text == NULL || strncmp(text, "--", 2) == 0)
            return cli_wrong(cli, err, "--%.*s needs a value", STR_ARG(name));
        ++*at;
    }
    size_t number = setting ? (size_t)(setting - settings_table) : 0;
    bool repeats = option != NULL && option->many == OPTION_REPEATS;

    if (!repeats &&
        (option ? cli_value(cli, option->name) : cli->flags[number]) != NULL)
        return cli_wrong(cli, err, "--%.*s is given twice", STR_ARG(name));
    if (option != NULL)
        cli->given[cli->given_count++] = (struct cli_given){option, text};
    else
        cli->flags[number] = text;
    return ERR_OK;
}

enum error_code
cli_parse(struct cli *cli, int argc, char **argv, struct error *err)
{
    bool only_words = false;
    int at = 0;
    enum error_code rc = find_command(cli, argc, argv, &at, err);

    if (rc != ERR_OK)
        return rc;
    cli->given = arena_zalloc(&cli->arena, argc * sizeof(*cli->given));
    if (cli->given == NULL)
        return error_internal(err, "too many arguments");
    for (; at < argc; at++) {
        const char *word = argv[at];

        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
        } else if (!only_words &&
                   (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
            cli_help_command(cli->command, &cli->out);
            return ERR_END;
        } else if (!only_words && strcmp(word, "--version") == 0) {
            buf_text(&cli->out, "nelm " NELM_VERSION "\n");
            return ERR_END;
        } else if (!only_words && strncmp(word, "--", 2) == 0) {
            rc = parse_flag(cli, argv, &at, err);
            if (rc != ERR_OK)
                return rc;
        } else if (!only_words && word[0] == '-' && word[1] != '\0') {
            return cli_wrong(cli, err, "there is no flag %s", word);
        } else if (cli->command->argument == NULL || cli->argument != NULL) {
            return cli_wrong(cli, err, "\"%s\" is one word too many", word);
        } else {
            cli->argument = word;
        }
    }
    for (const struct cli_option *o = cli->command->options; o->name; o++)
        if (o->many == OPTION_MUST && cli_value(cli, o->name) == NULL)
            return cli_wrong(cli, err, "--%s is missing", o->name);
    if (cli->command->argument != NULL && cli->argument == NULL)
        return cli_wrong(cli, err, "%s is missing", cli->command->argument);
    rc = settings_load(&cli->settings, cli->flags, err);
    cli->usage = rc != ERR_OK;
    return rc;
}

/* A database or socket must never become descriptor 0, 1 or 2 because the
 * caller had closed these. */
static void
fill_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int
cli_main(int argc, char **argv)
{
    struct cli cli = {0};
    struct error err = ERROR_INIT;
    enum error_code rc;

    fill_descriptors();
    signal(SIGPIPE, SIG_IGN);
    arena_init(&cli.arena, MAX_ARENA_BYTES);
    buf_init(&cli.out, MAX_OUT_BYTES);
    jw_init(&cli.json, &cli.out);
    rc = cli_parse(&cli, argc, argv, &err);
    if (rc == ERR_OK) {
        rc = cli.command->run(&cli, &err);
    } else if (rc == ERR_END) {
        rc = ERR_OK;
    }
    if (rc == ERR_OK && cli.out.len > 0)
        rc = cli_flush(&cli, &err);
    if (rc != ERR_OK) {
        struct fd_sink out;

        buf_clear(&cli.out);
        buf_text(&cli.out, "nelm: ");
        cli_error_text(&err, &cli.out);
        buf_char(&cli.out, '\n');
        if (cli.usage && cli.command != NULL)
            buf_printf(&cli.out, "see nelm %s --help\n", cli.command->name);
        /* It may quote a file from anywhere. */
        utf8_defuse(cli.out.data, cli.out.len);
        fd_sink_init(&out, STDERR_FILENO);
        /* Where standard error is gone there is nobody left to tell. */
        (void)!sink_write(&out.sink, cli.out.data, cli.out.len, NULL);
    }
    db_close(cli.db);
    settings_done(&cli.settings);
    buf_done(&cli.out);
    arena_done(&cli.arena);
    return rc == ERR_OK ? 0 : cli.usage ? 2 : 1;
}

/* A command line, a word a line. What was understood, written with the command
 * first, each flag as --name=value and the word without a flag behind "--", is
 * understood as the same; what was not has a reason. */
#include <string.h>

#include "cli/cli.h"
#include "fuzz.h"

#define WORDS_MAX 40

static enum error_code
parse(struct cli *cli, int argc, char **argv, struct error *err)
{
    *cli = (struct cli){.db = NULL};
    arena_init(&cli->arena, 1 << 20);
    buf_init(&cli->out, 1 << 20);
    jw_init(&cli->json, &cli->out);
    return cli_parse(cli, argc, argv, err);
}

static void
done(struct cli *cli)
{
    settings_done(&cli->settings);
    buf_done(&cli->out);
    arena_done(&cli->arena);
}

static bool
same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
check_same(const struct cli *a, const struct cli *b)
{
    FUZZ_CHECK(a->command == b->command && same(a->argument, b->argument));
    FUZZ_CHECK(a->given_count == b->given_count);
    for (size_t i = 0; i < a->given_count; i++)
        FUZZ_CHECK(a->given[i].option == b->given[i].option &&
                   same(a->given[i].text, b->given[i].text));
    for (size_t i = 0; i < SETTINGS; i++)
        FUZZ_CHECK(same(a->flags[i], b->flags[i]));
}

static char *
flag(struct cli *cli, const char *name, const char *value)
{
    char *text = arena_printf(&cli->arena, "--%s%s%s", name, value ? "=" : "",
                              value ? value : "");

    FUZZ_CHECK(text != NULL);
    return text;
}

static void
check_again(struct cli *cli)
{
    char program[] = "nelm", dashes[] = "--";
    char *argv[2 * WORDS_MAX + 4] = {program};
    struct str rest = str_of(cli->command->name);
    struct cli again;
    int argc = 1;

    while (rest.at != NULL) {
        struct str word = str_cut(&rest, ' ');

        argv[argc++] = arena_printf(&cli->arena, "%.*s", STR_ARG(word));
    }
    for (size_t i = 0; i < SETTINGS; i++)
        if (cli->flags[i] != NULL)
            argv[argc++] = flag(cli, settings_table[i].name, cli->flags[i]);
    for (size_t i = 0; i < cli->given_count; i++) {
        const struct cli_given *given = &cli->given[i];

        argv[argc++] = flag(cli, given->option->name,
                            given->option->value ? given->text : NULL);
    }
    if (cli->argument != NULL) {
        argv[argc++] = dashes;
        argv[argc++] = arena_printf(&cli->arena, "%s", cli->argument);
    }
    FUZZ_CHECK(parse(&again, argc, argv, NULL) == ERR_OK);
    check_same(cli, &again);
    done(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char program[] = "nelm", *text = malloc(size + 1);
    char *argv[WORDS_MAX + 2] = {program};
    struct error err = ERROR_INIT;
    struct cli cli;
    int argc = 1;

    FUZZ_CHECK(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    clearenv(); /* settings come from there too */
    for (char *at = text, *end; at != NULL && argc <= WORDS_MAX; at = end) {
        end = strchr(at, '\n');
        if (end != NULL)
            *end++ = '\0';
        if (strncmp(at, "--config", 8) != 0) /* a file of this machine */
            argv[argc++] = at;
    }
    enum error_code rc = parse(&cli, argc, argv, &err);

    if (rc == ERR_OK)
        check_again(&cli);
    else if (rc == ERR_END)
        FUZZ_CHECK(cli.out.len > 0 && !cli.out.failed);
    else
        FUZZ_CHECK(rc == ERR_VALUE && cli.usage && err.text[0] != '\0');
    done(&cli);
    free(text);
    return 0;
}

/*
 * embed.c - turns files into C, at build time.
 *
 *     embed files NAME OUT.h FILE...
 *         a static table NAME[] of {name, data, size}; data is followed by a
 *         NUL. For the one source file that includes OUT.h.
 *     embed site NAME OUT.h FILE...
 *         the same with forms[]: plain, gzip and zstd, as enum http_coding
 *         counts them; and NAME_version, a hash of all files, which stands
 *         wherever they say @VERSION@.
 *     embed statements OUT.h OUT.c FILE...
 *         the named statements of SQL files: an enum of their names and the
 *         table stmt_list[] in the same order.
 *
 * A statement begins at a line "-- name: NAME", with "role: writer" in it when
 * it changes anything or "role: stream" when it has many rows, and ends at the
 * first line that ends with a semicolon. Its $1..$n must have no gap.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define MAX_STATEMENTS 512
#define MAX_PARAMS 32 /* as src/db/driver.h */

static void __attribute__((noreturn, format(printf, 1, 2)))
fail(const char *fmt, ...)
{
    va_list args;

    fputs("embed: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static char *
read_file(const char *path, size_t *ret_size)
{
    FILE *in = fopen(path, "rb");
    long size = -1;
    char *data = NULL;

    if (in != NULL && fseek(in, 0, SEEK_END) == 0)
        size = ftell(in);
    if (size >= 0)
        data = calloc(1, (size_t)size + 1);
    if (data != NULL)
        rewind(in);
    if (data == NULL || fread(data, 1, (size_t)size, in) != (size_t)size)
        fail("cannot read %s: %s", path, strerror(errno));
    fclose(in);
    *ret_size = (size_t)size;
    return data;
}

static FILE *
create(const char *path)
{
    FILE *out = fopen(path, "wb");

    if (out == NULL)
        fail("cannot make %s: %s", path, strerror(errno));
    return out;
}

static void
finish(FILE *out, const char *path)
{
    bool bad = ferror(out) != 0;

    if (fclose(out) != 0 || bad)
        fail("cannot write %s", path);
}

static const char *
base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void
put_bytes(FILE *out, const char *name, const char *form, int number,
          const char *data, size_t size)
{
    fprintf(out, "static const unsigned char %s%s_%d[] = {", name, form,
            number);
    for (size_t at = 0; at < size; at++)
        fprintf(out, "%s%d,", at % 20 ? "" : "\n", (unsigned char)data[at]);
    fputs("\n0};\n", out);
}

static void
embed_files(const char *name, const char *out_path, char **paths, int count)
{
    FILE *out = create(out_path);

    for (int i = 0; i < count; i++) {
        size_t size;
        char *data = read_file(paths[i], &size);

        put_bytes(out, name, "", i, data, size);
        free(data);
    }
    fprintf(out,
            "static const struct {\n    const char *name;\n"
            "    const void *data;\n    size_t size;\n} %s[] = {\n",
            name);
    for (int i = 0; i < count; i++)
        fprintf(out, "    {\"%s\", %s_%d, sizeof(%s_%d) - 1},\n",
                base_name(paths[i]), name, i, name, i);
    fputs("};\n", out);
    finish(out, out_path);
}

/* FNV-1a: names a state of the files, guards nothing. */
static uint64_t
hash(uint64_t sum, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ (unsigned char)data[i]) * 0x100000001b3;
    return sum;
}

static void
put_version(char *text, const char *version)
{
    static const char mark[] = "@VERSION@";
    char *at = text;

    while ((at = strstr(at, mark)) != NULL) {
        memcpy(at, version, strlen(version));
        memmove(at + strlen(version), at + strlen(mark),
                strlen(at + strlen(mark)) + 1);
    }
}

static size_t
gzip(const char *data, size_t size, char *to, size_t room)
{
    z_stream z = {.next_in = (unsigned char *)data,
                  .avail_in = (unsigned)size,
                  .next_out = (unsigned char *)to,
                  .avail_out = (unsigned)room};

    if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) !=
            Z_OK ||
        deflate(&z, Z_FINISH) != Z_STREAM_END)
        fail("cannot compress");
    deflateEnd(&z);
    return z.total_out;
}

static void
embed_site(const char *name, const char *out_path, char **paths, int count)
{
    FILE *out = create(out_path);
    uint64_t sum = 0xcbf29ce484222325;
    char version[9];

    for (int i = 0; i < count; i++) {
        size_t size;
        char *data = read_file(paths[i], &size);

        sum = hash(sum, data, size);
        free(data);
    }
    snprintf(version, sizeof(version), "%08x", (unsigned)(sum ^ sum >> 32));
    for (int i = 0; i < count; i++) {
        size_t size, room;
        char *data = read_file(paths[i], &size), *small;

        if (strlen(data) != size)
            fail("%s: has a NUL", paths[i]);
        put_version(data, version);
        size = strlen(data);
        room = ZSTD_compressBound(size) + 64;
        small = calloc(1, room);
        if (small == NULL)
            fail("out of memory");
        put_bytes(out, name, "_plain", i, data, size);
        put_bytes(out, name, "_gzip", i, small, gzip(data, size, small, room));
        put_bytes(out, name, "_zstd", i, small,
                  ZSTD_compress(small, room, data, size, 19));
        free(small);
        free(data);
    }
    fprintf(out,
            "#define %s_version \"%s\"\n"
            "static const struct {\n    const char *name;\n"
            "    struct {\n        const void *data;\n"
            "        size_t size;\n    } forms[3];\n} %s[] = {\n",
            name, version, name);
    for (int i = 0; i < count; i++) {
        fprintf(out, "    {\"%s\", {", base_name(paths[i]));
        for (int form = 0; form < 3; form++) {
            static const char *const forms[] = {"plain", "gzip", "zstd"};

            fprintf(out, "{%s_%s_%d, sizeof(%s_%s_%d) - 1}, ", name,
                    forms[form], i, name, forms[form], i);
        }
        fputs("}},\n", out);
    }
    fputs("};\n", out);
    finish(out, out_path);
}

struct statement {
    char *name;
    char *sql; /* points into the file's text */
    bool writes, streams;
};

static struct statement statements[MAX_STATEMENTS];
static int statement_count;

static void
check_params(const struct statement *s)
{
    unsigned long long seen = 0;

    for (const char *at = strchr(s->sql, '$'); at; at = strchr(at + 1, '$')) {
        int n = atoi(at + 1);

        if (n < 1 || n > MAX_PARAMS)
            fail("%s: a parameter is not one of $1..$%d", s->name, MAX_PARAMS);
        seen |= 1ULL << (n - 1);
    }
    if ((seen & (seen + 1)) != 0)
        fail("%s: its parameters $1..$n have a gap", s->name);
}

/* The header line "-- name: NAME   role: writer   ..." */
static struct statement *
begin_statement(const char *path, char *line)
{
    struct statement *s = &statements[statement_count];
    char *name = line + strlen("-- name:");

    if (statement_count++ == MAX_STATEMENTS)
        fail("more than %d statements", MAX_STATEMENTS);
    name += strspn(name, " ");
    s->writes = strstr(name, "role: writer") != NULL;
    s->streams = strstr(name, "role: stream") != NULL;
    name[strcspn(name, " ")] = '\0';
    for (const char *c = name; *c; c++)
        if (!islower((unsigned char)*c) && *c != '_')
            fail("%s: \"%s\" is no name of a statement", path, name);
    for (int i = 0; i < statement_count - 1; i++)
        if (strcmp(statements[i].name, name) == 0)
            fail("%s: \"%s\" is there twice", path, name);
    s->name = name;
    return s;
}

static void
read_statements(const char *path)
{
    struct statement *open = NULL;
    size_t size;
    char *next = read_file(path, &size); /* kept: statements point into it */

    if (strlen(next) != size)
        fail("%s: has a NUL", path);
    while (*next != '\0') {
        char *line = next;
        char *end = line + strcspn(line, "\n");

        next = *end ? end + 1 : end;
        if (strncmp(line, "-- name:", strlen("-- name:")) == 0) {
            if (open)
                fail("%s: \"%s\" does not end with ;", path, open->name);
            *end = '\0';
            open = begin_statement(path, line);
        } else if (strncmp(line, "--", 2) == 0 || line == end) {
            if (open && open->sql)
                fail("%s: a comment inside \"%s\"", path, open->name);
        } else {
            if (!open)
                fail("%s: text without a name: %.*s", path, (int)(end - line),
                     line);
            if (open->sql == NULL)
                open->sql = line;
            if (end[-1] == ';') {
                end[-1] = '\0';
                check_params(open);
                open = NULL;
            }
        }
    }
    if (open)
        fail("%s: \"%s\" does not end with ;", path, open->name);
}

static void
put_upper(FILE *out, const char *text)
{
    for (; *text; text++)
        fputc(toupper((unsigned char)*text), out);
}

static void
put_literal(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '\n') {
            fputs(" \"\n     \"", out);
            continue;
        }
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void
embed_statements(const char *header, const char *source, char **paths,
                 int count)
{
    FILE *out;

    for (int i = 0; i < count; i++)
        read_statements(paths[i]);

    out = create(header);
    fputs("/* Made from sql/ by tools/embed.c. */\n"
          "#ifndef NELM_STORE_STMT_H\n#define NELM_STORE_STMT_H\n\n"
          "#include \"db/db.h\"\n\nenum stmt {\n",
          out);
    for (int i = 0; i < statement_count; i++) {
        fputs("    STMT_", out);
        put_upper(out, statements[i].name);
        fputs(",\n", out);
    }
    fputs("    STMT_COUNT\n};\n\n"
          "extern const struct db_statement stmt_list[STMT_COUNT];\n\n"
          "#endif\n",
          out);
    finish(out, header);

    out = create(source);
    fputs("/* Made from sql/ by tools/embed.c. */\n#include "
          "\"store/stmt.h\"\n\nconst struct db_statement "
          "stmt_list[STMT_COUNT] = {\n",
          out);
    for (int i = 0; i < statement_count; i++) {
        fprintf(out, "    {\"%s\",\n     ", statements[i].name);
        put_literal(out, statements[i].sql);
        fprintf(out, ",\n     %s, %s},\n",
                statements[i].writes ? "true" : "false",
                statements[i].streams ? "true" : "false");
    }
    fputs("};\n", out);
    finish(out, source);
}

int
main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "files") == 0)
        embed_files(argv[2], argv[3], argv + 4, argc - 4);
    else if (argc >= 5 && strcmp(argv[1], "site") == 0)
        embed_site(argv[2], argv[3], argv + 4, argc - 4);
    else if (argc >= 5 && strcmp(argv[1], "statements") == 0)
        embed_statements(argv[2], argv[3], argv + 4, argc - 4);
    else
        fail("usage: embed files|site NAME OUT.h FILE... | "
             "embed statements OUT.h OUT.c FILE...");
    return 0;
}

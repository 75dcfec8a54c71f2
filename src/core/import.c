#include "core/import.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/utf8.h"
#include "core/seen.h"
#include "fmt/csv_read.h"
#include "store/audit_store.h"
#include "store/identity_store.h"
#include "store/record_store.h"

#define PIECE_BYTES ((size_t)256 << 10) /* read at once */
#define PROGRESS_BYTES ((uint64_t)1 << 20)
#define ROW_BYTES ((size_t)1 << 20) /* 18 longest values, quoted: 0.4 MB */
#define IGNORED SCHEMA_MAX          /* in place of a column's number */

/*
 * Managers, remembered by the text that named them. A slot is simply
 * overwritten by the next text that falls on it.
 */
#define CACHE_SLOTS 2048
#define CACHE_TEXT 160

struct cached_manager {
    unsigned char text_len, alias_len; /* alias_len 0: nobody */
    char text[CACHE_TEXT], alias[CACHE_TEXT];
};

struct managers {
    struct manager_lookup lookup; /* first: find() casts back */
    struct db_tx *tx;
    struct arena *arena;
    struct cached_manager *slots;
};

static struct cached_manager *
cache_slot(struct managers *managers, struct str text)
{
    uint32_t hash = 2166136261; /* FNV-1a */

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.at[i]) * 16777619;
    return &managers->slots[(hash ^ hash >> 16) % CACHE_SLOTS];
}

static enum error_code
find_manager(struct manager_lookup *lookup, struct str text, struct str *ret,
             struct error *err)
{
    struct managers *managers = (struct managers *)lookup;
    struct cached_manager *slot = cache_slot(managers, text);
    struct str alias = {NULL, 0};

    if (str_eq(text, str_n(slot->text, slot->text_len))) {
        if (slot->alias_len == 0)
            return ERR_NOT_FOUND;
        *ret = str_n(slot->alias, slot->alias_len);
        return ERR_OK;
    }
    enum error_code rc = identity_resolve(managers->tx, text, true,
                                          managers->arena, &alias, err);

    if (rc != ERR_OK && rc != ERR_NOT_FOUND)
        return rc;
    if (text.len <= CACHE_TEXT && alias.len <= CACHE_TEXT) {
        slot->text_len = (unsigned char)text.len;
        slot->alias_len = (unsigned char)alias.len;
        memcpy(slot->text, text.at, text.len);
        if (alias.len > 0)
            memcpy(slot->alias, alias.at, alias.len);
    }
    if (rc == ERR_OK)
        *ret = alias;
    return rc;
}

/*
 * Bad lines: the first IMPORT_MAX_ERRORS, wherever in the file the search for
 * repeated names finds them.
 */
struct bad_line {
    uint64_t line;
    uint64_t first; /* line with the same account name, or 0: */
    struct str column;
    const char *reason;
    size_t at, len; /* the text in run.texts */
};

/* Lines of a source that has records already wait here until some are together,
 * so that what they may change is looked up at once. */
#define GROUP_BYTES ((size_t)256 << 10)

struct waiting {
    struct csv_row row; /* with texts in the group's arena */
    struct str key;     /* the account name, folded */
    struct record old;  /* key 0: there is none */
};

struct group {
    struct arena arena;
    struct waiting line[RECORD_ACCOUNTS_MAX];
    size_t count, bytes;
};

struct run {
    struct db_tx *tx;
    int fd;
    uint64_t length;
    const struct import_options *options;
    struct import_result *ret;

    struct schema schema;
    size_t column[CSV_MAX_FIELDS]; /* cell to position in the schema */
    size_t columns;
    struct csv_reader *reader;
    char *piece;

    struct arena arena, row; /* of the run, of the line */
    struct buf custom, fold;
    struct managers managers;
    struct seen *seen;
    struct group *group; /* NULL: the source has no records */

    struct bad_line *bad;
    size_t bad_count;
    struct buf texts;

    /* NULL while only checking. After the first bad line nothing more is
     * written, since all of it will be undone. */
    struct record_writer *writer;
    bool spoiled;

    /* What to say of required custom columns that the file lacks, as soon as
     * one of its lines is not what the source holds already. */
    struct buf lacking;
};

static int
by_line(const void *a, const void *b)
{
    const struct bad_line *left = a, *right = b;

    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    return left->first < right->first ? -1 : left->first > right->first;
}

static void
note_bad(struct run *run, struct bad_line bad)
{
    struct bad_line *to = &run->bad[run->bad_count];

    run->spoiled = true;
    run->ret->error_count++;
    if (run->bad_count == IMPORT_MAX_ERRORS) {
        to = &run->bad[0];
        for (size_t i = 1; i < run->bad_count; i++)
            if (run->bad[i].line > to->line)
                to = &run->bad[i];
        if (to->line <= bad.line)
            return;
    } else {
        run->bad_count++;
    }
    *to = bad;
}

static void
note_repeated(void *context, uint64_t line, uint64_t first)
{
    note_bad(context, (struct bad_line){.line = line, .first = first});
}

/* Lines of the scan come in order: once there are enough, no later one can
 * be among the first, so its text is not even made. */
static bool
takes_text(const struct run *run)
{
    return run->bad_count < IMPORT_MAX_ERRORS &&
           run->texts.len < IMPORT_ERROR_BYTES;
}

static void
note_faults(struct run *run, uint64_t line, const struct faults *faults)
{
    const struct fault *first = &faults->fault[0];
    struct bad_line bad = {.line = line,
                           .column = first->field,
                           .reason = first->reason,
                           .at = run->texts.len};

    if (takes_text(run))
        faults_line(&run->schema, faults, line, run->options->reasons,
                    &run->texts);
    bad.len = run->texts.len - bad.at;
    note_bad(run, bad);
}

/* A line that has no values to look at. */
static void
note_line(struct run *run, uint64_t line, const char *reason, const char *text)
{
    struct bad_line bad = {
        .line = line, .reason = reason, .at = run->texts.len};

    if (takes_text(run))
        buf_printf(&run->texts, "Line %llu: %s;", (unsigned long long)line,
                   text);
    bad.len = run->texts.len - bad.at;
    note_bad(run, bad);
}

/* One bad line as text behind those that are there. False when there is no
 * room for it. */
static bool
report_line(struct run *run, const struct bad_line *bad)
{
    struct buf *to = &run->ret->errors;
    struct import_fault fault = {
        .line = bad->line, .column = bad->column, .reason = bad->reason};
    char again[64];

    if (bad->len == 0 && bad->first == 0)
        return false;
    if (to->len > 0)
        buf_char(to, '\n');
    size_t begin = to->len;

    if (bad->first != 0) {
        snprintf(again, sizeof(again), "is already used on line %llu",
                 (unsigned long long)bad->first);
        buf_printf(to, "Line %llu: accountName %s;",
                   (unsigned long long)bad->line, again);
        fault.column = STR("accountName");
        fault.reason = again;
    } else {
        buf_add(to, run->texts.data + bad->at, bad->len);
    }
    if (to->failed)
        return false;
    fault.text = str_n(to->data + begin, to->len - begin);
    if (run->options->fault != NULL)
        run->options->fault(run->options->context, &fault);
    return true;
}

/* All bad lines as the answer's text. */
static enum error_code
report_bad(struct run *run, struct error *err)
{
    struct buf *to = &run->ret->errors;
    int64_t count = run->ret->error_count, shown = 0;

    qsort(run->bad, run->bad_count, sizeof(*run->bad), by_line);
    for (size_t i = 0; i < run->bad_count; i++)
        if (to->len < IMPORT_ERROR_BYTES && report_line(run, &run->bad[i]))
            shown++;
        else
            break;
    if (count > shown)
        buf_printf(to, "\n... and %lld more errors",
                   (long long)(count - shown));
    if (to->failed || run->texts.failed)
        return error_busy(err, "no memory for error lines");
    return error_set(err, ERR_CONTENT,
                     "The file has %lld bad line%s; nothing was imported.",
                     (long long)count, count == 1 ? "" : "s");
}

/*
 * The header.
 */
static void
add_name(struct buf *to, struct str name)
{
    buf_printf(to, "%s%.*s", to->len > 0 ? ", " : "", STR_ARG(name));
}

/* For "%.*s%s": a list that was cut short says so. */
#define NAMES_ARG(list) STR_ARG(buf_view(list)), (list)->failed ? ", ..." : ""

/* Is everything one line? Some tools join the lines of what they upload. The @
 * is of an e-mail address, that is of a record: no column has one in its name.
 */
static bool
is_flattened(const struct run *run)
{
    size_t first = (size_t)MIN(run->length, PIECE_BYTES);
    const char *lf = memchr(run->piece, '\n', first);

    return (lf == NULL || (uint64_t)(lf - run->piece) + 1 == run->length) &&
           memchr(run->piece, '@', first) != NULL;
}

static enum error_code
header_error(const struct run *run, struct error *err, const char *text)
{
    return error_set(
        err, ERR_VALUE, "%s%s", text,
        is_flattened(run)
            ? ". The whole file is one line: its line breaks were lost on "
              "the way (in PowerShell, read it with Get-Content -Raw)"
            : "");
}

bool
import_is_note(struct str name)
{
    return str_eq_nocase(name, IMPORT_LINE_COLUMN) ||
           str_eq_nocase(name, IMPORT_ERROR_COLUMN);
}

static enum error_code
read_header(struct run *run, const struct csv_row *row, struct error *err)
{
    const struct schema *schema = &run->schema;
    CLEANUP(buf_done) struct buf unknown, missing, twice, text;
    bool there[SCHEMA_MAX] = {false};
    bool is_bad = false;

    buf_init(&unknown, 256);
    buf_init(&missing, 1500); /* fits into an error's text */
    buf_init(&twice, 1500);
    buf_init(&text, 2048);
    if (row->problem != NULL) {
        buf_printf(&text, "Line %llu: %s", (unsigned long long)row->line,
                   row->problem);
        return header_error(run, err, text.data);
    }
    for (size_t cell = 0; cell < row->fields; cell++) {
        struct str name = row->field[cell];
        size_t i = 0;

        while (i < schema->count &&
               !str_eq_nocase(name, schema->attribute[i].technical_name))
            i++;
        if (i == schema->count && import_is_note(name)) {
            run->column[cell] = IGNORED;
            continue;
        }
        if (i == schema->count) {
            add_name(&unknown, name);
            is_bad = true;
            continue;
        }
        if (there[i])
            add_name(&twice, name);
        there[i] = true;
        run->column[cell] = i;
    }
    run->columns = row->fields;
    for (size_t i = 0; i < schema->count; i++) {
        if (there[i] || (i >= FIELD_COUNT && !schema->attribute[i].required))
            continue;
        add_name(&missing, schema->attribute[i].technical_name);
        is_bad = is_bad || i < FIELD_COUNT;
    }
    if (is_bad || missing.len > 0)
        buf_printf(&run->lacking,
                   "Column: \"[%.*s%s]\" is unknown and/or column: "
                   "\"[%.*s%s]\" is missing",
                   NAMES_ARG(&unknown), NAMES_ARG(&missing));
    if (run->lacking.failed)
        return error_busy(err, "no memory for an error text");
    if (is_bad)
        return header_error(run, err, run->lacking.data);
    if (twice.len > 0)
        return error_set(err, ERR_VALUE,
                         "Column: \"[%.*s%s]\" is there more than once",
                         NAMES_ARG(&twice));
    return ERR_OK;
}

/*
 * The lines.
 */

/* Write what is new or differs; without a writer count it. */
static enum error_code
write_record(struct run *run, const struct record *old, struct record *record,
             struct error *err)
{
    enum error_code rc = ERR_OK;

    if (old == NULL) {
        if (run->writer != NULL)
            rc = record_insert(run->writer, record, err);
        if (rc == ERR_OK)
            run->ret->created++;
    } else if (run->writer != NULL && old->modified_ms == run->writer->now_ms) {
        rc = ERR_CONFLICT;
    } else if (record_same(&run->schema, old, record)) {
        run->ret->unchanged++;
    } else {
        record->key = old->key;
        record->id = old->id;
        record->source = old->source;
        record->created_ms = old->created_ms;
        if (run->writer != NULL)
            rc = record_update(run->writer, record, err);
        if (rc == ERR_OK)
            run->ret->updated++;
    }
    if (rc != ERR_CONFLICT)
        return rc;
    /* A name that this file had before: run->seen tells at the end. */
    run->spoiled = true;
    return ERR_OK;
}

static enum error_code
see_name(struct run *run, struct str name, uint64_t line, struct error *err)
{
    buf_clear(&run->fold);
    char *to = buf_reserve(&run->fold, 3 * name.len + 1);

    if (to == NULL)
        return error_busy(err, "no memory for an account name");
    return seen_add(run->seen, str_n(to, utf8_fold(name, to)), line, err);
}

/* The cells by the schema's columns. */
static void
read_values(const struct run *run, const struct csv_row *row,
            struct values *ret)
{
    for (size_t cell = 0; cell < row->fields; cell++) {
        struct str value = row->field[cell];

        if (run->column[cell] == IGNORED)
            continue;
        if (run->options->unguard && value.len > 0 && value.at[0] == '\'')
            value = str_n(value.at + 1, value.len - 1);
        /* An empty cell is a value, other than a column that is not there. */
        ret->value[run->column[cell]] = value.at != NULL ? value : STR("");
    }
}

/* `old` is the record that this line updates, or NULL. */
static enum error_code
take_values(struct run *run, const struct csv_row *row,
            const struct record *old, struct error *err)
{
    struct values values = {0};
    struct record record = {0};
    struct faults faults;

    read_values(run, row, &values);
    arena_reset(&run->row);
    struct str name = utf8_trim(values.value[FIELD_ACCOUNT_NAME]);
    enum error_code rc = validate_record(&run->schema, &values, old,
                                         &run->managers.lookup, &run->custom,
                                         &record, &faults, err);
    bool good = rc == ERR_OK;

    if (rc == ERR_VALUE && faults.count > 0)
        note_faults(run, row->line, &faults);
    else if (!good)
        return rc;
    if (name.len > 0) {
        rc = see_name(run, name, row->line, err);
        if (rc != ERR_OK)
            return rc;
    }
    if (run->options->count ? !good : run->spoiled)
        return ERR_OK;
    return write_record(run, old, &record, err);
}

static bool
has_values(const struct run *run, const struct csv_row *row)
{
    return row->problem == NULL && row->fields == run->columns;
}

static enum error_code
take_row(struct run *run, const struct csv_row *row, const struct record *old,
         struct error *err)
{
    enum error_code rc = ERR_OK;

    run->ret->rows++;
    if (row->problem != NULL) {
        note_line(run, row->line, row->problem, row->problem);
    } else if (!has_values(run, row)) {
        char text[80];

        snprintf(text, sizeof(text), "%zu cell%s where the header has %zu",
                 row->fields, row->fields == 1 ? "" : "s", run->columns);
        note_line(run, row->line, "has another number of cells than the header",
                  text);
    } else {
        rc = take_values(run, row, old, err);
    }
    if (rc == ERR_OK && run->lacking.len > 0 &&
        run->ret->unchanged < run->ret->rows)
        return error_set(err, ERR_VALUE, "%s", run->lacking.data);
    return rc;
}

/* Copy a line: the reader's texts go with the next one. */
static enum error_code
keep_line(struct run *run, const struct csv_row *row, struct error *err)
{
    struct group *group = run->group;
    struct waiting *line = &group->line[group->count];
    struct values values = {0};

    line->row = *row;
    line->key = STR("");
    line->old.key = 0;
    for (size_t i = 0; i < row->fields; i++) {
        line->row.field[i] = arena_str(&group->arena, row->field[i]);
        group->bytes += row->field[i].len;
    }
    if (has_values(run, row)) {
        read_values(run, row, &values);
        struct str name = utf8_trim(values.value[FIELD_ACCOUNT_NAME]);
        char *key = arena_alloc(&group->arena, 3 * name.len + 1);

        if (key != NULL)
            line->key = str_n(key, utf8_fold(name, key));
    }
    if (group->arena.failed)
        return error_busy(err, "no memory for a CSV row");
    group->count++;
    return ERR_OK;
}

/* Look up what the waiting lines may change. */
static enum error_code
find_old(struct run *run, struct error *err)
{
    struct group *group = run->group;
    struct str keys[RECORD_ACCOUNTS_MAX];
    struct record records[RECORD_ACCOUNTS_MAX];

    for (size_t i = 0; i < group->count; i++)
        keys[i] = group->line[i].key;
    enum error_code rc = record_by_accounts(run->tx, run->schema.source.number,
                                            keys, group->count, &group->arena,
                                            records, err);

    for (size_t i = 0; rc == ERR_OK && i < group->count; i++)
        group->line[i].old = records[i];
    return rc;
}

static enum error_code
take_group(struct run *run, struct error *err)
{
    struct group *group = run->group;
    enum error_code rc = ERR_OK;

    if (group == NULL || group->count == 0)
        return ERR_OK;
    rc = find_old(run, err);
    for (size_t i = 0; rc == ERR_OK && i < group->count; i++) {
        const struct waiting *line = &group->line[i];
        int64_t updated = run->ret->updated;

        rc = take_row(run, &line->row, line->old.key ? &line->old : NULL, err);
        /* Another line of that name finds what this one has written. */
        for (size_t j = i + 1;
             run->writer && run->ret->updated > updated && j < group->count;
             j++)
            if (group->line[j].old.key == line->old.key)
                group->line[j].old.modified_ms = run->writer->now_ms;
    }
    group->count = group->bytes = 0;
    arena_reset(&group->arena);
    return rc;
}

static enum error_code
take_line(struct run *run, const struct csv_row *row, struct error *err)
{
    enum error_code rc;

    if (run->group == NULL)
        return take_row(run, row, NULL, err);
    rc = keep_line(run, row, err);
    if (rc == ERR_OK && (run->group->count == RECORD_ACCOUNTS_MAX ||
                         run->group->bytes >= GROUP_BYTES))
        rc = take_group(run, err);
    return rc;
}

/* Read the piece at `offset`; *ret_len is 0 only at the end. */
static enum error_code
read_piece(struct run *run, uint64_t offset, size_t *ret_len, struct error *err)
{
    size_t want = (size_t)MIN(run->length - offset, PIECE_BYTES);
    size_t have = 0;

    while (have < want) {
        ssize_t n = pread(run->fd, run->piece + have, want - have,
                          (off_t)(offset + have));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, "file to import");
        if (n == 0)
            return error_set(err, ERR_VALUE,
                             "The file became shorter while it was read.");
        have += (size_t)n;
    }
    *ret_len = have;
    return ERR_OK;
}

static void
tell_progress(const struct run *run, uint64_t bytes)
{
    if (run->options->progress != NULL)
        run->options->progress(run->options->context, bytes,
                               (uint64_t)run->ret->rows);
}

static enum error_code
read_rows(struct run *run, struct error *err)
{
    bool header_read = false;
    uint64_t offset = 0, told = 0;
    size_t len = 0;
    enum error_code rc;

    do {
        const struct csv_row *row;

        if (run->options->stop != NULL && *run->options->stop)
            return error_busy(err, "the program stops");
        rc = read_piece(run, offset, &len, err);
        if (rc != ERR_OK)
            return rc;
        csv_read_feed(run->reader, run->piece, len);
        offset += len;
        while ((rc = csv_read_next(run->reader, &row)) == ERR_OK) {
            rc = header_read ? take_line(run, row, err)
                             : read_header(run, row, err);
            if (rc != ERR_OK)
                return rc;
            header_read = true;
        }
        if (rc != ERR_END)
            return error_busy(err, "no memory for a CSV row");
        rc = len == 0 ? take_group(run, err) : ERR_OK;
        if (rc != ERR_OK)
            return rc;
        if (len == 0 || offset - told >= PROGRESS_BYTES) {
            told = offset;
            tell_progress(run, offset);
        }
    } while (len > 0);
    if (!header_read)
        return error_set(err, ERR_VALUE, "%s",
                         run->options->reasons
                             ? "the file has no header line"
                             : "No files were supplied for import.");
    if (run->lacking.len > 0 && run->ret->rows == 0)
        return error_set(err, ERR_VALUE, "%s", run->lacking.data);
    return ERR_OK;
}

/* Would the source hold more than it may? */
static enum error_code
check_limit(const struct run *run, struct error *err)
{
    int64_t max = run->options->max_records;

    if (max == 0 || run->schema.source.record_count + run->ret->created <= max)
        return ERR_OK;
    return error_set(err, ERR_LIMIT,
                     "You have reached the current limit of %lld "
                     "non-employee records.",
                     (long long)max);
}

static enum error_code
run_init(struct run *run, struct db_tx *tx, struct error *err)
{
    struct import_result *ret = run->ret;

    buf_clear(&ret->errors);
    *ret = (struct import_result){.errors = ret->errors};
    run->tx = tx;
    arena_init(&run->arena, 1 << 20);
    arena_init(&run->row, 4 << 20);
    buf_init(&run->custom, 4 << 20);
    buf_init(&run->fold, 4 << 20);
    buf_init(&run->texts, 2 * IMPORT_ERROR_BYTES);
    buf_init(&run->lacking, 2048);
    run->reader = csv_read_new(ROW_BYTES);
    run->piece = malloc(PIECE_BYTES);
    run->seen = seen_new(SEEN_SLOTS, note_repeated, run);
    run->bad = calloc(IMPORT_MAX_ERRORS, sizeof(*run->bad));
    run->managers = (struct managers){
        .lookup.find = find_manager,
        .tx = tx,
        .arena = &run->row,
        .slots = calloc(CACHE_SLOTS, sizeof(struct cached_manager)),
    };
    if (run->reader == NULL || run->piece == NULL || run->seen == NULL ||
        run->bad == NULL || run->managers.slots == NULL)
        return error_busy(err, "no memory for an import");
    enum error_code rc = schema_load(tx, &run->options->source_id, &run->arena,
                                     &run->schema, err);

    run->schema.check_managers = run->options->check_managers;
    if (rc != ERR_OK || run->schema.source.record_count == 0)
        return rc;
    run->group = calloc(1, sizeof(*run->group));
    if (run->group == NULL)
        return error_busy(err, "no memory for an import");
    arena_init(&run->group->arena, 16 << 20);
    return ERR_OK;
}

/* A time that no record of the source was modified at: whatever bears it was
 * written by this import. */
static int64_t
import_time(const struct schema *schema)
{
    return MAX(clock_now_ms(), schema->source.changed_ms + 1);
}

static void
run_done(struct run *run)
{
    if (run->group != NULL)
        arena_done(&run->group->arena);
    free(run->group);
    free(run->managers.slots);
    free(run->bad);
    seen_free(run->seen);
    free(run->piece);
    csv_read_done(run->reader);
    buf_done(&run->lacking);
    buf_done(&run->texts);
    buf_done(&run->fold);
    buf_done(&run->custom);
    arena_done(&run->row);
    arena_done(&run->arena);
}

/* Everything but opening and closing: ERR_OK when every line is good and, with
 * a writer, written. */
static enum error_code
run_file(struct run *run, struct error *err)
{
    enum error_code rc = read_rows(run, err);

    if (rc == ERR_OK)
        rc = seen_finish(run->seen, err);
    if (rc == ERR_OK && run->ret->error_count > 0)
        rc = report_bad(run, err);
    if (rc == ERR_OK && run->spoiled)
        /* A record that looked as if this import had written it. */
        rc = error_busy(err, "clock stands still");
    if (rc == ERR_OK)
        rc = check_limit(run, err);
    return rc;
}

static enum error_code
add_audit(struct db_tx *tx, const struct import_options *options,
          const struct source *source, const char *event, struct str detail,
          struct error *err)
{
    return audit_add(tx,
                     &(struct audit_event){.event = event,
                                           .actor = options->actor,
                                           .has_object = true,
                                           .object_id = source->id,
                                           .source = source->number,
                                           .detail = detail},
                     err);
}

enum error_code
import_check(struct db *db, int fd, uint64_t length,
             const struct import_options *options, struct import_result *ret,
             struct error *err)
{
    struct run run = {
        .fd = fd, .length = length, .options = options, .ret = ret};
    struct db_tx *tx;
    enum error_code rc = db_read_begin(db, &tx, err);

    if (rc != ERR_OK)
        return rc;
    rc = run_init(&run, tx, err);
    if (rc == ERR_OK)
        rc = run_file(&run, err);
    run_done(&run);
    db_read_end(tx);
    if (!options->count)
        ret->created = ret->updated = ret->unchanged = 0;
    return rc;
}

enum error_code
import_write(struct db_tx *tx, int fd, uint64_t length,
             const struct import_options *options, struct import_result *ret,
             struct error *err)
{
    struct record_writer writer;
    struct run run = {
        .fd = fd, .length = length, .options = options, .ret = ret};
    char detail[160];
    enum error_code rc = source_lock(tx, &options->source_id, err);

    if (rc != ERR_OK)
        return rc;
    rc = run_init(&run, tx, err);
    if (rc != ERR_OK)
        goto done;
    rc = record_write_begin(&writer, tx, run.schema.source.number,
                            import_time(&run.schema), &options->actor, err);
    if (rc != ERR_OK)
        goto done;
    record_write_many(&writer);
    run.writer = &writer;
    rc = run_file(&run, err);

    enum error_code finished = record_write_finish(&writer,
                                                   rc == ERR_OK ? err : NULL);

    if (rc == ERR_OK)
        rc = finished;
    if (rc != ERR_OK)
        goto done;
    snprintf(detail, sizeof(detail),
             "rows=%lld created=%lld updated=%lld unchanged=%lld",
             (long long)ret->rows, (long long)ret->created,
             (long long)ret->updated, (long long)ret->unchanged);
    rc = add_audit(tx, options, &run.schema.source,
                   "NON_EMPLOYEE_BULK_IMPORT_PASSED", str_of(detail), err);
done:
    if (rc != ERR_OK)
        ret->created = ret->updated = ret->unchanged = 0;
    run_done(&run);
    return rc;
}

/* What stays in the audit when the transaction above does not. */
static enum error_code
add_note(struct db_tx *tx, const struct import_options *options,
         const char *event, struct str detail, struct error *err)
{
    CLEANUP(arena_done) struct arena arena;
    struct source source;

    arena_init(&arena, 64 << 10);
    enum error_code rc = source_find(tx, &options->source_id, &arena, &source,
                                     err);

    if (rc != ERR_OK)
        return rc;
    return add_audit(tx, options, &source, event, detail, err);
}

enum error_code
import_started(struct db_tx *tx, const struct import_options *options,
               struct error *err)
{
    return add_note(tx, options, "NON_EMPLOYEE_BULK_IMPORT_STARTED", STR(""),
                    err);
}

enum error_code
import_failed(struct db_tx *tx, const struct import_options *options,
              const struct import_result *result, enum error_code why,
              struct error *err)
{
    char detail[80];

    snprintf(detail, sizeof(detail), "rows=%lld errors=%lld reason=%s",
             (long long)result->rows, (long long)result->error_count,
             error_name(why));
    return add_note(tx, options, "NON_EMPLOYEE_BULK_IMPORT_FAILED",
                    str_of(detail), err);
}

struct apply {
    int fd;
    uint64_t length;
    const struct import_options *options;
    struct import_result *ret;
    enum error_code why;
};

static enum error_code
apply_start(struct db_tx *tx, void *context, struct error *err)
{
    const struct apply *apply = context;

    return import_started(tx, apply->options, err);
}

static enum error_code
apply_file(struct db_tx *tx, void *context, struct error *err)
{
    const struct apply *apply = context;

    return import_write(tx, apply->fd, apply->length, apply->options,
                        apply->ret, err);
}

static enum error_code
apply_failed(struct db_tx *tx, void *context, struct error *err)
{
    const struct apply *apply = context;

    return import_failed(tx, apply->options, apply->ret, apply->why, err);
}

enum error_code
import_apply(struct db *db, int fd, uint64_t length,
             const struct import_options *options, struct import_result *ret,
             struct error *err)
{
    struct apply apply = {
        .fd = fd, .length = length, .options = options, .ret = ret};
    enum error_code rc = db_write(db, apply_start, &apply, err);

    if (rc != ERR_OK)
        return rc;
    apply.why = db_write_long(db, apply_file, &apply, err);
    if (apply.why == ERR_OK)
        return ERR_OK;
    /* Why it failed matters more than that this could not be noted. */
    enum error_code noted UNUSED = db_write(db, apply_failed, &apply, NULL);

    return apply.why;
}

void
import_result_init(struct import_result *result)
{
    *result = (struct import_result){0};
    buf_init(&result->errors, 2 * IMPORT_ERROR_BYTES);
}

void
import_result_done(struct import_result *result)
{
    buf_done(&result->errors);
}

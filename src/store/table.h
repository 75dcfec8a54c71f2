/*
 * table.h - all tables with their columns, and their rows read and written as
 * they are: what backup, restore and copy are made of.
 *
 * A migration that adds a table or a column adds it to the list in table.c;
 * table_test compares the list with the schema and says what is missing.
 *
 * Memory:  cells of a row that was read live until the next one. Cells that
 *          are written are borrowed until `waiting` is 0 again.
 * Errors:  as db.h.
 * Threads: see store.h.
 */
#ifndef NELM_STORE_TABLE_H
#define NELM_STORE_TABLE_H

#include "store/store.h"

#define TABLE_COLUMNS_MAX 32
#define TABLE_KEYS_MAX 3
#define TABLE_KEY_BYTES 2048 /* of the values of one row's key */

enum column_kind { COLUMN_INT, COLUMN_TEXT, COLUMN_BLOB };

struct column {
    const char *name;
    enum column_kind kind;
};

struct table {
    const char *name; /* of the table, or of some of its columns */
    const char *of;   /* the table; NULL: as `name` */
    size_t keys;      /* the first so many columns are the primary key */
    /* The other columns are written into rows that are there already, where
     * the last one is not NULL: they refer to rows of the same table. */
    bool update;
    bool numbers;  /* the database numbers rows that have no key */
    unsigned page; /* rows read at once; 0: many */
    struct column column[TABLE_COLUMNS_MAX + 1]; /* ends with a NULL name */
};

/* In such an order that a row never refers to one that comes later. */
extern const struct table table_list[];
extern const size_t table_count;

size_t table_columns(const struct table *table);

struct cell {
    bool null;
    int64_t number;   /* of a COLUMN_INT */
    struct str bytes; /* of the others */
};

/* --- reading ----------------------------------------------------------- */

struct table_reader {
    struct db_tx *tx;
    const struct table *table;
    size_t columns;
    struct db_query *query;
    unsigned page, in_page;
    struct cell key[TABLE_KEYS_MAX]; /* of the last row, when any was read */
    bool any;
    char key_bytes[TABLE_KEY_BYTES];
};

/* All rows in the order of their keys. */
void table_read_begin(struct table_reader *reader, struct db_tx *tx,
                      const struct table *table);
/* ERR_OK with one cell per column, ERR_END, or a failure. */
enum error_code table_read(struct table_reader *reader,
                           struct cell row[TABLE_COLUMNS_MAX],
                           struct error *err) MUST_USE;
void table_read_end(struct table_reader *reader);

/* --- writing ----------------------------------------------------------- */

struct table_writer {
    struct db_tx *tx;
    const struct table *table;
    size_t columns;
    struct db_query *query; /* writes `batch` rows at once */
    unsigned batch, waiting;
    struct cell row[128]; /* those that wait, at most DB_PARAMS_MAX cells */
};

void table_write_begin(struct table_writer *writer, struct db_tx *tx,
                       const struct table *table);
enum error_code table_write(struct table_writer *writer,
                            const struct cell row[TABLE_COLUMNS_MAX],
                            struct error *err) MUST_USE;
/* Write what waits. */
enum error_code table_flush(struct table_writer *writer,
                            struct error *err) MUST_USE;
void table_write_end(struct table_writer *writer);

/* Delete all rows of the table. */
enum error_code table_clear(struct db_tx *tx, const struct table *table,
                            struct error *err) MUST_USE;
/* Of all tables, such as the schema itself made. */
enum error_code table_clear_all(struct db_tx *tx, struct error *err) MUST_USE;
/* After rows were written: new ones are to get numbers behind theirs. */
enum error_code table_renumber_all(struct db *db, struct db_tx *tx,
                                   struct error *err) MUST_USE;

#endif

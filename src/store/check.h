/*
 * check.h - is everything in the database as this program leaves it? What must
 * be so, in SQL (sql/check.sql) and, where SQL cannot say it, row by row; the
 * chains (store/chain.h), which replay the history of every record; and the
 * file itself where it is SQLite's.
 *
 * Memory:  a page of rows, and the chains' few bytes per source.
 * Errors:  those of the database. What is wrong is no error: it goes to
 *          `problem`, one line each.
 * Threads: see store.h.
 */
#ifndef NELM_STORE_CHECK_H
#define NELM_STORE_CHECK_H

#include "store/chain.h"

struct check {
    void (*problem)(void *context, const char *text);
    void *context;
    /* What was read and found. */
    int64_t tables, rows, records, changes, audit_rows, problems;
};

/* Only of the numbers with which the program reckons: what has others must not
 * be worked with. */
enum error_code check_numbers(struct db_tx *tx, struct check *check,
                              struct error *err) MUST_USE;

/* As `tx`, of `db`, sees it; where check_numbers() finds something, that is
 * all. */
enum error_code check_run(struct db *db, struct db_tx *tx, struct check *check,
                          struct error *err) MUST_USE;

#endif

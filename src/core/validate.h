/*
 * validate.h - one record's values against its source's schema attributes
 * (contract 9.5 and 16.4). The only place that knows what a valid record is;
 * the import, the API and the console all come here.
 *
 * Memory:  `ret` borrows from the input, the arena and the schema.
 * Errors:  validate_record() reports every fault, not the first: missing
 *          values as one REQUIRED, then one fault per field.
 * Threads: a struct schema is read-only after schema_load(); safe everywhere.
 */
#ifndef NELM_CORE_VALIDATE_H
#define NELM_CORE_VALIDATE_H

#include "store/source_store.h"

struct schema {
    struct source source;
    struct attribute attribute[SCHEMA_MAX]; /* built-in first */
    size_t count;
    bool check_managers; /* setting: unknown managers are refused */
};

/* Raw values as they came, by position in schema.attribute. `at` NULL:
 * absent (the caller decides what absence means: see `keep_custom`). */
struct values {
    struct str value[SCHEMA_MAX];
};

/* Looks a manager up: sets *ret to the alias. ERR_NOT_FOUND when unknown. */
struct manager_lookup {
    enum error_code (*find)(struct manager_lookup *lookup, struct str text,
                            struct str *ret, struct error *err);
};

enum fault_kind { FAULT_REQUIRED, FAULT_VALUE, FAULT_LENGTH };

struct fault {
    enum fault_kind kind;
    struct str field;   /* technical name */
    const char *reason; /* static: "is not a date", for logs and tables */
};

struct faults {
    struct fault fault[SCHEMA_MAX + 1];
    size_t count;
};

/* Check and convert: trims, parses dates, resolves the manager, compares the
 * dates, packs custom values into *custom. `old` is the record that is
 * updated, or NULL for a new one: custom attributes whose value is absent keep
 * what `old` has. ERR_OK with faults->count == 0 and *ret filled (key, id,
 * source and times untouched); ERR_VALUE with faults; anything else is a
 * failure of the database. */
enum error_code validate_record(const struct schema *schema,
                                const struct values *values,
                                const struct record *old,
                                struct manager_lookup *managers,
                                struct arena *arena, struct buf *custom,
                                struct record *ret, struct faults *faults,
                                struct error *err) MUST_USE;

/* One text for all faults of a record, as the API answers it (contract 4 step
 * 8, 5.2): all required ones first and alone, else the first value fault.
 * Fills `err` and returns its code. */
enum error_code faults_error(const struct schema *schema,
                             const struct faults *faults, struct error *err);

/* The line form of contract 16.4: "Line 3: email is required; ...". */
void faults_line(const struct schema *schema, const struct faults *faults,
                 uint64_t line, struct buf *to);

/* Everything one needs to know of a source before touching its records. */
enum error_code schema_load(struct db_tx *tx, const struct uuid *source_id,
                            struct arena *arena, struct schema *ret,
                            struct error *err) MUST_USE;

#endif

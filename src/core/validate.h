/*
 * validate.h - one record's values against its source's schema attributes
 * (contract 9.5 and 16.4). The only place that knows what a valid record is;
 * the import, the API and the console all come here.
 *
 * Memory:  `ret` borrows from the input, the custom buffer and the lookup.
 * Errors:  validate_record() reports every fault, not the first: missing
 *          values as one REQUIRED, then one fault per field.
 * Threads: a struct schema is read-only after schema_load(); safe everywhere.
 */
#ifndef NELM_CORE_VALIDATE_H
#define NELM_CORE_VALIDATE_H

#include "base/buf.h"
#include "store/source_store.h"

struct schema {
    struct source source;
    struct attribute attribute[SCHEMA_MAX]; /* built-in first */
    size_t count;
    bool check_managers; /* setting: unknown managers are refused */
};

/* Raw values as they came, by position in schema.attribute; well-formed
 * UTF-8. `at` NULL: absent. */
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
    const char *reason; /* static, goes on behind the field: "is not a date" */
};

struct faults {
    struct fault fault[SCHEMA_MAX + 1];
    size_t count;
};

/* Check and convert: trims, parses dates, resolves the manager, compares the
 * dates, packs custom values into *custom (cleared first). `old` is the record
 * that is updated, or NULL for a new one: custom attributes whose value is
 * absent keep what `old` has, others are cleared by an empty value. The manager
 * that `old` has is not looked up again, and values that change nothing may
 * lack what became required since. ERR_OK with
 * faults->count == 0 and *ret filled (key, id, source and times untouched);
 * ERR_VALUE with faults, in the order of the schema; anything else is a failure
 * of the database. The manager's alias in *ret lives as long as what `managers`
 * answered; with `managers` NULL the text is stored as it was sent. */
enum error_code validate_record(const struct schema *schema,
                                const struct values *values,
                                const struct record *old,
                                struct manager_lookup *managers,
                                struct buf *custom, struct record *ret,
                                struct faults *faults,
                                struct error *err) MUST_USE;

/* One text for all faults of a record, as the API answers it (contract 4 step
 * 8, 5.2): all required ones first and alone, else the first value fault.
 * Fills `err` and returns its code. */
enum error_code faults_error(const struct schema *schema,
                             const struct faults *faults, struct error *err);

/* The line form of contract 16.4: "Line 3: email is required;", all faults
 * one behind the other. With `reasons` each value fault is followed by its
 * reason: for people, who see more than a client's parser needs. */
void faults_line(const struct schema *schema, const struct faults *faults,
                 uint64_t line, bool reasons, struct buf *to);

/* Does `a` show the same as `b`, custom values included? Ids and times do not
 * count, nor do leftovers of attributes that are gone. */
bool record_same(const struct schema *schema, const struct record *a,
                 const struct record *b);

/* Everything one needs to know of a source before touching its records.
 * Managers are checked unless the caller turns that off. */
enum error_code schema_load(struct db_tx *tx, const struct uuid *source_id,
                            struct arena *arena, struct schema *ret,
                            struct error *err) MUST_USE;

#endif

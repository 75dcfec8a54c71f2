/*
 * members.h - read the members of one JSON object under their rules, and
 * answer what is wrong with them in the order of contract section 4: all that
 * is missing in one text, else bad values, then unknown references, then
 * limits.
 *
 * Memory:  texts are borrowed from the JSON value.
 * Errors:  sticky: read freely, ask members_finish() once.
 * Threads: one thread at a time.
 */
#ifndef NELM_CORE_MEMBERS_H
#define NELM_CORE_MEMBERS_H

#include <jansson.h>

#include "base/error.h"
#include "base/str.h"
#include "base/uuid.h"

struct members {
    const json_t *object;
    struct error fault; /* the one to answer; code ERR_OK: none */
};

/* ERR_CONTENT when `object` is no object. */
void members_init(struct members *members, const json_t *object);

enum member_rule {
    MEMBER_REQUIRED = 1 << 0,
    MEMBER_LINES = 1 << 1, /* free text: kept as sent, lines and tabs too */
};

/* A text of `least` to `most` characters, trimmed but for MEMBER_LINES. `at`
 * NULL when it is absent, null, or wrong. Blank and required is missing,
 * unless `least` is 0. */
struct str members_text(struct members *members, const char *name,
                        unsigned rules, size_t least, size_t most);

bool members_bool(struct members *members, const char *name, bool fallback);

/* An identity as clients name it: "ID" or {"id": "ID"}. */
struct reference {
    struct str text; /* as sent; `at` NULL: absent */
    struct uuid id;
    bool is_id; /* else the text cannot be anybody's id */
};

struct reference members_reference(struct members *members, const char *name,
                                   bool required);

/* An array of references without repetition; absent is empty. Keeps at most
 * `most`; more is ERR_LIMIT, said as "You have reached the current limit of N
 * THINGS." */
size_t members_references(struct members *members, const char *name,
                          size_t most, const char *things,
                          struct reference *ret);

/* Note faults found elsewhere. */
void members_missing(struct members *members, const char *name);
void members_illegal(struct members *members, const char *name);
void members_unknown(struct members *members, const char *what,
                     struct str text);
void members_limit(struct members *members, int64_t limit, const char *things);

enum error_code members_finish(const struct members *members,
                               struct error *err) MUST_USE;

/* The text of a JSON string; `at` NULL for any other value. */
struct str json_text(const json_t *value);

#endif

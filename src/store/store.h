/*
 * store.h - what the tables hold, as structs. The modules beside it turn
 * rows into these and back; they are the only callers of statements
 * (src/store/stmt.h, made from sql/ at build time).
 *
 * Memory:  text in a struct that a store function returns lives in the arena
 *          that was passed in. Text in a struct that is passed in is borrowed
 *          for the call.
 * Errors:  as db.h. "Not there" is ERR_NOT_FOUND with the default text.
 * Threads: a transaction belongs to one thread.
 */
#ifndef NELM_STORE_STORE_H
#define NELM_STORE_STORE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "base/uuid.h"
#include "db/db.h"

/* The eight built-in columns, in the order of the CSV (contract 16.1). The
 * numbers are schema_attribute.number minus 1. */
enum field {
    FIELD_ACCOUNT_NAME,
    FIELD_FIRST_NAME,
    FIELD_LAST_NAME,
    FIELD_PHONE,
    FIELD_EMAIL,
    FIELD_MANAGER,
    FIELD_TEXTS, /* so many are text; dates follow */
    FIELD_START_DATE = FIELD_TEXTS,
    FIELD_END_DATE,
    FIELD_COUNT
};

#define SCHEMA_CUSTOM_MAX 10 /* contract 17 */
#define SCHEMA_MAX (FIELD_COUNT + SCHEMA_CUSTOM_MAX)
#define SCHEMA_FIRST_CUSTOM 9 /* the first number of a custom attribute */

struct attribute {
    struct uuid id;
    int64_t number;
    struct str type, label, technical_name, help_text, placeholder;
    bool required;
    bool system; /* built-in: number < SCHEMA_FIRST_CUSTOM */
    int64_t created_ms, modified_ms;
};

struct source {
    int64_t number;
    struct uuid id, source_id;
    struct str name, description;
    bool has_owner;
    struct uuid owner_id;
    struct str workgroup; /* `at` NULL when there is none */
    int64_t revision, changed_ms, record_count, next_row, next_column;
    int64_t created_ms, modified_ms;
};

struct record {
    int64_t key;
    struct uuid id;
    int64_t source; /* number */
    struct str text[FIELD_TEXTS];
    struct moment start, end;
    struct str custom; /* packed, see store/custom.h */
    int64_t created_ms, modified_ms;
};

/* User levels, as bits of identity.levels and of a principal. */
enum level {
    LEVEL_ORG_ADMIN = 1 << 0,
    LEVEL_SOURCE_ADMIN = 1 << 1,
    LEVEL_SOURCE_SUBADMIN = 1 << 2,
    LEVEL_OTHER = 1 << 3 /* a known level without rights here */
};

struct identity {
    struct uuid id;
    int64_t number;
    struct str alias, name, email;
    bool has_manager;
    struct uuid manager_id;
    struct str levels;        /* space-separated, "" for none */
    struct str password_hash; /* `at` NULL: cannot sign in */
    int64_t created_ms, modified_ms;
};

enum client_kind { CLIENT_PAT, CLIENT_API };

struct client {
    struct uuid id;
    enum client_kind kind;
    struct str name;
    bool has_secret;
    unsigned char secret_sha256[32];
    bool has_identity;
    struct uuid identity_id;
    struct str scopes; /* space-separated; `at` NULL: everything */
    struct str grants, redirect_uris;
    struct str business_name, homepage_url, description; /* `at` may be NULL */
    bool online, disabled;
    int64_t token_seconds;
    int64_t refresh_seconds;                       /* 0: the default */
    int64_t expires_ms;                            /* 0: never */
    int64_t created_ms, modified_ms, last_used_ms; /* 0: never used */
};

/* Who makes a change, for history and audit. */
struct actor {
    bool known;
    struct uuid id; /* of an identity or client */
    bool has_request;
    struct uuid request_id;
};

#endif

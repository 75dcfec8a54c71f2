/*
 * settings.h - what an operator can decide: one row per setting in
 * settings.def, set by a flag, an environment variable NELM_NAME or a line of
 * a configuration file, in that order of precedence.
 *
 * Memory:  texts live in settings->text until settings_done().
 * Errors:  ERR_VALUE; the text names the setting, the value, where the value
 *          came from and what is wrong with it.
 * Threads: read-only once loaded; safe everywhere then.
 */
#ifndef NELM_BASE_SETTINGS_H
#define NELM_BASE_SETTINGS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "base/net.h"

enum setting_kind {
    SETTING_TEXT,
    SETTING_ADDRESS, /* HOST:PORT */
    SETTING_URL,     /* http:// or https://, without a slash at the end */
    SETTING_SWITCH,
    SETTING_COUNT,
    SETTING_SIZE,
    SETTING_SECONDS,
    SETTING_RATE,
    SETTING_ORIGINS,  /* of web pages */
    SETTING_NETWORKS, /* addresses and networks */
    SETTING_FORMAT,   /* of the log */
    SETTING_LEVEL,
    SETTING_SANDBOX
};

/* What the kernel has of it, all of it or an error, or nothing. */
enum sandbox_mode { SANDBOX_AUTO, SANDBOX_ON, SANDBOX_OFF };

/* So many in so many seconds; count 0: no limit. */
struct rate {
    uint64_t count, seconds;
};

#define SETTING_TYPE_TEXT const char *
#define SETTING_TYPE_ADDRESS const char *
#define SETTING_TYPE_URL const char *
#define SETTING_TYPE_SWITCH bool
#define SETTING_TYPE_COUNT uint64_t
#define SETTING_TYPE_SIZE uint64_t
#define SETTING_TYPE_SECONDS uint64_t
#define SETTING_TYPE_RATE struct rate
#define SETTING_TYPE_ORIGINS const char *
#define SETTING_TYPE_NETWORKS struct nets
#define SETTING_TYPE_FORMAT enum log_format
#define SETTING_TYPE_LEVEL enum log_level
#define SETTING_TYPE_SANDBOX enum sandbox_mode

struct settings {
    struct arena text;
#define SETTING(member, name, kind, fallback, least, most, uses, help) \
    SETTING_TYPE_##kind member;
#include "base/settings.def"
#undef SETTING
};

/* Groups of commands, as bits, that read a setting. */
enum setting_use {
    USED_ALWAYS = 1 << 0,
    USED_WITH_DATABASE = 1 << 1,
    USED_BY_SERVE = 1 << 2,
    USED_BY_INIT = 1 << 3,
    USED_BY_IMPORT = 1 << 4,
    USED_BY_SOURCE = 1 << 5,
    USED_BY_COPY = 1 << 6 /* two databases */
};

struct setting {
    const char *name;
    enum setting_kind kind;
    const char *fallback; /* as an operator would write it */
    uint64_t least, most;
    unsigned uses;
    const char *help;
    size_t offset; /* in struct settings */
};

enum {
#define SETTING(member, ...) SETTING_NUMBER_##member,
#include "base/settings.def"
#undef SETTING
    SETTINGS
};
extern const struct setting settings_table[SETTINGS];

/* The row of that name, or NULL. */
const struct setting *setting_find(struct str name);

/* What a value looks like: "a whole number from 1 to 1024". */
void setting_form(const struct setting *row, struct buf *to);

/* "NELM_RATE_LIMIT" */
#define SETTING_VARIABLE 64
const char *setting_variable(const struct setting *row,
                             char to[SETTING_VARIABLE]);

/* Fill all settings. `flags` holds a value or NULL for every row. */
enum error_code settings_load(struct settings *settings,
                              const char *const flags[SETTINGS],
                              struct error *err) MUST_USE;
void settings_done(struct settings *settings);

#endif

#include "base/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/near.h"

#define MAX_TEXT_BYTES (1024 * 1024) /* of all values together */
#define MAX_LINE_BYTES 8192          /* of the configuration file */

const struct setting settings_table[SETTINGS] = {
#define SETTING(member, label, type, text, min, max, commands, words) \
    {.name = label,                                                   \
     .kind = SETTING_##type,                                          \
     .fallback = text,                                                \
     .least = min,                                                    \
     .most = max,                                                     \
     .uses = commands,                                                \
     .help = words,                                                   \
     .offset = offsetof(struct settings, member)},
#include "base/settings.def"
#undef SETTING
};

const struct setting *
setting_find(struct str name)
{
    for (size_t i = 0; i < SETTINGS; i++)
        if (str_eq(name, str_of(settings_table[i].name)))
            return &settings_table[i];
    return NULL;
}

const char *
setting_variable(const struct setting *row, char to[SETTING_VARIABLE])
{
    snprintf(to, SETTING_VARIABLE, "NELM_%s", row->name);
    for (char *c = to; *c != '\0'; c++)
        *c = (char)(*c == '-' ? '_' : toupper((unsigned char)*c));
    return to;
}

void
setting_form(const struct setting *row, struct buf *to)
{
    unsigned long long least = row->least, most = row->most;

    switch (row->kind) {
    case SETTING_TEXT:
        buf_printf(to, "a text of %llu to %llu bytes", least, most);
        break;
    case SETTING_ADDRESS:
        buf_text(to, "HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080");
        break;
    case SETTING_URL:
        buf_text(to, "a URL such as https://nelm.example.com, or empty");
        break;
    case SETTING_SWITCH:
        buf_text(to, "on or off");
        break;
    case SETTING_COUNT:
        buf_printf(to, "a whole number from %llu to %llu", least, most);
        break;
    case SETTING_SIZE:
        buf_printf(to, "a number of bytes from %llu, such as 512MiB", least);
        break;
    case SETTING_SECONDS:
        buf_printf(to, "a time from %llus to %llus, such as 30s or 5m", least,
                   most);
        break;
    case SETTING_RATE:
        buf_text(to, "COUNT/TIME, such as 100/10s, or off");
        break;
    case SETTING_ORIGINS:
        buf_text(to, "a list of origins such as https://app.example.com, or "
                     "empty");
        break;
    case SETTING_NETWORKS:
        buf_printf(to,
                   "a list of at most %d networks such as "
                   "10.0.0.0/8,::1, or empty",
                   NETS_MAX);
        break;
    case SETTING_FORMAT:
        buf_text(to, "logfmt or json");
        break;
    case SETTING_LEVEL:
        buf_text(to, "error, warn, info or debug");
        break;
    case SETTING_SANDBOX:
        buf_text(to, "auto, on or off");
        break;
    }
}

struct suffix {
    const char *text;
    uint64_t factor;
};
static const struct suffix sizes[] = {
    {"KiB", 1ULL << 10},
    {"MiB", 1ULL << 20},
    {"GiB", 1ULL << 30},
    {"TiB", 1ULL << 40},
    {"", 1},
    {NULL, 0},
};
static const struct suffix times[] = {
    {"s", 1}, {"m", 60}, {"h", 3600}, {"", 1}, {NULL, 0},
};
static const struct suffix plain[] = {{"", 1}, {NULL, 0}};

/* Digits and one of the suffixes, the product in [least, most]. */
static bool
parse_number(struct str text, const struct suffix *suffix, uint64_t least,
             uint64_t most, uint64_t *ret)
{
    size_t digits = 0;
    unsigned long long value;

    while (digits < text.len && isdigit((unsigned char)text.at[digits]))
        digits++;
    struct str unit = str_n(text.at + digits, text.len - digits);

    while (suffix->text != NULL && !str_eq(unit, str_of(suffix->text)))
        suffix++;
    if (suffix->text == NULL ||
        !str_to_u64(str_n(text.at, digits), most / suffix->factor, &value) ||
        value * suffix->factor < least)
        return false;
    *ret = value * suffix->factor;
    return true;
}

static bool
parse_rate(struct str text, struct rate *ret)
{
    struct rate rate = {0, 1};

    if (!str_eq(text, STR("off")) && !str_eq(text, STR("0"))) {
        struct str count = str_cut(&text, '/');

        if (text.at == NULL ||
            !parse_number(count, plain, 0, UINT32_MAX, &rate.count) ||
            !parse_number(text, times, 1, 86400, &rate.seconds))
            return false;
    }
    *ret = rate;
    return true;
}

static bool
is_address(struct str text)
{
    const char *colon = text.len ? memrchr(text.at, ':', text.len) : NULL;
    uint64_t port;

    if (colon == NULL || colon == text.at)
        return false;
    struct str host = str_n(text.at, (size_t)(colon - text.at));

    /* An IPv6 address has colons of its own, so it needs brackets. */
    if (host.at[0] == '[' ? host.len < 4 || host.at[host.len - 1] != ']'
                          : memchr(host.at, ':', host.len) != NULL)
        return false;
    return parse_number(str_n(colon + 1, text.len - host.len - 1), plain, 0,
                        65535, &port);
}

static bool
has_any(struct str text, const char *characters)
{
    for (; *characters != '\0'; characters++)
        if (memchr(text.at, *characters, text.len) != NULL)
            return true;
    return false;
}

static bool
is_url(struct str text)
{
    static const char *const schemes[] = {"https://", "http://"};

    for (size_t i = 0; i < COUNT(schemes); i++) {
        size_t len = strlen(schemes[i]);

        if (text.len > len && memcmp(text.at, schemes[i], len) == 0)
            return text.at[text.len - 1] != '/' && !has_any(text, " \t\"\\");
    }
    return text.len == 0;
}

/* An origin has no path, and browsers write it in lower case. */
static bool
are_origins(struct str text)
{
    if (text.len == 0)
        return true;
    while (text.at != NULL) {
        struct str origin = str_trim(str_cut(&text, ','));
        struct str host = origin;

        if (origin.len == 0 || !is_url(origin) ||
            has_any(origin, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
            return false;
        str_cut(&host, '/');
        str_cut(&host, '/');
        if (has_any(host, "/?#"))
            return false;
    }
    return true;
}

static bool
parse_sandbox(struct str text, enum sandbox_mode *ret)
{
    static const char *const names[] = {
        [SANDBOX_AUTO] = "auto", [SANDBOX_ON] = "on", [SANDBOX_OFF] = "off"};

    for (size_t i = 0; i < COUNT(names); i++) {
        if (str_eq(text, str_of(names[i]))) {
            *ret = (enum sandbox_mode)i;
            return true;
        }
    }
    return false;
}

/* `text` is NUL-terminated and lives as long as the settings. */
static bool
parse(const struct setting *row, struct str text, void *to)
{
    switch (row->kind) {
    case SETTING_ADDRESS:
        if (!is_address(text))
            return false;
        break;
    case SETTING_URL:
        if (!is_url(text))
            return false;
        break;
    case SETTING_SWITCH:
        *(bool *)to = str_eq(text, STR("on"));
        return *(bool *)to || str_eq(text, STR("off"));
    case SETTING_COUNT:
        return parse_number(text, plain, row->least, row->most, to);
    case SETTING_SIZE:
        return parse_number(text, sizes, row->least, row->most, to);
    case SETTING_SECONDS:
        return parse_number(text, times, row->least, row->most, to);
    case SETTING_RATE:
        return parse_rate(text, to);
    case SETTING_ORIGINS:
        if (!are_origins(text))
            return false;
        break;
    case SETTING_NETWORKS:
        return nets_parse(text, to);
    case SETTING_FORMAT:
        return log_format_parse(text, to);
    case SETTING_LEVEL:
        return log_level_parse(text, to);
    case SETTING_SANDBOX:
        return parse_sandbox(text, to);
    case SETTING_TEXT:
        break;
    }
    if (text.len < row->least || text.len > row->most)
        return false;
    *(const char **)to = text.at;
    return true;
}

static enum error_code MUST_USE
set(struct settings *settings, const struct setting *row, struct str value,
    const char *origin, struct error *err)
{
    struct str text = arena_str(&settings->text, value);

    if (text.at == NULL)
        return error_set(err, ERR_VALUE, "the settings are too long");
    if (parse(row, text, (char *)settings + row->offset))
        return ERR_OK;

    CLEANUP(buf_done) struct buf form;

    buf_init(&form, 256);
    setting_form(row, &form);
    return error_set(err, ERR_VALUE, "setting %s: \"%.*s\" from %s is not %s",
                     row->name, (int)MIN(text.len, 200), text.at, origin,
                     form.data);
}

static enum error_code MUST_USE
set_line(struct settings *settings, struct str line, const char *origin,
         bool seen[SETTINGS], struct error *err)
{
    struct str value = str_trim(line);

    if (value.len == 0 || value.at[0] == '#')
        return ERR_OK;
    struct str name = str_trim(str_cut(&value, '='));

    if (value.at == NULL)
        return error_set(err, ERR_VALUE, "%s is not \"name = value\"", origin);
    const struct setting *row = setting_find(name);

    if (row == NULL) {
        struct near near;

        near_init(&near, name);
        for (size_t i = 0; i < SETTINGS; i++)
            near_offer(&near, settings_table[i].name);
        return error_set(err, ERR_VALUE,
                         "%s: there is no setting \"%.*s\"%s%s%s", origin,
                         (int)MIN(name.len, 200), name.at,
                         near.best ? "; did you mean " : "",
                         near.best ? near.best : "", near.best ? "?" : "");
    }
    size_t number = (size_t)(row - settings_table);

    if (number == SETTING_NUMBER_config)
        return error_set(err, ERR_VALUE,
                         "%s: a configuration file cannot name another",
                         origin);
    if (seen[number])
        return error_set(err, ERR_VALUE, "%s: %s is set a second time", origin,
                         row->name);
    seen[number] = true;
    return set(settings, row, str_trim(value), origin, err);
}

static void
free_line(char **line)
{
    free(*line);
}

static enum error_code MUST_USE
set_file(struct settings *settings, const char *path, struct error *err)
{
    CLEANUP(close_file) FILE *file = fopen(path, "re");
    CLEANUP(free_line) char *line = NULL;
    bool seen[SETTINGS] = {false};
    enum error_code rc = ERR_OK;
    size_t room = 0;
    ssize_t len;

    if (file == NULL)
        return error_set(err, ERR_VALUE,
                         "could not read the configuration file \"%s\": %s",
                         path, strerrordesc_np(errno));
    for (unsigned number = 1;
         rc == ERR_OK && (len = getline(&line, &room, file)) >= 0; number++) {
        char origin[4096 + 16];

        snprintf(origin, sizeof(origin), "%s:%u", path, number);
        if (len > MAX_LINE_BYTES)
            return error_set(err, ERR_VALUE, "%s is too long", origin);
        /* Values are C strings: what is behind it would be lost. */
        if (memchr(line, '\0', (size_t)len) != NULL)
            return error_set(err, ERR_VALUE, "%s has a NUL byte", origin);
        rc = set_line(settings, str_n(line, (size_t)len), origin, seen, err);
    }
    if (rc == ERR_OK && !feof(file))
        rc = error_set(err, ERR_VALUE,
                       "could not read the configuration file \"%s\": %s", path,
                       strerrordesc_np(errno));
    return rc;
}

/* One setting from where a command was started: the flag, or else the
 * environment. An empty variable counts as absent, so that a container's
 * template may leave it blank. */
static enum error_code MUST_USE
set_start(struct settings *settings, const struct setting *row,
          const char *flag, struct error *err)
{
    char name[SETTING_VARIABLE], origin[SETTING_VARIABLE];
    const char *variable = getenv(setting_variable(row, name));
    enum error_code rc = ERR_OK;

    if (variable != NULL && variable[0] != '\0')
        rc = set(settings, row, str_of(variable), name, err);
    if (rc == ERR_OK && flag != NULL) {
        snprintf(origin, sizeof(origin), "--%s", row->name);
        rc = set(settings, row, str_of(flag), origin, err);
    }
    return rc;
}

enum error_code
settings_load(struct settings *settings, const char *const flags[SETTINGS],
              struct error *err)
{
    const struct setting *config = &settings_table[SETTING_NUMBER_config];
    enum error_code rc = ERR_OK;

    *settings = (struct settings){0};
    arena_init(&settings->text, MAX_TEXT_BYTES);
    for (size_t i = 0; rc == ERR_OK && i < SETTINGS; i++)
        rc = set(settings, &settings_table[i],
                 str_of(settings_table[i].fallback), "settings.def", err);
    if (rc == ERR_OK)
        rc = set_start(settings, config, flags[SETTING_NUMBER_config], err);
    if (rc == ERR_OK && settings->config[0] != '\0')
        rc = set_file(settings, settings->config, err);
    for (size_t i = 0; rc == ERR_OK && i < SETTINGS; i++)
        rc = set_start(settings, &settings_table[i], flags[i], err);
    return rc;
}

void
settings_done(struct settings *settings)
{
    arena_done(&settings->text);
}

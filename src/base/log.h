/*
 * log.h - one line on standard error per event: key=value pairs or JSON.
 *
 * Only dispatch, the server and the CLI log; modules below return errors.
 * Ids, never names, mail addresses, phones, tokens or CSV content.
 *
 * Memory:  a line is at most 4 KiB; longer ones are cut.
 * Errors:  none: a log that cannot be written is dropped.
 * Threads: safe; one write(2) per line.
 */
#ifndef NELM_BASE_LOG_H
#define NELM_BASE_LOG_H

#include "base/compiler.h"
#include "base/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

void log_set_level(enum log_level level);
/* As key=value pairs, or the same as one JSON object, in which whole numbers
 * are numbers and all else is text. */
void log_set_format(enum log_format format);
bool log_format_parse(struct str name, enum log_format *ret);
bool log_level_parse(struct str name, enum log_level *ret);
bool log_on(enum log_level level);

/* `fmt` makes the part behind time, level and event: "status=%d bytes=%zu".
 * A value from outside must go through log_quote(). */
void log_line(enum log_level level, const char *event, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* `text` as a logfmt value: quoted and escaped when it has to be. Returns
 * `to`. */
const char *log_quote(struct str text, char *to, size_t size);

#endif

#define ERROR_C
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *detail, *text;
    int status;
} codes[ERR_CODES] = {
    [ERR_OK] = {"ok", "200 OK", "", 200},
#define ERROR(id, http, det, txt) \
    [ERR_##id] = {.name = #id, .detail = det, .text = txt, .status = http},
#include "base/error.def"
#undef ERROR
    [ERR_END] = {"end", "500.0 Internal Fault", "", 500},
    [ERR_LATER] = {"later", "500.0 Internal Fault", "", 500},
};

/* vsnprintf that never leaves half of a UTF-8 character at the cut. */
static void PRINTF_LIKE(3, 0)
    format(char *to, size_t size, const char *fmt, va_list args)
{
    int want = vsnprintf(to, size, fmt, args);

    if (want < 0 || (size_t)want < size)
        return;
    size_t end = size - 1;

    while (end > 0 && ((unsigned char)to[end - 1] & 0xc0) == 0x80)
        end--;
    if (end > 0 && ((unsigned char)to[end - 1] & 0x80) != 0)
        end--;
    to[end] = '\0';
}

static void
clear(struct error *err, enum error_code code)
{
    err->code = code;
    err->text[0] = err->cause[0] = err->detail[0] = '\0';
}

enum error_code
error_set(struct error *err, enum error_code code, const char *fmt, ...)
{
    if (err == NULL)
        return code;
    clear(err, code);
    if (fmt != NULL) {
        va_list args;

        va_start(args, fmt);
        format(err->text, sizeof(err->text), fmt, args);
        va_end(args);
    }
    return code;
}

enum error_code
error_cause(struct error *err, enum error_code code, const char *fmt, ...)
{
    if (err == NULL)
        return code;
    clear(err, code);
    va_list args;

    va_start(args, fmt);
    format(err->cause, sizeof(err->cause), fmt, args);
    va_end(args);
    return code;
}

enum error_code
error_internal(struct error *err, const char *fmt, ...)
{
    if (err == NULL)
        return ERR_INTERNAL;
    clear(err, ERR_INTERNAL);
    va_list args;

    va_start(args, fmt);
    format(err->detail, sizeof(err->detail), fmt, args);
    va_end(args);
    return ERR_INTERNAL;
}

enum error_code
error_errno(struct error *err, const char *fmt, ...)
{
    int saved = errno;

    if (err == NULL)
        return ERR_INTERNAL;
    clear(err, ERR_INTERNAL);
    va_list args;

    va_start(args, fmt);
    format(err->detail, sizeof(err->detail), fmt, args);
    va_end(args);
    size_t used = strlen(err->detail);

    snprintf(err->detail + used, sizeof(err->detail) - used, ": %s",
             strerrordesc_np(saved) ? strerrordesc_np(saved) : "error");
    return ERR_INTERNAL;
}

enum error_code
error_busy(struct error *err, const char *fmt, ...)
{
    if (err == NULL)
        return ERR_UNAVAILABLE;
    clear(err, ERR_UNAVAILABLE);
    va_list args;

    va_start(args, fmt);
    format(err->detail, sizeof(err->detail), fmt, args);
    va_end(args);
    return ERR_UNAVAILABLE;
}

int
error_status(enum error_code code)
{
    return codes[code].status;
}

const char *
error_detail_code(enum error_code code)
{
    return codes[code].detail;
}

const char *
error_default_text(enum error_code code)
{
    return codes[code].text;
}

const char *
error_name(enum error_code code)
{
    return codes[code].name;
}

const char *
error_text(const struct error *err)
{
    return err->text[0] ? err->text : codes[err->code].text;
}

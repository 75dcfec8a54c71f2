#include "fmt/parameter.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum error_code
parameter_error(struct error *err, const char *name, const char *fmt, ...)
{
    char reason[1024];
    struct error cause;
    va_list args;

    va_start(args, fmt);
    vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);
    error_set(err, ERR_VALUE,
              "Value of \"%s\" is empty or contains invalid data.", name);
    if (err != NULL) {
        /* Cuts what is too long at a whole character. */
        error_cause(&cause, ERR_VALUE, "%s", reason);
        memcpy(err->cause, cause.cause, sizeof(err->cause));
    }
    return ERR_VALUE;
}

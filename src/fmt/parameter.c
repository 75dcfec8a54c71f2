#include "fmt/parameter.h"

#include <stdarg.h>
#include <stdio.h>

enum error_code
parameter_error(struct error *err, const char *name, const char *fmt, ...)
{
    char reason[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);
    error_cause(err, ERR_VALUE, "%s", reason);
    if (err != NULL)
        snprintf(err->text, sizeof(err->text),
                 "Value of \"%s\" is empty or contains invalid data.", name);
    return ERR_VALUE;
}

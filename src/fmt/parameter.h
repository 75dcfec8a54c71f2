/*
 * parameter.h - how a parameter that cannot be understood is refused.
 *
 * Memory:  none.
 * Errors:  that is what it makes.
 * Threads: safe everywhere.
 */
#ifndef NELM_FMT_PARAMETER_H
#define NELM_FMT_PARAMETER_H

#include "base/error.h"

/* ERR_VALUE with the text of contract 5.2 for the parameter `name`, and the
 * reason as its cause. */
enum error_code parameter_error(struct error *err, const char *name,
                                const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif

/*
 * compiler.h - the compiler's extensions that the tree uses, in one place.
 */
#ifndef NELM_BASE_COMPILER_H
#define NELM_BASE_COMPILER_H

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))

/* Run `done(&variable)` when the variable leaves its scope. */
#define CLEANUP(done) __attribute__((cleanup(done)))

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#endif

/*
 * error.h - result codes and the explanation that travels with them.
 *
 * A function that can fail returns an enum error_code and takes a
 * struct error as its last argument; it fills the error where the fault is
 * found, and everybody above passes it on unchanged. The top (dispatch, CLI)
 * answers it.
 *
 * Memory:  a struct error is a plain value of some 3 KiB, usually on the
 *          stack; nothing to free.
 * Errors:  longer text is cut at a UTF-8 character, never an overflow.
 * Threads: a struct error belongs to one thread at a time.
 */
#ifndef NELM_BASE_ERROR_H
#define NELM_BASE_ERROR_H

#include "base/compiler.h"

enum error_code {
    ERR_OK = 0,
#define ERROR(name, status, detail, text) ERR_##name,
#include "base/error.def"
#undef ERROR
    /* Not failures to show: */
    ERR_END,   /* no more rows, no more input */
    ERR_LATER, /* would block here: call again where blocking is allowed,
                  or when woken */
    ERR_CODES
};

struct error {
    enum error_code code;
    char text[2048];  /* what the caller is told; empty: the code's default */
    char cause[512];  /* more for the caller, shown as a cause; may be empty */
    char detail[512]; /* for the log only: SQL state, errno, path */
};

/* An error with nothing in it yet. */
#define ERROR_INIT ((struct error){.code = ERR_OK})

/* Set the code and the caller's text (NULL: the default of error.def).
 * Returns the code, so that a caller can say: return error_set(...). `err`
 * may be NULL when the caller does not care. */
enum error_code error_set(struct error *err, enum error_code code,
                          const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The default text with a reason as its cause (contract 5.2, second row). */
enum error_code error_cause(struct error *err, enum error_code code,
                            const char *fmt, ...) PRINTF_LIKE(3, 4);

/* ERR_INTERNAL whose detail goes to the log and never to the caller. */
enum error_code error_internal(struct error *err, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

/* As error_internal() for a failed system call: appends strerror(errno). */
enum error_code error_errno(struct error *err, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

/* ERR_UNAVAILABLE with a detail for the log: trying again may help. */
enum error_code error_busy(struct error *err, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

#if defined(__clang_analyzer__) && !defined(ERROR_C) /* never ERR_OK */
#define error_set(err, code, ...) (error_set(err, code, __VA_ARGS__), (code))
#define error_cause(err, code, ...) \
    (error_cause(err, code, __VA_ARGS__), (code))
#define error_internal(...) (error_internal(__VA_ARGS__), ERR_INTERNAL)
#define error_errno(...) (error_errno(__VA_ARGS__), ERR_INTERNAL)
#define error_busy(...) (error_busy(__VA_ARGS__), ERR_UNAVAILABLE)
#endif

/* Facts of a code: HTTP status, "400.1.3 Illegal value", default text, and
 * its name in error.def ("VALUE"). Valid for every failure code. */
int error_status(enum error_code code);
const char *error_detail_code(enum error_code code);
const char *error_default_text(enum error_code code);
const char *error_name(enum error_code code);

/* The text to show: err->text, or the default of the code. */
const char *error_text(const struct error *err);

#endif

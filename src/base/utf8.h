/*
 * utf8.h - validation, counting and folding of UTF-8 text.
 *
 * Memory:  callers' buffers only.
 * Errors:  see each function. utf8_fold() ends the process when the C library
 *          lacks its C.UTF-8 locale: names would compare in another way than
 *          on the other machines of the same database.
 * Threads: safe everywhere.
 */
#ifndef NELM_BASE_UTF8_H
#define NELM_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms)? */
bool utf8_valid(struct str text);

/* The first character: its length in bytes, its code point in *ret. 0 when the
 * text is empty or does not begin with a well-formed character. */
size_t utf8_decode(struct str text, uint32_t *ret);

/* Code points of well-formed text. */
size_t utf8_length(struct str text);

/* Has a control character (U+0000-001F, U+007F-009F)? */
bool utf8_has_control(struct str text);

/* Make text harmless to a terminal, in place: '?' for every byte of a control
 * character but LF and of what is not UTF-8. */
void utf8_defuse(char *text, size_t len);

/* Drop white space from both ends: ASCII blanks, U+00A0, U+2000-200A,
 * U+2028, U+2029, U+202F, U+205F, U+3000, U+FEFF. */
struct str utf8_trim(struct str text);

/* The text for comparing without regard to case: every character in simple
 * lower case. Malformed bytes are copied. `to` needs 3 * text.len + 1 bytes (a
 * lower-case letter may be longer); NUL-terminated; returns the length. */
size_t utf8_fold(struct str text, char *to);

#endif

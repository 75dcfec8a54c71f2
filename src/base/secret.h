/*
 * secret.h - random bytes, their text, and careful comparison.
 *
 * Memory:  callers' buffers only.
 * Errors:  secret_random() ends the process when the kernel has no random
 *          bytes: going on would be worse. Decoders return false.
 * Threads: safe everywhere.
 */
#ifndef NELM_BASE_SECRET_H
#define NELM_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

void secret_random(void *to, size_t len);

/* Same bytes? In time that depends on the lengths only. */
bool secret_equal(const void *a, const void *b, size_t len);

/* Overwrite; not optimised away. */
void secret_wipe(void *at, size_t len);

/* Lower-case hex with a NUL: 2 * len + 1 bytes. */
void hex_encode(const void *from, size_t len, char *to);
/* Exactly 2 * len hex digits of either case. */
bool hex_decode(struct str text, void *to, size_t len);

/* Base64 (RFC 4648): standard with padding, and URL-safe without. `to` needs
 * BASE64_SIZE(len) bytes; returns the length without the NUL. */
#define BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)
size_t base64_encode(const void *from, size_t len, char *to);
size_t base64url_encode(const void *from, size_t len, char *to);

/* Strict: no padding errors, no stray bits, no white space. `to` needs
 * text.len / 4 * 3 + 3 bytes. */
bool base64_decode(struct str text, void *to, size_t *ret_len);
bool base64url_decode(struct str text, void *to, size_t *ret_len);

#endif

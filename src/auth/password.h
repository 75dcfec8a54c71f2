/*
 * password.h - keeping and checking passwords of people: Argon2id (RFC 9106)
 * with 19 MiB, two passes and one lane. OWASP names this setting as equal to
 * those with more memory, and a few sign-ins at once stay far below what an
 * export may use. The encoded form carries its own parameters, so stronger
 * ones can be chosen later without touching what is stored.
 *
 * Memory:  19 MiB during a call; of more than four at once the rest waits.
 * Errors:  ERR_LENGTH for a password that is empty or too long;
 *          ERR_UNAVAILABLE without memory.
 * Threads: safe everywhere. Some 30 ms of one core: for workers only.
 */
#ifndef NELM_AUTH_PASSWORD_H
#define NELM_AUTH_PASSWORD_H

#include "base/error.h"
#include "base/str.h"

#define PASSWORD_MAX 1024      /* bytes */
#define PASSWORD_HASH_TEXT 128 /* the encoded form with its NUL */

enum error_code password_hash(struct str password, char to[PASSWORD_HASH_TEXT],
                              struct error *err) MUST_USE;

/* Is it the password that `encoded` was made of? An `encoded` without text
 * (nobody there, or nobody who may sign in) takes as long and says no. */
enum error_code password_verify(struct str encoded, struct str password,
                                bool *ret, struct error *err) MUST_USE;

#endif

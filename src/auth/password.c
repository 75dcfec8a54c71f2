#include "auth/password.h"

#include <argon2.h>
#include <pthread.h>
#include <stdio.h>

#include "base/secret.h"

#define MEMORY_KIB 19456
#define PASSES 2
#define LANES 1
#define SALT_BYTES 16
#define HASH_BYTES 32

/* More at once would take memory and no less time. */
#define HASHES_AT_ONCE 4

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static unsigned running;

static void
begin_hash(void)
{
    pthread_mutex_lock(&lock);
    while (running == HASHES_AT_ONCE)
        pthread_cond_wait(&ended, &lock);
    running++;
    pthread_mutex_unlock(&lock);
}

static void
end_hash(void)
{
    pthread_mutex_lock(&lock);
    running--;
    pthread_cond_signal(&ended);
    pthread_mutex_unlock(&lock);
}

static enum error_code
argon2_failed(struct error *err, int code)
{
    if (code == ARGON2_MEMORY_ALLOCATION_ERROR)
        return error_busy(err, "no memory for a password hash");
    return error_internal(err, "argon2: %s", argon2_error_message(code));
}

enum error_code
password_hash(struct str password, char to[PASSWORD_HASH_TEXT],
              struct error *err)
{
    unsigned char salt[SALT_BYTES];
    char encoded[PASSWORD_HASH_TEXT];

    if (password.len == 0 || password.len > PASSWORD_MAX)
        return error_set(err, ERR_LENGTH,
                         "Field \"password\" length is outside of range "
                         "[1,%d].",
                         PASSWORD_MAX);
    secret_random(salt, sizeof(salt));
    begin_hash();
    int code = argon2id_hash_encoded(PASSES, MEMORY_KIB, LANES, password.at,
                                     password.len, salt, sizeof(salt),
                                     HASH_BYTES, encoded, sizeof(encoded));

    end_hash();
    if (code != ARGON2_OK)
        return argon2_failed(err, code);
    memcpy(to, encoded, sizeof(encoded));
    return ERR_OK;
}

enum error_code
password_verify(struct str encoded, struct str password, bool *ret,
                struct error *err)
{
    /* Costs what a real one costs; its answer is not asked for. */
    static const char nobody[] =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA"
        "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    char text[PASSWORD_HASH_TEXT];

    if (password.len > PASSWORD_MAX) {
        *ret = false;
        return ERR_OK;
    }
    if (encoded.len >= sizeof(text))
        return error_internal(err, "stored password hash is too long");
    snprintf(text, sizeof(text), "%.*s",
             encoded.len ? (int)encoded.len : (int)sizeof(nobody) - 1,
             encoded.len ? encoded.at : nobody);
    begin_hash();
    int code = argon2id_verify(text, password.at, password.len);

    end_hash();
    if (code != ARGON2_OK && code != ARGON2_VERIFY_MISMATCH)
        return argon2_failed(err, code);
    *ret = code == ARGON2_OK && encoded.len > 0;
    return ERR_OK;
}

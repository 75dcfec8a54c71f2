#include "base/secret.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void
secret_random(void *to, size_t len)
{
    unsigned char *at = to;

    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);

        if (got > 0) {
            at += got;
            len -= (size_t)got;
        } else if (errno != EINTR) {
            fputs("nelm: the kernel gave no random bytes\n", stderr);
            abort();
        }
    }
}

bool
secret_equal(const void *a, const void *b, size_t len)
{
    const unsigned char *x = a, *y = b;
    uint64_t differ = 0, p, q;

    for (; len >= sizeof(p); len -= sizeof(p)) {
        memcpy(&p, x, sizeof(p));
        memcpy(&q, y, sizeof(q));
        differ |= p ^ q;
        /* The compiler must not know what it is: it could stop early. */
        __asm__ volatile("" : "+r"(differ));
        x += sizeof(p);
        y += sizeof(q);
    }
    for (size_t i = 0; i < len; i++) {
        differ |= x[i] ^ y[i];
        __asm__ volatile("" : "+r"(differ));
    }
    return differ == 0;
}

void
secret_wipe(void *at, size_t len)
{
    if (len > 0)
        explicit_bzero(at, len);
}

void
hex_encode(const void *from, size_t len, char *to)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = from;

    for (size_t i = 0; i < len; i++) {
        *to++ = digits[at[i] >> 4];
        *to++ = digits[at[i] & 15];
    }
    *to = '\0';
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
hex_decode(struct str text, void *to, size_t len)
{
    unsigned char *at = to;

    if (text.len / 2 != len || text.len % 2 != 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(text.at[2 * i]);
        int low = hex_digit(text.at[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        at[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static const char standard[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t
encode(const void *from, size_t len, char *to, const char *digits, bool pad)
{
    const unsigned char *at = from;
    char *start = to;

    for (; len >= 3; len -= 3, at += 3) {
        uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];

        *to++ = digits[bits >> 18];
        *to++ = digits[bits >> 12 & 63];
        *to++ = digits[bits >> 6 & 63];
        *to++ = digits[bits & 63];
    }
    if (len > 0) {
        uint32_t bits = (uint32_t)at[0] << 16;

        if (len == 2)
            bits |= (uint32_t)at[1] << 8;
        *to++ = digits[bits >> 18];
        *to++ = digits[bits >> 12 & 63];
        if (len == 2)
            *to++ = digits[bits >> 6 & 63];
        else if (pad)
            *to++ = '=';
        if (pad)
            *to++ = '=';
    }
    *to = '\0';
    return (size_t)(to - start);
}

size_t
base64_encode(const void *from, size_t len, char *to)
{
    return encode(from, len, to, standard, true);
}

size_t
base64url_encode(const void *from, size_t len, char *to)
{
    return encode(from, len, to, url_safe, false);
}

/* The value of a digit, or 64. */
static uint32_t
digit_value(char c, const char *digits)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a' + 26);
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0' + 52);
    return c == digits[62] ? 62 : c == digits[63] ? 63 : 64;
}

static bool
decode(struct str text, void *to, size_t *ret_len, const char *digits)
{
    unsigned char *out = to;
    uint32_t bits = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint32_t value = digit_value(text.at[i], digits);

        if (value == 64)
            return false;
        bits = bits << 6 | value;
        if (i % 4 == 3) {
            *out++ = (unsigned char)(bits >> 16);
            *out++ = (unsigned char)(bits >> 8);
            *out++ = (unsigned char)bits;
            bits = 0;
        }
    }
    /* What is left holds whole bytes and zero bits, or it is not canonical. */
    switch (text.len % 4) {
    case 1:
        return false;
    case 2:
        if ((bits & 15) != 0)
            return false;
        *out++ = (unsigned char)(bits >> 4);
        break;
    case 3:
        if ((bits & 3) != 0)
            return false;
        *out++ = (unsigned char)(bits >> 10);
        *out++ = (unsigned char)(bits >> 2);
        break;
    }
    *ret_len = (size_t)(out - (unsigned char *)to);
    return true;
}

bool
base64_decode(struct str text, void *to, size_t *ret_len)
{
    if (text.len % 4 != 0)
        return false;
    for (int i = 0; i < 2 && text.len > 0 && text.at[text.len - 1] == '='; i++)
        text.len--;
    return decode(text, to, ret_len, standard);
}

bool
base64url_decode(struct str text, void *to, size_t *ret_len)
{
    return decode(text, to, ret_len, url_safe);
}

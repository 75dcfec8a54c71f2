#include "base/utf8.h"

#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <wctype.h>

#include "base/compiler.h"

size_t
utf8_decode(struct str text, uint32_t *ret)
{
    /* What the second byte must lie in rules out overlong forms, surrogates
     * and everything above U+10FFFF. */
    const unsigned char *at = (const unsigned char *)text.at;
    unsigned char low = 0x80, high = 0xbf;
    size_t len;

    if (text.len == 0)
        return 0;
    uint32_t point = at[0];

    if (point < 0x80) {
        *ret = point;
        return 1;
    }
    if (point < 0xc2 || point > 0xf4)
        return 0;
    if (point < 0xe0) {
        len = 2;
        point &= 0x1f;
    } else if (point < 0xf0) {
        len = 3;
        low = point == 0xe0 ? 0xa0 : low;
        high = point == 0xed ? 0x9f : high;
        point &= 0x0f;
    } else {
        len = 4;
        low = point == 0xf0 ? 0x90 : low;
        high = point == 0xf4 ? 0x8f : high;
        point &= 0x07;
    }
    if (len > text.len || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (at[i] & 0x3f);
    }
    *ret = point;
    return len;
}

/* How many bytes at the front are ASCII: 8 at a time, then one by one. */
static size_t
ascii_run(struct str text)
{
    size_t run = 0;
    uint64_t word;

    for (; text.len - run >= sizeof(word); run += sizeof(word)) {
        memcpy(&word, text.at + run, sizeof(word));
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    while (run < text.len && (unsigned char)text.at[run] < 0x80)
        run++;
    return run;
}

static struct str
skip(struct str text, size_t bytes)
{
    return str_n(text.at + bytes, text.len - bytes);
}

bool
utf8_valid(struct str text)
{
    while (text.len > 0) {
        uint32_t point;
        size_t len = ascii_run(text);

        if (len == 0)
            len = utf8_decode(text, &point);
        if (len == 0)
            return false;
        text = skip(text, len);
    }
    return true;
}

size_t
utf8_length(struct str text)
{
    size_t points = 0;

    for (size_t i = 0; i < text.len; i++)
        points += ((unsigned char)text.at[i] & 0xc0) != 0x80;
    return points;
}

bool
utf8_has_control(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];

        if (c < 0x20 || c == 0x7f)
            return true;
        if (c == 0xc2 && i + 1 < text.len &&
            (unsigned char)text.at[i + 1] < 0xa0)
            return true;
    }
    return false;
}

void
utf8_defuse(char *text, size_t len)
{
    for (size_t at = 0, step; at < len; at += step) {
        uint32_t point = 0;
        size_t bytes = utf8_decode(str_n(text + at, len - at), &point);

        step = bytes > 0 ? bytes : 1;
        if (bytes == 0 ||
            (text[at] != '\n' && utf8_has_control(str_n(text + at, bytes))))
            memset(text + at, '?', step);
    }
}

static bool
is_space(uint32_t point)
{
    return point == ' ' || (point >= '\t' && point <= '\r') || point == 0xa0 ||
           (point >= 0x2000 && point <= 0x200a) || point == 0x2028 ||
           point == 0x2029 || point == 0x202f || point == 0x205f ||
           point == 0x3000 || point == 0xfeff;
}

struct str
utf8_trim(struct str text)
{
    uint32_t point;
    size_t len;

    while ((len = utf8_decode(text, &point)) > 0 && is_space(point))
        text = skip(text, len);
    while (text.len > 0) {
        size_t start = text.len - 1;

        while (start > 0 && ((unsigned char)text.at[start] & 0xc0) == 0x80)
            start--;
        len = utf8_decode(skip(text, start), &point);
        if (len != text.len - start || !is_space(point))
            break;
        text.len = start;
    }
    return text;
}

static locale_t fold_locale;

static void
make_fold_locale(void)
{
    fold_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
    if (fold_locale == NULL) {
        fputs("nelm: the C library has no C.UTF-8 locale\n", stderr);
        abort();
    }
}

/* `point` as UTF-8; returns the length. */
static size_t
encode(uint32_t point, char *to)
{
    if (point < 0x80) {
        to[0] = (char)point;
        return 1;
    }
    size_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;

    for (size_t i = len - 1; i > 0; i--, point >>= 6)
        to[i] = (char)(0x80 | (point & 0x3f));
    to[0] = (char)(0xf00 >> len | point);
    return len;
}

size_t
utf8_fold(struct str text, char *to)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char *start = to;

    while (text.len > 0) {
        size_t len = ascii_run(text);
        uint32_t point;

        for (size_t i = 0; i < len; i++) {
            char c = text.at[i];

            *to++ = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        }
        text = skip(text, len);
        len = utf8_decode(text, &point);
        if (len > 0) {
            pthread_once(&once, make_fold_locale);
            to += encode((uint32_t)towlower_l((wint_t)point, fold_locale), to);
        } else if (text.len > 0) {
            len = 1;
            *to++ = text.at[0];
        }
        text = skip(text, len);
    }
    *to = '\0';
    return (size_t)(to - start);
}

#include "base/str.h"

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str
str_trim(struct str s)
{
    while (s.len > 0 && is_blank(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.at[s.len - 1]))
        s.len--;
    return s;
}

struct str
str_cut(struct str *rest, char sep)
{
    struct str whole = *rest;
    const char *hit = whole.len ? memchr(whole.at, sep, whole.len) : NULL;

    if (hit == NULL) {
        *rest = (struct str){NULL, 0};
        return whole;
    }
    size_t before = (size_t)(hit - whole.at);

    *rest = str_n(hit + 1, whole.len - before - 1);
    return str_n(whole.at, before);
}

bool
str_to_u64(struct str s, unsigned long long max, unsigned long long *ret)
{
    unsigned long long value = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.at[i] - '0';

        if (digit > 9 || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value > max)
        return false;
    *ret = value;
    return true;
}

#include "store/custom.h"

#include <inttypes.h>
#include <limits.h>

/* The decimal number before the next ':', and step over that. */
static bool
take_number(struct str *rest, unsigned long long max, unsigned long long *ret)
{
    struct str digits = str_cut(rest, ':');

    return rest->at != NULL && str_to_u64(digits, max, ret);
}

bool
custom_next(struct str *rest, struct custom_value *ret)
{
    unsigned long long number, len;

    if (rest->len == 0 || !take_number(rest, INT64_MAX, &number) ||
        !take_number(rest, rest->len, &len) || len > rest->len) {
        *rest = (struct str){NULL, 0};
        return false;
    }
    ret->number = (int64_t)number;
    ret->value = str_n(rest->at, (size_t)len);
    *rest = str_n(rest->at + len, rest->len - (size_t)len);
    return true;
}

struct str
custom_find(struct str packed, int64_t number)
{
    struct custom_value value;

    while (custom_next(&packed, &value) && value.number <= number)
        if (value.number == number)
            return value.value;
    return (struct str){NULL, 0};
}

void
custom_add(struct buf *to, int64_t number, struct str value)
{
    if (value.len == 0)
        return;
    buf_printf(to, "%" PRId64 ":%zu:", number, value.len);
    buf_str(to, value);
}

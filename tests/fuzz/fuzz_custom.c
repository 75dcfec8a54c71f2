/* Packed custom values. What a walk finds, packed again, is the same; and
 * values made of the input (its bytes below 32 cut it) can be found again. */
#include "base/compiler.h"
#include "fuzz.h"
#include "store/custom.h"

/* Walk `packed`: the values that the writer could have written, as it would
 * have written them. */
static void
pack_again(struct str packed, struct buf *to)
{
    struct custom_value value;
    int64_t last = -1;
    struct str rest = packed;

    while (custom_next(&rest, &value)) {
        FUZZ_CHECK(value.number >= 0);
        FUZZ_CHECK(value.value.at > packed.at &&
                   value.value.at + value.value.len <= packed.at + packed.len);
        FUZZ_CHECK(rest.at == value.value.at + value.value.len);
        if (value.number <= last)
            continue;
        FUZZ_CHECK(custom_find(packed, value.number).at == value.value.at);
        last = value.number;
        custom_add(to, value.number, value.value);
    }
    FUZZ_CHECK(rest.at == NULL && rest.len == 0);
}

static void
check_packed(struct str packed)
{
    CLEANUP(buf_done) struct buf once, twice;

    buf_init(&once, 2 * packed.len + 64);
    buf_init(&twice, 2 * packed.len + 64);
    pack_again(packed, &once);
    pack_again(buf_view(&once), &twice);
    FUZZ_CHECK(!once.failed && !twice.failed);
    FUZZ_CHECK(str_eq(buf_view(&once), buf_view(&twice)));
}

static void
check_values(const uint8_t *data, size_t size)
{
    static struct custom_value values[64];
    CLEANUP(buf_done) struct buf packed;
    size_t count = 0, from = 0;
    int64_t number = 0;

    buf_init(&packed, 64 * size + 64);
    for (size_t i = 0; i <= size && count < COUNT(values); i++) {
        if (i < size && data[i] >= 32)
            continue;
        values[count++] = (struct custom_value){
            number, str_n((const char *)data + from, i - from)};
        custom_add(&packed, number, values[count - 1].value);
        number += i < size ? 1 + (INT64_C(1) << data[i]) : 0;
        from = i + 1;
    }
    FUZZ_CHECK(!packed.failed);
    for (size_t i = 0; i < count; i++) {
        struct str found = custom_find(buf_view(&packed), values[i].number);

        FUZZ_CHECK((found.at == NULL) == (values[i].value.len == 0));
        FUZZ_CHECK(str_eq(found, values[i].value));
        FUZZ_CHECK(
            custom_find(buf_view(&packed), values[i].number + 1).at == NULL ||
            (i + 1 < count && values[i + 1].number == values[i].number + 1));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_packed(str_n((const char *)data, size));
    check_values(data, size);
    return 0;
}

#include "base/uuid.h"

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "base/secret.h"

/* 60 bits that only go up: 48 of milliseconds, 12 of the fraction below. Two
 * ids of the same tick, or after the clock went back, count on from the last
 * one and so borrow from the time to come. */
static uint64_t
next_tick(void)
{
    static _Atomic uint64_t last;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ns = (uint64_t)now.tv_nsec;
    uint64_t ms = (uint64_t)now.tv_sec * 1000 + ns / 1000000;
    uint64_t tick = ms << 12 | (ns % 1000000 << 12) / 1000000;
    uint64_t seen = atomic_load_explicit(&last, memory_order_relaxed);

    do {
        if (tick <= seen)
            tick = seen + 1;
    } while (!atomic_compare_exchange_weak_explicit(
        &last, &seen, tick, memory_order_relaxed, memory_order_relaxed));
    return tick;
}

/* Random bits, from a store per thread: one system call per 64 ids. */
static uint64_t
random_bits(void)
{
    static _Thread_local uint64_t store[64];
    static _Thread_local size_t left;

    if (left == 0) {
        secret_random(store, sizeof(store));
        left = sizeof(store) / sizeof(store[0]);
    }
    return store[--left];
}

static void
put_big_endian(unsigned char *to, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        to[i] = (unsigned char)value;
}

struct uuid
uuid_mint(void)
{
    uint64_t tick = next_tick();
    struct uuid id = {{0}};

    put_big_endian(id.bytes,
                   (tick >> 12) << 16 | UINT64_C(0x7000) | (tick & 0xfff));
    put_big_endian(id.bytes + 8, random_bits() >> 2 | UINT64_C(1) << 63);
    return id;
}

bool
uuid_parse(struct str text, struct uuid *ret)
{
    char digits[32];

    if (text.len == 36) {
        static const int from[] = {0, 9, 14, 19, 24}, len[] = {8, 4, 4, 4, 12};
        char *to = digits;

        for (size_t i = 0; i < 5; i++) {
            if (i > 0 && text.at[from[i] - 1] != '-')
                return false;
            memcpy(to, text.at + from[i], (size_t)len[i]);
            to += len[i];
        }
        text = str_n(digits, sizeof(digits));
    }
    struct uuid id = {{0}};

    if (!hex_decode(text, id.bytes, sizeof(id.bytes)))
        return false;
    *ret = id;
    return true;
}

bool
uuid_eq(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

const char *
uuid_hex(const struct uuid *id, char to[UUID_HEX])
{
    hex_encode(id->bytes, sizeof(id->bytes), to);
    return to;
}

const char *
uuid_dashed(const struct uuid *id, char to[UUID_TEXT])
{
    /* Each part's NUL is where the next part's dash goes. */
    hex_encode(id->bytes, 4, to);
    hex_encode(id->bytes + 4, 2, to + 9);
    hex_encode(id->bytes + 6, 2, to + 14);
    hex_encode(id->bytes + 8, 2, to + 19);
    hex_encode(id->bytes + 10, 6, to + 24);
    to[8] = to[13] = to[18] = to[23] = '-';
    return to;
}

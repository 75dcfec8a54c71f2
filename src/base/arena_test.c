#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void
memory_is_aligned_and_apart(void **state)
{
    struct arena arena;
    char *before = NULL;

    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < 2000; i++) {
        size_t size = i % 67;
        char *at = arena_alloc(&arena, size);

        assert_non_null(at);
        assert_int_equal((uintptr_t)at % _Alignof(max_align_t), 0);
        assert_ptr_not_equal(at, before);
        memset(at, (int)i, size);
        if (before != NULL && i % 67 > 1)
            assert_int_equal((unsigned char)before[0], (i - 1) & 0xff);
        before = at;
    }
    arena_done(&arena);
}

static void
large_memory_does_not_waste_the_small_block(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 20);
    arena_alloc(&arena, 16);
    memset(arena_alloc(&arena, 300000), 1, 300000);
    size_t used = arena.used;

    /* A sanitizer build gives every allocation its own block. */
    arena_alloc(&arena, 16);
    assert_true(arena.used - used <= 16);
    arena_done(&arena);
}

static void
cap_fails_and_stays_failed_until_reset(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 1000);
    assert_non_null(arena_alloc(&arena, 900));
    assert_null(arena_alloc(&arena, 200));
    assert_true(arena.failed);
    assert_non_null(arena_alloc(&arena, 16));
    assert_true(arena.failed);
    assert_true(arena.used <= 1000);

    arena_reset(&arena);
    assert_false(arena.failed);
    assert_non_null(arena_alloc(&arena, 900));
    arena_done(&arena);
    assert_int_equal(arena.used, 0);
}

static void
absurd_sizes_fail(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, SIZE_MAX);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX - 8));
    assert_null(arena_str(&arena, str_n("", SIZE_MAX)).at);
    assert_true(arena.failed);
    arena_done(&arena);
}

static void
copies_are_equal_and_end_with_nul(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 16);
    assert_string_equal(arena_strdup(&arena, "hello"), "hello");
    assert_string_equal(arena_str(&arena, str_n("hello", 3)).at, "hel");
    assert_string_equal(arena_str(&arena, str_n(NULL, 0)).at, "");
    assert_string_equal(arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
    assert_memory_equal(arena_zalloc(&arena, 8), "\0\0\0\0\0\0\0\0", 8);
    assert_false(arena.failed);

    arena_done(&arena);
    arena_init(&arena, 8);
    assert_null(arena_printf(&arena, "%s", "longer than that"));
    assert_null(arena_strdup(&arena, "longer than that"));
    assert_null(arena_zalloc(&arena, 64));
    assert_true(arena.failed);
    arena_done(&arena);
}

static void
a_wiped_arena_holds_nothing(void **state)
{
    struct arena arena;
    char *small, *large;

    (void)state;
    arena_init(&arena, 1 << 20);
    small = arena_strdup(&arena, "a secret");
    large = arena_alloc(&arena, 300000);
    memset(large, 's', 300000);
    arena_wipe(&arena);
    assert_int_equal(small[0] | small[7], 0);
    assert_int_equal(large[0] | large[299999], 0);
    assert_int_equal(memcmp(large, large + 1, 299999), 0);
    arena_done(&arena);
    arena_wipe(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wiped_arena_holds_nothing),
        cmocka_unit_test(memory_is_aligned_and_apart),
        cmocka_unit_test(large_memory_does_not_waste_the_small_block),
        cmocka_unit_test(cap_fails_and_stays_failed_until_reset),
        cmocka_unit_test(absurd_sizes_fail),
        cmocka_unit_test(copies_are_equal_and_end_with_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

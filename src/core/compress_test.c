#include "core/compress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

static const enum compress_method methods[] = {COMPRESS_GZIP, COMPRESS_ZSTD};

/* `len` bytes: half of them random, half of them text. */
static void
fill(struct buf *to, size_t len)
{
    unsigned random = 7;

    while (to->len < len) {
        random = random * 1103515245 + 12345;
        if (to->len % 100000 < 50000)
            buf_char(to, (char)(random >> 20));
        else
            buf_printf(to, "person.%u,Jo,Doe\n", random >> 24);
    }
    to->len = len;
}

/* In `segments` segments, each coded by itself when `apart`. */
static void
code_cut(enum compress_method method, struct str plain, size_t piece,
         size_t segments, bool apart, struct buf *ret)
{
    size_t size = plain.len / segments + 1;
    struct buf_sink out;
    struct error err = ERROR_INIT;
    uint32_t all = 0, check;

    buf_sink_init(&out, ret);
    struct compressor *c = compress_new(method, &out.sink);

    assert_non_null(c);
    assert_int_equal(compress_head(c, &err), ERR_OK);
    for (size_t from = 0; from < plain.len; from += size) {
        size_t end = MIN(plain.len, from + size);

        for (size_t at = from; at < end; at += piece)
            assert_int_equal(sink_write(compress_sink(c), plain.at + at,
                                        MIN(piece, end - at), &err),
                             ERR_OK);
        assert_int_equal(compress_end_segment(c, &check, &err), ERR_OK);
        all = compress_check(all, check, end - from);
        if (apart) {
            compress_free(c);
            c = compress_new(method, &out.sink);
        }
    }
    assert_int_equal(compress_tail(c, all, plain.len, &err), ERR_OK);
    compress_free(c);
}

static void
code(enum compress_method method, struct str plain, size_t piece,
     struct buf *ret)
{
    code_cut(method, plain, piece, 1, false, ret);
}

static void
decode(enum compress_method method, struct str coded, struct buf *ret,
       size_t want)
{
    char *to = buf_reserve(ret, want + 1);

    if (method == COMPRESS_ZSTD) {
        size_t got = coded.len == 0
                         ? 0
                         : ZSTD_decompress(to, want + 1, coded.at, coded.len);

        assert_false(ZSTD_isError(got));
        ret->len = got;
        return;
    }
    z_stream z = {.next_in = (Bytef *)(uintptr_t)coded.at,
                  .avail_in = (uInt)coded.len,
                  .next_out = (Bytef *)to,
                  .avail_out = (uInt)want + 1};

    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    ret->len = z.total_out;
    inflateEnd(&z);
}

static void
coded_bytes_decode_to_what_went_in(void **state UNUSED)
{
    static const struct {
        size_t len, piece;
    } cases[] = {{0, 1},           {1, 1},           {1000, 7},
                 {262144, 262144}, {3000000, 65536}, {3000000, 3000000}};

    for (size_t m = 0; m < COUNT(methods); m++)
        for (size_t i = 0; i < COUNT(cases); i++) {
            CLEANUP(buf_done) struct buf plain, coded, again, back;

            buf_init(&plain, 1 << 24);
            buf_init(&coded, 1 << 24);
            buf_init(&again, 1 << 24);
            buf_init(&back, 1 << 24);
            fill(&plain, cases[i].len);
            code(methods[m], buf_view(&plain), cases[i].piece, &coded);
            code(methods[m], buf_view(&plain), cases[i].piece, &again);
            assert_true(str_eq(buf_view(&coded), buf_view(&again)));
            decode(methods[m], buf_view(&coded), &back, cases[i].len);
            assert_true(str_eq(buf_view(&plain), buf_view(&back)));
            if (cases[i].len > 1000000)
                assert_true(coded.len < plain.len * 3 / 4);
        }
}

static void
segments_are_coded_each_by_itself(void **state UNUSED)
{
    for (size_t m = 0; m < COUNT(methods); m++) {
        CLEANUP(buf_done) struct buf plain, coded, apart, back;

        buf_init(&plain, 1 << 24);
        buf_init(&coded, 1 << 24);
        buf_init(&apart, 1 << 24);
        buf_init(&back, 1 << 24);
        fill(&plain, 2000000);
        code_cut(methods[m], buf_view(&plain), 10000, 17, false, &coded);
        code_cut(methods[m], buf_view(&plain), 10000, 17, true, &apart);
        assert_true(str_eq(buf_view(&coded), buf_view(&apart)));
        decode(methods[m], buf_view(&coded), &back, plain.len);
        assert_true(str_eq(buf_view(&plain), buf_view(&back)));
    }
}

static void
heads_hold_a_checksum_and_nothing_of_time_or_system(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf gzip, zstd;

    buf_init(&gzip, 4096);
    buf_init(&zstd, 4096);
    code(COMPRESS_GZIP, STR("a,b\n"), 4, &gzip);
    code(COMPRESS_ZSTD, STR("a,b\n"), 4, &zstd);
    /* RFC 1952 2.3: no flags, no time, unknown system. */
    assert_memory_equal(gzip.data, "\x1f\x8b\x08\0\0\0\0\0", 8);
    assert_int_equal((unsigned char)gzip.data[9], 255);
    /* RFC 8878 3.1.1.1.1: Content_Checksum_flag. */
    assert_int_equal(zstd.data[4] & 4, 4);
}

static enum error_code
refuse(struct sink *sink UNUSED, const void *bytes UNUSED, size_t len,
       struct error *err)
{
    return len > 0 ? error_busy(err, "full") : ERR_OK;
}

static void
failure_behind_is_passed_on(void **state UNUSED)
{
    for (size_t m = 0; m < COUNT(methods); m++) {
        CLEANUP(buf_done) struct buf plain;
        struct sink full = {.write = refuse};
        uint32_t check;
        struct error err = ERROR_INIT;
        struct compressor *c = compress_new(methods[m], &full);

        buf_init(&plain, 1 << 24);
        fill(&plain, 2000000);
        enum error_code rc = sink_write(compress_sink(c), plain.data, plain.len,
                                        &err);

        assert_int_equal(rc, ERR_UNAVAILABLE);
        assert_string_equal(err.detail, "full");
        compress_free(c);

        c = compress_new(methods[m], &full);
        rc = sink_write(compress_sink(c), "x", 1, &err);
        if (rc == ERR_OK)
            rc = compress_end_segment(c, &check, &err);
        assert_int_equal(rc, ERR_UNAVAILABLE);
        compress_free(c);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coded_bytes_decode_to_what_went_in),
        cmocka_unit_test(segments_are_coded_each_by_itself),
        cmocka_unit_test(heads_hold_a_checksum_and_nothing_of_time_or_system),
        cmocka_unit_test(failure_behind_is_passed_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

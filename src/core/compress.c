#include "core/compress.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#ifdef HAVE_ISAL
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#endif

#define OUT_BYTES ((size_t)256 * 1024)

struct compressor {
    struct sink sink; /* first: the sink is the compressor */
    struct sink *to;
    /* Code `len` bytes, `end` behind the last ones of a segment; writes to
     * c->to. */
    enum error_code (*code)(struct compressor *c, const void *bytes, size_t len,
                            bool end, struct error *err);
    uint32_t check; /* CRC-32 of the segment; gzip only */
    ZSTD_CCtx *zstd;
#ifdef HAVE_ISAL
    struct isal_zstream gzip;
    _Alignas(16) uint8_t level[ISAL_DEF_LVL1_DEFAULT];
#else
    z_stream gzip;
#endif
    char out[OUT_BYTES];
};

static enum error_code
code_zstd(struct compressor *c, const void *bytes, size_t len, bool end,
          struct error *err)
{
    ZSTD_inBuffer in = {bytes, len, 0};
    size_t left;

    do {
        ZSTD_outBuffer out = {c->out, OUT_BYTES, 0};

        left = ZSTD_compressStream2(c->zstd, &out, &in,
                                    end ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return error_internal(err, "zstd: %s", ZSTD_getErrorName(left));
        enum error_code rc = sink_write(c->to, c->out, out.pos, err);

        if (rc != ERR_OK)
            return rc;
    } while (end ? left > 0 : in.pos < in.size);
    return ERR_OK;
}

#ifdef HAVE_ISAL

static uint32_t
crc(uint32_t before, const void *bytes, size_t len)
{
    return crc32_gzip_refl(before, bytes, len);
}

static bool
start_gzip(struct compressor *c)
{
    isal_deflate_init(&c->gzip);
    c->gzip.level = 1;
    c->gzip.level_buf = c->level;
    c->gzip.level_buf_size = sizeof(c->level);
    c->gzip.gzip_flag = IGZIP_DEFLATE;
    return true;
}

static enum error_code
code_gzip(struct compressor *c, const void *bytes, size_t len, bool end,
          struct error *err)
{
    /* The library does not write to its input. */
    c->gzip.next_in = (uint8_t *)(uintptr_t)bytes;
    c->gzip.avail_in = (uint32_t)len;
    c->gzip.flush = end ? FULL_FLUSH : NO_FLUSH;
    do {
        c->gzip.next_out = (uint8_t *)c->out;
        c->gzip.avail_out = OUT_BYTES;
        if (isal_deflate(&c->gzip) != COMP_OK)
            return error_internal(err, "isa-l: cannot compress");
        enum error_code rc = sink_write(c->to, c->out,
                                        OUT_BYTES - c->gzip.avail_out, err);

        if (rc != ERR_OK)
            return rc;
    } while (c->gzip.avail_out == 0);
    if (end)
        start_gzip(c);
    return ERR_OK;
}

static void
end_gzip(struct compressor *c UNUSED)
{
}

#else

static uint32_t
crc(uint32_t before, const void *bytes, size_t len)
{
    return (uint32_t)crc32_z(before, bytes, len);
}

static bool
start_gzip(struct compressor *c)
{
    return deflateInit2(&c->gzip, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) ==
           Z_OK;
}

static enum error_code
code_gzip(struct compressor *c, const void *bytes, size_t len, bool end,
          struct error *err)
{
    /* The library does not write to its input. */
    c->gzip.next_in = (Bytef *)(uintptr_t)bytes;
    c->gzip.avail_in = (uInt)len;
    do {
        c->gzip.next_out = (Bytef *)c->out;
        c->gzip.avail_out = OUT_BYTES;
        if (deflate(&c->gzip, end ? Z_FULL_FLUSH : Z_NO_FLUSH) ==
            Z_STREAM_ERROR)
            return error_internal(err, "zlib: cannot compress");
        enum error_code rc = sink_write(c->to, c->out,
                                        OUT_BYTES - c->gzip.avail_out, err);

        if (rc != ERR_OK)
            return rc;
    } while (c->gzip.avail_out == 0);
    if (end)
        deflateReset(&c->gzip);
    return ERR_OK;
}

static void
end_gzip(struct compressor *c)
{
    deflateEnd(&c->gzip);
}

#endif

static bool
start_zstd(struct compressor *c)
{
    c->zstd = ZSTD_createCCtx();
    return c->zstd != NULL &&
           !ZSTD_isError(
               ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, 1)) &&
           !ZSTD_isError(
               ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 1));
}

static enum error_code
write_plain(struct sink *sink, const void *bytes, size_t len, struct error *err)
{
    struct compressor *c = (struct compressor *)sink;
    const char *at = bytes;

    /* The gzip libraries count in 32 bits. */
    while (len > 0) {
        size_t piece = MIN(len, (size_t)1 << 30);

        if (c->code == code_gzip)
            c->check = crc(c->check, at, piece);
        enum error_code rc = c->code(c, at, piece, false, err);

        if (rc != ERR_OK)
            return rc;
        at += piece;
        len -= piece;
    }
    return ERR_OK;
}

struct compressor *
compress_new(enum compress_method method, struct sink *to)
{
    struct compressor *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->sink.write = write_plain;
    c->to = to;
    c->code = method == COMPRESS_GZIP ? code_gzip : code_zstd;
    if (!(method == COMPRESS_GZIP ? start_gzip(c) : start_zstd(c))) {
        compress_free(c);
        return NULL;
    }
    return c;
}

void
compress_free(struct compressor *c)
{
    if (c == NULL)
        return;
    if (c->code == code_gzip)
        end_gzip(c);
    ZSTD_freeCCtx(c->zstd);
    free(c);
}

struct sink *
compress_sink(struct compressor *c)
{
    return &c->sink;
}

enum error_code
compress_head(struct compressor *c, struct error *err)
{
    /* RFC 1952: deflate, no flags, no time, fastest, system unknown. */
    static const char head[] = {0x1f, (char)0x8b, 8, 0, 0,
                                0,    0,          0, 4, (char)0xff};

    if (c->code != code_gzip)
        return ERR_OK;
    return sink_write(c->to, head, sizeof(head), err);
}

enum error_code
compress_end_segment(struct compressor *c, uint32_t *ret_check,
                     struct error *err)
{
    *ret_check = c->check;
    c->check = 0;
    return c->code(c, NULL, 0, true, err);
}

uint32_t
compress_check(uint32_t first, uint32_t second, uint64_t second_len)
{
    return (uint32_t)crc32_combine(first, second, (z_off_t)second_len);
}

enum error_code
compress_tail(struct compressor *c, uint32_t check, uint64_t len,
              struct error *err)
{
    /* An empty last block of fixed codes, then check and length. */
    char tail[10] = {3, 0};

    if (c->code != code_gzip)
        return ERR_OK;
    for (unsigned i = 0; i < 4; i++) {
        tail[2 + i] = (char)(check >> 8 * i);
        tail[6 + i] = (char)(len >> 8 * i);
    }
    return sink_write(c->to, tail, sizeof(tail), err);
}

/*
 * A backup, behind a byte of bits. With bit 0 the rest is the archive itself,
 * the sums of its tar headers made good unless bit 1 is set, as far as it is
 * tar. Else it is pieces, cut by FS: a name, LF, bytes; a manifest gets the key
 * of this driver, the true list of pieces where it says true, and a signature.
 *
 * What can be read, written again, reads as the same. A backup that is found
 * good is no longer when a byte of it differs, and into a database that is not
 * empty none is restored.
 */
#include <jansson.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/secret.h"
#include "core/backup.h"
#include "core/bundle.h"
#include "core/fixture.h"
#include "fmt/digest.h"
#include "fuzz.h"
#include "store/auth_store.h"

#define BLOCK ((size_t)512)
#define PIECES_MAX 16
#define FS '\x1c'

static struct jwt_key key;
static struct fixture fixture; /* with a registry: not empty */

static enum error_code
make_registry(struct db_tx *tx, void *context, struct error *err)
{
    struct registry registry = {.tenant_name = STR("t")};

    (void)context;
    return registry_insert(tx, &registry, err);
}

static void
remove_fixture(void)
{
    fixture_done(&fixture);
    jwt_key_done(&key);
}

static void
set_up(void)
{
    if (key.pkey != NULL)
        return;
    FUZZ_CHECK(jwt_key_create(&key, NULL) == ERR_OK);
    fixture_init(&fixture);
    FUZZ_CHECK(db_write(fixture.db, make_registry, NULL, NULL) == ERR_OK);
    atexit(remove_fixture);
}

/* ---- tar ------------------------------------------------------------- */

static void
make_sum_good(char *header)
{
    unsigned sum = 0;

    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
}

/* Whole blocks that follow each other as their sizes say. */
static void
make_sums_good(char *bytes, size_t size)
{
    for (size_t at = 0; size - at >= BLOCK;) {
        char octal[13] = "";

        make_sum_good(bytes + at);
        memcpy(octal, bytes + at + 124, 12);
        unsigned long body = strtoul(octal, NULL, 8);

        if (body > size - at - BLOCK)
            return;
        at += BLOCK + (body + BLOCK - 1) / BLOCK * BLOCK;
        if (at > size)
            return;
    }
}

static void
add_piece(struct buf *tar, struct str name, struct str bytes)
{
    char header[BLOCK] = "";

    memcpy(header, name.at, MIN(name.len, (size_t)100));
    snprintf(header + 100, 8, "0000600");
    snprintf(header + 124, 12, "%011zo", bytes.len);
    header[156] = '0';
    memcpy(header + 257, "ustar\00000", 8);
    make_sum_good(header);
    buf_add(tar, header, BLOCK);
    buf_str(tar, bytes);
    for (size_t i = bytes.len; i % BLOCK != 0; i++)
        buf_char(tar, '\0');
}

/* ---- pieces ---------------------------------------------------------- */

struct pieces {
    struct {
        struct str name, bytes;
    } piece[PIECES_MAX];
    size_t count;
};

static json_t *
list_of(const struct pieces *pieces)
{
    json_t *list = json_array();

    for (size_t i = 0; i < pieces->count; i++) {
        unsigned char sha256[32];
        struct str name = pieces->piece[i].name;
        char hex[65];

        if (str_eq(name, STR(BACKUP_MANIFEST)) ||
            str_eq(name, STR(BACKUP_SIGNATURE)))
            continue;
        digest_of(pieces->piece[i].bytes.at, pieces->piece[i].bytes.len,
                  sha256);
        hex_encode(sha256, sizeof(sha256), hex);
        json_array_append_new(
            list,
            json_pack("{s:s%,s:I,s:s}", "name", name.at, name.len, "bytes",
                      (json_int_t)pieces->piece[i].bytes.len, "sha256", hex));
    }
    return list;
}

static void
add_manifest(struct buf *tar, const struct pieces *pieces, struct str text)
{
    json_t *manifest = json_loadb(text.at, text.len, 0, NULL);
    CLEANUP(buf_done) struct buf signature;
    char *dumped = NULL;

    if (json_is_object(manifest)) {
        json_object_set_new(manifest, "key",
                            json_pack("{s:s,s:s}", "x", key.x, "y", key.y));
        if (json_is_true(json_object_get(manifest, "pieces")))
            json_object_set_new(manifest, "pieces", list_of(pieces));
        dumped = json_dumps(manifest, JSON_COMPACT);
        if (dumped != NULL)
            text = str_of(dumped);
    }
    buf_init(&signature, 1 << 20);
    add_piece(tar, STR(BACKUP_MANIFEST), text);
    if (jws_sign(&key, BACKUP_TYPE, text, &signature, NULL) == ERR_OK)
        add_piece(tar, STR(BACKUP_SIGNATURE), buf_view(&signature));
    free(dumped);
    json_decref(manifest);
}

static void
add_pieces(struct buf *tar, struct str rest)
{
    static const char end[2 * BLOCK];
    struct pieces pieces = {.count = 0};

    while (rest.at != NULL && pieces.count < PIECES_MAX) {
        struct str bytes = str_cut(&rest, FS);
        struct str name = str_cut(&bytes, '\n');

        pieces.piece[pieces.count].name = name;
        pieces.piece[pieces.count++].bytes = bytes;
    }
    for (size_t i = 0; i < pieces.count; i++)
        if (str_eq(pieces.piece[i].name, STR(BACKUP_MANIFEST)))
            add_manifest(tar, &pieces, pieces.piece[i].bytes);
        else
            add_piece(tar, pieces.piece[i].name, pieces.piece[i].bytes);
    buf_add(tar, end, sizeof(end));
}

/* ---- checks ---------------------------------------------------------- */

static int
file_of(const char *bytes, size_t len)
{
    int fd = memfd_create("backup", MFD_CLOEXEC);

    FUZZ_CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    return fd;
}

/* Names and bytes of all pieces; into another bundle, too, unless NULL. False
 * for one that is no bundle, or has names such as nelm never writes. */
static bool
read_bundle(int fd, struct buf *all, struct bundle *copy)
{
    CLEANUP(buf_done) struct buf piece;
    struct bundle bundle;
    bool plain = true;
    enum error_code rc = bundle_open(&bundle, fd, NULL);

    buf_init(&piece, BUNDLE_PIECE_MAX + 1);
    while (rc == ERR_OK &&
           (rc = bundle_next(&bundle, &piece, NULL)) == ERR_OK) {
        size_t len = strlen(bundle.name);

        FUZZ_CHECK(len < BUNDLE_NAME_MAX && piece.len <= BUNDLE_PIECE_MAX);
        FUZZ_CHECK(piece.data[piece.len] == '\0');
        plain = plain && len > 0 &&
                strspn(bundle.name, "abcdefghijklmnopqrstuvwxyz0123456789_./"
                                    "-") == len &&
                bundle.name[len - 1] != '/';
        buf_printf(all, "%s %zu ", bundle.name, piece.len);
        buf_str(all, buf_view(&piece));
        if (copy != NULL && plain)
            rc = bundle_add(copy, bundle.name, buf_view(&piece), NULL);
    }
    bundle_done(&bundle);
    FUZZ_CHECK(rc == ERR_END || rc == ERR_CONTENT);
    return rc == ERR_END && plain && !all->failed;
}

static void
check_bundle(int fd)
{
    CLEANUP(buf_done) struct buf first, second;
    struct bundle copy;
    int copy_fd = memfd_create("copy", MFD_CLOEXEC);

    buf_init(&first, 1 << 24);
    buf_init(&second, 1 << 24);
    FUZZ_CHECK(copy_fd >= 0);
    FUZZ_CHECK(bundle_create(&copy, copy_fd, NULL) == ERR_OK);
    bool good = read_bundle(fd, &first, &copy);

    FUZZ_CHECK(bundle_finish(&copy, NULL) == ERR_OK);
    bundle_done(&copy);
    if (good) {
        FUZZ_CHECK(read_bundle(copy_fd, &second, NULL));
        FUZZ_CHECK(str_eq(buf_view(&first), buf_view(&second)));
    }
    close(copy_fd);
}

static void
count(void *context, const char *text)
{
    FUZZ_CHECK(text[0] != '\0');
    ++*(unsigned *)context;
}

static enum error_code
verify(int fd)
{
    unsigned problems = 0;
    const struct backup_check check = {.problem = count, .context = &problems};
    struct backup_summary summary;
    struct error err = ERROR_INIT;
    enum error_code rc = backup_verify(fd, &check, NULL, &summary, &err);

    FUZZ_CHECK(rc == ERR_OK || rc == ERR_CONTENT || rc == ERR_CONFLICT);
    FUZZ_CHECK(rc == err.code && (rc != ERR_OK || problems == 0));
    return rc;
}

/* No byte of a piece of a good backup can be another one. */
static void
check_changed(const struct buf *tar)
{
    for (size_t at = 0; at + BLOCK < tar->len && tar->data[at] != '\0';) {
        size_t body = strtoul(tar->data + at + 124, NULL, 8);

        if (body > 0) {
            size_t place = at + BLOCK + body / 2;
            int fd;

            tar->data[place] ^= 1;
            fd = file_of(tar->data, tar->len);
            FUZZ_CHECK(verify(fd) != ERR_OK);
            close(fd);
            tar->data[place] ^= 1;
        }
        at += BLOCK + (body + BLOCK - 1) / BLOCK * BLOCK;
    }
}

static void
check_restore(int fd)
{
    const struct backup_check check = {.problem = NULL};
    struct backup_summary summary;
    struct error err = ERROR_INIT;

    FUZZ_CHECK(backup_restore(fd, fixture.db, &check, NULL, &summary, &err) !=
               ERR_OK);
    FUZZ_CHECK(err.text[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_done) struct buf tar;

    buf_init(&tar, 1 << 26);
    if (size == 0)
        return 0;
    set_up();
    struct str rest = str_n((const char *)data + 1, size - 1);

    if (!(data[0] & 1))
        add_pieces(&tar, rest);
    else
        buf_str(&tar, rest);
    if ((data[0] & 3) == 1)
        make_sums_good(tar.data, tar.len);
    FUZZ_CHECK(!tar.failed);
    int fd = file_of(tar.data, tar.len);

    if (data[0] & 4)
        check_bundle(fd);
    if (verify(fd) == ERR_OK && !(data[0] & 1)) {
        check_changed(&tar);
        check_restore(fd);
    }
    close(fd);
    return 0;
}

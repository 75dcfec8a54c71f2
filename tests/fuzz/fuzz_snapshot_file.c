/* A file of the snapshot cache, behind a byte that says what is made good in
 * its trailer: bit 0 the seal, which guards against what was torn and not
 * against what was made; bit 1 the length. What is opened has all that its
 * trailer speaks of, and can be taken over into a file that says the same. */
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/snapshot_file.h"
#include "fuzz.h"

static struct snapshot_directory directory;

static void
remove_directory(void)
{
    rmdir(directory.path);
    snapshot_directory_done(&directory);
}

static void
make_directory(void)
{
    const char *parent = getenv("TMPDIR");
    char path[256];

    snprintf(path, sizeof(path), "%s/nelm-fuzz-XXXXXX",
             parent != NULL ? parent : "/tmp");
    FUZZ_CHECK(mkdtemp(path) != NULL);
    FUZZ_CHECK(snapshot_directory_open(path, &directory, NULL) == ERR_OK);
    atexit(remove_directory);
}

static void
make_good(unsigned what, char *bytes, size_t size)
{
    struct snapshot_trailer trailer;
    size_t at = size - sizeof(trailer);

    memcpy(&trailer, bytes + at, sizeof(trailer));
    memcpy(trailer.boot, directory.boot, sizeof(trailer.boot));
    size_t used = trailer.file.segments * sizeof(struct segment);

    if (what & 2)
        trailer.file.length = at - used;
    if ((what & 1) && used <= at) {
        /* Aligned, and the wrong numbers as they are. */
        struct segments segments = {.at = malloc(used ? used : 1),
                                    .count = trailer.file.segments};

        FUZZ_CHECK(segments.at != NULL);
        memcpy(segments.at, bytes + at - used, used);
        snapshot_file_seal(&segments, &trailer);
        segments_done(&segments);
    }
    memcpy(bytes + at, &trailer, sizeof(trailer));
}

static void
take_over(int fd, const struct segments *from, uint64_t length)
{
    for (int differs = 0; differs < 2; differs++) {
        struct snapshot_draft draft;

        FUZZ_CHECK(snapshot_draft_begin(&draft, &directory, NULL) == ERR_OK);
        draft.differs = differs;
        FUZZ_CHECK(snapshot_draft_copy(&draft, fd, from, 0, from->count,
                                       NULL) == ERR_OK);
        FUZZ_CHECK(draft.segments.count == from->count);
        FUZZ_CHECK(draft.out.length == from->at[from->count - 1].end &&
                   draft.out.length <= length);
        for (uint64_t i = 0; i < from->count; i++)
            FUZZ_CHECK(draft.segments.at[i].number == from->at[i].number &&
                       draft.segments.at[i].end == from->at[i].end);
        snapshot_draft_done(&draft);
    }
}

static void
check_open(int fd, const char *name, const struct snapshot_trailer *trailer,
           size_t size)
{
    const struct snapshot *file = &trailer->file;
    struct segments segments;
    char its_name[SNAPSHOT_NAME];

    FUZZ_CHECK(snapshot_file_bytes(file) == size && file->length <= size);
    snapshot_file_name(file->etag, its_name);
    FUZZ_CHECK(strcmp(name, its_name) == 0);
    FUZZ_CHECK(trailer->key.coding < SNAPSHOT_CODINGS);
    FUZZ_CHECK(snapshot_file_segments(fd, file, &segments, NULL) == ERR_OK);
    FUZZ_CHECK(segments.count == file->segments);
    if (segments.count > 0)
        take_over(fd, &segments, file->length);
    segments_done(&segments);
}

/* The name that the trailer asks for, if it can be one. */
static void
name_of(const char *bytes, size_t size, char to[SNAPSHOT_NAME])
{
    struct snapshot_trailer trailer;
    const struct snapshot *file = &trailer.file;

    memcpy(&trailer, bytes + size - sizeof(trailer), sizeof(trailer));
    size_t len = strnlen(file->etag, sizeof(file->etag));

    snprintf(to, SNAPSHOT_NAME, "x.snapshot");
    if (len > 2 && len < sizeof(file->etag) && strchr(file->etag, '/') == NULL)
        snapshot_file_name(file->etag, to);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct snapshot_trailer trailer;
    char name[SNAPSHOT_NAME] = "x.snapshot";
    int fd;

    if (size < 1)
        return 0;
    if (directory.path == NULL)
        make_directory();
    char *bytes = malloc(size);

    FUZZ_CHECK(bytes != NULL);
    memcpy(bytes, data + 1, --size);
    if (size >= sizeof(trailer)) {
        make_good(data[0], bytes, size);
        name_of(bytes, size, name);
    }
    fd = openat(directory.fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    FUZZ_CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
    fd = snapshot_file_open_sealed(&directory, name, &trailer);
    if (fd >= 0) {
        check_open(fd, name, &trailer, size);
        close(fd);
    }
    snapshot_file_remove(&directory, name);
    free(bytes);
    return 0;
}

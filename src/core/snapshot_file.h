/*
 * snapshot_file.h - the directory of the snapshot cache: files that are
 * written as drafts, sealed, and then named after their ETag.
 *
 * Behind the bytes of a file lie its segments, so that a later revision can
 * take over those that did not change, and its trailer, which says what the
 * file is.
 * The ETag in it stands for database, source, revision, variant, coding and
 * compressor, so two files with the same name are the same. Files are not
 * synced: the trailer also names the start of the machine at which it was
 * written, and after another start the file counts as torn.
 *
 * Memory:  callers' structs and descriptors; segments of 152 bytes, one for
 *          some 1000 rows.
 * Errors:  a disk without room is ERR_UNAVAILABLE and draft->out.full.
 * Threads: safe everywhere; a draft belongs to one thread. Processes may
 *          share the directory.
 */
#ifndef NELM_CORE_SNAPSHOT_FILE_H
#define NELM_CORE_SNAPSHOT_FILE_H

#include "core/snapshot.h"
#include "fmt/digest.h"

#define SNAPSHOT_NAME (SNAPSHOT_ETAG + 16)

struct snapshot_directory {
    int fd;
    char *path;    /* absolute; owned */
    char boot[40]; /* of the machine */
};

struct snapshot_trailer {
    struct snapshot_key key;
    struct snapshot file; /* fd -1 */
    char boot[40];
    unsigned char seal[32]; /* SHA-256 of the segments and all above */
};

/* A piece of a file. Two with the same number and revision hold the same rows,
 * in files of one variant and of one history of the source. */
struct segment {
    int64_t number;   /* core/export.h */
    int64_t revision; /* at which it was rendered */
    int64_t rows;
    uint64_t plain;           /* bytes without coding */
    uint64_t end;             /* where the next one begins */
    struct sha256_ctx digest; /* of everything before `end` */
    uint32_t check;           /* core/compress.h */
};

struct segments {
    struct segment *at; /* in the order of their numbers */
    uint64_t count, room;
};

void segments_done(struct segments *segments);

/* Make it when missing. */
enum error_code snapshot_directory_open(const char *path,
                                        struct snapshot_directory *ret,
                                        struct error *err) MUST_USE;
void snapshot_directory_done(struct snapshot_directory *directory);

/* The name of a file with that ETag. */
void snapshot_file_name(const char *etag, char to[SNAPSHOT_NAME]);

/* Is the name that of a snapshot? Nothing else in the directory is ours, but
 * drafts: those of processes that were killed are removed here. */
bool snapshot_file_sweep(const struct snapshot_directory *directory,
                         const char *name);

/* A descriptor to read from, or -1 with errno. */
int snapshot_file_open(const struct snapshot_directory *directory,
                       const char *name);
/* Only if the file is whole and what its name says. */
int snapshot_file_open_sealed(const struct snapshot_directory *directory,
                              const char *name, struct snapshot_trailer *ret);
void snapshot_file_remove(const struct snapshot_directory *directory,
                          const char *name);

/* Those of a sealed file; segments_done() is due whatever the result. */
enum error_code snapshot_file_segments(int fd, const struct snapshot *about,
                                       struct segments *ret,
                                       struct error *err) MUST_USE;

void snapshot_file_seal(const struct segments *segments,
                        struct snapshot_trailer *trailer);

/* Bytes on disk. */
uint64_t snapshot_file_bytes(const struct snapshot *about);

/* A file in the making. Write or copy the segments, write to out.sink what
 * comes behind them, and fill revision, changed_ms and etag of trailer.file. */
struct snapshot_draft {
    const struct snapshot_directory *directory;
    int fd;
    bool named;
    char name[48];
    struct fd_sink file;
    struct digest_sink out;
    struct segments segments;
    bool differs; /* not only a copy of another file's beginning */
    struct snapshot_trailer trailer;
};

/* snapshot_draft_done() is due whatever the result. */
enum error_code snapshot_draft_begin(struct snapshot_draft *draft,
                                     const struct snapshot_directory *directory,
                                     struct error *err) MUST_USE;
/* As if nothing had been written yet. */
enum error_code snapshot_draft_again(struct snapshot_draft *draft,
                                     struct error *err) MUST_USE;
/* What was written to out.sink since the last segment is this one: `end` and
 * `digest` are filled here. */
enum error_code snapshot_draft_segment(struct snapshot_draft *draft,
                                       const struct segment *segment,
                                       struct error *err) MUST_USE;
/* Take over segments [first, end) of the file behind `fd`. What is before the
 * first difference needs no new digest. */
enum error_code snapshot_draft_copy(struct snapshot_draft *draft, int fd,
                                    const struct segments *from, uint64_t first,
                                    uint64_t end, struct error *err) MUST_USE;
/* Seal it and give it its name; *ret takes over the descriptor. */
enum error_code snapshot_draft_finish(struct snapshot_draft *draft,
                                      const struct snapshot_key *key,
                                      struct snapshot *ret,
                                      struct error *err) MUST_USE;
/* Removes what was not finished. */
void snapshot_draft_done(struct snapshot_draft *draft);

#endif

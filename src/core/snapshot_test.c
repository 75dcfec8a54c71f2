#include "core/snapshot.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <zlib.h>
#include <zstd.h>

#include "core/fixture.h"
#include "core/snapshot_file.h"
#include "store/record_store.h"

#define PLENTY (UINT64_C(1) << 30)
#define END ".snapshot"

static const struct uuid registry = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

static struct snapshot_cache *
open_cache(struct fixture *f, uint64_t max_bytes)
{
    struct snapshot_cache *cache = NULL;
    struct error err = ERROR_INIT;

    if (snapshot_cache_open(f->db, f->cache, max_bytes, &registry, &cache,
                            &err) != ERR_OK)
        fail_msg("open: %s", err.detail);
    return cache;
}

static struct snapshot_key
key_of(const struct source *source, unsigned variant,
       enum snapshot_coding coding)
{
    return (struct snapshot_key){source->id, variant, coding};
}

static struct snapshot
must_get(struct snapshot_cache *cache, const struct snapshot_key *key,
         int64_t min_revision)
{
    struct snapshot got = {.fd = -1};
    struct error err = ERROR_INIT;

    if (snapshot_get(cache, key, min_revision, true, NULL, &got, &err) !=
        ERR_OK)
        fail_msg("get: %s %s", error_text(&err), err.detail);
    return got;
}

/* Is it there without rendering? */
static bool
is_cached(struct snapshot_cache *cache, const struct snapshot_key *key)
{
    struct snapshot got = {.fd = -1};
    struct error err;
    enum error_code rc = snapshot_get(cache, key, 0, false, NULL, &got, &err);

    assert_true(rc == ERR_OK || rc == ERR_LATER);
    snapshot_release(&got);
    return rc == ERR_OK;
}

/* Two snapshots are of the same rendering when they are the same inode. */
static ino_t
inode(const struct snapshot *snapshot)
{
    struct stat st;

    assert_int_equal(fstat(snapshot->fd, &st), 0);
    return st.st_ino;
}

/* Files of the directory that end so; *ret_name is one of them. */
static unsigned
count_files(const struct fixture *f, const char *end, char ret_name[512])
{
    DIR *dir = opendir(f->cache);
    struct dirent *item;
    unsigned count = 0;

    assert_non_null(dir);
    while ((item = readdir(dir)) != NULL) {
        size_t len = strlen(item->d_name);

        if (len < strlen(end) ||
            strcmp(item->d_name + len - strlen(end), end) != 0)
            continue;
        count++;
        if (ret_name != NULL)
            snprintf(ret_name, 512, "%s/%s", f->cache, item->d_name);
    }
    closedir(dir);
    return count;
}

/* The bytes, after the promises about them were checked. */
static void
read_snapshot(const struct snapshot *s, enum snapshot_coding coding,
              struct buf *ret)
{
    CLEANUP(buf_done) struct buf coded;
    unsigned char sha256[32];

    buf_init(&coded, 1 << 26);
    buf_init(ret, 1 << 26);
    fixture_read(s->fd, &coded);
    assert_true(coded.len >= s->length); /* a trailer follows */
    coded.len = (size_t)s->length;
    EVP_Digest(coded.data, coded.len, sha256, NULL, EVP_sha256(), NULL);
    assert_memory_equal(sha256, s->sha256, sizeof(sha256));

    if (coding == SNAPSHOT_IDENTITY) {
        buf_str(ret, buf_view(&coded));
    } else if (coding == SNAPSHOT_ZSTD) {
        size_t got;

        buf_reserve(ret, 1 << 25);
        got = ZSTD_decompress(ret->data, 1 << 25, coded.data, coded.len);
        assert_false(ZSTD_isError(got));
        ret->len = got;
    } else {
        buf_reserve(ret, 1 << 25);
        z_stream z = {.next_in = (Bytef *)coded.data,
                      .avail_in = (uInt)coded.len,
                      .next_out = (Bytef *)ret->data,
                      .avail_out = 1 << 25};

        assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        ret->len = z.total_out;
        inflateEnd(&z);
    }
    buf_char(ret, '\0');
    ret->len--;
}

static void
snapshot_keeps_its_promises_in_every_form(void **state UNUSED)
{
    struct fixture f;

    fixture_init(&f);
    fixture_fill(&f, &f.source, 5000, "Doe");

    struct source_mark mark = fixture_mark(&f, &f.source);
    struct snapshot_cache *cache = open_cache(&f, PLENTY);

    for (unsigned variant = 0; variant < EXPORT_VARIANTS; variant++) {
        CLEANUP(buf_done) struct buf plain;

        for (int coding = 0; coding < SNAPSHOT_CODINGS; coding++) {
            CLEANUP(buf_done) struct buf text;
            struct snapshot_key key = key_of(&f.source, variant,
                                             (enum snapshot_coding)coding);
            struct snapshot got = must_get(cache, &key, mark.revision);
            struct snapshot again = must_get(cache, &key, 0);
            char etag[SNAPSHOT_ETAG];

            snapshot_etag(cache, &key, mark.revision, mark.changed_ms, etag);
            assert_string_equal(got.etag, etag);
            assert_true(etag[0] == '"' && etag[strlen(etag) - 1] == '"');
            assert_true(strlen(etag) < 96);
            assert_int_equal(got.rows, variant & EXPORT_TEMPLATE ? 0 : 5000);
            assert_int_equal(got.revision, mark.revision);
            assert_int_equal(got.changed_ms, mark.changed_ms);
            assert_int_equal(inode(&got), inode(&again));
            assert_int_equal(lseek(got.fd, 0, SEEK_CUR), 0);
            read_snapshot(&got, key.coding, &text);
            if (coding == SNAPSHOT_IDENTITY)
                read_snapshot(&got, key.coding, &plain);
            assert_true(str_eq(buf_view(&text), buf_view(&plain)));
            snapshot_release(&got);
            snapshot_release(&again);
        }
    }
    /* Each form has a file, and so an ETag, of its own. */
    assert_int_equal(count_files(&f, END, NULL),
                     EXPORT_VARIANTS * SNAPSHOT_CODINGS);
    snapshot_cache_close(cache);
    fixture_done(&f);
}

static void
nodes_make_the_same_bytes(void **state UNUSED)
{
    struct fixture f;

    fixture_init(&f);
    fixture_fill(&f, &f.source, 5000, "Doe");

    struct snapshot_cache *a = open_cache(&f, PLENTY);

    snprintf(f.cache + strlen(f.cache), 2, "2");

    struct snapshot_cache *b = open_cache(&f, PLENTY);

    for (int coding = 0; coding < SNAPSHOT_CODINGS; coding++) {
        struct snapshot_key key = key_of(&f.source, 0,
                                         (enum snapshot_coding)coding);
        struct snapshot one = must_get(a, &key, 0);
        struct snapshot two = must_get(b, &key, 0);

        assert_true(inode(&one) != inode(&two));
        assert_string_equal(one.etag, two.etag);
        assert_memory_equal(one.sha256, two.sha256, sizeof(one.sha256));
        snapshot_release(&one);
        snapshot_release(&two);
    }
    snapshot_cache_close(a);
    snapshot_cache_close(b);
    fixture_done(&f);
}

static void
nothing_is_rendered_where_blocking_is_not_allowed(void **state UNUSED)
{
    struct fixture f;

    fixture_init(&f);

    struct snapshot_cache *cache = open_cache(&f, PLENTY);
    struct snapshot_key key = key_of(&f.source, 0, SNAPSHOT_IDENTITY);
    struct snapshot got;

    assert_false(is_cached(cache, &key));
    assert_int_equal(count_files(&f, "", NULL), 2); /* . and .. */
    got = must_get(cache, &key, 0);
    snapshot_release(&got);
    assert_true(is_cached(cache, &key));
    snapshot_cache_close(cache);
    fixture_done(&f);
}

static void
unknown_source_is_not_found(void **state UNUSED)
{
    struct fixture f;
    struct snapshot got = {.fd = -1};
    struct error err = ERROR_INIT;

    fixture_init(&f);

    struct snapshot_cache *cache = open_cache(&f, PLENTY);
    struct snapshot_key key = {.coding = SNAPSHOT_GZIP};

    assert_int_equal(snapshot_get(cache, &key, 0, true, NULL, &got, &err),
                     ERR_NOT_FOUND);
    assert_int_equal(got.fd, -1);
    snapshot_cache_close(cache);
    fixture_done(&f);
}

/* Many getters at once. */
struct crowd {
    struct fixture *f;
    struct snapshot_cache *cache;
    pthread_barrier_t start;
    atomic_bool stop;
    atomic_uint served;
};

struct member {
    struct crowd *crowd;
    pthread_t thread;
    struct snapshot_key key;
    struct snapshot got;
};

static void *
get_one(void *context)
{
    struct member *member = context;

    pthread_barrier_wait(&member->crowd->start);
    member->got = must_get(member->crowd->cache, &member->key, 1);
    return NULL;
}

static void
many_askers_share_one_rendering(void **state UNUSED)
{
    enum { MEMBERS = 51 };
    static struct member member[MEMBERS];
    struct fixture f;

    fixture_init(&f);
    fixture_fill(&f, &f.source, 20000, "Doe");

    struct crowd crowd = {.f = &f, .cache = open_cache(&f, PLENTY)};

    pthread_barrier_init(&crowd.start, NULL, MEMBERS);
    for (unsigned i = 0; i < MEMBERS; i++) {
        member[i].crowd = &crowd;
        member[i].key = key_of(&f.source, 0,
                               (enum snapshot_coding)(i % SNAPSHOT_CODINGS));
        assert_int_equal(
            pthread_create(&member[i].thread, NULL, get_one, &member[i]), 0);
    }
    for (unsigned i = 0; i < MEMBERS; i++)
        pthread_join(member[i].thread, NULL);
    /* All of them hold their file open, so an inode is not used twice. */
    for (unsigned i = SNAPSHOT_CODINGS; i < MEMBERS; i++)
        assert_int_equal(inode(&member[i].got),
                         inode(&member[i % SNAPSHOT_CODINGS].got));
    for (unsigned i = 0; i < MEMBERS; i++)
        snapshot_release(&member[i].got);
    pthread_barrier_destroy(&crowd.start);
    snapshot_cache_close(crowd.cache);
    fixture_done(&f);
}

static int64_t
generation(const char *line)
{
    const char *at = strstr(line, ",Some Text,G");

    return at == NULL ? -1 : atoll(at + strlen(",Some Text,G"));
}

/* Few enough that the readers do not starve the writer under TSan. */
#define CHANGING_ROWS 60

/* Every row carries the number of the change that wrote it: a snapshot is of
 * one state when all rows have the same. */
static void *
get_while_changing(void *context)
{
    struct member *member = context;
    struct crowd *crowd = member->crowd;

    while (!atomic_load(&crowd->stop)) {
        CLEANUP(buf_done) struct buf text;
        struct source_mark mark = fixture_mark(crowd->f, &crowd->f->source);
        struct snapshot got = must_get(crowd->cache, &member->key,
                                       mark.revision);
        unsigned rows = 0;

        assert_true(got.revision >= mark.revision);
        read_snapshot(&got, member->key.coding, &text);
        snapshot_release(&got);

        struct str rest = buf_view(&text);
        struct str head = str_cut(&rest, '\n');
        int64_t first = generation(rest.at);

        assert_int_equal(strncmp(head.at, "accountName,", 12), 0);
        while (rest.len > 0) {
            struct str line = str_cut(&rest, '\n');

            assert_int_equal(generation(line.at), first);
            rows++;
        }
        assert_int_equal(rows, CHANGING_ROWS);
        assert_int_equal(got.rows, CHANGING_ROWS);
        /* The source was made at revision 1, filled first at 2. */
        assert_int_equal(first, got.revision - 1);
        atomic_fetch_add(&crowd->served, 1);
    }
    return NULL;
}

static void
every_snapshot_of_a_changing_source_is_one_state(void **state UNUSED)
{
    static struct member member[12];
    struct fixture f;

    fixture_init(&f);
    fixture_fill(&f, &f.source, CHANGING_ROWS, "G1");

    struct crowd crowd = {.f = &f, .cache = open_cache(&f, PLENTY)};

    for (unsigned i = 0; i < COUNT(member); i++) {
        member[i].crowd = &crowd;
        member[i].key = key_of(&f.source, 0,
                               (enum snapshot_coding)(i % SNAPSHOT_CODINGS));
        assert_int_equal(pthread_create(&member[i].thread, NULL,
                                        get_while_changing, &member[i]),
                         0);
    }
    for (unsigned i = 2; i < 30; i++) {
        char name[16];

        snprintf(name, sizeof(name), "G%u", i);
        fixture_fill(&f, &f.source, CHANGING_ROWS, name);
    }
    atomic_store(&crowd.stop, true);
    for (unsigned i = 0; i < COUNT(member); i++)
        pthread_join(member[i].thread, NULL);
    assert_true(atomic_load(&crowd.served) >= COUNT(member));
    /* Older revisions and drafts are gone. */
    assert_true(count_files(&f, END, NULL) <= SNAPSHOT_CODINGS);
    assert_int_equal(count_files(&f, "-draft", NULL), 0);
    snapshot_cache_close(crowd.cache);
    fixture_done(&f);
}

struct async {
    struct snapshot_waiter waiter;
    sem_t woken;
};

static void
wake_async(struct snapshot_waiter *waiter)
{
    sem_post(&((struct async *)waiter)->woken);
}

static void *
get_in_background(void *context)
{
    struct member *member = context;
    struct error err;

    (void)!snapshot_get(member->crowd->cache, &member->key, 0, true, NULL,
                        &member->got, &err);
    return NULL;
}

/* Start a rendering in another thread and return once it is under way. */
static void
start_rendering(struct member *member)
{
    assert_int_equal(
        pthread_create(&member->thread, NULL, get_in_background, member), 0);
    while (count_files(member->crowd->f, "-draft", NULL) == 0)
        usleep(50);
}

static void
waiters_are_woken_and_then_served(void **state UNUSED)
{
    struct fixture f;
    struct async async[3];
    struct error err;

    fixture_init(&f);
    fixture_fill(&f, &f.source, 50000, "Doe");

    struct crowd crowd = {.f = &f, .cache = open_cache(&f, PLENTY)};
    struct snapshot_key key = key_of(&f.source, 0, SNAPSHOT_IDENTITY);
    struct member leader = {.crowd = &crowd, .key = key, .got.fd = -1};
    struct snapshot got = {.fd = -1};

    start_rendering(&leader);
    for (size_t i = 0; i < COUNT(async); i++) {
        async[i] = (struct async){.waiter.wake = wake_async};
        sem_init(&async[i].woken, 0, 0);
        assert_int_equal(snapshot_get(crowd.cache, &key, 0, true,
                                      &async[i].waiter, &got, &err),
                         ERR_LATER);
    }
    for (size_t i = 0; i < COUNT(async); i++) {
        while (sem_wait(&async[i].woken) != 0)
            ;
        assert_int_equal(snapshot_get(crowd.cache, &key, 0, false,
                                      &async[i].waiter, &got, &err),
                         ERR_OK);
        snapshot_release(&got);
        sem_destroy(&async[i].woken);
    }
    pthread_join(leader.thread, NULL);
    assert_true(leader.got.fd >= 0);
    snapshot_release(&leader.got);
    snapshot_cache_close(crowd.cache);
    fixture_done(&f);
}

/* A change that comes while a rendering runs is not in it: whoever asks for
 * it gets another rendering. */
static void
late_change_is_not_answered_with_an_early_rendering(void **state UNUSED)
{
    struct fixture f;

    fixture_init(&f);
    fixture_fill(&f, &f.source, 50000, "Doe");

    struct crowd crowd = {.f = &f, .cache = open_cache(&f, PLENTY)};
    struct snapshot_key key = key_of(&f.source, 0, SNAPSHOT_IDENTITY);
    struct member leader = {.crowd = &crowd, .key = key, .got.fd = -1};

    start_rendering(&leader);
    fixture_fill(&f, &f.source, 1, "Roe");

    int64_t revision = fixture_mark(&f, &f.source).revision;
    struct snapshot got = must_get(crowd.cache, &key, revision);

    assert_true(got.revision >= revision);
    pthread_join(leader.thread, NULL);
    snapshot_release(&leader.got);
    snapshot_release(&got);
    /* Nor does the older one take the newer one's place. */
    got = must_get(crowd.cache, &key, 0);
    assert_true(got.revision >= revision);
    snapshot_release(&got);
    snapshot_cache_close(crowd.cache);
    fixture_done(&f);
}

static void
least_recently_used_goes_first(void **state UNUSED)
{
    struct source source[4];
    struct snapshot_key key[COUNT(source)];
    struct snapshot got;
    struct fixture f;

    fixture_init(&f);
    for (unsigned i = 0; i < COUNT(source); i++) {
        char name[8];

        snprintf(name, sizeof(name), "S%u", i);
        source[i] = fixture_source(&f, name);
        fixture_fill(&f, &source[i], 1000, "Doe");
        key[i] = key_of(&source[i], 0, SNAPSHOT_IDENTITY);
    }
    struct snapshot_cache *cache = open_cache(&f, PLENTY);

    got = must_get(cache, &key[0], 0);

    uint64_t one = got.length + 4096;

    snapshot_release(&got);
    snapshot_cache_close(cache);
    cache = open_cache(&f, 3 * one);
    for (unsigned i = 0; i < 3; i++) {
        got = must_get(cache, &key[i], 0);
        snapshot_release(&got);
    }
    assert_int_equal(count_files(&f, END, NULL), 3);
    assert_true(is_cached(cache, &key[0])); /* and now recently used */

    struct snapshot held = must_get(cache, &key[1], 0);

    assert_true(is_cached(cache, &key[0]));
    assert_true(is_cached(cache, &key[2]));
    got = must_get(cache, &key[3], 0);
    snapshot_release(&got);
    assert_int_equal(count_files(&f, END, NULL), 3);
    assert_false(is_cached(cache, &key[1]));
    assert_true(is_cached(cache, &key[0]));
    assert_true(is_cached(cache, &key[2]));

    /* What somebody holds stays readable. */
    CLEANUP(buf_done) struct buf text;

    read_snapshot(&held, SNAPSHOT_IDENTITY, &text);
    snapshot_release(&held);
    snapshot_cache_close(cache);

    /* One that is too large for the cache is served all the same. */
    cache = open_cache(&f, 10);
    got = must_get(cache, &key[0], 0);
    assert_int_equal(got.rows, 1000);
    snapshot_release(&got);
    got = must_get(cache, &key[1], 0);
    snapshot_release(&got);
    assert_int_equal(count_files(&f, END, NULL), 1);
    snapshot_cache_close(cache);
    fixture_done(&f);
}

static void
newer_revision_takes_the_place_of_the_older(void **state UNUSED)
{
    struct fixture f;
    struct error err;

    fixture_init(&f);
    fixture_fill(&f, &f.source, 10, "Doe");

    struct snapshot_cache *cache = open_cache(&f, PLENTY);
    struct snapshot_key key = key_of(&f.source, 0, SNAPSHOT_IDENTITY);
    struct snapshot old = must_get(cache, &key, 0), new = {.fd = -1};

    fixture_fill(&f, &f.source, 10, "Roe");
    assert_int_equal(
        snapshot_get(cache, &key, old.revision + 1, false, NULL, &new, &err),
        ERR_LATER);
    new = must_get(cache, &key, old.revision + 1);
    assert_true(new.revision > old.revision);
    assert_string_not_equal(new.etag, old.etag);
    assert_int_equal(count_files(&f, END, NULL), 1);
    snapshot_release(&new);
    snapshot_release(&old);
    snapshot_cache_close(cache);
    fixture_done(&f);
}

static void
restarted_cache_takes_over_what_is_current(void **state UNUSED)
{
    struct fixture f;

    fixture_init(&f);
    fixture_fill(&f, &f.source, 100, "Doe");

    struct source other = fixture_source(&f, "Other");
    struct snapshot_cache *cache = open_cache(&f, PLENTY);
    struct snapshot_key key = key_of(&f.source, 0, SNAPSHOT_ZSTD);
    struct snapshot_key other_key = key_of(&other, 0, SNAPSHOT_IDENTITY);
    struct snapshot first = must_get(cache, &key, 0), again;

    again = must_get(cache, &other_key, 0);
    snapshot_release(&again);
    snapshot_cache_close(cache);
    fixture_fill(&f, &other, 1, "Doe");

    cache = open_cache(&f, PLENTY);
    assert_false(is_cached(cache, &other_key));
    assert_true(is_cached(cache, &key));
    again = must_get(cache, &key, 0);
    assert_int_equal(inode(&first), inode(&again));
    assert_int_equal(first.length, again.length);
    assert_int_equal(first.rows, again.rows);
    assert_int_equal(first.revision, again.revision);
    assert_int_equal(first.changed_ms, again.changed_ms);
    assert_string_equal(first.etag, again.etag);
    assert_memory_equal(first.sha256, again.sha256, sizeof(first.sha256));
    assert_int_equal(count_files(&f, END, NULL), 2);
    snapshot_release(&first);
    snapshot_release(&again);
    snapshot_cache_close(cache);
    fixture_done(&f);
}

static void
neighbour_finds_what_another_rendered(void **state UNUSED)
{
    struct fixture f;

    fixture_init(&f);

    struct snapshot_cache *a = open_cache(&f, PLENTY);
    struct snapshot_cache *b = open_cache(&f, PLENTY);
    struct snapshot_key key = key_of(&f.source, 0, SNAPSHOT_GZIP);
    struct snapshot one = must_get(a, &key, 0), two = must_get(b, &key, 0);

    assert_int_equal(inode(&one), inode(&two));
    snapshot_release(&one);
    snapshot_release(&two);
    snapshot_cache_close(a);
    snapshot_cache_close(b);
    fixture_done(&f);
}

static void
file_that_is_not_whole_is_never_used(void **state UNUSED)
{
    enum { CUT, CUT_MORE, LONGER, TRAILER, BOOT, RENAMED, EMPTY, KINDS };
    struct fixture f;

    fixture_init(&f);
    fixture_fill(&f, &f.source, 100, "Doe");

    struct snapshot_key key = key_of(&f.source, 0, SNAPSHOT_IDENTITY);

    for (int kind = 0; kind < KINDS; kind++) {
        struct snapshot_cache *cache = open_cache(&f, PLENTY);
        struct snapshot first = must_get(cache, &key, 0), again;
        CLEANUP(buf_done) struct buf text;
        char path[512], other[600];
        struct stat st;

        snapshot_cache_close(cache);
        assert_int_equal(count_files(&f, END, path), 1);
        int fd = open(path, O_RDWR);

        assert_int_equal(fstat(fd, &st), 0);
        if (kind == CUT || kind == CUT_MORE || kind == EMPTY) {
            off_t len = kind == CUT        ? st.st_size - 1
                        : kind == CUT_MORE ? (off_t)first.length
                                           : 0;

            assert_int_equal(ftruncate(fd, len), 0);
        } else if (kind == LONGER) {
            assert_int_equal(pwrite(fd, "x", 1, st.st_size), 1);
        } else if (kind == TRAILER) {
            assert_int_equal(pwrite(fd, "x", 1, (off_t)first.length + 50), 1);
        } else if (kind == BOOT) {
            /* Well sealed, but before the machine started again. */
            CLEANUP(segments_done) struct segments segments;
            struct snapshot_trailer trailer;
            off_t at = st.st_size - (off_t)sizeof(trailer);

            assert_int_equal(pread(fd, &trailer, sizeof(trailer), at),
                             sizeof(trailer));
            trailer.boot[0] ^= 1;
            assert_int_equal(
                snapshot_file_segments(fd, &trailer.file, &segments, NULL),
                ERR_OK);
            snapshot_file_seal(&segments, &trailer);
            assert_int_equal(pwrite(fd, &trailer, sizeof(trailer), at),
                             sizeof(trailer));
        } else {
            char *digit = strrchr(path, '.') - 1;

            snprintf(other, sizeof(other), "%s", path);
            other[digit - path] = '9';
            assert_int_equal(rename(path, other), 0);
        }
        close(fd);

        cache = open_cache(&f, PLENTY);
        assert_int_equal(count_files(&f, END, NULL), 0);
        assert_false(is_cached(cache, &key));
        again = must_get(cache, &key, 0);
        read_snapshot(&again, SNAPSHOT_IDENTITY, &text);
        assert_true(inode(&again) != inode(&first));
        snapshot_release(&again);
        snapshot_release(&first);
        snapshot_cache_close(cache);
    }
    fixture_done(&f);
}

static void
drafts_of_the_dead_are_removed_and_strangers_stay(void **state UNUSED)
{
    struct fixture f;
    char path[3][128];
    int fd[3];

    fixture_init(&f);
    mkdir(f.cache, 0700);
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {
            "dead.snapshot-draft", "alive.snapshot-draft", "family.jpg"};

        snprintf(path[i], sizeof(path[i]), "%s/%s", f.cache, names[i]);
        fd[i] = open(path[i], O_RDWR | O_CREAT, 0600);
        assert_true(fd[i] >= 0);
    }
    assert_int_equal(flock(fd[1], LOCK_EX), 0);
    snapshot_cache_close(open_cache(&f, PLENTY));
    assert_int_equal(access(path[0], F_OK), -1);
    assert_int_equal(access(path[1], F_OK), 0);
    assert_int_equal(access(path[2], F_OK), 0);
    for (int i = 0; i < 3; i++)
        close(fd[i]);
    fixture_done(&f);
}

static void
deleted_files_are_rendered_again(void **state UNUSED)
{
    struct fixture f;
    char path[512];

    fixture_init(&f);

    struct snapshot_cache *cache = open_cache(&f, PLENTY);
    struct snapshot_key key = key_of(&f.source, 0, SNAPSHOT_IDENTITY);
    struct snapshot got = must_get(cache, &key, 0);

    snapshot_release(&got);
    assert_int_equal(count_files(&f, END, path), 1);
    assert_int_equal(unlink(path), 0);
    assert_false(is_cached(cache, &key));
    got = must_get(cache, &key, 0);
    snapshot_release(&got);
    assert_true(is_cached(cache, &key));
    snapshot_cache_close(cache);
    fixture_done(&f);
}

static void
limit_files(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
no_room_is_unavailable_and_leaves_nothing(void **state UNUSED)
{
    struct fixture f;
    struct snapshot got = {.fd = -1};
    struct error err = ERROR_INIT;

    fixture_init(&f);
    fixture_fill(&f, &f.source, 10000, "Doe");

    struct snapshot_cache *cache = open_cache(&f, PLENTY);

    for (int coding = SNAPSHOT_CODINGS - 1; coding >= 0; coding--) {
        struct snapshot_key key = key_of(&f.source, 0,
                                         (enum snapshot_coding)coding);

        limit_files(4096);
        assert_int_equal(snapshot_get(cache, &key, 0, true, NULL, &got, &err),
                         ERR_UNAVAILABLE);
        limit_files(RLIM_INFINITY);
        assert_int_equal(got.fd, -1);
        assert_int_equal(count_files(&f, "", NULL), 2);
    }
    struct snapshot_key key = key_of(&f.source, 0, SNAPSHOT_GZIP);

    got = must_get(cache, &key, 0);
    snapshot_release(&got);
    snapshot_cache_close(cache);
    fixture_done(&f);
}

static void
failure_reaches_those_who_waited(void **state UNUSED)
{
    struct fixture f;
    struct async async = {.waiter.wake = wake_async};
    struct error err = ERROR_INIT;
    struct snapshot got = {.fd = -1};

    fixture_init(&f);
    fixture_fill(&f, &f.source, 50000, "Doe");

    struct crowd crowd = {.f = &f, .cache = open_cache(&f, PLENTY)};
    struct snapshot_key key = key_of(&f.source, 0, SNAPSHOT_IDENTITY);
    struct member leader = {.crowd = &crowd, .key = key, .got.fd = -1};

    sem_init(&async.woken, 0, 0);
    /* Fails after some ten buffers; both times. */
    limit_files(5000000);
    start_rendering(&leader);
    assert_int_equal(
        snapshot_get(crowd.cache, &key, 0, true, &async.waiter, &got, &err),
        ERR_LATER);
    while (sem_wait(&async.woken) != 0)
        ;
    limit_files(RLIM_INFINITY);
    pthread_join(leader.thread, NULL);
    assert_int_equal(leader.got.fd, -1);
    assert_int_equal(
        snapshot_get(crowd.cache, &key, 0, true, &async.waiter, &got, &err),
        ERR_UNAVAILABLE);
    /* Told once; then it is a new question. */
    assert_int_equal(
        snapshot_get(crowd.cache, &key, 0, true, &async.waiter, &got, &err),
        ERR_OK);
    snapshot_release(&got);
    sem_destroy(&async.woken);
    snapshot_cache_close(crowd.cache);
    fixture_done(&f);
}

static void
full_disk_makes_room_by_itself(void **state UNUSED)
{
    struct fixture f;
    struct source other;
    struct snapshot got = {.fd = -1};
    struct error err = ERROR_INIT;

    fixture_init(&f);
    mkdir(f.cache, 0700);
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", f.cache, "tmpfs", 0, "size=1m") != 0) {
        fixture_done(&f);
        skip();
    }
    fixture_fill(&f, &f.source, 7000, "Doe"); /* 700 kB */
    other = fixture_source(&f, "Other");
    fixture_fill(&f, &other, 7000, "Doe");

    struct snapshot_cache *cache = open_cache(&f, PLENTY);
    struct snapshot_key key = key_of(&f.source, 0, SNAPSHOT_IDENTITY);
    struct snapshot_key other_key = key_of(&other, 0, SNAPSHOT_IDENTITY);

    got = must_get(cache, &key, 0);
    assert_true(got.length > 600000);
    snapshot_release(&got);
    got = must_get(cache, &other_key, 0);
    assert_false(is_cached(cache, &key));

    /* What a slow client still reads cannot make room. */
    struct snapshot second = {.fd = -1};

    assert_int_equal(snapshot_get(cache, &key, 0, true, NULL, &second, &err),
                     ERR_UNAVAILABLE);
    assert_int_equal(count_files(&f, "-draft", NULL), 0);
    snapshot_release(&got);
    got = must_get(cache, &key, 0);
    snapshot_release(&got);
    snapshot_cache_close(cache);
    umount(f.cache);
    fixture_done(&f);
}

/* --- segments --------------------------------------------------------------
 */

#define ROWS 5000
#define ROUNDS 10

struct edit {
    const struct source *source;
    unsigned random, edits;
};

static unsigned
draw(struct edit *edit, unsigned below)
{
    edit->random = edit->random * 1103515245 + 12345;
    return (edit->random >> 8) % below;
}

/* Some people change, leave or come. */
static enum error_code
edit_some(struct db_tx *tx, void *context, struct error *err)
{
    struct edit *edit = context;
    const struct actor nobody = {.known = false};
    CLEANUP(arena_done) struct arena arena;
    struct record_writer writer;
    struct record record;
    enum error_code rc;

    arena_init(&arena, 1 << 20);
    rc = record_write_begin(&writer, tx, edit->source->number, clock_now_ms(),
                            &nobody, err);
    for (unsigned i = 0; rc == ERR_OK && i < edit->edits; i++) {
        char name[32];

        /* Each at most once. */
        snprintf(name, sizeof(name), "person.%u",
                 draw(edit, ROWS / edit->edits) * edit->edits + i);
        rc = record_by_account(tx, edit->source->number, str_of(name), &arena,
                               &record, err);
        if (rc == ERR_NOT_FOUND) {
            rc = ERR_OK;
            continue;
        }
        if (rc != ERR_OK)
            break;
        switch (draw(edit, 3)) {
        case 0:
            rc = record_delete(&writer, &record, err);
            break;
        case 1:
            record.text[FIELD_ACCOUNT_NAME] = str_of(
                arena_printf(&arena, "new.%u.%s", edit->random, name));
            rc = record_insert(&writer, &record, err);
            break;
        default:
            record.text[FIELD_LAST_NAME] = str_of(
                arena_printf(&arena, "L%u", edit->random));
            rc = record_update(&writer, &record, err);
        }
    }
    if (rc == ERR_OK)
        return record_write_finish(&writer, err);
    enum error_code failed UNUSED = record_write_finish(&writer, NULL);

    return rc;
}

/* Segments that were taken over from an earlier revision. */
static uint64_t
count_taken(const struct snapshot *snapshot)
{
    CLEANUP(segments_done) struct segments all;
    uint64_t taken = 0;

    assert_int_equal(snapshot_file_segments(snapshot->fd, snapshot, &all, NULL),
                     ERR_OK);
    for (uint64_t i = 0; i < all.count; i++)
        taken += all.at[i].revision < snapshot->revision;
    return taken;
}

static void
changes_cost_their_segments_and_give_the_bytes_of_a_full_rendering(
    void **state UNUSED)
{
    struct fixture f;
    struct edit edit = {.random = 1};
    uint64_t taken = 0;

    fixture_init(&f);
    edit.source = &f.source;
    fixture_fill(&f, &f.source, ROWS, "Doe");
    struct snapshot_cache *cache = open_cache(&f, PLENTY);

    for (unsigned round = 0; round < ROUNDS; round++) {
        char fresh[256], name[32];
        struct snapshot_cache *other;
        struct error err = ERROR_INIT;

        edit.edits = round % 6 == 5 ? 400 : round % 4;
        if (edit.edits > 0)
            assert_int_equal(db_write(f.db, edit_some, &edit, &err), ERR_OK);
        if (round % 8 == 7) {
            snprintf(name, sizeof(name), "column%u", round);
            fixture_attribute(&f, &f.source, name);
        }
        snprintf(fresh, sizeof(fresh), "%s-%u", f.cache, round);
        assert_int_equal(
            snapshot_cache_open(f.db, fresh, PLENTY, &registry, &other, &err),
            ERR_OK);
        int64_t now = fixture_mark(&f, &f.source).revision;

        for (unsigned i = 0; i < 2 * SNAPSHOT_CODINGS; i++) {
            enum snapshot_coding coding = i / 2;
            struct snapshot_key key = key_of(
                &f.source, i % 2 ? EXPORT_CRLF | EXPORT_GUARD : 0, coding);
            struct snapshot kept = must_get(cache, &key, now);
            struct snapshot full = must_get(other, &key, now);
            CLEANUP(buf_done) struct buf kept_text, full_text;

            assert_string_equal(kept.etag, full.etag);
            assert_int_equal(kept.rows, full.rows);
            assert_memory_equal(kept.sha256, full.sha256, 32);
            read_snapshot(&kept, coding, &kept_text);
            read_snapshot(&full, coding, &full_text);
            assert_true(str_eq(buf_view(&kept_text), buf_view(&full_text)));
            assert_int_equal(count_taken(&full), 0);
            taken += count_taken(&kept);
            snapshot_release(&kept);
            snapshot_release(&full);
        }
        snapshot_cache_close(other);
    }
    /* Most of them, most of the time. */
    assert_true(taken > ROUNDS * 2 * SNAPSHOT_CODINGS * 2);
    snapshot_cache_close(cache);
    fixture_done(&f);
}

/* The people of the first 1023 keys, or of the 1024 after. */
static enum error_code
empty_segment(struct db_tx *tx, void *context, struct error *err)
{
    const struct edit *edit = context;
    const struct actor nobody = {.known = false};
    unsigned first = edit->edits == 0 ? 0 : 1023;
    struct record_writer writer;
    enum error_code rc = record_write_begin(&writer, tx, edit->source->number,
                                            clock_now_ms(), &nobody, err);

    for (unsigned i = first; rc == ERR_OK && i < first + (first ? 1024 : 1023);
         i++) {
        CLEANUP(arena_done) struct arena arena;
        struct record record;
        char name[32];

        arena_init(&arena, 1 << 20);
        snprintf(name, sizeof(name), "person.%u", i);
        rc = record_by_account(tx, edit->source->number, str_of(name), &arena,
                               &record, err);
        if (rc == ERR_OK)
            rc = record_delete(&writer, &record, err);
    }
    enum error_code finished = record_write_finish(&writer, err);

    return rc == ERR_OK ? finished : rc;
}

static void
a_segment_that_everybody_has_left_leaves_no_trace(void **state UNUSED)
{
    struct fixture f;
    struct edit edit;

    fixture_init(&f);
    edit.source = &f.source;
    fixture_fill(&f, &f.source, 4000, "Doe");
    struct snapshot_cache *cache = open_cache(&f, PLENTY);

    for (unsigned i = 0; i < SNAPSHOT_CODINGS; i++) {
        struct snapshot_key key = key_of(&f.source, 0, i);
        struct snapshot whole = must_get(cache, &key, 0);

        snapshot_release(&whole);
    }
    for (edit.edits = 0; edit.edits < 2; edit.edits++) {
        char fresh[256];
        struct snapshot_cache *other;
        struct error err = ERROR_INIT;

        assert_int_equal(db_write(f.db, empty_segment, &edit, &err), ERR_OK);
        snprintf(fresh, sizeof(fresh), "%s-%u", f.cache, edit.edits);
        assert_int_equal(
            snapshot_cache_open(f.db, fresh, PLENTY, &registry, &other, &err),
            ERR_OK);
        int64_t now = fixture_mark(&f, &f.source).revision;

        for (unsigned i = 0; i < SNAPSHOT_CODINGS; i++) {
            struct snapshot_key key = key_of(&f.source, 0, i);
            struct snapshot kept = must_get(cache, &key, now);
            struct snapshot full = must_get(other, &key, now);
            CLEANUP(buf_done) struct buf kept_text, full_text;

            assert_int_equal(kept.length, full.length);
            assert_memory_equal(kept.sha256, full.sha256, 32);
            read_snapshot(&kept, i, &kept_text);
            read_snapshot(&full, i, &full_text);
            assert_true(str_eq(buf_view(&kept_text), buf_view(&full_text)));
            snapshot_release(&kept);
            snapshot_release(&full);
        }
        snapshot_cache_close(other);
    }
    snapshot_cache_close(cache);
    fixture_done(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            changes_cost_their_segments_and_give_the_bytes_of_a_full_rendering),
        cmocka_unit_test(snapshot_keeps_its_promises_in_every_form),
        cmocka_unit_test(nodes_make_the_same_bytes),
        cmocka_unit_test(nothing_is_rendered_where_blocking_is_not_allowed),
        cmocka_unit_test(unknown_source_is_not_found),
        cmocka_unit_test(many_askers_share_one_rendering),
        cmocka_unit_test(every_snapshot_of_a_changing_source_is_one_state),
        cmocka_unit_test(waiters_are_woken_and_then_served),
        cmocka_unit_test(late_change_is_not_answered_with_an_early_rendering),
        cmocka_unit_test(least_recently_used_goes_first),
        cmocka_unit_test(newer_revision_takes_the_place_of_the_older),
        cmocka_unit_test(restarted_cache_takes_over_what_is_current),
        cmocka_unit_test(neighbour_finds_what_another_rendered),
        cmocka_unit_test(file_that_is_not_whole_is_never_used),
        cmocka_unit_test(drafts_of_the_dead_are_removed_and_strangers_stay),
        cmocka_unit_test(deleted_files_are_rendered_again),
        cmocka_unit_test(a_segment_that_everybody_has_left_leaves_no_trace),
        cmocka_unit_test(no_room_is_unavailable_and_leaves_nothing),
        cmocka_unit_test(failure_reaches_those_who_waited),
        cmocka_unit_test(full_disk_makes_room_by_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/sink.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void
buffer_takes_all_or_fails(void **state)
{
    struct error err = ERROR_INIT;
    struct buf_sink sink;
    struct buf buf;

    (void)state;
    buf_init(&buf, 5);
    buf_sink_init(&sink, &buf);
    assert_int_equal(sink_write(&sink.sink, "abc", 3, &err), ERR_OK);
    assert_int_equal(sink_write(&sink.sink, "", 0, &err), ERR_OK);
    assert_int_equal(sink_write(&sink.sink, "def", 3, &err), ERR_INTERNAL);
    assert_string_equal(buf.data, "abc");
    buf_done(&buf);
}

#define MANY ((size_t)1 << 20)

static void *
read_all(void *arg)
{
    int fd = *(int *)arg;
    char part[4096];
    size_t total = 0;
    ssize_t got;

    while ((got = read(fd, part, sizeof(part))) > 0)
        total += (size_t)got;
    return (void *)(uintptr_t)total;
}

/* A pipe takes 64 KiB at a time, and refuses to wait when non-blocking. */
static void
descriptor_takes_more_than_fits_at_once(void **state)
{
    (void)state;
    for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
        struct error err = ERROR_INIT;
        struct fd_sink sink;
        pthread_t reader;
        int ends[2];
        char *bytes = calloc(1, MANY);
        void *total;

        assert_int_equal(pipe(ends), 0);
        fcntl(ends[1], F_SETFL, flags);
        pthread_create(&reader, NULL, read_all, &ends[0]);
        fd_sink_init(&sink, ends[1]);
        assert_int_equal(sink_write(&sink.sink, bytes, MANY, &err), ERR_OK);
        close(ends[1]);
        pthread_join(reader, &total);
        assert_int_equal((uintptr_t)total, MANY);
        close(ends[0]);
        free(bytes);
    }
}

static void
full_disk_may_be_tried_again(void **state)
{
    struct error err = ERROR_INIT;
    struct fd_sink sink;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    fd_sink_init(&sink, fd);
    assert_int_equal(sink_write(&sink.sink, "x", 1, &err), ERR_UNAVAILABLE);
    assert_string_equal(err.detail, "write: No space left on device");
    close(fd);

    assert_int_equal(sink_write(&sink.sink, "x", 1, &err), ERR_INTERNAL);
    assert_string_equal(err.detail, "write: Bad file descriptor");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_takes_all_or_fails),
        cmocka_unit_test(descriptor_takes_more_than_fits_at_once),
        cmocka_unit_test(full_disk_may_be_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

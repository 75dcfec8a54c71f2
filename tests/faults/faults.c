/*
 * faults.c - preloaded by a test (LD_PRELOAD): memory that gives out at the
 * Nth allocation, and a clock that somebody sets. The test tells in the file
 * that NELM_FAULTS names, which is one struct control.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
    _Atomic int64_t countdown; /* the allocation that takes it to 0 fails */
    _Atomic int64_t failed;    /* how many did */
    _Atomic int64_t clock_ms;  /* added to the time of day */
};

/* The allocator of glibc under its other names. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static struct control *control;

__attribute__((constructor)) static void
start(void)
{
    const char *path = getenv("NELM_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    void *at = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED,
                    fd, 0);

    close(fd);
    if (at != MAP_FAILED)
        control = at;
}

static int
gives_out(void)
{
    if (control == NULL || atomic_load(&control->countdown) <= 0 ||
        atomic_fetch_sub(&control->countdown, 1) != 1)
        return 0;
    atomic_fetch_add(&control->failed, 1);
    errno = ENOMEM;
    return 1;
}

void *
malloc(size_t size)
{
    return gives_out() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
    return gives_out() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
    return gives_out() ? NULL : __libc_realloc(old, size);
}

int
clock_gettime(clockid_t which, struct timespec *ret)
{
    if (syscall(SYS_clock_gettime, which, ret) != 0)
        return -1;
    if (control == NULL || which != CLOCK_REALTIME)
        return 0;
    int64_t ms = atomic_load(&control->clock_ms);

    ret->tv_sec += ms / 1000;
    ret->tv_nsec += ms % 1000 * 1000000;
    if (ret->tv_nsec < 0) {
        ret->tv_nsec += 1000000000;
        ret->tv_sec--;
    } else if (ret->tv_nsec >= 1000000000) {
        ret->tv_nsec -= 1000000000;
        ret->tv_sec++;
    }
    return 0;
}

int
gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    ret->tv_sec = now.tv_sec;
    ret->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t
time(time_t *ret)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret != NULL)
        *ret = now.tv_sec;
    return now.tv_sec;
}

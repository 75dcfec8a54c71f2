#include "http/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PHASE_BITS 2
/* TCP_CLOSE_WAIT of <netinet/tcp.h>, which cannot stand beside
 * <linux/tcp.h>. */
#define CLOSE_WAIT 8
#define GONE_MS 2000
#define SHED_AT_ONCE 64
#define SHED_AFTER_MS 1000
#define LINGER_MS 5000

void
watch_init(struct watch *watch)
{
    *watch = (struct watch){0};
    pthread_mutex_init(&watch->lock, NULL);
}

void
watch_done(struct watch *watch)
{
    for (size_t i = 0; i < watch->lingering_count; i++)
        close(watch->lingering[i].fd);
    free(watch->by_fd);
    pthread_mutex_destroy(&watch->lock);
}

static unsigned
count_of_user(const struct watch *watch, const struct net_address *user)
{
    unsigned count = 0;

    for (size_t i = 0; i < watch->size; i++)
        if (watch->by_fd[i] != NULL &&
            memcmp(&watch->by_fd[i]->user, user, sizeof(*user)) == 0)
            count++;
    return count;
}

static bool
make_room(struct watch *watch, size_t fd)
{
    if (fd < watch->size)
        return true;
    size_t size = MAX(fd + 1, watch->size * 2);
    const size_t one = sizeof(struct watched *);
    struct watched **grown = realloc(watch->by_fd, size * one);

    if (grown == NULL)
        return false;
    memset(grown + watch->size, 0, (size - watch->size) * one);
    watch->by_fd = grown;
    watch->size = size;
    return true;
}

bool
watch_add(struct watch *watch, struct watched *watched, int fd,
          const struct net_address *address, int64_t now_ms)
{
    *watched = (struct watched){.fd = fd, .since_ms = now_ms, .begun = true};
    if (address != NULL)
        watched->user = net_user(address);
    pthread_mutex_lock(&watch->lock);
    bool room = watch->count < watch->max &&
                (watch->max_per_address == 0 || address == NULL ||
                 count_of_user(watch, &watched->user) <
                     watch->max_per_address) &&
                make_room(watch, (size_t)fd);

    if (room) {
        watch->count++;
        watch->by_fd[fd] = watched;
    }
    pthread_mutex_unlock(&watch->lock);
    return room;
}

bool
watch_full(struct watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    bool full = watch->count >= watch->max;

    pthread_mutex_unlock(&watch->lock);
    return full;
}

struct watched *
watch_find(struct watch *watch, int fd)
{
    pthread_mutex_lock(&watch->lock);
    struct watched *found = (size_t)fd < watch->size ? watch->by_fd[fd] : NULL;

    pthread_mutex_unlock(&watch->lock);
    return found;
}

void
watch_remove(struct watch *watch, struct watched *watched, bool linger)
{
    pthread_mutex_lock(&watch->lock);
    watch->by_fd[watched->fd] = NULL;
    watch->count--;
    if (linger && watch->lingering_count < WATCH_MAX_LINGERING) {
        int fd = fcntl(watched->fd, F_DUPFD_CLOEXEC, 0);

        if (fd >= 0) {
            shutdown(fd, SHUT_WR);
            watch->lingering[watch->lingering_count].fd = fd;
            watch->lingering[watch->lingering_count++].until_ms = 0;
        }
    }
    pthread_mutex_unlock(&watch->lock);
}

static enum watch_phase
phase_of(unsigned value)
{
    return value & ((1u << PHASE_BITS) - 1);
}

void
watch_set_phase(struct watched *watched, enum watch_phase phase)
{
    unsigned was = atomic_load_explicit(&watched->phase, memory_order_relaxed);

    if (phase_of(was) == phase)
        return;
    /* Only the connection's own thread comes here. */
    atomic_store_explicit(&watched->phase,
                          ((was >> PHASE_BITS) + 1) << PHASE_BITS | phase,
                          memory_order_relaxed);
}

static struct tcp_info
counters(const struct watched *watched)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);

    if (getsockopt(watched->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        memset(&info, 0, sizeof(info));
    return info;
}

uint64_t
watch_acked(const struct watched *watched)
{
    return counters(watched).tcpi_bytes_acked;
}

void
watch_each(struct watch *watch,
           void (*visit)(struct watched *watched, void *context), void *context)
{
    pthread_mutex_lock(&watch->lock);
    for (size_t i = 0; i < watch->size; i++)
        if (watch->by_fd[i] != NULL)
            visit(watch->by_fd[i], context);
    pthread_mutex_unlock(&watch->lock);
}

/* Is a connection beyond its deadline? */
static bool
is_late(const struct watch *watch, struct watched *w, int64_t now_ms,
        bool idle_too)
{
    unsigned value = atomic_load_explicit(&w->phase, memory_order_relaxed);
    enum watch_phase phase = phase_of(value);
    unsigned limit_ms = 0;

    if (phase == WATCH_WORK)
        return false;
    struct tcp_info info = counters(w);
    uint64_t counter = phase == WATCH_SEND ? info.tcpi_bytes_acked
                                           : info.tcpi_bytes_received;
    bool moved = counter != w->mark;

    if (value != w->seen_phase) {
        w->seen_phase = value;
        w->since_ms = now_ms;
        w->mark = counter;
        w->begun = false;
        return false;
    }
    switch (phase) {
    case WATCH_REQUEST:
        /* Bytes do not extend the time for a head: it counts from the first
         * of them. */
        if (moved && !w->begun) {
            w->begun = true;
            w->since_ms = now_ms;
            w->mark = counter;
        }
        if (idle_too && !w->begun)
            return true;
        limit_ms = w->begun ? watch->header_ms : watch->idle_ms;
        break;
    case WATCH_BODY:
    case WATCH_SEND:
        if (counter - w->mark >= WATCH_PROGRESS_BYTES) {
            w->since_ms = now_ms;
            w->mark = counter;
        }
        limit_ms = phase == WATCH_BODY ? watch->body_ms : watch->send_ms;
        /* Behind the other side's end comes nothing. The library misses the
         * end when it came together with the last bytes. */
        if (phase == WATCH_BODY && info.tcpi_state == CLOSE_WAIT)
            limit_ms = MIN(limit_ms, GONE_MS);
        break;
    case WATCH_WORK:
        break;
    }
    return now_ms - w->since_ms >= (int64_t)limit_ms;
}

void
watch_tick(struct watch *watch, int64_t now_ms, bool idle_too)
{
    pthread_mutex_lock(&watch->lock);
    for (size_t i = 0; i < watch->size; i++) {
        struct watched *w = watch->by_fd[i];

        if (w == NULL || w->expired || !is_late(watch, w, now_ms, idle_too))
            continue;
        /* The descriptor is still open: its owner needs our lock to go. */
        w->expired = true;
        if (!idle_too)
            watch->timed_out++;
        shutdown(w->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&watch->lock);
}

/* Has nothing happened on a connection for a while that it is to blame for? */
static bool
has_stood(const struct watched *w, int64_t now_ms)
{
    unsigned value = atomic_load_explicit(&w->phase, memory_order_relaxed);

    return !w->expired && value == w->seen_phase &&
           phase_of(value) != WATCH_WORK &&
           now_ms - w->since_ms >= SHED_AFTER_MS;
}

void
watch_shed(struct watch *watch, int64_t now_ms)
{
    struct watched *oldest[SHED_AT_ONCE];
    size_t count = 0;

    pthread_mutex_lock(&watch->lock);
    for (size_t i = 0; i < watch->size; i++) {
        struct watched *w = watch->by_fd[i];

        if (w == NULL || !has_stood(w, now_ms) ||
            (count == SHED_AT_ONCE &&
             w->since_ms >= oldest[count - 1]->since_ms))
            continue;
        size_t at = count < SHED_AT_ONCE ? count++ : count - 1;

        for (; at > 0 && oldest[at - 1]->since_ms > w->since_ms; at--)
            oldest[at] = oldest[at - 1];
        oldest[at] = w;
    }
    for (size_t i = 0; i < count; i++) {
        oldest[i]->expired = true;
        watch->shed++;
        shutdown(oldest[i]->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&watch->lock);
}

size_t
watch_linger_fds(struct watch *watch, struct pollfd *to)
{
    pthread_mutex_lock(&watch->lock);
    size_t count = watch->lingering_count;

    for (size_t i = 0; i < count; i++)
        to[i] = (struct pollfd){.fd = watch->lingering[i].fd, .events = POLLIN};
    pthread_mutex_unlock(&watch->lock);
    return count;
}

/* Read and forget; false when the other side is done. */
static bool
swallow(int fd)
{
    char scrap[16 * 1024];
    ssize_t n;

    /* Only what is there: one sender must not hold everybody up. */
    for (int turn = 0; turn < 16; turn++) {
        n = recv(fd, scrap, sizeof(scrap), MSG_DONTWAIT);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
    }
    return true;
}

void
watch_linger_read(struct watch *watch, int64_t now_ms)
{
    pthread_mutex_lock(&watch->lock);
    for (size_t i = 0; i < watch->lingering_count;) {
        int fd = watch->lingering[i].fd;

        if (watch->lingering[i].until_ms == 0)
            watch->lingering[i].until_ms = now_ms + LINGER_MS;
        if (watch->lingering[i].until_ms > now_ms && swallow(fd)) {
            i++;
            continue;
        }
        close(fd);
        watch->lingering[i] = watch->lingering[--watch->lingering_count];
    }
    pthread_mutex_unlock(&watch->lock);
}

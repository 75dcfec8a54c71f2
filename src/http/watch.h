/*
 * watch.h - what every connection is doing and since when: limits on their
 * number, deadlines for each phase, and an orderly end for those that we close
 * while the other side still sends.
 *
 * A head must be complete within header_ms of its first byte. In a body, and
 * while an answer is sent, every body_ms or send_ms must bring
 * WATCH_PROGRESS_BYTES: a byte now and then is no progress. Between requests
 * a connection may stay for idle_ms.
 *
 * Progress is read from the kernel's counters of a TCP socket, so it needs no
 * hook in whatever reads and writes.
 *
 * Memory:  a connection embeds struct watched and removes it before it goes.
 * Errors:  watch_add() is false over a limit and without memory.
 * Threads: safe everywhere; watch_tick() and watch_linger_*() belong to one
 *          thread.
 */
#ifndef NELM_HTTP_WATCH_H
#define NELM_HTTP_WATCH_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/net.h"

enum watch_phase {
    WATCH_REQUEST, /* between requests, or in a request's head */
    WATCH_BODY,
    WATCH_WORK, /* ours to hurry, not theirs: no deadline */
    WATCH_SEND
};

struct watched {
    int fd;
    struct net_address user; /* of the other side */
    /* Counts the changes of phase; the low bits are the phase. */
    atomic_uint phase;
    /* The ticking thread's: */
    unsigned seen_phase;
    uint64_t mark; /* the counter when we last looked */
    int64_t since_ms;
    bool begun; /* first byte of the head was seen */
    atomic_bool expired;
};

#define WATCH_MAX_LINGERING 64
#define WATCH_PROGRESS_BYTES 256

struct watch {
    pthread_mutex_t lock;
    struct watched **by_fd;
    size_t size;
    unsigned count, max, max_per_address;
    unsigned header_ms, body_ms, idle_ms, send_ms;
    atomic_uint_fast64_t timed_out, shed;
    struct {
        int fd;
        int64_t until_ms;
    } lingering[WATCH_MAX_LINGERING];
    size_t lingering_count;
};

void watch_init(struct watch *watch);
void watch_done(struct watch *watch);

/* Begin to watch; sets every field of `watched`. Without an address, that of a
 * proxy for many, it is not counted for one. */
bool watch_add(struct watch *watch, struct watched *watched, int fd,
               const struct net_address *address, int64_t now_ms) MUST_USE;

/* Are there as many connections as there may be? */
bool watch_full(struct watch *watch);

/* The connection with that descriptor, or NULL. */
struct watched *watch_find(struct watch *watch, int fd);

/* Forget a connection whose descriptor is about to be closed. With `linger`
 * the socket stays open a little, reading and forgetting what still comes:
 * closing it at once would reset the connection, and the reset may overtake
 * our answer. */
void watch_remove(struct watch *watch, struct watched *watched, bool linger);

void watch_set_phase(struct watched *watched, enum watch_phase phase);

/* Bytes of ours that the other side has acknowledged. */
uint64_t watch_acked(const struct watched *watched);

/* Call `visit` for everybody. */
void watch_each(struct watch *watch,
                void (*visit)(struct watched *watched, void *context),
                void *context);

/* Shut the sockets of those beyond a deadline; with `idle_too` also of those
 * that are between requests. */
void watch_tick(struct watch *watch, int64_t now_ms, bool idle_too);

/* All places are taken and others wait: shut the sockets of those that have
 * been idle or without progress the longest, for at least a second. */
void watch_shed(struct watch *watch, int64_t now_ms);

/* Fill `to` with sockets to poll for input; then read what came. */
size_t watch_linger_fds(struct watch *watch, struct pollfd *to);
void watch_linger_read(struct watch *watch, int64_t now_ms);

#endif

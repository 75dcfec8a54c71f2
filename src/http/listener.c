#include "http/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/net.h"
#include "base/str.h"

#define BACKLOG 1024

/* Open one of the addresses that a name stands for. */
static int
open_socket(const struct addrinfo *info, unsigned *ret_port, bool *ret_loopback)
{
    int fd = socket(info->ai_family,
                    info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    info->ai_protocol);
    const int yes = 1;
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
        bind(fd, info->ai_addr, info->ai_addrlen) != 0 ||
        listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &len) != 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    /* The port lies at the same place for both families, and getsockname() set
     * it. NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage) */
    *ret_port = ntohs(((const struct sockaddr_in *)&bound)->sin_port);
    struct net_address address = net_of_socket((const struct sockaddr *)&bound);

    *ret_loopback = net_is_loopback(&address);
    return fd;
}

enum error_code
listener_init(struct listener *listener, const char *text, const char *scheme,
              struct error *err)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(text, ':');
    struct addrinfo *found = NULL;
    unsigned long long port;
    char host[256], service[8];

    listener->fd = -1;
    if (colon == NULL || !str_to_u64(str_of(colon + 1), 65535, &port))
        return error_set(err, ERR_VALUE, "\"%s\" is not HOST:PORT", text);
    struct str name = str_n(text, (size_t)(colon - text));
    bool literal = name.len > 1 && name.at[0] == '[' && colon[-1] == ']';

    if (literal)
        name = str_n(name.at + 1, name.len - 2);
    if (name.len >= sizeof(host) ||
        (!literal && name.len > 0 && memchr(name.at, ':', name.len) != NULL))
        return error_set(err, ERR_VALUE, "\"%s\" is not HOST:PORT", text);
    snprintf(host, sizeof(host), "%.*s", STR_ARG(name));
    snprintf(service, sizeof(service), "%llu", port);

    int rc = getaddrinfo(name.len ? host : NULL, service, &hints, &found);

    if (rc != 0)
        return error_set(err, ERR_VALUE, "cannot listen on \"%s\": %s", text,
                         gai_strerror(rc));
    for (struct addrinfo *at = found; at && listener->fd < 0; at = at->ai_next)
        listener->fd = open_socket(at, &listener->port, &listener->loopback);
    int saved = errno;

    freeaddrinfo(found);
    if (listener->fd < 0)
        return error_set(err, ERR_UNAVAILABLE, "cannot listen on \"%s\": %s",
                         text, strerrordesc_np(saved));
    snprintf(listener->url, sizeof(listener->url), "%s://%.*s:%u", scheme,
             name.len ? (int)(colon - text) : 9, name.len ? text : "localhost",
             listener->port);
    return ERR_OK;
}

void
listener_done(struct listener *listener)
{
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
}

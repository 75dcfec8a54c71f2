/*
 * net.h - addresses and networks of IPv4 and IPv6.
 *
 * An IPv4 address is kept as the IPv6 address that stands for it
 * (::ffff:192.0.2.1), so that one and the same peer compares equal whichever
 * socket it came to.
 *
 * Memory:  none.
 * Errors:  false for text that is no address or network.
 * Threads: safe everywhere.
 */
#ifndef NELM_BASE_NET_H
#define NELM_BASE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/str.h"

struct net_address {
    uint8_t bytes[16];
};

#define NET_TEXT 46 /* of an address, with its NUL */

/* Of a socket's other side; :: for what is neither IPv4 nor IPv6. */
struct net_address net_of_socket(const struct sockaddr *address);

/* "192.0.2.1", "2001:db8::1"; no port, no brackets, no zone. */
bool net_parse(struct str text, struct net_address *ret);
/* The usual spelling; returns `to`. */
const char *net_text(const struct net_address *address, char to[NET_TEXT]);

/* Is it this machine, as it talks to itself? */
bool net_is_loopback(const struct net_address *address);
/* The part of an address that one user has to himself: all of IPv4, the
 * network (/64) of IPv6. */
struct net_address net_user(const struct net_address *address);

#define NETS_MAX 64

/* A list of networks; small enough to be a setting by value. */
struct nets {
    size_t count;
    struct net {
        struct net_address address;
        unsigned bits;
    } list[NETS_MAX];
};

/* "10.0.0.0/8,2001:db8::/32,192.0.2.1", blanks allowed; an empty text is an
 * empty list. */
bool nets_parse(struct str text, struct nets *ret);
bool nets_have(const struct nets *nets, const struct net_address *address);

#endif

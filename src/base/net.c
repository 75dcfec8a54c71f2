#include "base/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define V4_BITS 96 /* of the prefix that all IPv4 addresses have */

static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

static bool
is_v4(const struct net_address *address)
{
    return memcmp(address->bytes, v4_prefix, sizeof(v4_prefix)) == 0;
}

struct net_address
net_of_socket(const struct sockaddr *address)
{
    struct net_address net = {{0}};

    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;

        memcpy(net.bytes, v4_prefix, sizeof(v4_prefix));
        memcpy(net.bytes + sizeof(v4_prefix), &in->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;

        memcpy(net.bytes, &in6->sin6_addr, sizeof(net.bytes));
    }
    return net;
}

bool
net_parse(struct str text, struct net_address *ret)
{
    char copy[NET_TEXT];

    if (text.len == 0 || text.len >= sizeof(copy) ||
        memchr(text.at, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET6, copy, ret->bytes) == 1)
        return true;
    if (inet_pton(AF_INET, copy, ret->bytes + sizeof(v4_prefix)) != 1)
        return false;
    memcpy(ret->bytes, v4_prefix, sizeof(v4_prefix));
    return true;
}

const char *
net_text(const struct net_address *address, char to[NET_TEXT])
{
    bool v4 = is_v4(address);

    inet_ntop(v4 ? AF_INET : AF_INET6, address->bytes + (v4 ? 12 : 0), to,
              NET_TEXT);
    return to;
}

bool
net_is_loopback(const struct net_address *address)
{
    static const uint8_t v6[16] = {[15] = 1};

    return is_v4(address) ? address->bytes[12] == 127
                          : memcmp(address->bytes, v6, sizeof(v6)) == 0;
}

struct net_address
net_user(const struct net_address *address)
{
    struct net_address user = *address;

    if (!is_v4(address))
        memset(user.bytes + 8, 0, 8);
    return user;
}

static bool
net_of(struct str text, struct net *ret)
{
    struct str bits = text;
    struct str address = str_cut(&bits, '/');
    unsigned long long value = 128;

    if (!net_parse(address, &ret->address))
        return false;
    bool v4 = is_v4(&ret->address) && memchr(address.at, ':', address.len) == 0;

    if (bits.at != NULL) {
        if (!str_to_u64(bits, v4 ? 32 : 128, &value))
            return false;
        value += v4 ? V4_BITS : 0;
    }
    ret->bits = (unsigned)value;
    return true;
}

bool
nets_parse(struct str text, struct nets *ret)
{
    ret->count = 0;
    if (text.len == 0)
        return true;
    while (text.at != NULL) {
        struct str word = str_trim(str_cut(&text, ','));

        if (ret->count == NETS_MAX || !net_of(word, &ret->list[ret->count]))
            return false;
        ret->count++;
    }
    return true;
}

static bool
is_in(const struct net *net, const struct net_address *address)
{
    size_t whole = net->bits / 8;
    unsigned rest = net->bits % 8;

    if (memcmp(net->address.bytes, address->bytes, whole) != 0)
        return false;
    return rest == 0 || ((net->address.bytes[whole] ^ address->bytes[whole]) >>
                         (8 - rest)) == 0;
}

bool
nets_have(const struct nets *nets, const struct net_address *address)
{
    for (size_t i = 0; i < nets->count; i++)
        if (is_in(&nets->list[i], address))
            return true;
    return false;
}

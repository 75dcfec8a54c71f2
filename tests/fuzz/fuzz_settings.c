/* A configuration file. What was understood, written down in plain numbers and
 * loaded again, from a file or from flags, is the same. The text also serves
 * as an address and as a list of networks. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/settings.h"
#include "fuzz.h"

static void
put_networks(struct buf *to, const struct nets *nets)
{
    char text[INET6_ADDRSTRLEN];

    for (size_t i = 0; i < nets->count; i++) {
        const struct net *net = &nets->list[i];

        FUZZ_CHECK(inet_ntop(AF_INET6, net->address.bytes, text, sizeof(text)));
        buf_printf(to, "%s%s/%u", i == 0 ? "" : " , ", text, net->bits);
    }
}

static void
put_value(struct buf *to, const struct setting *row, const void *value)
{
    static const char *const formats[] = {"logfmt", "json"};
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    static const char *const sandboxes[] = {"auto", "on", "off"};
    const struct rate *rate = value;

    switch (row->kind) {
    case SETTING_TEXT:
    case SETTING_ADDRESS:
    case SETTING_URL:
    case SETTING_ORIGINS:
        buf_text(to, *(const char *const *)value);
        break;
    case SETTING_SWITCH:
        buf_text(to, *(const bool *)value ? "on" : "off");
        break;
    case SETTING_COUNT:
    case SETTING_SIZE:
    case SETTING_SECONDS:
        FUZZ_CHECK(*(const uint64_t *)value >= row->least &&
                   *(const uint64_t *)value <= row->most);
        buf_printf(to, "%" PRIu64, *(const uint64_t *)value);
        break;
    case SETTING_RATE:
        FUZZ_CHECK(rate->seconds > 0);
        buf_printf(to, "%" PRIu64 "/%" PRIu64, rate->count, rate->seconds);
        break;
    case SETTING_NETWORKS:
        put_networks(to, value);
        break;
    case SETTING_FORMAT:
        buf_text(to, formats[*(const enum log_format *)value]);
        break;
    case SETTING_LEVEL:
        buf_text(to, levels[*(const enum log_level *)value]);
        break;
    case SETTING_SANDBOX:
        buf_text(to, sandboxes[*(const enum sandbox_mode *)value]);
        break;
    }
}

/* All settings but the name of the file. */
static void
put(struct buf *to, const struct settings *settings)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *row = &settings_table[i];

        if (i == SETTING_NUMBER_config)
            continue;
        buf_printf(to, "%s = ", row->name);
        put_value(to, row, (const char *)settings + row->offset);
        buf_char(to, '\n');
    }
    FUZZ_CHECK(!to->failed);
}

static enum error_code
load_file(struct str text, struct buf *to, struct error *err)
{
    const char *flags[SETTINGS] = {NULL};
    struct settings settings;
    char path[40];
    int fd = memfd_create("settings", 0);

    FUZZ_CHECK(fd >= 0 && write(fd, text.at, text.len) == (ssize_t)text.len);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    flags[SETTING_NUMBER_config] = path;
    enum error_code rc = settings_load(&settings, flags, err);

    if (rc == ERR_OK)
        put(to, &settings);
    settings_done(&settings);
    close(fd);
    return rc;
}

/* `lines` is what put() wrote, and is cut up. */
static void
load_flags(char *lines, struct buf *to)
{
    const char *flags[SETTINGS] = {NULL};
    struct settings settings;

    for (char *end; (end = strchr(lines, '\n')) != NULL; lines = end + 1) {
        char *value = strstr(lines, " = ");
        const struct setting *row = setting_find(
            str_n(lines, (size_t)(value - lines)));

        *end = '\0';
        flags[row - settings_table] = value + 3;
    }
    FUZZ_CHECK(settings_load(&settings, flags, NULL) == ERR_OK);
    put(to, &settings);
    settings_done(&settings);
}

static void
check_file(struct str text)
{
    CLEANUP(buf_done) struct buf first, second, third;
    struct error err = ERROR_INIT;

    buf_init(&first, 1 << 24);
    buf_init(&second, 1 << 24);
    buf_init(&third, 1 << 24);
    if (load_file(text, &first, &err) != ERR_OK) {
        FUZZ_CHECK(err.code == ERR_VALUE && err.text[0] != '\0');
        return;
    }
    FUZZ_CHECK(text.len == 0 || memchr(text.at, '\0', text.len) == NULL);
    FUZZ_CHECK(load_file(buf_view(&first), &second, &err) == ERR_OK);
    FUZZ_CHECK(str_eq(buf_view(&first), buf_view(&second)));
    load_flags(second.data, &third);
    FUZZ_CHECK(str_eq(buf_view(&first), buf_view(&third)));
}

/* Is `address` in the network, bit by bit? */
static bool
is_in(const struct net *net, const struct net_address *address)
{
    for (unsigned i = 0; i < net->bits; i++)
        if (((net->address.bytes[i / 8] ^ address->bytes[i / 8]) >>
             (7 - i % 8)) &
            1)
            return false;
    return true;
}

static void
check_nets(struct str text)
{
    static struct nets nets;
    struct net_address address, again;
    char to[NET_TEXT];

    if (net_parse(text, &address)) {
        FUZZ_CHECK(net_parse(str_of(net_text(&address, to)), &again));
        FUZZ_CHECK(memcmp(&address, &again, sizeof(address)) == 0);
    }
    if (!nets_parse(text, &nets))
        return;
    for (size_t i = 0; i < nets.count; i++) {
        bool found = false;

        FUZZ_CHECK(nets.list[i].bits <= 128);
        FUZZ_CHECK(nets_have(&nets, &nets.list[i].address));
        address = nets.list[i].address;
        address.bytes[i % 16] ^= (uint8_t)(1 << i % 8);
        for (size_t j = 0; j < nets.count; j++)
            found = found || is_in(&nets.list[j], &address);
        FUZZ_CHECK(nets_have(&nets, &address) == found);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);

    clearenv(); /* settings come from there too */
    check_file(text);
    check_nets(text);
    return 0;
}

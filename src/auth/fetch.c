#include "auth/fetch.h"

#include <curl/curl.h>

#include "base/net.h"

#define PROTOCOLS "http,https" /* which of them: fetch_allowed() */

enum error_code
fetch_begin(struct error *err)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK
               ? ERR_OK
               : error_internal(err, "libcurl does not start");
}

static bool
begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool
is_this_machine(CURLU *url)
{
    struct net_address address;
    char *host = NULL;
    bool is = false;

    if (curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        struct str name = str_of(host);

        if (name.len > 2 && name.at[0] == '[')
            name = str_n(name.at + 1, name.len - 2);
        is = str_eq(name, STR("localhost")) ||
             (net_parse(name, &address) && net_is_loopback(&address));
    }
    curl_free(host);
    return is;
}

bool
fetch_allowed(const char *text, bool plain)
{
    CURLU *url = curl_url();
    bool good = url != NULL &&
                curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER) ==
                    CURLUE_OK &&
                (begins(text, "https://") ||
                 (plain && begins(text, "http://") && is_this_machine(url)));

    curl_url_cleanup(url);
    return good;
}

static size_t
take(char *bytes, size_t one, size_t len, void *to)
{
    struct buf *buf = to;

    buf_add(buf, bytes, one * len);
    return buf->failed ? 0 : len;
}

static int
stopped(void *context, curl_off_t total UNUSED, curl_off_t now UNUSED,
        curl_off_t up_total UNUSED, curl_off_t up_now UNUSED)
{
    return atomic_load((atomic_bool *)context);
}

/* Names of hosts are looked up by a thread that knows no deadline: who is done
 * does not wait for it.
 *
 * A proxy that the environment names is used, but not to reach this machine,
 * which is what plain HTTP is for. */
static bool
prepare(CURL *curl, const char *url, struct str authorities, atomic_bool *stop,
        struct buf *to, char *why)
{
    struct curl_blob blob = {.data = (void *)(uintptr_t)authorities.at,
                             .len = authorities.len,
                             .flags = CURL_BLOB_NOCOPY};

    return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, PROTOCOLS) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                            (long)FETCH_CONNECT_MS) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)FETCH_MS) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, to) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, stopped) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFODATA, stop) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, "nelm/" NELM_VERSION) ==
               CURLE_OK &&
           (!begins(url, "http://") ||
            curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK) &&
           (authorities.len == 0 ||
            (curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob) == CURLE_OK &&
             curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK));
}

enum error_code
fetch_get(const char *url, struct str authorities, atomic_bool *stop,
          struct buf *to, struct error *err)
{
    char why[CURL_ERROR_SIZE] = "";
    CURL *curl = curl_easy_init();
    CURLcode rc = CURLE_FAILED_INIT;
    long status = 0;

    if (curl != NULL && prepare(curl, url, authorities, stop, to, why))
        rc = curl_easy_perform(curl);
    if (rc == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (to->full)
        return error_set(err, ERR_UNAVAILABLE, "%s is longer than %zu bytes",
                         url, to->max);
    if (rc != CURLE_OK)
        return error_set(err, ERR_UNAVAILABLE, "could not get %s: %s", url,
                         why[0] ? why : curl_easy_strerror(rc));
    if (status != 200)
        return error_set(err, ERR_UNAVAILABLE, "could not get %s: status %ld",
                         url, status);
    return ERR_OK;
}

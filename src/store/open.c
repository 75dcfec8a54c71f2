#include "store/open.h"

#include "store/stmt.h"

#define BUSY_MS 30000

/* An import changes the leaves of two indexes at random; with less they are
 * written to the log again and again. The limit is the promise about peak
 * memory. */
#define CACHE_BYTES ((size_t)32 << 20)

static const char *
is_set(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

enum error_code
store_open_as(const struct settings *settings, const char *url, bool create,
              struct db **ret, struct error *err)
{
    const struct db_options options = {
        .statements = stmt_list,
        .statement_count = STMT_COUNT,
        .connections = (unsigned)settings->database_connections,
        .busy_ms = BUSY_MS,
        .cache_bytes = CACHE_BYTES,
        .statement_ms = (unsigned)settings->database_statement_timeout * 1000,
        .idle_ms = (unsigned)settings->database_idle_timeout * 1000,
        .read_url = is_set(settings->database_read),
        .prepare = settings->database_prepare};

    return db_open(url, &options, create, ret, err);
}

enum error_code
store_open(const char *url, bool create, struct db **ret, struct error *err)
{
    static const struct settings settings = {.database_connections = 16,
                                             .database_prepare = true};

    return store_open_as(&settings, url, create, ret, err);
}

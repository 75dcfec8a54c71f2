#include "store/open.h"

#include "store/stmt.h"

#define READERS 16 /* connections to PostgreSQL */
#define BUSY_MS 30000
#define STATEMENT_MS 60000

/* An import changes the leaves of two indexes at random; with less they are
 * written to the log again and again. The limit is the promise about peak
 * memory. */
#define CACHE_BYTES ((size_t)32 << 20)

enum error_code
store_open(const char *url, bool create, struct db **ret, struct error *err)
{
    const struct db_options options = {.statements = stmt_list,
                                       .statement_count = STMT_COUNT,
                                       .readers = READERS,
                                       .busy_ms = BUSY_MS,
                                       .cache_bytes = CACHE_BYTES,
                                       .statement_ms = STATEMENT_MS,
                                       .prepare = true};

    return db_open(url, &options, create, ret, err);
}

#include "fmt/json_read.h"

#include <pthread.h>
#include <stdlib.h>

static _Thread_local bool ran_out;

static void *
allocate(size_t size)
{
    void *memory = malloc(size);

    if (memory == NULL && size > 0)
        ran_out = true;
    return memory;
}

static void
use_ours(void)
{
    json_set_alloc_funcs(allocate, free);
}

void
json_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, use_ours);
    ran_out = false;
}

bool
json_ran_out(void)
{
    return ran_out;
}

enum error_code
json_read(struct str text, json_t **ret, struct error *err)
{
    json_begin();
    json_t *value = json_loadb(text.at ? text.at : "", text.len,
                               JSON_REJECT_DUPLICATES, NULL);

    if (ran_out) {
        json_decref(value);
        return error_busy(err, "no memory for JSON");
    }
    if (value == NULL)
        return error_set(err, ERR_SYNTAX, NULL);
    *ret = value;
    return ERR_OK;
}

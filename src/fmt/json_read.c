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

size_t
json_depth(struct str text)
{
    size_t depth = 0, deepest = 0;
    bool in_text = false;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        if (in_text) {
            i += c == '\\';
            in_text = c != '"';
        } else if (c == '"') {
            in_text = true;
        } else if (c == '[' || c == '{') {
            depth++;
            deepest = MAX(deepest, depth);
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return deepest;
}

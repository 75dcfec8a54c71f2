/* Sorters that were understood are made of the text, and come back from it. */
#include "base/buf.h"
#include "base/compiler.h"
#include "fmt/sorters.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    CLEANUP(buf_done) struct buf again;
    struct sorters sorters, same;

    buf_init(&again, 2 * size + 64);
    if (sorters_parse(text, &sorters, NULL) != ERR_OK)
        return 0;
    FUZZ_CHECK(sorters.count > 0 && sorters.count <= SORTERS_MAX);
    for (size_t i = 0; i < sorters.count; i++) {
        struct str field = sorters.by[i].field;

        FUZZ_CHECK(field.len > 0 && field.at >= text.at &&
                   field.at + field.len <= text.at + text.len);
        buf_text(&again, i == 0 ? "" : ",");
        buf_text(&again, sorters.by[i].descending ? "-" : "");
        buf_str(&again, field);
    }
    FUZZ_CHECK(sorters_parse(buf_view(&again), &same, NULL) == ERR_OK);
    FUZZ_CHECK(same.count == sorters.count);
    for (size_t i = 0; i < same.count; i++)
        FUZZ_CHECK(str_eq(same.by[i].field, sorters.by[i].field) &&
                   same.by[i].descending == sorters.by[i].descending);
    return 0;
}

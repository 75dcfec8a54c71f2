#include "fmt/sorters.h"

#include "fmt/parameter.h"

enum error_code
sorters_parse(struct str text, struct sorters *ret, struct error *err)
{
    struct sorters sorters = {.count = 0};

    do {
        struct str field = str_trim(str_cut(&text, ','));
        bool descending = field.len > 0 && field.at[0] == '-';

        if (descending)
            field = str_n(field.at + 1, field.len - 1);
        if (field.len == 0)
            return parameter_error(err, "sorters", "a field is empty");
        for (size_t i = 0; i < sorters.count; i++)
            if (str_eq(sorters.by[i].field, field))
                return parameter_error(err, "sorters",
                                       "the field \"%.*s\" is there twice",
                                       STR_ARG(field));
        if (sorters.count == SORTERS_MAX)
            return parameter_error(err, "sorters", "more than %d fields",
                                   SORTERS_MAX);
        sorters.by[sorters.count++] = (struct sorter){field, descending};
    } while (text.at != NULL);
    *ret = sorters;
    return ERR_OK;
}

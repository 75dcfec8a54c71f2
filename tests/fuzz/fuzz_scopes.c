/* What a client may do, LF, what it asks for. Asking never widens: no scope
 * comes out that was not granted, and what came out narrows to itself. */
#include <string.h>

#include "auth/principal.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str wanted = str_n((const char *)data, size), got, again, bad;
    struct str has = str_cut(&wanted, '\n'), rest, word;

    if (has.len > SCOPES_MAX)
        return 0; /* no client has so many */
    if (!scopes_narrow(has, wanted, &got, &bad)) {
        FUZZ_CHECK(bad.at >= wanted.at &&
                   bad.at + bad.len <= wanted.at + wanted.len);
        return 0;
    }
    unsigned granted = scopes_parse(has), given = scopes_parse(got);

    FUZZ_CHECK((granted & SCOPE_ALL) || (given & ~granted) == 0);
    FUZZ_CHECK(scopes_narrow(got, got, &again, &bad) &&
               str_eq(str_trim(got), str_trim(again)));
    for (rest = got; list_next(&rest, &word);)
        FUZZ_CHECK(word.len > 0 && memchr(word.at, ' ', word.len) == NULL);
    return 0;
}

/*
 * fuzz.h - what a driver of tests/fuzz defines, and how it complains.
 *
 * Memory:  the input belongs to the caller and ends where `size` says.
 * Errors:  FUZZ_CHECK() ends the process, in release builds too.
 * Threads: one.
 */
#ifndef NELM_TESTS_FUZZ_H
#define NELM_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libFuzzer calls it before the first input, if there is one. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define FUZZ_CHECK(what)                                                       \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                           \
        }                                                                      \
    } while (0)

#endif

/*
 * Ends a libFuzzer program when it has used $FUZZ_CPU seconds of processor
 * time. libFuzzer counts wall clock only, which says little about the work
 * done on a machine that does other things too.
 */
#include <signal.h>
#include <time.h>

#include "fuzz.h"

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *text = getenv("FUZZ_CPU");
    /* Makes libFuzzer finish the input, print its figures and exit. */
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                             .sigev_signo = SIGUSR1};
    struct itimerspec after = {0};
    timer_t timer;

    (void)argc, (void)argv;
    if (text == NULL)
        return 0;
    after.it_value.tv_sec = strtol(text, NULL, 10);
    FUZZ_CHECK(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) == 0 &&
               timer_settime(timer, 0, &after, NULL) == 0);
    return 0;
}

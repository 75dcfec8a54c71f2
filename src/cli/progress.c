#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define SHOW_MS 200

void
progress_begin(struct progress *progress, const char *doing, const char *unit,
               uint64_t total)
{
    *progress = (struct progress){.doing = doing,
                                  .unit = unit,
                                  .total = total,
                                  .terminal = isatty(STDERR_FILENO),
                                  .began_ms = clock_mono_ms()};
    progress->shown_ms = progress->began_ms;
}

void
progress_show(struct progress *progress, uint64_t done, uint64_t count)
{
    int64_t now = progress->terminal ? clock_mono_ms() : 0;

    if (!progress->terminal || now - progress->shown_ms < SHOW_MS)
        return;
    double seconds = (double)(now - progress->began_ms) / 1000;

    fprintf(stderr, "\r%s: %" PRIu64 " %s, %.0f a second", progress->doing,
            count, progress->unit, (double)count / seconds);
    if (done > 0 && done <= progress->total) {
        double part = (double)done / (double)progress->total;
        long left = (long)(seconds / part - seconds);

        fprintf(stderr, ", %.0f %%, %ld:%02ld left", part * 100, left / 60,
                left % 60);
    }
    fputs("\033[K", stderr);
    progress->shown_ms = now;
}

void
progress_end(struct progress *progress)
{
    if (progress->terminal)
        fputs("\r\033[K", stderr);
}

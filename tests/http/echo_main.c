/* The test application as a program, to measure the layer alone:
 * echo PORT [EVENT_THREADS], until its standard input ends. */
#include "echo.h"

#include <stdio.h>
#include <stdlib.h>

int
main(int argc, char **argv)
{
    struct http_options options = echo_options();
    struct error err = ERROR_INIT;
    struct echo echo;
    char listen[64];

    snprintf(listen, sizeof(listen), "127.0.0.1:%s", argc > 1 ? argv[1] : "0");
    options.listen = listen;
    options.event_threads = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
    if (echo_start(&echo, &options, &err) != ERR_OK) {
        fprintf(stderr, "%s %s\n", error_text(&err), err.detail);
        return 1;
    }
    fprintf(stderr, "listening on %s\n", http_server_url(echo.server));
    while (getchar() != EOF)
        ;
    echo_stop(&echo);
    return 0;
}

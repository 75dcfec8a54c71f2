/*
 * cors.h - calls from pages of other origins, as far as the operator lists
 * these (Fetch standard, contract 1.2). Never with cookies: a page of another
 * origin must bring a token.
 *
 * Memory:  text lives in the exchange's arena.
 * Errors:  none: what is not allowed is answered as if there were no CORS.
 * Threads: as a call.
 */
#ifndef NELM_API_CORS_H
#define NELM_API_CORS_H

#include "api/call.h"

/* Is it a browser that asks whether a page may call `methods` (enum
 * http_method) of a path? Then its answer is made here. */
bool cors_preflight(struct call *call, unsigned methods);

/* Let the page of an allowed origin read the answer. */
void cors_finish(struct call *call);

#endif

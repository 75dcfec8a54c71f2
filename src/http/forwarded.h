/*
 * forwarded.h - what a proxy in front of us says of the client: Forwarded
 * (RFC 7239) and X-Forwarded-For, -Proto and -Host.
 *
 * Every proxy adds itself at the right, and whatever stands left of what a
 * trusted one wrote may be anybody's invention. So the list is walked from
 * the right, and the client is the first address that is no trusted proxy.
 *
 * Memory:  what is set points into the headers or the arena.
 * Errors:  ERR_SYNTAX with a reason.
 * Threads: safe everywhere.
 */
#ifndef NELM_HTTP_FORWARDED_H
#define NELM_HTTP_FORWARDED_H

#include "base/net.h"
#include "http/message.h"

#define FORWARDED_MAX_HOPS 32

/* For a request that came from a trusted proxy: set its peer, tls and host to
 * what the client had. A hop without an address ("unknown", "_name") ends the
 * walk. A request that says two things, here and there, is refused: a proxy
 * that writes the one lets the other pass from the client. */
enum error_code http_forwarded(struct http_request *request,
                               const struct nets *trusted, struct arena *arena,
                               struct error *err) MUST_USE;

#endif

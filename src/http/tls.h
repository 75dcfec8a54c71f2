/*
 * tls.h - the certificate and key that connections are made with, and their
 * replacement while connections are open.
 *
 * A connection keeps the certificate that it began with; a new one is for
 * those that come after it.
 *
 * Memory:  a struct tls_cert is counted: tls_cert_unref(). A struct tls holds
 *          one; its paths are borrowed.
 * Errors:  ERR_VALUE with the file and the reason.
 * Threads: safe everywhere; tls_init() and tls_done() once.
 */
#ifndef NELM_HTTP_TLS_H
#define NELM_HTTP_TLS_H

#include <gnutls/abstract.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"

/* What we speak: nothing older (RFC 8996), and what GnuTLS holds for safe. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct tls_cert {
    atomic_int refs;
    gnutls_certificate_credentials_t credentials;
    int64_t expires_s; /* of the first of the chain that does */
};

struct tls {
    const char *cert_path, *key_path;
    pthread_mutex_t lock; /* of `current`, the pointer */
    struct tls_cert *current;
};

/* Read both PEM files, the certificate with its chain. */
enum error_code tls_init(struct tls *tls, const char *cert_path,
                         const char *key_path, struct error *err) MUST_USE;
void tls_done(struct tls *tls);

/* Read them again. When they cannot be used, or the new certificate is not
 * valid now, the old one stays. */
enum error_code tls_reload(struct tls *tls, struct error *err) MUST_USE;

/* When does the certificate for new connections end? */
int64_t tls_expires_s(struct tls *tls);

/* Make `session` use the current certificate, which must be kept as long as the
 * session is there. NULL without memory: then its handshake fails. */
struct tls_cert *tls_use(struct tls *tls, gnutls_session_t session);
void tls_cert_unref(struct tls_cert *cert); /* NULL is fine */

#endif

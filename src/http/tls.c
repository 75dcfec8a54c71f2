#include "http/tls.h"

#include <gnutls/x509.h>
#include <stdlib.h>

#include "base/clock.h"

void
tls_cert_unref(struct tls_cert *cert)
{
    if (cert == NULL || atomic_fetch_sub(&cert->refs, 1) > 1)
        return;
    if (cert->credentials != NULL)
        gnutls_certificate_free_credentials(cert->credentials);
    free(cert);
}

static struct tls_cert *
current(struct tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    struct tls_cert *cert = tls->current;

    atomic_fetch_add(&cert->refs, 1);
    pthread_mutex_unlock(&tls->lock);
    return cert;
}

/* From when to when is all of a chain valid? Also tells whether it can be read
 * at all, without what the library forgets to free when it cannot. */
static int
read_chain(const char *path, int64_t *ret_begin_s, int64_t *ret_end_s)
{
    gnutls_datum_t text = {NULL, 0};
    gnutls_x509_crt_t *chain = NULL;
    unsigned count = 0;
    int rc = gnutls_load_file(path, &text);

    if (rc == GNUTLS_E_SUCCESS)
        rc = gnutls_x509_crt_list_import2(&chain, &count, &text,
                                          GNUTLS_X509_FMT_PEM, 0);
    *ret_begin_s = INT64_MIN;
    *ret_end_s = INT64_MAX;
    for (unsigned i = 0; rc >= 0 && i < count; i++) {
        *ret_begin_s = MAX(*ret_begin_s,
                           gnutls_x509_crt_get_activation_time(chain[i]));
        *ret_end_s = MIN(*ret_end_s,
                         gnutls_x509_crt_get_expiration_time(chain[i]));
        gnutls_x509_crt_deinit(chain[i]);
    }
    if (rc >= 0)
        gnutls_free(chain);
    gnutls_free(text.data);
    return rc;
}

static enum error_code
load(struct tls_cert *cert, const struct tls *tls, bool valid_now,
     struct error *err)
{
    int64_t begin_s, now_s = clock_now_ms() / 1000;
    int rc = read_chain(tls->cert_path, &begin_s, &cert->expires_s);

    if (rc >= 0)
        rc = gnutls_certificate_allocate_credentials(&cert->credentials);
    if (rc >= 0)
        rc = gnutls_certificate_set_x509_key_file(cert->credentials,
                                                  tls->cert_path, tls->key_path,
                                                  GNUTLS_X509_FMT_PEM);
    if (rc < 0)
        return error_set(err, ERR_VALUE,
                         "cannot use the certificate \"%s\" with the key "
                         "\"%s\": %s",
                         tls->cert_path, tls->key_path, gnutls_strerror(rc));
    if (valid_now && (begin_s > now_s || cert->expires_s <= now_s))
        return error_set(err, ERR_VALUE, "the certificate \"%s\" %s",
                         tls->cert_path,
                         begin_s > now_s ? "is not valid yet" : "has expired");
    return ERR_OK;
}

static enum error_code
replace(struct tls *tls, bool valid_now, struct error *err)
{
    struct tls_cert *cert = calloc(1, sizeof(*cert));
    enum error_code rc;

    if (cert == NULL)
        return error_internal(err, "out of memory");
    atomic_init(&cert->refs, 1);
    rc = load(cert, tls, valid_now, err);
    if (rc == ERR_OK) {
        pthread_mutex_lock(&tls->lock);
        struct tls_cert *old = tls->current;

        tls->current = cert;
        pthread_mutex_unlock(&tls->lock);
        cert = old;
    }
    tls_cert_unref(cert);
    return rc;
}

enum error_code
tls_init(struct tls *tls, const char *cert_path, const char *key_path,
         struct error *err)
{
    *tls = (struct tls){.cert_path = cert_path, .key_path = key_path};
    pthread_mutex_init(&tls->lock, NULL);
    return replace(tls, false, err);
}

void
tls_done(struct tls *tls)
{
    tls_cert_unref(tls->current);
    pthread_mutex_destroy(&tls->lock);
}

enum error_code
tls_reload(struct tls *tls, struct error *err)
{
    return replace(tls, true, err);
}

int64_t
tls_expires_s(struct tls *tls)
{
    struct tls_cert *cert = current(tls);
    int64_t expires_s = cert->expires_s;

    tls_cert_unref(cert);
    return expires_s;
}

struct tls_cert *
tls_use(struct tls *tls, gnutls_session_t session)
{
    struct tls_cert *cert = current(tls);

    if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE,
                               cert->credentials) == GNUTLS_E_SUCCESS)
        return cert;
    tls_cert_unref(cert);
    return NULL;
}

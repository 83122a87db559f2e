/* Requests bound to their TLS connection; see bound.h. */
#include "bound.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "stats.h"

enum { EXPORTER_BYTES = 32, EXPORTER_BASE64 = 44, REQUEST_BYTES = 4096 };

static const char LABEL[] = "EXPORTER-Channel-Binding";

static void need(int done, const char *what)
{
    if (done <= 0)
        die(what, ERR_reason_error_string(ERR_peek_error()));
}

size_t bound_body(SSL *tls, const struct pool_entry *entry, char *body, size_t room)
{
    unsigned char secret[EXPORTER_BYTES], text[EXPORTER_BASE64 + 1];
    need(SSL_export_keying_material(tls, secret, sizeof secret, LABEL, sizeof LABEL - 1,
                                    (const unsigned char *)"", 0, 1),
         "the connection exports no keying material");
    EVP_EncodeBlock(text, secret, sizeof secret);

    X509_REQ *request = X509_REQ_dup(entry->request);
    if (!request)
        die("out of memory", NULL);
    need(X509_REQ_add1_attr_by_NID(request, NID_pkcs9_challengePassword, V_ASN1_UTF8STRING,
                                   text, EXPORTER_BASE64),
         "cannot add the binding");
    need(X509_REQ_sign(request, entry->key, EVP_sha256()), "cannot sign a bound request");
    unsigned char der[REQUEST_BYTES], *at = der;
    int length = i2d_X509_REQ(request, NULL);
    if (length <= 0 || length > REQUEST_BYTES || (size_t)(length + 2) / 3 * 4 >= room)
        die("a bound request is too long", NULL);
    i2d_X509_REQ(request, &at);
    X509_REQ_free(request);
    return (size_t)EVP_EncodeBlock((unsigned char *)body, der, length);
}

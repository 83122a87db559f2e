/* Requests bound to their TLS connection; see bound.h. */
#define _GNU_SOURCE
#include "bound.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "pool.h"
#include "stats.h"

enum {
    EXPORTER_BYTES = 32,
    EXPORTER_BASE64 = 44,
    SIGNATURE_BYTES = 80, /* ECDSA with P-256 takes 72 at most */
    REQUEST_BYTES = 4096,
    HEAD_BYTES = 4, /* of a SEQUENCE of 256 to 65,535 octets */
};

static const char LABEL[] = "EXPORTER-Channel-Binding";

/* Stands where a binding will; no other value in a CSR is like it. */
static const char ROOM[EXPORTER_BASE64 + 1] = "############################################";

/* AlgorithmIdentifier of ecdsa-with-SHA256 (RFC 5758 §3.2). */
static const unsigned char ECDSA_SHA256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                             0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};

static void need(int done, const char *what)
{
    if (done <= 0)
        die(what, ERR_reason_error_string(ERR_peek_error()));
}

struct bound bound_prepare(X509_REQ *request)
{
    struct bound bound = {0};
    need(X509_REQ_add1_attr_by_NID(request, NID_pkcs9_challengePassword, V_ASN1_UTF8STRING,
                                   (const unsigned char *)ROOM, EXPORTER_BASE64),
         "cannot add room for a binding");
    int length = i2d_re_X509_REQ_tbs(request, &bound.info);
    need(length, "cannot encode a request");
    bound.length = (size_t)length;
    unsigned char *found = memmem(bound.info, bound.length, ROOM, EXPORTER_BASE64);
    if (!found)
        die("a request has no room for a binding", NULL);
    bound.binding_at = (size_t)(found - bound.info);
    return bound;
}

/* ECDSA-Sig-Value (DER) of the content; gives its length. */
static size_t sign(EVP_PKEY *key, const unsigned char *content, size_t length,
                   unsigned char *signature, size_t room)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context)
        die("out of memory", NULL);
    need(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), "cannot use a key");
    need(EVP_DigestSign(context, signature, &room, content, length),
         "cannot sign a bound request");
    EVP_MD_CTX_free(context);
    return room;
}

size_t bound_body(SSL *tls, const struct pool_entry *entry, char *body, size_t room)
{
    unsigned char secret[EXPORTER_BYTES], text[EXPORTER_BASE64 + 1];
    need(SSL_export_keying_material(tls, secret, sizeof secret, LABEL, sizeof LABEL - 1,
                                    (const unsigned char *)"", 0, 1),
         "the connection exports no keying material");
    EVP_EncodeBlock(text, secret, sizeof secret);

    const struct bound *bound = &entry->bound;
    size_t most = bound->length + sizeof ECDSA_SHA256 + 3 + SIGNATURE_BYTES;
    if (HEAD_BYTES + most > REQUEST_BYTES || (HEAD_BYTES + most + 2) / 3 * 4 >= room)
        die("a bound request is too long", NULL);

    unsigned char der[REQUEST_BYTES], *info = der + HEAD_BYTES;
    memcpy(info, bound->info, bound->length);
    memcpy(info + bound->binding_at, text, EXPORTER_BASE64);
    unsigned char *at = info + bound->length;
    memcpy(at, ECDSA_SHA256, sizeof ECDSA_SHA256);
    at += sizeof ECDSA_SHA256;
    size_t signature = sign(entry->key, info, bound->length, at + 3, SIGNATURE_BYTES);
    *at++ = V_ASN1_BIT_STRING;
    *at++ = (unsigned char)(signature + 1);
    *at++ = 0; /* no bits are unused */
    at += signature;

    size_t content = (size_t)(at - info);
    if (content < 256)
        die("a bound request is too short for two octets of length", NULL);
    der[0] = V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED;
    der[1] = 0x82; /* two octets of length follow */
    der[2] = (unsigned char)(content >> 8);
    der[3] = (unsigned char)content;
    return (size_t)EVP_EncodeBlock((unsigned char *)body, der, (int)(HEAD_BYTES + content));
}

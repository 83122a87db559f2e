/* Requests that prove which TLS connection they were made for (RFC 9266). */
#ifndef BENCH_BOUND_H
#define BENCH_BOUND_H

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stddef.h>

struct pool_entry;

/* What a CSR has signed (RFC 2986 §4), DER, with room for a binding in it. */
struct bound {
    unsigned char *info;
    size_t length;
    size_t binding_at;
};

/* Makes room in a CSR for a binding; before the load, so that a bound request
 * costs the client little more than its signature. */
struct bound bound_prepare(X509_REQ *request);

/* Writes the entry's CSR with the connection's tls-exporter value as its
 * challengePassword, signed again with the entry's key, as base64 to body; gives
 * its length. The handshake must be done. Ends the program where it cannot. */
size_t bound_body(SSL *tls, const struct pool_entry *entry, char *body, size_t room);

#endif

/* Requests that prove which TLS connection they were made for (RFC 9266). */
#ifndef BENCH_BOUND_H
#define BENCH_BOUND_H

#include <openssl/ssl.h>
#include <stddef.h>

#include "pool.h"

/* Writes the entry's CSR with the connection's tls-exporter value as its
 * challengePassword, signed again with the entry's key, as base64 to body; gives
 * its length. The handshake must be done. Ends the program where it cannot. */
size_t bound_body(SSL *tls, const struct pool_entry *entry, char *body, size_t room);

#endif

/*
 * The pool of requests: one body, and for renewals one device certificate with
 * its key, for each connection.
 *
 * A server that follows RFC 7030 clients well answers the same request with the
 * same certificate, so a body used twice would measure a lookup instead of an
 * enrollment. File format: records of three fields (body, certificate DER,
 * private key DER), each behind a 32-bit little-endian length; an empty
 * certificate means that none is shown.
 */
#ifndef BENCH_POOL_H
#define BENCH_POOL_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "bound.h"

struct pool_entry {
    const char *body;
    size_t body_length;
    X509 *certificate; /* NULL: no client certificate */
    EVP_PKEY *key;       /* of the certificate, or with bind of the CSR */
    struct bound bound;  /* with bind: the CSR of the body */
};

struct pool {
    struct pool_entry *entries;
    size_t count;
    size_t first; /* number in the file of entries[0] */
    size_t next;  /* index in entries of the first one not handed out */
};

/* Reads at most limit records, leaving out the first ones; ends the program on
 * a file it cannot read. With bind the CSRs are read, too: each must be for the
 * key of its record. */
void pool_read(struct pool *pool, const char *path, size_t first, size_t limit, bool bind);

/* The next unused entry, or NULL when all are used. */
const struct pool_entry *pool_take(struct pool *pool);

#endif

/* The pool of requests; see pool.h. */
#define _GNU_SOURCE
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stats.h"

enum { REQUEST_BYTES = 4096 };

struct field {
    const unsigned char *data;
    size_t length;
};

struct reader {
    const unsigned char *at;
    const unsigned char *end;
};

static struct field read_field(struct reader *reader)
{
    if (reader->end - reader->at < 4)
        die("pool file is cut short", NULL);
    const unsigned char *l = reader->at;
    size_t length = l[0] | (size_t)l[1] << 8 | (size_t)l[2] << 16 | (size_t)l[3] << 24;
    reader->at += 4;
    if ((size_t)(reader->end - reader->at) < length)
        die("pool file is cut short", NULL);
    struct field field = {.data = reader->at, .length = length};
    reader->at += length;
    return field;
}

static struct reader map_file(const char *path)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (descriptor < 0 || fstat(descriptor, &status) < 0)
        die(path, strerror(errno));
    if (status.st_size == 0)
        die(path, "empty pool file");
    /* Mapped for the life of the program: the bodies point into it. */
    void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED)
        die(path, strerror(errno));
    close(descriptor);
    return (struct reader){.at = data, .end = (unsigned char *)data + status.st_size};
}

static EVP_PKEY *decode_key(struct field key)
{
    const unsigned char *at = key.data;
    EVP_PKEY *decoded = d2i_PrivateKey(EVP_PKEY_EC, NULL, &at, (long)key.length);
    if (!decoded)
        die("pool file holds a key that cannot be read", NULL);
    return decoded;
}

static X509 *decode_certificate(struct field certificate)
{
    const unsigned char *at = certificate.data;
    X509 *decoded = d2i_X509(NULL, &at, (long)certificate.length);
    if (!decoded)
        die("pool file holds a certificate that cannot be read", NULL);
    return decoded;
}

/* The body is base64 in lines. */
static struct bound decode_request(struct field body)
{
    unsigned char der[REQUEST_BYTES];
    EVP_ENCODE_CTX *context = EVP_ENCODE_CTX_new();
    int length = 0, rest = 0;
    if (!context)
        die("out of memory", NULL);
    if (body.length > sizeof der)
        die("pool file holds a CSR that is too long", NULL);
    EVP_DecodeInit(context);
    bool whole = EVP_DecodeUpdate(context, der, &length, body.data, (int)body.length) >= 0 &&
                 EVP_DecodeFinal(context, der + length, &rest) == 1;
    EVP_ENCODE_CTX_free(context);
    const unsigned char *at = der;
    X509_REQ *decoded = whole ? d2i_X509_REQ(NULL, &at, length + rest) : NULL;
    if (!decoded)
        die("pool file holds a CSR that cannot be read", NULL);
    struct bound bound = bound_prepare(decoded);
    X509_REQ_free(decoded);
    return bound;
}

void pool_read(struct pool *pool, const char *path, size_t first, size_t limit,
               bool bind)
{
    struct reader reader = map_file(path);
    size_t capacity = 0;
    pool->first = first;
    for (size_t number = 0; reader.at < reader.end && pool->count < limit; number++) {
        struct field body = read_field(&reader);
        struct field certificate = read_field(&reader);
        struct field key = read_field(&reader);
        if (number < first)
            continue;
        if (pool->count == capacity) {
            capacity = capacity ? capacity * 2 : 4096;
            pool->entries = realloc(pool->entries, capacity * sizeof *pool->entries);
            if (!pool->entries)
                die("out of memory", NULL);
        }
        struct pool_entry *entry = &pool->entries[pool->count++];
        *entry = (struct pool_entry){.body = (const char *)body.data,
                                     .body_length = body.length};
        /* Decoded before the load starts: decoding a key costs as much as signing
         * with it and would be charged to the measured time. */
        if (certificate.length > 0)
            entry->certificate = decode_certificate(certificate);
        if (certificate.length > 0 || bind)
            entry->key = decode_key(key);
        if (bind)
            entry->bound = decode_request(body);
    }
    if (pool->count == 0)
        die(path, "the pool has no entry left");
}

const struct pool_entry *pool_take(struct pool *pool)
{
    return pool->next < pool->count ? &pool->entries[pool->next++] : NULL;
}

/*
 * The little of HTTP/1.1 that both bench programs need: where one message ends.
 *
 * Only Content-Length framing is known, because an EST server must not answer
 * chunked (several device clients cannot read it), so a chunked answer is
 * reported as malformed instead of being read.
 */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <stddef.h>

enum { HTTP_INCOMPLETE = 0, HTTP_MALFORMED = -1 };

/* Octets of the first message in data (head and body), or one of the above. */
long http_message_length(const char *data, size_t length);

/* Octets of the head of a message that http_message_length found complete. */
size_t http_head_length(const char *data, size_t length);

/* The status code of a complete answer, or 0. */
int http_status(const char *data, size_t length);

#endif

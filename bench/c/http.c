/* Where one HTTP/1.1 message ends; see http.h. */
#define _GNU_SOURCE
#include "http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char END_OF_HEAD[] = "\r\n\r\n";
static const char LENGTH_NAME[] = "content-length:";

size_t http_head_length(const char *data, size_t length)
{
    const char *end = memmem(data, length, END_OF_HEAD, 4);
    return end ? (size_t)(end - data) + 4 : 0;
}

int http_status(const char *data, size_t length)
{
    if (length < 12 || memcmp(data, "HTTP/1.", 7) != 0)
        return 0;
    int status = atoi(data + 9);
    return status >= 100 && status < 600 ? status : 0;
}

/* The value of Content-Length within the head, or -1 when there is none. */
static long content_length(const char *data, size_t head)
{
    const char *end = data + head;
    for (const char *line = data; line < end; ) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        if (!newline)
            break;
        size_t size = (size_t)(newline - line);
        if (size > sizeof LENGTH_NAME - 1 &&
            strncasecmp(line, LENGTH_NAME, sizeof LENGTH_NAME - 1) == 0)
            return atol(line + sizeof LENGTH_NAME - 1);
        line = newline + 1;
    }
    return -1;
}

long http_message_length(const char *data, size_t length)
{
    size_t head = http_head_length(data, length);
    if (head == 0)
        return HTTP_INCOMPLETE;
    long body = content_length(data, head);
    if (body < 0) {
        /* A request without a length has no body; an answer only when 204. */
        int status = http_status(data, head);
        if (status != 0 && status != 204)
            return HTTP_MALFORMED;
        body = 0;
    }
    size_t whole = head + (size_t)body;
    return length >= whole ? (long)whole : HTTP_INCOMPLETE;
}

/* TLS clients as one state machine over epoll; see client.h. */
#define _GNU_SOURCE
#include "client.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bound.h"
#include "http.h"
#include "network.h"

enum {
    BUFFER_BYTES = 16384, /* the longest request or answer */
    EVENTS = 512,
    RAMP = 64,           /* unfinished connections while opening idle ones */
    ERROR_LIMIT = 10000, /* a server this broken is not worth measuring */
    TICK = 20,           /* milliseconds between looks at the clock */
};

static const double DRAIN_SECONDS = 2; /* for answers still under way at the end */

enum state { FREE, CONNECTING, SHAKING_HANDS, WRITING, READING, IDLE };
enum step { WAIT, GO_ON };

struct connection {
    enum state state;
    int descriptor;
    SSL *tls;
    uint32_t interest;              /* events asked of epoll */
    double started;                 /* of the request under way */
    const struct pool_entry *entry; /* its pool entry, or NULL */
    unsigned long answers;          /* on this connection */
    char *buffer;                   /* first the request, then the answer */
    size_t length;                  /* octets in buffer */
    size_t sent;
};

struct client {
    const struct options *options;
    struct pool *pool;
    FILE *sample;
    struct tally *tally;
    SSL_CTX *context;
    int poll;
    unsigned busy; /* slots neither free nor idle */
    bool stopping;
    bool measuring;
};

static void announce(const char *event, unsigned long number)
{
    printf("{\"event\": \"%s\", \"number\": %lu}\n", event, number);
    fflush(stdout);
}

static SSL_CTX *make_context(const struct options *options)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set1_curves_list(context, options->groups) != 1)
        die("cannot set up TLS", ERR_reason_error_string(ERR_peek_error()));
#ifndef OPENSSL_IS_BORINGSSL
    /* AES-128 first, so that servers with and without a preference of their own
     * end up with the same cipher; BoringSSL offers no other order. */
    if (SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384") != 1)
        die("cannot set up TLS", ERR_reason_error_string(ERR_peek_error()));
#endif
    /* The chain is checked once per row outside of the load (check.py): here it
     * would only slow the client, which shares the machine with the server. */
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

static void watch(struct client *client, struct connection *connection, uint32_t interest)
{
    if (connection->interest == interest)
        return;
    struct epoll_event event = {.events = interest, .data.ptr = connection};
    int action = connection->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    epoll_ctl(client->poll, action, connection->descriptor, &event);
    connection->interest = interest;
}

/* Takes a pool entry; an empty pool ends the run. */
static bool take_entry(struct client *client, struct connection *connection)
{
    connection->entry = NULL;
    if (!client->options->pool)
        return true;
    connection->entry = pool_take(client->pool);
    if (!connection->entry) {
        client->tally->exhausted = true;
        client->stopping = true;
    }
    return connection->entry != NULL;
}

static void compose(const struct options *options, struct connection *connection)
{
    const struct pool_entry *entry = connection->entry;
    char bound[BUFFER_BYTES / 2];
    const char *content = entry ? entry->body : NULL;
    size_t body = entry ? entry->body_length : 0;
    if (entry && options->bind) {
        body = bound_body(connection->tls, entry, bound, sizeof bound);
        content = bound;
    }
    int head = snprintf(connection->buffer, BUFFER_BYTES,
                        "%s %s HTTP/1.1\r\nHost: localhost:%d\r\nUser-Agent: certctl-bench\r\n"
                        "Accept: */*\r\n%s%s",
                        entry ? "POST" : "GET", options->path, options->port,
                        options->header ? options->header : "",
                        options->header ? "\r\n" : "");
    if (entry)
        head += snprintf(connection->buffer + head, BUFFER_BYTES - (size_t)head,
                         "Content-Type: application/pkcs10\r\n"
                         "Content-Transfer-Encoding: base64\r\n"
                         "Content-Length: %zu\r\n",
                         body);
    if ((size_t)head + 2 + body > BUFFER_BYTES)
        die("request too long", options->path);
    memcpy(connection->buffer + head, "\r\n", 2);
    if (entry)
        memcpy(connection->buffer + head + 2, content, body);
    connection->length = (size_t)head + 2 + body;
    connection->sent = 0;
}

static void note_error(struct client *client, const char *what, const char *detail)
{
    client->tally->errors++;
    snprintf(client->tally->last_error, REMARK_BYTES, "%s: %s", what, detail);
    if (client->tally->errors >= ERROR_LIMIT)
        client->stopping = true;
}

static void start(struct client *client, struct connection *connection)
{
    connection->state = FREE;
    if (client->stopping || !take_entry(client, connection))
        return;
    connection->started = stats_now();
    connection->descriptor = network_connect(client->options->port, client->options->sources);
    if (connection->descriptor < 0) {
        note_error(client, "connect", strerror(errno));
        return;
    }
    if (!connection->buffer && !(connection->buffer = malloc(BUFFER_BYTES)))
        die("out of memory", NULL);
    connection->state = CONNECTING;
    connection->answers = 0;
    connection->interest = 0;
    client->busy++;
    watch(client, connection, EPOLLOUT);
}

static void release(struct connection *connection)
{
    SSL_free(connection->tls);
    connection->tls = NULL;
    close(connection->descriptor);
    connection->state = FREE;
}

/* Ends a connection; in load mode the slot goes on with the next one. */
static enum step end(struct client *client, struct connection *connection)
{
    release(connection);
    client->busy--;
    if (client->options->mode == MODE_LOAD)
        start(client, connection);
    return WAIT;
}

/* What a TLS call that did not succeed means: wait for the socket, or the end. */
static enum step blocked(struct client *client, struct connection *connection, int result,
                         const char *what)
{
    switch (SSL_get_error(connection->tls, result)) {
    case SSL_ERROR_WANT_READ: watch(client, connection, EPOLLIN); return WAIT;
    case SSL_ERROR_WANT_WRITE: watch(client, connection, EPOLLOUT); return WAIT;
    case SSL_ERROR_ZERO_RETURN: note_error(client, what, "closed by the server"); break;
    default: {
        const char *reason = ERR_reason_error_string(ERR_peek_error());
        note_error(client, what, reason ? reason : strerror(errno));
    }
    }
    return end(client, connection);
}

static enum step finish_connect(struct client *client, struct connection *connection)
{
    int error = network_connected(connection->descriptor);
    if (error) {
        note_error(client, "connect", strerror(error));
        return end(client, connection);
    }
    connection->tls = SSL_new(client->context);
    if (!connection->tls)
        die("out of memory", NULL);
    SSL_set_fd(connection->tls, connection->descriptor);
    SSL_set_tlsext_host_name(connection->tls, "localhost");
    const struct pool_entry *entry = connection->entry;
    if (entry && entry->certificate &&
        (SSL_use_certificate(connection->tls, entry->certificate) != 1 ||
         SSL_use_PrivateKey(connection->tls, entry->key) != 1))
        die("a client certificate of the pool does not fit its key", NULL);
    SSL_set_connect_state(connection->tls);
    connection->state = SHAKING_HANDS;
    return GO_ON;
}

static enum step shake_hands(struct client *client, struct connection *connection)
{
    int result = SSL_do_handshake(connection->tls);
    if (result != 1)
        return blocked(client, connection, result, "handshake");
    compose(client->options, connection);
    connection->state = WRITING;
    return GO_ON;
}

static enum step write_request(struct client *client, struct connection *connection)
{
    while (connection->sent < connection->length) {
        int result = SSL_write(connection->tls, connection->buffer + connection->sent,
                               (int)(connection->length - connection->sent));
        if (result <= 0)
            return blocked(client, connection, result, "write");
        connection->sent += (size_t)result;
    }
    connection->length = 0;
    connection->state = READING;
    return GO_ON;
}

static void put_number(FILE *file, size_t number)
{
    for (int shift = 0; shift < 32; shift += 8)
        putc((int)(number >> shift & 0xff), file);
}

/* Sample record: pool number, length (both 32-bit little-endian), body. */
static void keep_sample(struct client *client, const struct connection *connection,
                        size_t head, size_t whole)
{
    if (!client->sample || client->tally->good % client->options->sample_every != 0)
        return;
    size_t number = client->pool->first;
    if (connection->entry)
        number += (size_t)(connection->entry - client->pool->entries);
    put_number(client->sample, number);
    put_number(client->sample, whole - head);
    fwrite(connection->buffer + head, 1, whole - head, client->sample);
}

static void judge(struct client *client, const struct connection *connection, size_t whole)
{
    struct tally *tally = client->tally;
    size_t head = http_head_length(connection->buffer, whole);
    int status = http_status(connection->buffer, whole);
    tally->statuses[status]++;
    if (client->options->expected[status]) {
        keep_sample(client, connection, head, whole);
        tally->good++;
        if (client->measuring)
            samples_add(&tally->latencies, stats_now() - connection->started);
        return;
    }
    if (tally->unexpected++ == 0)
        snprintf(tally->first_refusal, REMARK_BYTES, "%.*s", (int)(whole - head),
                 connection->buffer + head);
}

static enum step read_answer(struct client *client, struct connection *connection)
{
    long whole;
    do {
        int result = SSL_read(connection->tls, connection->buffer + connection->length,
                              (int)(BUFFER_BYTES - connection->length));
        if (result <= 0)
            return blocked(client, connection, result, "read");
        connection->length += (size_t)result;
        whole = http_message_length(connection->buffer, connection->length);
        if (whole == HTTP_MALFORMED || connection->length == BUFFER_BYTES) {
            note_error(client, "read", "an answer without Content-Length, or too long");
            return end(client, connection);
        }
    } while (whole == HTTP_INCOMPLETE);

    judge(client, connection, (size_t)whole);
    if (client->options->mode == MODE_HOLD) {
        free(connection->buffer);
        connection->buffer = NULL;
        connection->state = IDLE;
        client->busy--;
        client->tally->held++;
        return GO_ON;
    }
    if (++connection->answers < client->options->requests_per_connection &&
        !client->stopping && take_entry(client, connection)) {
        compose(client->options, connection);
        connection->started = stats_now();
        connection->state = WRITING;
        return GO_ON;
    }
    SSL_shutdown(connection->tls);
    return end(client, connection);
}

/* Nothing is expected on an idle connection but its end. */
static enum step watch_idle(struct client *client, struct connection *connection)
{
    char unwanted[256];
    int result = SSL_read(connection->tls, unwanted, sizeof unwanted);
    if (result <= 0 && SSL_get_error(connection->tls, result) == SSL_ERROR_WANT_READ) {
        watch(client, connection, EPOLLIN);
        return WAIT;
    }
    client->tally->held--;
    client->tally->dropped++;
    release(connection);
    return WAIT;
}

static void advance(struct client *client, struct connection *connection)
{
    enum step step = WAIT;
    ERR_clear_error();
    do {
        switch (connection->state) {
        case CONNECTING: step = finish_connect(client, connection); break;
        case SHAKING_HANDS: step = shake_hands(client, connection); break;
        case WRITING: step = write_request(client, connection); break;
        case READING: step = read_answer(client, connection); break;
        case IDLE: step = watch_idle(client, connection); break;
        case FREE: return;
        }
    } while (step == GO_ON);
}

static void turn(struct client *client, int milliseconds)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(client->poll, events, EVENTS, milliseconds);
    for (int i = 0; i < count; i++)
        advance(client, events[i].data.ptr);
}

static void measure(struct client *client, struct connection *slots)
{
    const struct options *options = client->options;
    for (unsigned i = 0; i < options->connections; i++)
        start(client, &slots[i]);
    double warm = stats_now() + options->warm_up;
    while (stats_now() < warm && !client->stopping && !network_stopped)
        turn(client, TICK);

    announce("measuring", client->tally->good);
    double begin = stats_now(), cpu = stats_cpu(), now = begin;
    client->measuring = true;
    while (now < begin + options->seconds && !client->stopping && !network_stopped &&
           client->busy > 0) {
        turn(client, TICK);
        now = stats_now();
    }
    client->measuring = false;
    client->tally->seconds = now - begin;
    client->tally->cpu = stats_cpu() - cpu;
    announce("measured", client->tally->latencies.count);

    client->stopping = true;
    while (client->busy > 0 && stats_now() < now + DRAIN_SECONDS)
        turn(client, TICK);
}

static void hold(struct client *client, struct connection *slots)
{
    unsigned opened = 0;
    bool told = false;
    while (!network_stopped) {
        while (opened < client->options->connections && client->busy < RAMP &&
               !client->stopping)
            start(client, &slots[opened++]);
        bool done = client->busy == 0 &&
                    (opened == client->options->connections || client->stopping);
        if (done && !told) {
            announce("held", client->tally->held);
            told = true;
        }
        turn(client, TICK);
    }
}

void client_run(const struct options *options, struct pool *pool, FILE *sample,
                struct tally *tally)
{
    struct client client = {.options = options, .pool = pool, .sample = sample, .tally = tally};
    struct connection *slots = calloc(options->connections, sizeof *slots);
    if (!slots)
        die("out of memory", NULL);
    client.context = make_context(options);
    client.poll = epoll_create1(EPOLL_CLOEXEC);
    if (options->mode == MODE_HOLD)
        hold(&client, slots);
    else
        measure(&client, slots);
}

/* Connections that never finish their handshake; see stall.h. */
#define _GNU_SOURCE
#include "stall.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "network.h"
#include "stats.h"

enum { EVENTS = 512, HELLO_BYTES = 2048, TICK = 50 };

struct victim {
    int descriptor;
    bool open; /* the TCP connection stands */
    bool talks;
    double started;
};

struct stall {
    const struct options *options;
    struct stall_tally *tally;
    int poll;
    char hello[HELLO_BYTES]; /* the first half of a real ClientHello */
    size_t hello_length;
};

/* A true ClientHello, taken from OpenSSL by letting it write into memory. */
static void make_half_hello(struct stall *stall)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *tls = SSL_new(context);
    BIO *out = BIO_new(BIO_s_mem());
    if (!context || !tls || !out)
        die("out of memory", NULL);
    SSL_set_bio(tls, BIO_new(BIO_s_mem()), out);
    SSL_set_connect_state(tls);
    SSL_do_handshake(tls);
    int length = BIO_read(out, stall->hello, sizeof stall->hello);
    if (length <= 0)
        die("cannot make a ClientHello", NULL);
    stall->hello_length = (size_t)length / 2;
    SSL_free(tls);
    SSL_CTX_free(context);
}

static void open_victim(struct stall *stall, struct victim *victim)
{
    victim->open = false;
    victim->started = stats_now();
    victim->descriptor = network_connect(stall->options->port, stall->options->sources);
    if (victim->descriptor < 0)
        die("cannot connect", strerror(errno));
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = victim};
    epoll_ctl(stall->poll, EPOLL_CTL_ADD, victim->descriptor, &event);
}

static void connected(struct stall *stall, struct victim *victim)
{
    victim->open = true;
    stall->tally->opened++;
    stall->tally->held++;
    if (victim->talks &&
        write(victim->descriptor, stall->hello, stall->hello_length) < 0 && errno == EAGAIN)
        die("half a ClientHello does not fit the socket buffer", NULL);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = victim};
    epoll_ctl(stall->poll, EPOLL_CTL_MOD, victim->descriptor, &event);
}

/* True while the server keeps the connection; an alert it sends is read away. */
static bool still_open(struct victim *victim)
{
    char unwanted[256];
    ssize_t length = read(victim->descriptor, unwanted, sizeof unwanted);
    return length > 0 || (length < 0 && errno == EAGAIN);
}

static void handle(struct stall *stall, struct victim *victim)
{
    struct stall_tally *tally = stall->tally;
    if (!victim->open && network_connected(victim->descriptor) == 0) {
        connected(stall, victim);
        return;
    }
    if (victim->open) {
        if (still_open(victim))
            return;
        tally->closed++;
        tally->held--;
        if (tally->first_close == 0)
            tally->first_close = stats_now() - victim->started;
    }
    close(victim->descriptor);
    open_victim(stall, victim);
}

void stall_run(const struct options *options, struct stall_tally *tally)
{
    struct stall stall = {.options = options, .tally = tally};
    struct victim *victims = calloc(options->connections, sizeof *victims);
    struct epoll_event events[EVENTS];
    bool told = false;
    if (!victims)
        die("out of memory", NULL);
    stall.poll = epoll_create1(EPOLL_CLOEXEC);
    make_half_hello(&stall);
    for (unsigned i = 0; i < options->connections; i++) {
        victims[i].talks = i % 2;
        open_victim(&stall, &victims[i]);
    }
    while (!network_stopped) {
        int count = epoll_wait(stall.poll, events, EVENTS, TICK);
        for (int i = 0; i < count; i++)
            handle(&stall, events[i].data.ptr);
        if (!told && tally->held == options->connections) {
            printf("{\"event\": \"held\", \"number\": %lu}\n", tally->held);
            fflush(stdout);
            told = true;
        }
    }
}

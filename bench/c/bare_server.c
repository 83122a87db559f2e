/*
 * The limit: what a TLS 1.3 server can reach here that does nothing but TLS.
 *
 * Epoll, one process per worker, SO_REUSEPORT, a full handshake for each
 * connection (no tickets, no session cache), a fixed answer as long as an
 * enrollment answer. It reads the whole request but neither parses the CSR nor
 * signs nor stores, so an EST server's CPU divided by this one's says what the
 * enrollment itself costs on top of the unavoidable.
 *
 * Not a web server: loopback only, no time limits, answers assumed to fit the
 * socket buffer.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http.h"
#include "stats.h"

enum {
    BACKLOG = 4096,
    EVENTS = 256,
    MAX_WORKERS = 64,
    REQUEST_BYTES = 8192, /* a folded P-256 CSR with its head is about 800 */
    ANSWER_BODY = 950,    /* certs-only PKCS#7 with one P-256 certificate, base64 */
};

struct settings {
    const char *certificate;
    const char *key;
    int port;
    int workers;
    bool ask_for_certificate;
};

struct connection {
    int descriptor;
    bool open; /* handshake done */
    SSL *tls;
    size_t length;
    char request[REQUEST_BYTES];
};

static pid_t children[MAX_WORKERS];

static char answer[ANSWER_BODY + 256];
static int answer_length;

/* Any certificate is accepted, as an EST server does that judges it per profile
 * later. Possession of the key is still proven by the handshake. */
static int accept_any(int preverified, X509_STORE_CTX *context)
{
    (void)preverified;
    (void)context;
    return 1;
}

static SSL_CTX *make_context(const struct settings *settings)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_use_certificate_chain_file(context, settings->certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, settings->key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        die("cannot set up TLS", NULL);
    }
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    /* The trust store stays empty: with one, OpenSSL would build and send a
     * longer chain of its own in each handshake. */
    if (settings->ask_for_certificate)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accept_any);
    return context;
}

static int make_listener(int port)
{
    int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, BACKLOG) < 0)
        die("cannot listen", strerror(errno));
    return listener;
}

static void make_answer(void)
{
    answer_length = snprintf(answer, sizeof answer,
                             "HTTP/1.1 200 OK\r\n"
                             "Content-Type: application/pkcs7-mime; smime-type=certs-only\r\n"
                             "Content-Transfer-Encoding: base64\r\n"
                             "Content-Length: %d\r\n\r\n",
                             ANSWER_BODY);
    memset(answer + answer_length, 'x', ANSWER_BODY);
    answer_length += ANSWER_BODY;
}

static void accept_all(int poll, int listener, SSL_CTX *context)
{
    int on = 1, descriptor;
    while ((descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *connection = malloc(sizeof *connection);
        SSL *tls = SSL_new(context);
        if (!connection || !tls)
            die("out of memory", NULL);
        connection->descriptor = descriptor;
        connection->open = false;
        connection->tls = tls;
        connection->length = 0;
        SSL_set_fd(tls, descriptor);
        SSL_set_accept_state(tls);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event);
    }
}

static void finish(struct connection *connection)
{
    SSL_free(connection->tls);
    close(connection->descriptor);
    free(connection);
}

static bool wants_more(struct connection *connection, int result)
{
    int error = SSL_get_error(connection->tls, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* Reads what is there and answers each complete request; false ends it. */
static bool serve(struct connection *connection)
{
    ERR_clear_error();
    if (!connection->open) {
        int result = SSL_do_handshake(connection->tls);
        if (result != 1)
            return wants_more(connection, result);
        connection->open = true;
    }
    for (;;) {
        int result = SSL_read(connection->tls, connection->request + connection->length,
                              (int)(sizeof connection->request - connection->length));
        if (result <= 0) {
            if (wants_more(connection, result))
                return true;
            if (SSL_get_error(connection->tls, result) == SSL_ERROR_ZERO_RETURN)
                SSL_shutdown(connection->tls);
            return false;
        }
        connection->length += (size_t)result;
        long whole = http_message_length(connection->request, connection->length);
        if (whole == HTTP_INCOMPLETE && connection->length < sizeof connection->request)
            continue;
        if (whole <= 0 || SSL_write(connection->tls, answer, answer_length) <= 0)
            return false;
        connection->length -= (size_t)whole;
        memmove(connection->request, connection->request + whole, connection->length);
    }
}

static _Noreturn void work(int listener, const struct settings *settings)
{
    SSL_CTX *context = make_context(settings);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    struct epoll_event events[EVENTS];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (!connection)
                accept_all(poll, listener, context);
            else if (!serve(connection))
                finish(connection);
        }
    }
}

static void parse(struct settings *settings, int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "p:c:k:w:r")) != -1) {
        switch (option) {
        case 'p': settings->port = atoi(optarg); break;
        case 'c': settings->certificate = optarg; break;
        case 'k': settings->key = optarg; break;
        case 'w': settings->workers = atoi(optarg); break;
        case 'r': settings->ask_for_certificate = true; break;
        default:
            die("usage: bare_server -p PORT -c CERTIFICATE -k KEY [-w WORKERS] "
                "[-r (ask for client certificates)]", NULL);
        }
    }
    if (!settings->certificate || !settings->key || settings->port <= 0)
        die("port, certificate and key are needed", NULL);
    if (settings->workers < 1 || settings->workers > MAX_WORKERS)
        die("1 to 64 workers", NULL);
}

/* Ends the workers, so that none is left behind unreaped. */
static void stop_workers(int number)
{
    (void)number;
    for (int i = 0; i < MAX_WORKERS; i++)
        if (children[i] > 0)
            kill(children[i], SIGKILL);
}

int main(int argc, char **argv)
{
    struct settings settings = {.workers = 1};
    int listeners[MAX_WORKERS];
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return puts(OpenSSL_version(OPENSSL_VERSION)) < 0;
    parse(&settings, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    make_answer();
    for (int i = 0; i < settings.workers; i++)
        listeners[i] = make_listener(settings.port);
    for (int i = 0; i < settings.workers; i++) {
        pid_t child = fork();
        if (child < 0)
            die("cannot fork", strerror(errno));
        children[i] = child;
        if (child == 0) {
            /* In case that the parent is killed and cannot do it. */
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (int other = 0; other < settings.workers; other++)
                if (other != i)
                    close(listeners[other]);
            work(listeners[i], &settings);
        }
    }
    for (int i = 0; i < settings.workers; i++)
        close(listeners[i]);
    signal(SIGTERM, stop_workers);
    puts("ready");
    fflush(stdout);
    while (wait(NULL) > 0)
        ;
    return 0;
}

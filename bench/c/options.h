/* What the command line asks of the load generator. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum mode {
    MODE_LOAD,  /* requests as fast as answers come, for some seconds */
    MODE_HOLD,  /* open connections, one GET each, then keep them idle */
    MODE_STALL, /* TCP connections that never finish their handshake */
};

struct options {
    enum mode mode;
    int port;
    unsigned connections; /* in flight (load), or held (hold, stall) */
    unsigned sources;     /* client addresses, from 127.0.0.2 on */
    double warm_up;       /* seconds before the measured window */
    double seconds;       /* length of the measured window */
    unsigned long requests_per_connection;
    const char *path;
    const char *header;      /* one more header line, or NULL */
    const char *groups;      /* TLS groups offered */
    const char *pool;        /* pool file; NULL means GET */
    size_t pool_first;       /* entries to leave out */
    size_t pool_limit;       /* entries to use at most */
    bool bind;               /* sign each CSR again, bound to its connection */
    const char *sample;      /* where bodies of answers are kept, or NULL */
    unsigned long sample_every;
    bool expected[600]; /* statuses that count as good answers */
};

/* Reads the command line; prints the usage and ends the program on a mistake. */
void options_parse(struct options *options, int argc, char **argv);

#endif

/*
 * TLS clients: each slot opens a connection with a full handshake, sends its
 * requests, reads the answers, closes, and starts anew.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stdio.h>

#include "options.h"
#include "pool.h"
#include "stats.h"

enum { REMARK_BYTES = 240 };

/* What happened. Latencies, seconds and cpu belong to the measured window; the
 * counters also cover the warm-up and the answers that came after the end. */
struct tally {
    struct samples latencies;    /* of good answers: connect() to last octet */
    double seconds;              /* length of the window as it really was */
    double cpu;                  /* CPU seconds of this program in the window */
    bool exhausted;              /* the pool ran dry before the time was over */
    unsigned long statuses[600]; /* of every answer */
    unsigned long good;          /* answers with an expected status */
    unsigned long unexpected;    /* answers with another one */
    unsigned long errors;        /* connections that broke */
    unsigned long held;          /* idle connections open now (hold) */
    unsigned long dropped;       /* idle connections that the server closed */
    char last_error[REMARK_BYTES];
    char first_refusal[REMARK_BYTES]; /* body of the first unexpected answer */
};

/* Runs until the measured time is over (load) or the signal to stop (hold).
 * Prints one JSON line at each turn a watcher needs to know: "measuring" and
 * "measured" around the window (load), "held" when all are open (hold). */
void client_run(const struct options *options, struct pool *pool, FILE *sample,
                struct tally *tally);

#endif

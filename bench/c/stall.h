/* Connections that never finish their handshake, as an attacker holds them. */
#ifndef BENCH_STALL_H
#define BENCH_STALL_H

#include "options.h"

struct stall_tally {
    unsigned long opened;
    unsigned long closed;    /* by the server */
    double first_close;      /* seconds of life of the first one closed; 0: none was */
    unsigned long held;      /* open at the end */
};

/* Holds the connections until the signal to stop, half of them silent, half
 * with half a ClientHello sent; each one that the server closes is opened anew
 * at once. Prints one JSON line when all are open. */
void stall_run(const struct options *options, struct stall_tally *tally);

#endif

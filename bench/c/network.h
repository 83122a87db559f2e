/* TCP connections of the load generator, spread over loopback addresses. */
#ifndef BENCH_NETWORK_H
#define BENCH_NETWORK_H

/* Starts a non-blocking connection to 127.0.0.1:port from the next of the
 * client addresses 127.0.0.2 … ; -1 with errno set when that fails at once. */
int network_connect(int port, unsigned sources);

/* The result of a connection that has become writable: 0 or an errno value. */
int network_connected(int descriptor);

/* Ends the loops of hold and stall: set by SIGTERM and SIGINT. */
extern volatile int network_stopped;
void network_watch_signals(void);

#endif

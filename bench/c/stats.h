/* Latencies and the clock they are taken with. */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stddef.h>

struct samples {
    double *values; /* seconds, in order of arrival until sorted */
    size_t count;
    size_t capacity;
};

/* Seconds of a clock that never jumps. */
double stats_now(void);

/* CPU seconds (user and system) that this process has used so far. */
double stats_cpu(void);

void samples_add(struct samples *samples, double seconds);
void samples_sort(struct samples *samples);

/* The value below which the given share (0..1) of sorted samples lies. */
double samples_quantile(const struct samples *samples, double share);

/* Ends the program with the message and, when set, the text of errno. */
_Noreturn void die(const char *what, const char *detail);

#endif

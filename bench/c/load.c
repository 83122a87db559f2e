/*
 * The load generator of the bench: TLS 1.3 clients against a server on
 * loopback. One process, one thread, epoll.
 *
 * An enrollment is measured as a device does it: TCP, full handshake, one
 * request with a CSR of its own, the whole answer read, its status checked, the
 * connection closed. The result is one JSON object on the last line of standard
 * output; lines before it tell a watcher of the turns (see client.h, stall.h).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "network.h"
#include "options.h"
#include "pool.h"
#include "stall.h"
#include "stats.h"

/* JSON text of what a server or OpenSSL said: anything that would need an
 * escape becomes a blank, as it is only there to be read by a person. */
static void print_text(const char *name, const char *text)
{
    printf(", \"%s\": \"", name);
    for (; *text; text++) {
        unsigned char octet = (unsigned char)*text;
        putchar(octet < 0x20 || octet > 0x7e || octet == '"' || octet == '\\' ? ' ' : octet);
    }
    putchar('"');
}

static void print_statuses(const struct tally *tally)
{
    const char *separator = "";
    printf(", \"statuses\": {");
    for (int status = 0; status < 600; status++) {
        if (tally->statuses[status]) {
            printf("%s\"%d\": %lu", separator, status, tally->statuses[status]);
            separator = ", ";
        }
    }
    putchar('}');
}

static void print_load(struct tally *tally, const struct pool *pool)
{
    struct samples *latencies = &tally->latencies;
    samples_sort(latencies);
    printf("{\"event\": \"result\", \"seconds\": %.4f, \"answers\": %zu, \"rate\": %.2f",
           tally->seconds, latencies->count,
           tally->seconds > 0 ? (double)latencies->count / tally->seconds : 0);
    printf(", \"p50_ms\": %.3f, \"p90_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f",
           1e3 * samples_quantile(latencies, 0.5), 1e3 * samples_quantile(latencies, 0.9),
           1e3 * samples_quantile(latencies, 0.99), 1e3 * samples_quantile(latencies, 1));
    printf(", \"client_cpu_seconds\": %.4f, \"exhausted\": %s", tally->cpu,
           tally->exhausted ? "true" : "false");
    printf(", \"next\": %zu, \"good\": %lu, \"unexpected\": %lu, \"errors\": %lu",
           pool->first + pool->next, tally->good, tally->unexpected, tally->errors);
    printf(", \"held\": %lu, \"dropped\": %lu", tally->held, tally->dropped);
    print_statuses(tally);
    print_text("last_error", tally->last_error);
    print_text("first_refusal", tally->first_refusal);
    puts("}");
}

static void run_stall(const struct options *options)
{
    struct stall_tally tally = {0};
    stall_run(options, &tally);
    printf("{\"event\": \"result\", \"opened\": %lu, \"closed\": %lu, \"held\": %lu, "
           "\"first_close_seconds\": %.2f}\n",
           tally.opened, tally.closed, tally.held, tally.first_close);
}

static void run_clients(const struct options *options)
{
    static struct tally tally;
    struct pool pool = {0};
    FILE *sample = NULL;
    if (options->pool)
        pool_read(&pool, options->pool, options->pool_first, options->pool_limit, options->bind);
    if (options->sample && !(sample = fopen(options->sample, "wb")))
        die(options->sample, strerror(errno));
    client_run(options, &pool, sample, &tally);
    if (sample && fclose(sample) != 0)
        die(options->sample, strerror(errno));
    print_load(&tally, &pool);
}

int main(int argc, char **argv)
{
    struct options options;
    options_parse(&options, argc, argv);
    network_watch_signals();
    if (options.mode == MODE_STALL)
        run_stall(&options);
    else
        run_clients(&options);
    return 0;
}

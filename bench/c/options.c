/* The command line of the load generator; see options.h. */
#define _GNU_SOURCE
#include "options.h"

#include <getopt.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

static const char USAGE[] =
    "usage: load --port PORT [--mode load|hold|stall] [options]\n"
    "  --connections N   in flight (load), held (hold, stall)            [32]\n"
    "  --seconds S       measured window                                  [5]\n"
    "  --warm-up S       before it                                      [0.5]\n"
    "  --requests K      per connection                                   [1]\n"
    "  --path PATH       request target                                   [/]\n"
    "  --pool FILE       POST its bodies, each once; without: GET\n"
    "  --pool-first N    leave out the first N entries                    [0]\n"
    "  --pool-limit N    use at most N entries                          [all]\n"
    "  --bind            sign each CSR again with its channel binding\n"
    "  --header LINE     one more request header\n"
    "  --expect LIST     good statuses, comma separated                 [200]\n"
    "  --sample FILE     keep bodies of good answers\n"
    "  --sample-every N  every Nth of them                                [1]\n"
    "  --sources N       client addresses 127.0.0.2 and up               [20]\n"
    "  --groups LIST     TLS groups offered                    [X25519:P-256]\n"
    "  --version         of the TLS library";

enum {
    PORT = 256, MODE, CONNECTIONS, SECONDS, WARM_UP, REQUESTS, PATH, POOL,
    POOL_FIRST, POOL_LIMIT, BIND, HEADER, EXPECT, SAMPLE, SAMPLE_EVERY, SOURCES, GROUPS,
    VERSION,
};

static const struct option LONG_OPTIONS[] = {
    {"port", required_argument, NULL, PORT},
    {"mode", required_argument, NULL, MODE},
    {"connections", required_argument, NULL, CONNECTIONS},
    {"seconds", required_argument, NULL, SECONDS},
    {"warm-up", required_argument, NULL, WARM_UP},
    {"requests", required_argument, NULL, REQUESTS},
    {"path", required_argument, NULL, PATH},
    {"pool", required_argument, NULL, POOL},
    {"pool-first", required_argument, NULL, POOL_FIRST},
    {"pool-limit", required_argument, NULL, POOL_LIMIT},
    {"bind", no_argument, NULL, BIND},
    {"header", required_argument, NULL, HEADER},
    {"expect", required_argument, NULL, EXPECT},
    {"sample", required_argument, NULL, SAMPLE},
    {"sample-every", required_argument, NULL, SAMPLE_EVERY},
    {"sources", required_argument, NULL, SOURCES},
    {"groups", required_argument, NULL, GROUPS},
    {"version", no_argument, NULL, VERSION},
    {NULL, 0, NULL, 0},
};

static unsigned long positive(const char *text)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (*end || number == 0)
        die("a positive number is needed, not", text);
    return number;
}

static enum mode mode_named(const char *name)
{
    if (strcmp(name, "load") == 0)
        return MODE_LOAD;
    if (strcmp(name, "hold") == 0)
        return MODE_HOLD;
    if (strcmp(name, "stall") == 0)
        return MODE_STALL;
    die("unknown mode", name);
}

static void expect(struct options *options, const char *list)
{
    memset(options->expected, 0, sizeof options->expected);
    for (char *at = (char *)list; *at; at += *at == ',') {
        unsigned long status = strtoul(at, &at, 10);
        if (status < 100 || status >= 600 || (*at && *at != ','))
            die("a list of statuses is needed, not", list);
        options->expected[status] = true;
    }
}

static void set(struct options *options, int option)
{
    switch (option) {
    case PORT: options->port = (int)positive(optarg); break;
    case MODE: options->mode = mode_named(optarg); break;
    case CONNECTIONS: options->connections = (unsigned)positive(optarg); break;
    case SECONDS: options->seconds = atof(optarg); break;
    case WARM_UP: options->warm_up = atof(optarg); break;
    case REQUESTS: options->requests_per_connection = positive(optarg); break;
    case PATH: options->path = optarg; break;
    case POOL: options->pool = optarg; break;
    case POOL_FIRST: options->pool_first = strtoul(optarg, NULL, 10); break;
    case POOL_LIMIT: options->pool_limit = positive(optarg); break;
    case BIND: options->bind = true; break;
    case HEADER: options->header = optarg; break;
    case EXPECT: expect(options, optarg); break;
    case SAMPLE: options->sample = optarg; break;
    case SAMPLE_EVERY: options->sample_every = positive(optarg); break;
    case SOURCES: options->sources = (unsigned)positive(optarg); break;
    case GROUPS: options->groups = optarg; break;
    case VERSION:
        puts(OpenSSL_version(OPENSSL_VERSION));
        exit(0);
    default: die(USAGE, NULL);
    }
}

void options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){
        .mode = MODE_LOAD,
        .connections = 32,
        .sources = 20,
        .warm_up = 0.5,
        .seconds = 5,
        .requests_per_connection = 1,
        .path = "/",
        .groups = "X25519:P-256",
        .pool_limit = SIZE_MAX,
        .sample_every = 1,
    };
    options->expected[200] = true;
    int option;
    while ((option = getopt_long(argc, argv, "", LONG_OPTIONS, NULL)) != -1)
        set(options, option);
    if (optind != argc || options->port == 0)
        die(USAGE, NULL);
    if (options->sources > 250)
        die("at most 250 sources: they are counted up in the last octet", NULL);
}

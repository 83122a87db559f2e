/* While the file FAILING_FSYNC_SWITCH exists, fsync and fdatasync of files below
 * FAILING_FSYNC_BELOW fail with EIO, as on a disk that has lost its writes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int fd)
{
    const char *below = getenv("FAILING_FSYNC_BELOW");
    const char *turned_on = getenv("FAILING_FSYNC_SWITCH");
    char link[64], path[PATH_MAX];
    ssize_t length;
    int saved = errno;

    if (below == NULL || turned_on == NULL || access(turned_on, F_OK) != 0) {
        errno = saved;
        return 0;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    errno = saved;
    return length > 0 && (size_t)length >= strlen(below) && memcmp(path, below, strlen(below)) == 0;
}

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    if (fails(fd)) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}

int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    if (fails(fd)) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}

// Loaded into a server before its own libraries: fsync and fdatasync fail while there is a file of the name that FAILING_SYNC has, and wait
// while there is one of the name that WAITING_SYNC has, fdatasync alone while there is one of the name that WAITING_DATA has. While there is one of the name that FAILING_NAMES has, those of directories fail, but
// for the first.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_there(const char *variable) {
    const char *name = getenv(variable);
    return name && access(name, F_OK) == 0;
}

static int fails(int descriptor) {
    static int directories;
    struct stat status;
    while (is_there("WAITING_SYNC")) usleep(1000);
    if (is_there("FAILING_NAMES") && fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) return directories++ > 0;
    return is_there("FAILING_SYNC");
}

int fdatasync(int descriptor) {
    while (is_there("WAITING_DATA")) usleep(1000);
    if (fails(descriptor)) return errno = EIO, -1;
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(descriptor);
}

int fsync(int descriptor) {
    if (fails(descriptor)) return errno = EIO, -1;
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(descriptor);
}

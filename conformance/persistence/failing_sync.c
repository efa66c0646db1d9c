// Loaded into a server before its own libraries: fsync and fdatasync fail while there is a file of the name that FAILING_SYNC has.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int fails(void) {
    const char *name = getenv("FAILING_SYNC");
    return name && access(name, F_OK) == 0;
}

int fdatasync(int descriptor) {
    if (fails()) return errno = EIO, -1;
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(descriptor);
}

int fsync(int descriptor) {
    if (fails()) return errno = EIO, -1;
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(descriptor);
}

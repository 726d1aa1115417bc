// Loaded into a fleet's processes (LD_PRELOAD) by tests that cut the power: notes how much of each file has reached the disk, so
// that what was written and not yet synced can be taken away after a process was killed, as a loss of power would.
//
// Each line of the file named by ARCHGEN_SYNCED is an inode and the size that was synced.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int notes(void) {
    static int descriptor = -1;
    if (descriptor < 0) {
        const char *path = getenv("ARCHGEN_SYNCED");
        if (path) descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    }
    return descriptor;
}

// The size is taken before the call: what is written meanwhile is not promised. The note is there before the caller goes on.
static int synced(int descriptor, const char *name) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    struct stat before;
    int known = fstat(descriptor, &before) == 0 && S_ISREG(before.st_mode);
    int result = real(descriptor);
    if (result == 0 && known && notes() >= 0) {
        char line[64];
        int length = snprintf(line, sizeof line, "%llu %lld\n", (unsigned long long)before.st_ino, (long long)before.st_size);
        if (write(notes(), line, (size_t)length) != length) abort();
    }
    return result;
}

int fsync(int descriptor) { return synced(descriptor, "fsync"); }
int fdatasync(int descriptor) { return synced(descriptor, "fdatasync"); }

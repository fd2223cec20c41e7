// Preloaded into a daemon under test: lets writes or syncs of a store fail while a file asks for it.
//
// HILUM_TEST_FAULTS names a folder. While `write` stands in it, writes to data.mdb fail with EIO, and while `sync` does, its syncs.
// While `meta` does, writes of its two meta pages fail with ENOSPC.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_asked(const char *fault) {
    const char *folder = getenv("HILUM_TEST_FAULTS");
    char path[512];
    if (folder == NULL) return 0;
    snprintf(path, sizeof path, "%s/%s", folder, fault);
    return access(path, F_OK) == 0;
}

static int is_store(int descriptor) {
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t count = readlink(link, path, sizeof path - 1);
    if (count < 9) return 0;
    path[count] = 0;
    return strcmp(path + count - 9, "/data.mdb") == 0;
}

static int has_no_room(int descriptor, off64_t offset) {
    int saved = errno;
    int answer = offset < 2 * 4096 && is_store(descriptor) && is_asked("meta");
    errno = answer ? ENOSPC : saved;
    return answer;
}

static int fails(int descriptor, const char *fault) {
    int saved = errno;
    int answer = is_store(descriptor) && is_asked(fault);
    errno = answer ? EIO : saved;
    return answer;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    return fails(descriptor, "write") || has_no_room(descriptor, offset) ? -1 : REAL(pwrite)(descriptor, bytes, count, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
    return fails(descriptor, "write") || has_no_room(descriptor, offset) ? -1 : REAL(pwrite64)(descriptor, bytes, count, offset);
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) {
    return fails(descriptor, "write") ? -1 : REAL(pwritev)(descriptor, parts, count, offset);
}

ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off64_t offset) {
    return fails(descriptor, "write") ? -1 : REAL(pwritev64)(descriptor, parts, count, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    return fails(descriptor, "write") ? -1 : REAL(writev)(descriptor, parts, count);
}

int fdatasync(int descriptor) { return fails(descriptor, "sync") ? -1 : REAL(fdatasync)(descriptor); }

int fsync(int descriptor) { return fails(descriptor, "sync") ? -1 : REAL(fsync)(descriptor); }

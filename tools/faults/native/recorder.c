// Preloaded into a program under test: records what it does to files below TORTURE_ROOT, in order, for a replay of power cuts.
//
// TORTURE_LOG gets one record a call: a header of 40 bytes, then a path, a second path or data. faults/powercut.py reads it.
// Built by faults/world.py: cc -shared -fPIC -O1 -o recorder.so recorder.c -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct header {
    uint8_t kind;       // W write, D write that is on the disk when it returns, T truncate, S sync, C create, M mkdir, R rename, U remove, L link, A answer
    uint8_t padding[7];
    uint64_t inode;
    int64_t offset;     // or the size of a truncated file
    uint32_t path, other, data, rest;
};

static int journal = -1;
static const char *root;
static size_t root_length;
static int64_t open_flags;
// One call at a time, so that the journal has the order of the disk.
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    root = getenv("TORTURE_ROOT");
    root_length = root ? strlen(root) : 0;
    const char *flags = getenv("TORTURE_LMDB_FLAGS");
    open_flags = flags ? strtoll(flags, NULL, 0) : 0;
    const char *path = getenv("TORTURE_LOG");
    if (path) journal = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static int is_below_root(const char *path) { return root_length > 0 && path && strncmp(path, root, root_length) == 0; }

/// The path of a descriptor below the root; the empty string otherwise.
static void name_of(int descriptor, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t count = syscall(SYS_readlink, link, path, size - 1);
    path[count > 0 ? count : 0] = 0;
    if (journal < 0 || !is_below_root(path)) path[0] = 0;
}

static void note(char kind, uint64_t inode, int64_t offset, const char *path, const char *other, const void *data, size_t count) {
    int saved = errno;
    struct header header = {.kind = (uint8_t)kind, .inode = inode, .offset = offset};
    header.path = (uint32_t)strlen(path);
    header.other = (uint32_t)strlen(other);
    header.data = (uint32_t)count;
    struct iovec parts[4] = {
        {&header, sizeof header}, {(void *)path, header.path}, {(void *)other, header.other}, {(void *)data, count}};
    syscall(SYS_writev, journal, parts, 4);
    errno = saved;
}

static uint64_t inode_of(int descriptor) {
    struct stat status;
    return fstat(descriptor, &status) == 0 ? status.st_ino : 0;
}

static int is_synchronous(int descriptor) { return (fcntl(descriptor, F_GETFL) & O_DSYNC) != 0; }

#define LOCKED(type, call, after)                                                                                                          \
    pthread_mutex_lock(&order);                                                                                                            \
    type result = (type)(call);                                                                                                            \
    int saved = errno;                                                                                                                     \
    after;                                                                                                                                 \
    errno = saved;                                                                                                                         \
    pthread_mutex_unlock(&order);                                                                                                          \
    return result;

static void note_write(int d, const char *path, int64_t offset, const void *bytes, ssize_t count) {
    if (count > 0) note(is_synchronous(d) ? 'D' : 'W', inode_of(d), offset, path, "", bytes, (size_t)count);
}

ssize_t pwrite(int d, const void *b, size_t n, off_t o) {
    char path[4096];
    name_of(d, path, sizeof path);
    if (!path[0]) return syscall(SYS_pwrite64, d, b, n, o);
    LOCKED(ssize_t, syscall(SYS_pwrite64, d, b, n, o), note_write(d, path, o, b, result))
}
ssize_t pwrite64(int d, const void *b, size_t n, off64_t o) { return pwrite(d, b, n, o); }

static int64_t place_of(int d) {
    struct stat status;
    if ((fcntl(d, F_GETFL) & O_APPEND) && fstat(d, &status) == 0) return status.st_size;
    return lseek(d, 0, SEEK_CUR);
}

ssize_t write(int d, const void *b, size_t n) {
    char path[4096];
    name_of(d, path, sizeof path);
    if (!path[0]) return syscall(SYS_write, d, b, n);
    pthread_mutex_lock(&order);
    int64_t place = place_of(d);
    ssize_t result = syscall(SYS_write, d, b, n);
    int saved = errno;
    note_write(d, path, place, b, result);
    errno = saved;
    pthread_mutex_unlock(&order);
    return result;
}

static ssize_t write_parts(int d, const struct iovec *v, int n, int64_t offset, int is_positioned) {
    char path[4096];
    name_of(d, path, sizeof path);
    pthread_mutex_lock(&order);
    int64_t place = is_positioned ? offset : path[0] ? place_of(d) : 0;
    ssize_t result = is_positioned ? REAL(pwritev)(d, v, n, offset) : syscall(SYS_writev, d, v, n);
    int saved = errno;
    ssize_t left = result;
    for (int i = 0; path[0] && i < n && left > 0; i++) {
        ssize_t part = (ssize_t)v[i].iov_len < left ? (ssize_t)v[i].iov_len : left;
        note_write(d, path, place, v[i].iov_base, part);
        place += part;
        left -= part;
    }
    errno = saved;
    pthread_mutex_unlock(&order);
    return result;
}
ssize_t writev(int d, const struct iovec *v, int n) { return write_parts(d, v, n, 0, 0); }
ssize_t pwritev(int d, const struct iovec *v, int n, off_t o) { return write_parts(d, v, n, o, 1); }
ssize_t pwritev64(int d, const struct iovec *v, int n, off64_t o) { return write_parts(d, v, n, o, 1); }

int ftruncate(int d, off_t n) {
    char path[4096];
    name_of(d, path, sizeof path);
    LOCKED(int, syscall(SYS_ftruncate, d, n), if (path[0] && result == 0) note('T', inode_of(d), n, path, "", "", 0))
}
int ftruncate64(int d, off64_t n) { return ftruncate(d, n); }

int fsync(int d) {
    char path[4096];
    name_of(d, path, sizeof path);
    LOCKED(int, syscall(SYS_fsync, d), if (path[0] && result == 0) note('S', inode_of(d), 0, path, "", "", 0))
}
int fdatasync(int d) {
    char path[4096];
    name_of(d, path, sizeof path);
    LOCKED(int, syscall(SYS_fdatasync, d), if (path[0] && result == 0) note('S', inode_of(d), 0, path, "", "", 0))
}

static int opened(int folder, const char *path, int flags, mode_t mode) {
    struct stat before;
    int makes = (flags & O_CREAT) && journal >= 0 && is_below_root(path);
    if (!makes && !((flags & O_TRUNC) && journal >= 0 && is_below_root(path)))
        return (int)syscall(SYS_openat, folder, path, flags, mode);
    pthread_mutex_lock(&order);
    int was_there = stat(path, &before) == 0;
    int result = (int)syscall(SYS_openat, folder, path, flags, mode);
    int saved = errno;
    if (result >= 0 && makes && !was_there) note('C', inode_of(result), 0, path, "", "", 0);
    if (result >= 0 && was_there && (flags & O_TRUNC)) note('T', inode_of(result), 0, path, "", "", 0);
    errno = saved;
    pthread_mutex_unlock(&order);
    return result;
}

#define MODE(flags)                                                                                                                        \
    mode_t mode = 0;                                                                                                                       \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                                                 \
        va_list list;                                                                                                                      \
        va_start(list, flags);                                                                                                             \
        mode = (mode_t)va_arg(list, int);                                                                                                  \
        va_end(list);                                                                                                                      \
    }
int open(const char *path, int flags, ...) {
    MODE(flags)
    return opened(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags)
    return opened(AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
    MODE(flags)
    return opened(folder, path, flags, mode);
}
int mkstemp(char *path) {
    LOCKED(int, REAL(mkstemp)(path), if (result >= 0 && journal >= 0 && is_below_root(path)) note('C', inode_of(result), 0, path, "", "", 0))
}
int mkstemps(char *path, int suffix) {
    LOCKED(int, REAL(mkstemps)(path, suffix),
           if (result >= 0 && journal >= 0 && is_below_root(path)) note('C', inode_of(result), 0, path, "", "", 0))
}

#define NAMED(kind, call, path, other)                                                                                                     \
    int is_ours = journal >= 0 && is_below_root(path);                                                                                     \
    LOCKED(int, call, if (is_ours && result == 0) note(kind, 0, 0, path, other, "", 0))

int rename(const char *a, const char *b) { NAMED('R', syscall(SYS_rename, a, b), a, b) }
int renameat2(int x, const char *a, int y, const char *b, unsigned f) { NAMED('R', syscall(SYS_renameat2, x, a, y, b, f), a, b) }
int mkdir(const char *a, mode_t m) { NAMED('M', syscall(SYS_mkdir, a, m), a, "") }
int unlink(const char *a) { NAMED('U', syscall(SYS_unlink, a), a, "") }
int rmdir(const char *a) { NAMED('U', syscall(SYS_rmdir, a), a, "") }
int remove(const char *a) { NAMED('U', REAL(remove)(a), a, "") }
int link(const char *a, const char *b) { NAMED('L', syscall(SYS_link, a, b), a, b) }

// An answer to a client is a promise: what was asked must survive every cut after it.
ssize_t send(int d, const void *b, size_t n, int flags) {
    if (journal < 0) return syscall(SYS_sendto, d, b, n, flags, NULL, 0);
    pthread_mutex_lock(&order);
    ssize_t result = syscall(SYS_sendto, d, b, n, flags, NULL, 0);
    int saved = errno;
    if (result > 0) note('A', 0, 0, "", "", b, (size_t)result);
    errno = saved;
    pthread_mutex_unlock(&order);
    return result;
}

int mdb_env_open(void *environment, const char *path, unsigned flags, mode_t mode) {
    int (*real)(void *, const char *, unsigned, mode_t) = dlsym(RTLD_NEXT, "mdb_env_open");
    return real(environment, path, flags | (unsigned)open_flags, mode);
}

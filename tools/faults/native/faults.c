// Built by faults/world.py: cc -shared -fPIC -O1 -o faults.so faults.c -ldl
// Preloaded into a program under test: makes the Nth call of a kind fail, shifts the clock, changes how LMDB is opened.
//
// TORTURE_CONTROL names a file of 4096 bytes that the harness maps too, so that it can change its mind while the program runs.
// Calls on files fail only below TORTURE_ROOT.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { READS = 1, WRITES = 2, SYNCS = 4, OPENS = 8, MEMORY = 16, NAMES = 32 };

struct control {
    int64_t kinds;        // which calls count; 0: none
    int64_t nth;          // the call that fails, from 1
    int64_t sticky;       // 1: that call and all after it
    int64_t number;       // errno of a failure
    int64_t calls;        // calls counted since the harness reset this
    int64_t failures;     // of which so many failed
    int64_t clock_offset; // nanoseconds added to the wall clock
    int64_t map_limit;    // bytes of the first map of LMDB; 0: as asked
    int64_t map_growths;  // maps set after the first
    int64_t longest_map;  // nanoseconds of the longest growth
};

static struct control *control;
static const char *root;
static size_t root_length;
static int64_t open_flags;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TORTURE_CONTROL");
    root = getenv("TORTURE_ROOT");
    root_length = root ? strlen(root) : 0;
    const char *flags = getenv("TORTURE_LMDB_FLAGS");
    open_flags = flags ? strtoll(flags, NULL, 0) : 0;
    if (path == NULL) return;
    int descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (descriptor < 0) return;
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    syscall(SYS_close, descriptor);
    if (map != MAP_FAILED) control = map;
}

static int is_below_root(const char *path) {
    return root_length > 0 && path != NULL && strncmp(path, root, root_length) == 0;
}

static int is_in_root(int descriptor) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t count = syscall(SYS_readlink, link, path, sizeof path - 1);
    if (count <= 0) return 0;
    path[count] = 0;
    return is_below_root(path);
}

static int strikes(void) {
    int64_t call = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
    if (!(control->sticky ? call >= control->nth : call == control->nth)) return 0;
    __atomic_add_fetch(&control->failures, 1, __ATOMIC_SEQ_CST);
    errno = (int)control->number;
    return 1;
}

static int fails(int kind, int descriptor) {
    if (control == NULL || !(control->kinds & kind)) return 0;
    int saved = errno;
    int is_ours = is_in_root(descriptor);
    errno = saved;
    return is_ours && strikes();
}

static int fails_at(int kind, const char *path) {
    return control != NULL && (control->kinds & kind) && is_below_root(path) && strikes();
}

// Reading.
ssize_t read(int d, void *b, size_t n) { return fails(READS, d) ? -1 : syscall(SYS_read, d, b, n); }
ssize_t pread(int d, void *b, size_t n, off_t o) { return fails(READS, d) ? -1 : syscall(SYS_pread64, d, b, n, o); }
ssize_t pread64(int d, void *b, size_t n, off64_t o) { return fails(READS, d) ? -1 : syscall(SYS_pread64, d, b, n, o); }

// Writing.
ssize_t write(int d, const void *b, size_t n) { return fails(WRITES, d) ? -1 : syscall(SYS_write, d, b, n); }
ssize_t pwrite(int d, const void *b, size_t n, off_t o) { return fails(WRITES, d) ? -1 : syscall(SYS_pwrite64, d, b, n, o); }
ssize_t pwrite64(int d, const void *b, size_t n, off64_t o) { return fails(WRITES, d) ? -1 : syscall(SYS_pwrite64, d, b, n, o); }
ssize_t writev(int d, const struct iovec *v, int n) { return fails(WRITES, d) ? -1 : syscall(SYS_writev, d, v, n); }
ssize_t pwritev(int d, const struct iovec *v, int n, off_t o) { return fails(WRITES, d) ? -1 : REAL(pwritev)(d, v, n, o); }
ssize_t pwritev64(int d, const struct iovec *v, int n, off64_t o) { return fails(WRITES, d) ? -1 : REAL(pwritev64)(d, v, n, o); }
int ftruncate(int d, off_t n) { return fails(WRITES, d) ? -1 : (int)syscall(SYS_ftruncate, d, n); }
int ftruncate64(int d, off64_t n) { return fails(WRITES, d) ? -1 : (int)syscall(SYS_ftruncate, d, n); }

// To the disk.
int fsync(int d) { return fails(SYNCS, d) ? -1 : (int)syscall(SYS_fsync, d); }
int fdatasync(int d) { return fails(SYNCS, d) ? -1 : (int)syscall(SYS_fdatasync, d); }

// Names.
int rename(const char *a, const char *b) { return fails_at(NAMES, b) ? -1 : (int)syscall(SYS_rename, a, b); }
int mkdir(const char *a, mode_t m) { return fails_at(NAMES, a) ? -1 : (int)syscall(SYS_mkdir, a, m); }
int unlink(const char *a) { return fails_at(NAMES, a) ? -1 : (int)syscall(SYS_unlink, a); }
int link(const char *a, const char *b) { return fails_at(NAMES, b) ? -1 : (int)syscall(SYS_link, a, b); }

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
    return fails_at(OPENS, path) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags)
    return fails_at(OPENS, path) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
    MODE(flags)
    return fails_at(OPENS, path) ? -1 : (int)syscall(SYS_openat, folder, path, flags, mode);
}
FILE *fopen(const char *path, const char *how) { return fails_at(OPENS, path) ? NULL : REAL(fopen)(path, how); }

// Memory: not below a root, so every caller of the process counts.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static int memory_fails(void) {
    return control != NULL && (control->kinds & MEMORY) && strikes();
}
void *malloc(size_t n) { return memory_fails() ? NULL : __libc_malloc(n); }
void *calloc(size_t a, size_t b) { return memory_fails() ? NULL : __libc_calloc(a, b); }
void *realloc(void *p, size_t n) { return memory_fails() ? NULL : __libc_realloc(p, n); }
void *aligned_alloc(size_t a, size_t n) { return memory_fails() ? NULL : __libc_memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) {
    if (memory_fails()) return ENOMEM;
    *p = __libc_memalign(a, n);
    return *p ? 0 : ENOMEM;
}

// The wall clock.
static void shift(struct timespec *t) {
    if (control == NULL || control->clock_offset == 0) return;
    int64_t nanoseconds = t->tv_nsec + control->clock_offset % 1000000000;
    t->tv_sec += control->clock_offset / 1000000000;
    if (nanoseconds < 0) nanoseconds += 1000000000, t->tv_sec -= 1;
    if (nanoseconds >= 1000000000) nanoseconds -= 1000000000, t->tv_sec += 1;
    t->tv_nsec = nanoseconds;
}
int clock_gettime(clockid_t clock, struct timespec *t) {
    int status = (int)syscall(SYS_clock_gettime, clock, t);
    if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(t);
    return status;
}
int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}

// The kernel's clock is not shifted, so what waits for a time of the wall clock (as libdispatch does) waits for the shifted one here.
int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict end) {
    if (control == NULL) return REAL(sem_timedwait)(semaphore, end);
    for (;;) {
        struct timespec now, slice;
        clock_gettime(CLOCK_REALTIME, &now);
        double left = (double)(end->tv_sec - now.tv_sec) + (double)(end->tv_nsec - now.tv_nsec) / 1e9;
        if (left > 0.01) left = 0.01;
        if (left < 0) left = 0;
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &slice);
        slice.tv_nsec += (long)(left * 1e9);
        if (slice.tv_nsec >= 1000000000) slice.tv_nsec -= 1000000000, slice.tv_sec += 1;
        if (sem_clockwait(semaphore, CLOCK_MONOTONIC, &slice) == 0) return 0;
        if (errno != ETIMEDOUT || left == 0) return -1;
    }
}

// LMDB, a shared library, so its calls can be changed too.
int mdb_env_open(void *environment, const char *path, unsigned flags, mode_t mode) {
    int (*real)(void *, const char *, unsigned, mode_t) = dlsym(RTLD_NEXT, "mdb_env_open");
    return real(environment, path, flags | (unsigned)open_flags, mode);
}
int mdb_env_set_mapsize(void *environment, size_t size) {
    int (*real)(void *, size_t) = dlsym(RTLD_NEXT, "mdb_env_set_mapsize");
    if (control == NULL || control->map_limit == 0) return real(environment, size);
    // The standard size is a start; anything else is a growth.
    if (size == (size_t)64 << 20 && control->map_growths == 0) return real(environment, (size_t)control->map_limit);
    struct timespec from, to;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &from);
    int status = real(environment, size);
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &to);
    int64_t took = (to.tv_sec - from.tv_sec) * 1000000000 + (to.tv_nsec - from.tv_nsec);
    if (took > control->longest_map) control->longest_map = took;
    control->map_growths += 1;
    return status;
}

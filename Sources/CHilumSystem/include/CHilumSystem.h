// System calls of Linux that Swift's Glibc module does not show, or shows in a form that is hard to use.
// Every function returns -1 with errno set on failure, as the call behind it does, unless it says otherwise.
#ifndef HILUM_SYSTEM_H
#define HILUM_SYSTEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What an event says; the values are those of epoll.
static const uint32_t HILUM_READABLE = 0x001;
static const uint32_t HILUM_WRITABLE = 0x004;
static const uint32_t HILUM_FAILED = 0x008;
static const uint32_t HILUM_HUNG_UP = 0x010;

// One ready descriptor: the key it was registered with, and what it is ready for.
typedef struct {
    uint64_t key;
    uint32_t events;
    uint32_t unused;
} hilum_event;

int hilum_epoll_create(void);
int hilum_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t key);
int hilum_epoll_change(int epoll, int descriptor, uint32_t events, uint64_t key);
int hilum_epoll_remove(int epoll, int descriptor);
// Waits for at most `milliseconds` (-1: for ever); fills `events` and returns how many; 0 when a signal came.
int hilum_epoll_wait(int epoll, hilum_event *events, int capacity, int milliseconds);

// A counter that wakes a poll: non-blocking, closed on exec.
int hilum_eventfd_create(void);
// Safe in a signal handler.
void hilum_eventfd_raise(int descriptor);
void hilum_eventfd_clear(int descriptor);

// SIGTERM and SIGINT raise `descriptor`, SIGPIPE is ignored; what was set before is remembered.
int hilum_signals_install(int descriptor);
// Puts back what `hilum_signals_install` replaced.
void hilum_signals_restore(void);
// Whether a signal came since they were installed last.
int hilum_signals_seen(void);

// A Unix stream socket (non-blocking if asked), closed on exec.
int hilum_unix_socket(int nonblocking);
// `path` is NUL-terminated; ENAMETOOLONG when it does not fit into sun_path (107 bytes).
int hilum_unix_bind(int descriptor, const char *path);
int hilum_unix_connect(int descriptor, const char *path);
// A non-blocking connection, closed on exec.
int hilum_unix_accept(int descriptor);
int hilum_peer_credentials(int descriptor, int32_t *pid, uint32_t *uid, uint32_t *gid);
// The supplementary groups of a peer; returns how many were put into `groups`, at most `capacity`.
int hilum_peer_groups(int descriptor, uint32_t *groups, int capacity);
// send() that never raises SIGPIPE.
ssize_t hilum_send(int descriptor, const void *bytes, size_t count);
// Makes `descriptor`, which another program passed on, non-blocking and closed on exec, and puts the NUL-terminated path that it
// is bound to into `path`; EINVAL when it is no listening Unix stream socket with a path.
int hilum_unix_take(int descriptor, char *path, size_t capacity);
// Sends one datagram to the Unix socket at `path` (NUL-terminated; '@' at its head stands for the abstract name space).
int hilum_unix_notify(const char *path, const void *bytes, size_t count);
// Sets the soft limit of open files to the hard one and returns it.
int64_t hilum_raise_file_limit(void);

// Opens a regular file below the folder `root` for reading; no symbolic link on the way and no way out (openat2).
int hilum_open_beneath(int root, const char *path);

// Two paths of one file system change places in one step; EINVAL or ENOSYS where the file system cannot.
int hilum_exchange(const char *first, const char *second);

// An inotify descriptor: non-blocking, closed on exec.
int hilum_inotify_create(void);
// Watches a folder for names that come, go or were written; symbolic links are not followed.
int hilum_inotify_watch(int descriptor, const char *folder);
// Reads some events and keeps nothing but the numbers of the watches: fills `watches` and returns how many there were;
// 0 with `overflow` 0: nothing waits. `overflow` is set to 1 when events were lost.
int hilum_inotify_read(int descriptor, int32_t *watches, int capacity, int *overflow);

#endif

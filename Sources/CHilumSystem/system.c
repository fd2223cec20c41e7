#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CHilumSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(EPOLLIN == 0x001 && EPOLLOUT == 0x004 && EPOLLERR == 0x008 && EPOLLHUP == 0x010, "see the header");

int hilum_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static int control(int epoll, int operation, int descriptor, uint32_t events, uint64_t key) {
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.u64 = key;
    return epoll_ctl(epoll, operation, descriptor, &event);
}

int hilum_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t key) {
    return control(epoll, EPOLL_CTL_ADD, descriptor, events, key);
}

int hilum_epoll_change(int epoll, int descriptor, uint32_t events, uint64_t key) {
    return control(epoll, EPOLL_CTL_MOD, descriptor, events, key);
}

int hilum_epoll_remove(int epoll, int descriptor) { return control(epoll, EPOLL_CTL_DEL, descriptor, 0, 0); }

int hilum_epoll_wait(int epoll, hilum_event *events, int capacity, int milliseconds) {
    struct epoll_event ready[256];
    if (capacity > 256) capacity = 256;
    int count = epoll_wait(epoll, ready, capacity, milliseconds);
    if (count < 0) return errno == EINTR ? 0 : -1;
    for (int i = 0; i < count; i++) {
        events[i].key = ready[i].data.u64;
        events[i].events = ready[i].events;
        events[i].unused = 0;
    }
    return count;
}

int hilum_eventfd_create(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void hilum_eventfd_raise(int descriptor) {
    uint64_t one = 1;
    int saved = errno;
    // A full counter (EAGAIN) wakes just as well.
    ssize_t wrote = write(descriptor, &one, sizeof one);
    (void)wrote;
    errno = saved;
}

void hilum_eventfd_clear(int descriptor) {
    uint64_t count;
    ssize_t got = read(descriptor, &count, sizeof count);
    (void)got;
}

static volatile sig_atomic_t signal_descriptor = -1;
static volatile sig_atomic_t signal_seen = 0;
static struct sigaction previous_term, previous_int, previous_pipe;

static void raise_descriptor(int number) {
    (void)number;
    signal_seen = 1;
    if (signal_descriptor >= 0) hilum_eventfd_raise(signal_descriptor);
}

int hilum_signals_install(int descriptor) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    action.sa_handler = raise_descriptor;
    signal_seen = 0;
    signal_descriptor = descriptor;
    if (sigaction(SIGTERM, &action, &previous_term) != 0) return -1;
    if (sigaction(SIGINT, &action, &previous_int) != 0) return -1;
    action.sa_handler = SIG_IGN;
    return sigaction(SIGPIPE, &action, &previous_pipe);
}

void hilum_signals_restore(void) {
    sigaction(SIGTERM, &previous_term, NULL);
    sigaction(SIGINT, &previous_int, NULL);
    sigaction(SIGPIPE, &previous_pipe, NULL);
    signal_descriptor = -1;
}

int hilum_signals_seen(void) { return signal_seen; }

int hilum_unix_socket(int nonblocking) {
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0);
}

static int make_address(struct sockaddr_un *address, const char *path) {
    size_t length = strlen(path);
    memset(address, 0, sizeof *address);
    if (length >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length);
    return 0;
}

int hilum_unix_bind(int descriptor, const char *path) {
    struct sockaddr_un address;
    if (make_address(&address, path) != 0) return -1;
    return bind(descriptor, (const struct sockaddr *)&address, sizeof address);
}

int hilum_unix_connect(int descriptor, const char *path) {
    struct sockaddr_un address;
    if (make_address(&address, path) != 0) return -1;
    int result;
    do {
        result = connect(descriptor, (const struct sockaddr *)&address, sizeof address);
    } while (result != 0 && errno == EINTR);
    return result;
}

int hilum_unix_accept(int descriptor) { return accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); }

int hilum_peer_credentials(int descriptor, int32_t *pid, uint32_t *uid, uint32_t *gid) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -1;
    *pid = credentials.pid;
    *uid = credentials.uid;
    *gid = credentials.gid;
    return 0;
}

int hilum_peer_groups(int descriptor, uint32_t *groups, int capacity) {
    // SO_PEERGROUPS; older headers lack it.
    socklen_t length = (socklen_t)capacity * sizeof *groups;
    if (getsockopt(descriptor, SOL_SOCKET, 59, groups, &length) != 0) return -1;
    return (int)(length / sizeof *groups);
}

static int socket_option(int descriptor, int option) {
    int value = 0;
    socklen_t length = sizeof value;
    return getsockopt(descriptor, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

int hilum_unix_take(int descriptor, char *path, size_t capacity) {
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    memset(&address, 0, sizeof address);
    if (getsockname(descriptor, (struct sockaddr *)&address, &length) != 0) return -1;
    // The kernel may leave out the NUL where the path fills the whole field.
    size_t count = strnlen(address.sun_path, sizeof address.sun_path);
    if (address.sun_family != AF_UNIX || count == 0 || count >= capacity ||
        socket_option(descriptor, SO_TYPE) != SOCK_STREAM || socket_option(descriptor, SO_ACCEPTCONN) != 1) {
        errno = EINVAL;
        return -1;
    }
    memcpy(path, address.sun_path, count);
    path[count] = 0;
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) != 0) return -1;
    return fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

int hilum_unix_notify(const char *path, const void *bytes, size_t count) {
    struct sockaddr_un address;
    if (make_address(&address, path) != 0) return -1;
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + strlen(path);
    // An abstract name begins with a NUL and has no NUL at its end.
    if (path[0] == '@') address.sun_path[0] = 0;
    else length += 1;
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -1;
    ssize_t sent = sendto(descriptor, bytes, count, MSG_NOSIGNAL, (const struct sockaddr *)&address, length);
    int failure = errno;
    close(descriptor);
    errno = failure;
    return sent == (ssize_t)count ? 0 : -1;
}

ssize_t hilum_send(int descriptor, const void *bytes, size_t count) {
    return send(descriptor, bytes, count, MSG_NOSIGNAL);
}

int64_t hilum_raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
    }
    return (int64_t)limit.rlim_cur;
}

int hilum_open_beneath(int root, const char *path) {
    struct open_how how;
    memset(&how, 0, sizeof how);
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

int hilum_exchange(const char *first, const char *second) {
    // RENAME_EXCHANGE; older headers lack it.
    return (int)syscall(SYS_renameat2, AT_FDCWD, first, AT_FDCWD, second, 1u << 1);
}

int hilum_inotify_create(void) { return inotify_init1(IN_NONBLOCK | IN_CLOEXEC); }

int hilum_inotify_watch(int descriptor, const char *folder) {
    uint32_t mask = IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF |
                    IN_ATTRIB | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK;
    return inotify_add_watch(descriptor, folder, mask);
}

int hilum_inotify_read(int descriptor, int32_t *watches, int capacity, int *overflow) {
    // A record is at most sizeof(struct inotify_event) + NAME_MAX + 1 = 272 bytes, so each read gives some.
    char buffer[16384] __attribute__((aligned(8)));
    int count = 0;
    *overflow = 0;
    ssize_t got = read(descriptor, buffer, sizeof buffer);
    if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    for (ssize_t offset = 0; offset + (ssize_t)sizeof(struct inotify_event) <= got;) {
        struct inotify_event event;
        memcpy(&event, buffer + offset, sizeof event);
        offset += (ssize_t)sizeof event + event.len;
        if (event.mask & IN_Q_OVERFLOW) *overflow = 1;
        if (count == capacity) *overflow = 1;
        if (event.wd >= 0 && count < capacity) watches[count++] = event.wd;
    }
    return count;
}

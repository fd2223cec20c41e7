#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CGDCM.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define HILUM_AUDIT_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define HILUM_AUDIT_ARCH AUDIT_ARCH_AARCH64
#endif

// What reading bytes, computing and ending takes. Whatever else is asked for fails with EPERM: a library that probes for a file
// goes on without it.
static const unsigned allowed_calls[] = {
    __NR_read, __NR_write, __NR_readv, __NR_writev, __NR_close, __NR_fstat, __NR_lseek,
    __NR_brk, __NR_mmap, __NR_munmap, __NR_mremap, __NR_mprotect, __NR_madvise,
    __NR_futex, __NR_sched_yield, __NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_sigaltstack,
    __NR_clock_gettime, __NR_gettimeofday, __NR_nanosleep, __NR_clock_nanosleep, __NR_restart_syscall,
    __NR_getpid, __NR_gettid, __NR_tgkill, __NR_getrandom, __NR_sysinfo, __NR_sched_getaffinity, __NR_getrusage,
    __NR_setitimer, __NR_exit, __NR_exit_group,
#ifdef __NR_poll
    __NR_poll,
#endif
    __NR_ppoll,
};

enum { call_count = sizeof allowed_calls / sizeof allowed_calls[0] };

static int filter_calls(void) {
#ifdef HILUM_AUDIT_ARCH
    struct sock_filter program[call_count + 6];
    unsigned short length = 0;
    program[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    program[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HILUM_AUDIT_ARCH, 1, 0);
    program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    program[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < call_count; i++) {
        program[length++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, allowed_calls[i], (unsigned char)(call_count - i), 0);
    }
    program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (EPERM & SECCOMP_RET_DATA));
    program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog filter = {.len = length, .filter = program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) return errno;
#endif
    return 0;
}

static int limit(__rlimit_resource_t resource, uint64_t value) {
    struct rlimit bounds;
    if (getrlimit(resource, &bounds) != 0) return errno;
    if (bounds.rlim_max != RLIM_INFINITY && bounds.rlim_max < value) value = bounds.rlim_max;
    bounds.rlim_cur = value;
    bounds.rlim_max = value;
    return setrlimit(resource, &bounds) == 0 ? 0 : errno;
}

// The bytes of address space that this process has mapped; 0 when the system does not say.
static uint64_t mapped_byte_count(void) {
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;
    if (file == NULL) return 0;
    if (fscanf(file, "%lu", &pages) != 1) pages = 0;
    fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

int hilum_dicom_confine(uint64_t byte_count) {
    uint64_t mapped = mapped_byte_count();
    if (mapped == 0) return ENOSYS;
    // A large block goes back to the system when it is freed, also after others of its size: the next file needs the room.
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
#ifdef __NR_close_range
    // What came from the process that started this one.
    if (syscall(__NR_close_range, 3u, ~0u, 0u) != 0 && errno != ENOSYS) return errno;
#endif
    int failure = limit(RLIMIT_AS, mapped + byte_count);
    if (failure == 0) failure = limit(RLIMIT_FSIZE, 0);
    // A crash is expected here, and a dump of it would hold a patient's picture.
    if (failure == 0) failure = limit(RLIMIT_CORE, 0);
    return failure != 0 ? failure : filter_calls();
}

int hilum_dicom_limit_time(uint32_t milliseconds) {
    struct itimerval timer;
    memset(&timer, 0, sizeof timer);
    timer.it_value.tv_sec = milliseconds / 1000;
    timer.it_value.tv_usec = (milliseconds % 1000) * 1000;
    // Without a handler SIGPROF ends the process.
    return setitimer(ITIMER_PROF, &timer, NULL) == 0 ? 0 : errno;
}

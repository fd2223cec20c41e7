// Runs a program and writes down what it took: processor time in microseconds, peak of memory in KiB, and its status.
//
//     measure OUT SECONDS PROGRAM ARGUMENT…
//
// A process of its own, because the peak of memory that the kernel tells of a child begins with that of the process that made it.
// Built by faults/world.py: cc -O1 -o measure measure.c
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;

static void end(int number) {
    (void)number;
    kill(child, SIGKILL);
}

int main(int count, char **words) {
    if (count < 4) return 2;
    child = fork();
    if (child == 0) {
        execv(words[3], words + 3);
        _exit(127);
    }
    signal(SIGALRM, end);
    alarm((unsigned)atoi(words[2]));
    int status = 0;
    struct rusage usage;
    while (wait4(child, &status, 0, &usage) < 0) {}
    FILE *file = fopen(words[1], "w");
    if (file == NULL) return 2;
    long user = usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec;
    long system = usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
    fprintf(file, "%ld %ld %d\n", user + system, usage.ru_maxrss, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
    return fclose(file) == 0 ? 0 : 2;
}

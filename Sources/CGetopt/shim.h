// getopt_long(3). Its state lives in C globals, which Swift rightly does not let go by: these functions are the way to it.
#ifndef HILUM_GETOPT_H
#define HILUM_GETOPT_H
#include <getopt.h>

// Starts over (0 makes glibc forget where it was) and leaves the messages to the caller.
static inline void hilum_getopt_restart(void) {
    optind = 0;
    opterr = 0;
}

static inline const char *hilum_getopt_argument(void) { return optarg; }
static inline int hilum_getopt_index(void) { return optind; }
static inline int hilum_getopt_unknown(void) { return optopt; }
#endif

// What stands in the place of a call into a library of Swift, and makes the same call.

#pragma once
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

// Of the sanitizer: what threads did before `__tsan_release` of an address comes before what follows `__tsan_acquire` of it.
void __tsan_acquire(void *address);
void __tsan_release(void *address);

// Not to be looked at by the sanitizer itself.
#define UNSEEN __attribute__((disable_sanitizer_instrumentation))

/// The library's own function of that name, looked up once: the first calls come before any constructor of ours.
UNSEEN static inline void *library(void **known, const char *name) {
    void *found = __atomic_load_n(known, __ATOMIC_ACQUIRE);
    if (found != NULL) return found;
    found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        fprintf(stderr, "the libraries of Swift have no %s: CThreadNotes was written for another release\n", name);
        abort();
    }
    __atomic_store_n(known, found, __ATOMIC_RELEASE);
    return found;
}

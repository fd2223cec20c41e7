#include "COpenBLAS.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

typedef void (*sgemm_function)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                               const float *b, int ldb, float beta, float *c, int ldc);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char failure[640] = "OpenBLAS has not been loaded";
static const char *core_name = "";
static sgemm_function sgemm;

static const char *core_for_this_processor(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
        return __builtin_cpu_supports("avx512bf16") ? "Cooperlake" : "SkylakeX";
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
    return NULL;
}

static void load(void) {
    const char *core = core_for_this_processor();
    if (core) setenv("OPENBLAS_CORETYPE", core, 0);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    const char *name = getenv("HILUM_OPENBLAS");
    if (!name || !*name) name = "libopenblas.so.0";
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(failure, sizeof failure,
                 "training and evaluation need OpenBLAS, and %.400s cannot be loaded; install it: apt-get install libopenblas-dev",
                 name);
        return;
    }
    sgemm = (sgemm_function)dlsym(library, "cblas_sgemm");
    if (!sgemm) {
        snprintf(failure, sizeof failure,
                 "%.400s has no cblas_sgemm; reinstall it: apt-get install --reinstall libopenblas-dev", name);
        return;
    }
    void (*set_threads)(int) = (void (*)(int))dlsym(library, "openblas_set_num_threads");
    if (set_threads) set_threads(1);
    const char *(*core_used)(void) = (const char *(*)(void))dlsym(library, "openblas_get_corename");
    if (core_used) core_name = core_used();
    failure[0] = 0;
}

const char *hilum_blas_load(void) {
    pthread_once(&once, load);
    return failure[0] ? failure : NULL;
}

const char *hilum_blas_core(void) { return core_name; }

void hilum_sgemm(int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                 float beta, float *c, int ldc) {
    // 101: row-major; 111, 112: as is, transposed (the values of the CBLAS interface).
    sgemm(101, trans_a ? 112 : 111, trans_b ? 112 : 111, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

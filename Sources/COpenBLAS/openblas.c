#include "COpenBLAS.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

typedef void (*sgemm_function)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                               const float *b, int ldb, float beta, float *c, int ldc);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *failure = "OpenBLAS has not been loaded";
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
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        failure = "libopenblas.so.0 cannot be loaded; install it: apt-get install libopenblas-dev";
        return;
    }
    sgemm = (sgemm_function)dlsym(library, "cblas_sgemm");
    if (!sgemm) {
        failure = "libopenblas.so.0 has no cblas_sgemm; reinstall it: apt-get install --reinstall libopenblas-dev";
        return;
    }
    void (*set_threads)(int) = (void (*)(int))dlsym(library, "openblas_set_num_threads");
    if (set_threads) set_threads(1);
    const char *(*name)(void) = (const char *(*)(void))dlsym(library, "openblas_get_corename");
    if (name) core_name = name();
    failure = NULL;
}

const char *hilum_blas_load(void) {
    pthread_once(&once, load);
    return failure;
}

const char *hilum_blas_core(void) { return core_name; }

void hilum_sgemm(int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                 float beta, float *c, int ldc) {
    // 101: row-major; 111, 112: as is, transposed (the values of the CBLAS interface).
    sgemm(101, trans_a ? 112 : 111, trans_b ? 112 : 111, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

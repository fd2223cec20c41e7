#ifndef HILUM_COPENBLAS_H
#define HILUM_COPENBLAS_H

// OpenBLAS, loaded when it is first asked for: training and evaluation multiply with it, inference does not need it.
// HILUM_OPENBLAS names another file than libopenblas.so.0.
//
// OpenBLAS picks its kernels in a constructor, from the processor's model number. Release 0.3.21 does not know the newer
// Intel server models and falls back to its SSE3 kernels there, four times slower. So the choice is made here, from the
// processor's features, and handed over in OPENBLAS_CORETYPE before the library is loaded; a value that the user set wins.

/// Loads OpenBLAS with one thread a call, once. Returns NULL on success, else why it failed (static text). Safe from any thread.
const char *hilum_blas_load(void);

/// The kernel set OpenBLAS runs ("Cooperlake", "Haswell", ...), or "" before loading.
const char *hilum_blas_core(void);

/// C[m,n] = alpha * op(A) * op(B) + beta * C, row-major f32; trans* nonzero transposes. hilum_blas_load() must have succeeded.
void hilum_sgemm(int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                 float beta, float *c, int ldc);

#endif

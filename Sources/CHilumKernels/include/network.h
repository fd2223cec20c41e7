#ifndef HILUM_NETWORK_H
#define HILUM_NETWORK_H

#include <stddef.h>
#include <stdint.h>

// Element-wise and row-wise kernels of the encoders: f32, row-major, one body compiled for the x86-64 baseline, AVX2 and
// AVX-512, chosen once from the processor's features (HILUM_KERNELS=scalar|avx2|avx512 forces a set the processor has).
// Pointers need no alignment beyond that of float; buffers must not overlap unless said. Safe from any thread.

// The set in use: "scalar", "avx2" or "avx512".
const char *hilum_network_kernels(void);

// Changes the set for the calling thread, for tests that compare sets; "" goes back to the choice of the process.
// 0 where the processor lacks the set or there is none of that name.
int hilum_network_use(const char *name);

// y[rows,width] += bias[width]
void hilum_bias_add(float *y, const float *bias, size_t rows, size_t width);
// pre += bias (kept for the backward pass); y = gelu(pre), with gelu(x) = x/2 * (1 + erf(x/sqrt 2)). y may be pre.
void hilum_bias_gelu(float *pre, const float *bias, float *y, size_t rows, size_t width);
// dy *= gelu'(pre), in place
void hilum_gelu_backward(const float *pre, float *dy, size_t count);
// sum[width] += column sums of x[rows,width]
void hilum_column_sum(float *sum, const float *x, size_t rows, size_t width);
// y = gain * (x - mean) * rstd + bias for each row; mean[rows] and rstd[rows] are kept for the backward pass
void hilum_layer_norm(const float *x, const float *gain, const float *bias, float *y, float *mean, float *rstd, size_t rows,
                      size_t width, float epsilon);
// dx += gradient to x; dgain += ..., dbias += ...
void hilum_layer_norm_backward(const float *x, const float *gain, const float *mean, const float *rstd, const float *dy,
                               float *dx, float *dgain, float *dbias, size_t rows, size_t width);
// Each row x[r*stride ...][width] becomes softmax(scale * x), in place
void hilum_softmax(float *x, size_t rows, size_t width, size_t stride, float scale);
// dp becomes scale * p * (dp - sum(p * dp)), in place
void hilum_softmax_backward(const float *p, float *dp, size_t rows, size_t width, size_t stride, float scale);
// y += x
void hilum_add(float *y, const float *x, size_t count);
// y += a * x
void hilum_axpy(float *y, const float *x, float a, size_t count);
// y = scale * x + shift; y may be x
void hilum_affine(float *y, const float *x, float scale, float shift, size_t count);
// y = scale * x
void hilum_u16_to_f32(float *y, const uint16_t *x, float scale, size_t count);
// The squared error of row[count] against the truth with mean 0 and deviation 1 (epsilon 1e-4); row becomes scale * difference
float hilum_pixel_loss(float *row, const float *truth, size_t count, float scale);
float hilum_dot_f32(const float *a, const float *b, size_t count);
// Sum of squares, accumulated in double over blocks of 1,024
double hilum_sum_of_squares(const float *x, size_t count);
// One AdamW step with decoupled decay; correction1 = 1 - beta1^t, correction2 = 1 - beta2^t; the gradient is scaled first
void hilum_adamw(float *value, const float *gradient, float *moment1, float *moment2, size_t count, float gradient_scale,
                 float rate, float beta1, float beta2, float epsilon, float decay, float correction1, float correction2);

#endif

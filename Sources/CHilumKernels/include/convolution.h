#ifndef HILUM_CONVOLUTION_H
#define HILUM_CONVOLUTION_H

#include <stddef.h>

// Convolutions of a few rows of an image, channels last, with bias and ReLU6: f32, one source compiled for the x86-64 baseline,
// AVX2 and AVX-512 (the set of network.h). 1 × 1 convolutions are products (matrix.h). Safe from any thread; nothing is
// allocated. Pointers need no alignment beyond that of float; `out` must not overlap the rows that are read.
//
// Every output is one sum in the order of the kernel's rows and columns, from which taps outside of the image are left out. So its
// bits do not depend on the strip or the tile that it is computed in.

// out[y, x, c] = relu6(bias[c] + sum over i, j of weight[i, j, c] * rows[y * stride + i][x * stride + j - before])
typedef struct {
    const float *const *rows;  // (out_rows - 1) * stride + kernel input rows; NULL stands for a row outside of the image
    size_t in_width;           // pixels of an input row
    size_t out_rows, out_width;
    size_t channels;           // of the output; a multiple of 16
    size_t kernel;             // 3, or 5 (depthwise only)
    size_t stride;             // 1 or 2
    size_t before;             // columns outside of the image that the first output sees
    const float *weight;       // [kernel, kernel, channels]
    const float *bias;         // [channels]
    float *out;                // [out_rows, out_width, channels]
} hilum_convolution;

// Each channel by itself: input rows are [in_width, channels].
void hilum_convolve_depthwise(const hilum_convolution *job);

// From one channel to all: input rows are [in_width], the kernel is 3.
void hilum_convolve_grey(const hilum_convolution *job);

#endif

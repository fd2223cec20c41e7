#ifndef HILUM_MATRIX_H
#define HILUM_MATRIX_H

#include <stddef.h>
#include <stdint.h>

// Matrix products and attention of the encoders: f32, row-major, one source compiled for the x86-64 baseline, AVX2 and AVX-512
// (the set of network.h). Safe from any thread; nothing is allocated, but a thread's own storage holds 1.5 MB of scratch, which
// the C library takes from its stack: threads that call this need 4 MB of it.
//
// Every element of a product is one sum over k in ascending order, whatever the other sizes are. So a row of a product has the
// same bits however many rows are computed with it, and several sequences may share one product.

// How the right operand B of C[m,n] = A[m,k] * B[k,n] is stored.
typedef enum {
    hilum_plain,       // B[p * b_row + j]
    hilum_transposed,  // B[j * b_row + p], as the weights of a linear layer [outputs, inputs]
    hilum_packed,      // by hilum_pack
    hilum_packed_half  // by hilum_pack_half, in `pairs`; A is rounded to bfloat16 as it is read, and a_step must be 1
} hilum_operand;

// One product with what is done to its elements before they are stored:
// x = sum (+ C if accumulates) (+ bias[j]); if gelu: pre[i,j] = x unless NULL, x = gelu(x); if relu6: x = min(max(x, 0), 6);
// (+ residual[i,j]); C[i,j] = x
typedef struct {
    size_t m, n, k;
    const float *a;          // A[i * a_row + p * a_step]
    size_t a_row, a_step;
    const float *b;
    size_t b_row;
    const uint32_t *pairs;
    hilum_operand b_operand;
    float *c;                // C[i * c_row + j]
    size_t c_row;
    int accumulates;
    const float *bias;       // [n] or NULL
    int gelu, relu6;         // at most one of them
    float *pre;              // rows of c_row, or NULL
    const float *residual;   // rows of c_row, or NULL; not C
} hilum_product;

void hilum_multiply(const hilum_product *product);

// For benches: the inner loop of a product (half: of one with hilum_packed_half) with nothing read or written, `rounds` times;
// returns its operations. x goes in and out, so that the loop has a result. No product runs faster than this.
double hilum_multiply_in_registers(int half, size_t rounds, float *x);

// Floats of a packed B[k,n].
size_t hilum_packed_count(size_t n, size_t k);
// Packs the weights w[n,k] of a linear layer: panels of 16 outputs, each [k,16], the last filled up with zeros.
void hilum_pack(const float *w, size_t n, size_t k, float *packed);

// The same in bfloat16 (rounded to nearest, ties to even), two neighbours of the sum in 32 bits: panels of 16 outputs, each
// [k/2,16]. Products of pairs are exact and summed in f32, by the processor's instruction or by two multiply-adds.
size_t hilum_packed_half_count(size_t n, size_t k);
void hilum_pack_half(const float *w, size_t n, size_t k, uint32_t *packed);
// Whether the set in use is avx512 and the processor multiplies pairs of bfloat16; without, f32 is faster.
int hilum_half_is_native(void);

// Attention of one sequence: for each head, out = softmax(scale * Q * K^T) * V.
// qkv[length, 3 * width] holds Q, K, V side by side, out is [length, width]. weights receives [heads, length, length], or is NULL:
// then a block of rows at a time stays in the cache. scratch holds hilum_attend_scratch floats.
void hilum_attend(const float *qkv, size_t length, size_t width, size_t heads, float scale, float *weights, float *out,
                  float *scratch);
// The gradient of qkv from that of out; dqkv[length, 3 * width] is written.
void hilum_attend_backward(const float *qkv, const float *weights, const float *dout, size_t length, size_t width, size_t heads,
                           float scale, float *dqkv, float *scratch);
size_t hilum_attend_scratch(size_t length, size_t width, size_t heads);

#endif

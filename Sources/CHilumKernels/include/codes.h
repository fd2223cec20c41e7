#ifndef HILUM_CODES_H
#define HILUM_CODES_H
#include <stddef.h>
#include <stdint.h>

// Distances between a vector and vectors stored in 16-bit fixed point, split into two levels of 8 bits.
//
// With an offset for each dimension and one step for all, a vector x becomes f = round((x - offset) / step), 16 bits, and
// f = 256 * code + residual, 8 bits signed each. A coarse distance reads the codes alone, a fine one both. The query keeps 16 bits, so
// its own rounding is hardly felt. Sums of products are exact in 32 bits: every set of kernels gives the same sums, and distances
// that differ at most by the rounding of the last double operations.
//
// Layouts, with width = hilum_code_width(dimension); bytes from `dimension` to `width` are 0:
//     code      width bytes | uint32 sum of the squared codes
//     residual  width bytes | uint64 sum of the squared f
// No pointer needs an alignment but that of `hilum_code_query`. Safe from any thread.

// A query made ready: distance = base + norm_factor * norm - dot_factor * (weights . code), and likewise for the fine one.
typedef struct {
    double base, norm_factor, dot_factor, fine_norm_factor, fine_dot_factor;
    double reserved[3];  // weights begin at a cache line
    int16_t weights[];   // width of them
} hilum_code_query;

// How vectors are turned into codes.
typedef struct {
    const float *offset;  // a dimension each
    float step;           // of the 16-bit numbers
    float factor;         // what a squared Euclidean distance is multiplied by: 1, or 0.5 for the cosine distance of unit vectors
} hilum_code_scale;

// Elements of a code with what fills it up; a multiple of 16.
static inline size_t hilum_code_width(size_t dimension) { return (dimension + 15) / 16 * 16; }
static inline size_t hilum_code_query_bytes(size_t dimension) {
    return sizeof(hilum_code_query) + 2 * hilum_code_width(dimension);
}
static inline size_t hilum_code_bytes(size_t dimension) { return hilum_code_width(dimension) + 4; }
static inline size_t hilum_residual_bytes(size_t dimension) { return hilum_code_width(dimension) + 8; }

// The vector that code and residual (or NULL for zeros) stand for.
void hilum_code_decode(const hilum_code_scale *scale, const void *code, const void *residual, size_t dimension,
                       float *restrict x);

/// out[i] = the coarse distance to codes[i]; the next codes are prefetched while some are computed.
typedef void (*hilum_code_gather_fn)(
    const void *query, const void *const *codes, size_t count, size_t dimension, float *out);
/// out[i] = the fine distance to codes[i] with residuals[i].
typedef void (*hilum_code_fine_gather_fn)(const void *query, const void *const *codes, const void *const *residuals,
                                          size_t count, size_t dimension, float *out);

/// Writes code and residual of x; what lies outside of 16 bits is cut to the nearest that fits. residual may be NULL.
typedef void (*hilum_code_encode_fn)(
    const hilum_code_scale *scale, const float *x, size_t dimension, void *code, void *residual);
/// Makes a query of a vector.
typedef void (*hilum_code_prepare_fn)(
    const hilum_code_scale *scale, const float *x, size_t dimension, hilum_code_query *query);
/// Makes a query of a stored vector; without residual of its code alone.
typedef void (*hilum_code_prepare_stored_fn)(const hilum_code_scale *scale, const void *code, const void *residual,
                                             size_t dimension, hilum_code_query *query);

typedef struct {
    const char *name;  // "scalar", "avx2", "avx512", "avx512vnni"
    hilum_code_encode_fn encode;
    hilum_code_prepare_fn prepare;
    hilum_code_prepare_stored_fn prepare_stored;
    hilum_code_gather_fn gather;
    hilum_code_fine_gather_fn fine_gather;
} hilum_code_kernel_set;

/// The set called `name`, or the best this CPU runs when `name` is NULL or empty; NULL when there is no such set or this CPU cannot
/// run it. Its gathers are compared with the scalar ones on fixed numbers before it is given out, and it is passed over if they differ.
const hilum_code_kernel_set *hilum_code_kernels(const char *name);
#endif

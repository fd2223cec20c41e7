#ifndef HILUM_DISTANCE_H
#define HILUM_DISTANCE_H
#include <stddef.h>
#include <stdint.h>

// Distances between vectors, in sets for one kind of CPU each.
//
// l2: squared Euclidean distance. ip: 1 - dot product (the cosine distance of unit vectors). Smaller is nearer.
// Vectors are f32, or bf16 (the upper half of an f32). No pointer needs an alignment; nothing past `dimension` elements is read.
// Within a set a distance has the same bits however many codes are gathered. Between sets results differ by rounding.

/// out[i] = the distance of `query` (f32) and codes[i], for `count` codes; the next codes are prefetched while some are computed.
typedef void (*hilum_gather_fn)(
    const void *query, const void *const *codes, size_t count, size_t dimension, float *out);

/// The kernels of one CPU kind.
typedef struct {
    const char *name;               // "scalar", "avx2", "avx512"
    hilum_gather_fn l2_f32_gather;  // f32 query, f32 codes
    hilum_gather_fn ip_f32_gather;
    hilum_gather_fn l2_bf16_gather; // f32 query, bf16 codes
    hilum_gather_fn ip_bf16_gather;
} hilum_kernel_set;

/// The set called `name`, or the best this CPU runs when `name` is NULL or empty;
/// NULL when there is no such set or this CPU cannot run it.
const hilum_kernel_set *hilum_kernels(const char *name);

/// Rounds `count` f32 to bf16, to nearest and to even at a tie.
void hilum_f32_to_bf16(const float *from, uint16_t *to, size_t count);

/// The exact f32 values of `count` bf16.
void hilum_bf16_to_f32(const uint16_t *from, float *to, size_t count);

/// Asks for the cache line at `address` to be loaded; any address is fine.
static inline void hilum_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

/// Asks for all cache lines of `size` bytes that begin with one.
static inline void hilum_prefetch_bytes(const void *address, size_t size) {
    for (size_t at = 0; at < size; at += 64) __builtin_prefetch((const char *)address + at, 0, 3);
}
#endif

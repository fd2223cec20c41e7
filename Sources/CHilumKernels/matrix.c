#include "matrix.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "level.h"

// A product runs in blocks: BLOCK_K of the sum at a time, so that a panel of B (16 columns, 48 KiB) and a block of A (at most
// BLOCK_ROWS rows) stay in the second cache. A tile of C (6 x 16 with AVX2) lives in registers over a block of the sum and goes
// back to C between blocks, which rounds nothing: an element is one chain of multiply-adds in ascending order of p. Blocks of
// 256, whose panel fits the first cache, cost more in trips of C than they save: B is read in order, which the processor foresees.
// After Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication", without the packing of A where its rows
// are contiguous.
#define PANEL 16
enum { BLOCK_K = 768, BLOCK_N = 256, BLOCK_M = 120, MOST_ROWS = 240, ROW_GAP = 8, LONG_ROW = 512 };
// Packing reads rows that lie far apart, which the processor does not foresee: AHEAD rows on are asked for early. SPAN columns of
// A are a multiple of every TILE_ROWS, a LINE of the cache holds 16 floats.
enum { AHEAD = 8, SPAN = 48, LINE = 16, SHORT_SUM = 128 };

// Packed blocks of a thread's current product. They are made when a thread first multiplies and freed when it ends: as thread-local
// arrays they would be cleared for every thread that starts, 1.5 MB and 383 page faults each, in programs that only search.
typedef struct {
    _Alignas(64) float a[(BLOCK_K + ROW_GAP) * (MOST_ROWS + 12)];
    _Alignas(64) float b[BLOCK_K * BLOCK_N];
} block_pair;
static _Thread_local block_pair *blocks_of_thread;
static pthread_key_t blocks_key;
static pthread_once_t blocks_once = PTHREAD_ONCE_INIT;

static void make_blocks_key(void) {
    if (pthread_key_create(&blocks_key, free) != 0) abort();
}

static __attribute__((noinline)) block_pair *make_blocks(void) {
    pthread_once(&blocks_once, make_blocks_key);
    block_pair *made = aligned_alloc(_Alignof(block_pair), sizeof *made);
    if (!made || pthread_setspecific(blocks_key, made) != 0) abort();
    blocks_of_thread = made;
    return made;
}

static inline block_pair *thread_blocks(void) { return blocks_of_thread ? blocks_of_thread : make_blocks(); }

#define ALWAYS static inline __attribute__((always_inline))
#define CONTRACT _Pragma("clang fp reassociate(off) contract(fast)")

static size_t minimum(size_t a, size_t b) { return a < b ? a : b; }

// The size of equal blocks of at most `most` that cover `count`, a multiple of `unit` (unless there is one block).
static size_t even_block(size_t count, size_t most, size_t unit) {
    if (count <= most) return count > 0 ? count : 1;
    const size_t blocks = (count + most - 1) / most;
    const size_t size = (count + blocks - 1) / blocks;
    return (size + unit - 1) / unit * unit;
}

typedef float four __attribute__((vector_size(16), aligned(4), may_alias));

// to[p * PANEL + j] = w[j * row + p] for 16 columns j (zeros from `columns` on) and k values of p.
static void pack_transposed_panel(const float *w, size_t row, size_t columns, size_t k, float *to) {
    for (size_t j = 0; j < PANEL; j += 4) {
        size_t p = 0;
        if (j + 4 <= columns) {
            const float *r0 = w + j * row, *r1 = r0 + row, *r2 = r1 + row, *r3 = r2 + row;
            for (; p + 4 <= k; p += 4) {
                const four a = *(const four *)(r0 + p), b = *(const four *)(r1 + p);
                const four c = *(const four *)(r2 + p), d = *(const four *)(r3 + p);
                const four ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
                const four cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
                float *out = to + p * PANEL + j;
                *(four *)out = __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5);
                *(four *)(out + PANEL) = __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7);
                *(four *)(out + 2 * PANEL) = __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5);
                *(four *)(out + 3 * PANEL) = __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7);
            }
        }
        for (; p < k; p++) {
            for (size_t i = j; i < j + 4; i++) to[p * PANEL + i] = i < columns ? w[i * row + p] : 0;
        }
    }
}

// to[p * PANEL + j] = b[p * row + j]
static void pack_plain_panel(const float *b, size_t row, size_t columns, size_t k, float *to) {
    for (size_t p = 0; p < k; p++) {
        const float *from = b + p * row;
        __builtin_prefetch(from + AHEAD * row);
        if (columns >= PANEL) {
            memcpy(to + p * PANEL, from, PANEL * sizeof(float));
        } else {
            for (size_t j = 0; j < PANEL; j++) to[p * PANEL + j] = j < columns ? from[j] : 0;
        }
    }
}

// Panels of n columns, each `panel_stride` floats after the one before.
static void pack(const float *b, size_t row, hilum_operand operand, size_t n, size_t k, size_t panel_stride, float *to) {
    for (size_t j = 0; j < n; j += PANEL, to += panel_stride) {
        const size_t columns = minimum(PANEL, n - j);
        if (operand == hilum_transposed) {
            pack_transposed_panel(b + j * row, row, columns, k, to);
        } else {
            pack_plain_panel(b + j, row, columns, k, to);
        }
    }
}

// Two bfloat16, the earlier in the lower half; read and written where floats lie too.
typedef uint32_t __attribute__((may_alias)) pair;

// A bfloat16 in the lower half: the upper half of a float, rounded to nearest, ties to even; NaN stays NaN.
ALWAYS uint32_t bfloat(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    return (bits & 0x7FFFFFFF) > 0x7F800000 ? bits >> 16 | 0x40 : rounded;
}

size_t hilum_packed_half_count(size_t n, size_t k) { return (n + PANEL - 1) / PANEL * PANEL * ((k + 1) / 2); }

void hilum_pack_half(const float *w, size_t n, size_t k, uint32_t *packed) {
    for (size_t j = 0; j < n; j += PANEL) {
        for (size_t p = 0; p < k; p += 2) {
            for (size_t i = j; i < j + PANEL; i++) {
                const float *from = w + i * k + p;
                *packed++ = i >= n ? 0 : bfloat(from[0]) | (p + 1 < k ? bfloat(from[1]) << 16 : 0);
            }
        }
    }
}

size_t hilum_packed_count(size_t n, size_t k) { return (n + PANEL - 1) / PANEL * PANEL * k; }

void hilum_pack(const float *w, size_t n, size_t k, float *packed) { pack(w, k, hilum_transposed, n, k, PANEL * k, packed); }

// Rows of A in groups of `group`: to[(i / group) * group * k + p * group + i % group] = a[i * a_row + p * a_step].
ALWAYS void pack_rows(const float *a, size_t a_row, size_t a_step, size_t m, size_t k, const size_t group, float *to) {
    size_t i = 0;
    // Where rows of A are columns of memory, several groups are read together, so that each line is read once.
    for (; a_row == 1 && i + SPAN <= m; i += SPAN, to += SPAN * k) {
        for (size_t p = 0; p < k; p++) {
            const float *from = a + i + p * a_step;
            for (size_t at = 0; at < SPAN; at += LINE) __builtin_prefetch(from + AHEAD * a_step + at);
            for (size_t g = 0; g < SPAN; g += group) memcpy(to + g * k + p * group, from + g, group * sizeof(float));
        }
    }
    for (; i < m; i += group, to += group * k) {
        const size_t rows = minimum(group, m - i);
        if (a_row == 1 && rows == group) {
            for (size_t p = 0; p < k; p++) memcpy(to + p * group, a + i + p * a_step, group * sizeof(float));
            continue;
        }
        for (size_t p = 0; p < k; p++) {
            const float *from = a + i * a_row + p * a_step;
            for (size_t r = 0; r < rows; r++) to[p * group + r] = from[r * a_row];
        }
    }
}

// m rows of k floats, `to_row` apart.
ALWAYS void copy_rows(const float *a, size_t a_row, size_t m, size_t k, size_t to_row, float *to) {
    for (size_t r = 0; r < m; r++) {
        const float *from = a + r * a_row, *next = from + 2 * a_row;
        size_t p = 0;
        for (; p + LINE <= k; p += LINE) {
            __builtin_prefetch(next + p);
            memcpy(to + r * to_row + p, from + p, LINE * sizeof(float));
        }
        memcpy(to + r * to_row + p, from + p, (k - p) * sizeof(float));
    }
}

// Scratch of the attention: K and V of one head packed, a block of rows of the weights, and a whole gradient of them.
enum { ATTEND_ROWS = 48 };

static size_t padded(size_t count) { return (count + PANEL - 1) / PANEL * PANEL; }

size_t hilum_attend_scratch(size_t length, size_t width, size_t heads) {
    const size_t head = width / heads;
    return padded(length) * (head + padded(length) + ATTEND_ROWS) + padded(head) * length;
}

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define NAME(name) JOIN(name, SET)

#define SET scalar
#define TARGET
#define BLOCK_ROWS BLOCK_M
#define LANES 4
#define TILE_ROWS 2
#define TILE_VECTORS 4
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#include "matrix_set.h"

#define SET avx2
#define TARGET AVX2
// 364 KiB: processors without AVX-512 have second caches of 256 or 512 KiB.
#define BLOCK_ROWS BLOCK_M
#define LANES 8
#define TILE_ROWS 6
#define TILE_VECTORS 2
#define MULTIPLY_ADD(a, b, c) __builtin_elementwise_fma(a, b, c)
#include "matrix_set.h"

#if defined(__x86_64__)
#define HAS_PAIR_INSTRUCTION
#endif
#define SET avx512
#define TARGET AVX512
// 728 KiB, half of it in bfloat16: with AVX-512 come second caches of 1 MiB and more.
#define BLOCK_ROWS MOST_ROWS
#define LANES 16
#define TILE_ROWS 12
#define TILE_VECTORS 2
#define MULTIPLY_ADD(a, b, c) __builtin_elementwise_fma(a, b, c)
#include "matrix_set.h"
#undef HAS_PAIR_INSTRUCTION

#define DISPATCH(name, ...)                             \
    switch (hilum_level()) {                            \
    case level_avx512: name##_avx512(__VA_ARGS__); break; \
    case level_avx2: name##_avx2(__VA_ARGS__); break;     \
    default: name##_scalar(__VA_ARGS__); break;           \
    }

int hilum_half_is_native(void) {
#if defined(__x86_64__)
    static _Atomic int known;  // 0: not asked yet, 1: no, 2: yes
    if (hilum_level() != level_avx512) return 0;
    if (!known) {
        __builtin_cpu_init();
        known = __builtin_cpu_supports("avx512bf16") ? 2 : 1;
    }
    return known == 2;
#else
    return 0;
#endif
}

void hilum_multiply(const hilum_product *product) {
    if (product->b_operand != hilum_packed_half) {
        DISPATCH(multiply, product)
        return;
    }
#if defined(__x86_64__)
    if (hilum_half_is_native()) {
        half_multiply_avx512bf16(product);
        return;
    }
#endif
    DISPATCH(half_multiply, product)
}

double hilum_multiply_in_registers(int half, size_t rounds, float *x) {
#if defined(__x86_64__)
    if (half && hilum_half_is_native()) return 4 * half_terms_avx512bf16(x, rounds);
#endif
    switch (hilum_level()) {
    case level_avx512: return half ? 4 * half_terms_avx512(x, rounds) : 2 * terms_avx512(x, rounds);
    case level_avx2: return half ? 4 * half_terms_avx2(x, rounds) : 2 * terms_avx2(x, rounds);
    default: return half ? 4 * half_terms_scalar(x, rounds) : 2 * terms_scalar(x, rounds);
    }
}

void hilum_attend(const float *qkv, size_t length, size_t width, size_t heads, float scale, float *weights, float *out,
                  float *scratch) {
    DISPATCH(attend, qkv, length, width, heads, scale, weights, out, scratch)
}

void hilum_attend_backward(const float *qkv, const float *weights, const float *dout, size_t length, size_t width, size_t heads,
                           float scale, float *dqkv, float *scratch) {
    DISPATCH(attend_backward, qkv, weights, dout, length, width, heads, scale, dqkv, scratch)
}

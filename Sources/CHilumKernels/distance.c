#include "distance.h"

#include <string.h>

// Each set is written once as an always-inlined body over (l2 or ip) x (f32 or bf16) and instantiated at the end, so that
// one code alone and four side by side share their arithmetic to the last bit: two partial sums a code, added, reduced, then the tail one element at a time
// (AVX2, scalar) or by a masked load (AVX-512).

#define INLINE static inline __attribute__((always_inline))

enum { IS_IP = 0, IS_L2 = 1 };
enum { IS_F32 = 0, IS_BF16 = 1 };

INLINE float element(const void *vector, size_t i, int kind) {
    if (kind == IS_F32) {
        float value;
        memcpy(&value, (const char *)vector + 4 * i, 4);
        return value;
    }
    uint16_t half;
    memcpy(&half, (const char *)vector + 2 * i, 2);
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

INLINE float finish(float sum, int is_l2) { return is_l2 ? sum : 1.0f - sum; }

INLINE float scalar_step(float sum, float a, float b, int is_l2) {
    if (is_l2) {
        const float difference = a - b;
        return sum + difference * difference;
    }
    return sum + a * b;
}

// ---------------------------------------------------------------- scalar

INLINE float scalar_one(const void *a, int a_kind, const void *b, int b_kind, size_t n, int is_l2) {
    float sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        sum0 = scalar_step(sum0, element(a, i, a_kind), element(b, i, b_kind), is_l2);
        sum1 = scalar_step(sum1, element(a, i + 1, a_kind), element(b, i + 1, b_kind), is_l2);
        sum2 = scalar_step(sum2, element(a, i + 2, a_kind), element(b, i + 2, b_kind), is_l2);
        sum3 = scalar_step(sum3, element(a, i + 3, a_kind), element(b, i + 3, b_kind), is_l2);
    }
    float sum = (sum0 + sum1) + (sum2 + sum3);
    for (; i < n; i++) sum = scalar_step(sum, element(a, i, a_kind), element(b, i, b_kind), is_l2);
    return finish(sum, is_l2);
}

INLINE void scalar_gather(
    const float *query, const void *const *codes, size_t count, size_t n, float *out, int kind, int is_l2) {
    for (size_t c = 0; c < count; c++) out[c] = scalar_one(query, IS_F32, codes[c], kind, n, is_l2);
}

#define INSTANCES(SET, ATTRIBUTE)                                                                                      \
    ATTRIBUTE static void SET##_l2_f32_gather(const void *q, const void *const *c, size_t k, size_t n, float *out) {   \
        SET##_gather(q, c, k, n, out, IS_F32, IS_L2);                                                                  \
    }                                                                                                                  \
    ATTRIBUTE static void SET##_ip_f32_gather(const void *q, const void *const *c, size_t k, size_t n, float *out) {   \
        SET##_gather(q, c, k, n, out, IS_F32, IS_IP);                                                                  \
    }                                                                                                                  \
    ATTRIBUTE static void SET##_l2_bf16_gather(const void *q, const void *const *c, size_t k, size_t n, float *out) {  \
        SET##_gather(q, c, k, n, out, IS_BF16, IS_L2);                                                                 \
    }                                                                                                                  \
    ATTRIBUTE static void SET##_ip_bf16_gather(const void *q, const void *const *c, size_t k, size_t n, float *out) {  \
        SET##_gather(q, c, k, n, out, IS_BF16, IS_IP);                                                                 \
    }                                                                                                                  \
    static const hilum_kernel_set SET##_set = {                                                                        \
        .name = #SET,                                                                                                  \
        .l2_f32_gather = SET##_l2_f32_gather,                                                                          \
        .ip_f32_gather = SET##_ip_f32_gather,                                                                          \
        .l2_bf16_gather = SET##_l2_bf16_gather,                                                                        \
        .ip_bf16_gather = SET##_ip_bf16_gather,                                                                        \
    };

INSTANCES(scalar, )

#if defined(__x86_64__)
#include <immintrin.h>

// ---------------------------------------------------------------- AVX2 with FMA

#define AVX2 __attribute__((target("avx2,fma")))

AVX2 INLINE __m256 load256(const void *vector, size_t i, int kind) {
    if (kind == IS_F32) return _mm256_loadu_ps((const float *)((const char *)vector + 4 * i));
    const __m128i half = _mm_loadu_si128((const __m128i *)((const char *)vector + 2 * i));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

AVX2 INLINE __m256 step256(__m256 sum, __m256 a, __m256 b, int is_l2) {
    if (is_l2) {
        const __m256 difference = _mm256_sub_ps(a, b);
        return _mm256_fmadd_ps(difference, difference, sum);
    }
    return _mm256_fmadd_ps(a, b, sum);
}

AVX2 INLINE float reduce256(__m256 sum) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

AVX2 INLINE float tail256(
    __m256 sum0, __m256 sum1, const void *a, int a_kind, const void *b, int b_kind, size_t i, size_t n, int is_l2) {
    if (i + 8 <= n) {
        sum0 = step256(sum0, load256(a, i, a_kind), load256(b, i, b_kind), is_l2);
        i += 8;
    }
    float sum = reduce256(_mm256_add_ps(sum0, sum1));
    for (; i < n; i++) sum = scalar_step(sum, element(a, i, a_kind), element(b, i, b_kind), is_l2);
    return finish(sum, is_l2);
}

AVX2 INLINE float avx2_one(const void *a, int a_kind, const void *b, int b_kind, size_t n, int is_l2) {
    __m256 sum0 = _mm256_setzero_ps(), sum1 = sum0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        sum0 = step256(sum0, load256(a, i, a_kind), load256(b, i, b_kind), is_l2);
        sum1 = step256(sum1, load256(a, i + 8, a_kind), load256(b, i + 8, b_kind), is_l2);
    }
    return tail256(sum0, sum1, a, a_kind, b, b_kind, i, n, is_l2);
}

AVX2 INLINE void avx2_gather(
    const float *query, const void *const *codes, size_t count, size_t n, float *out, int kind, int is_l2) {
    const size_t width = kind == IS_F32 ? 4 : 2;
    size_t c = 0;
    for (; c + 4 <= count; c += 4) {
        const size_t ahead = count - c >= 8 ? 4 : 0;
        __m256 sum0[4], sum1[4];
        for (int s = 0; s < 4; s++) sum0[s] = sum1[s] = _mm256_setzero_ps();
        size_t i = 0;
        for (; i + 16 <= n; i += 16) {
            const __m256 q0 = load256(query, i, IS_F32), q1 = load256(query, i + 8, IS_F32);
            for (int s = 0; s < 4; s++) {
                if (ahead) hilum_prefetch((const char *)codes[c + ahead + s] + i * width);
                sum0[s] = step256(sum0[s], q0, load256(codes[c + s], i, kind), is_l2);
                sum1[s] = step256(sum1[s], q1, load256(codes[c + s], i + 8, kind), is_l2);
            }
        }
        for (int s = 0; s < 4; s++)
            out[c + s] = tail256(sum0[s], sum1[s], query, IS_F32, codes[c + s], kind, i, n, is_l2);
    }
    for (; c < count; c++) out[c] = avx2_one(query, IS_F32, codes[c], kind, n, is_l2);
}

INSTANCES(avx2, AVX2)

// ---------------------------------------------------------------- AVX-512

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))

AVX512 INLINE __m512 load512(const void *vector, size_t i, int kind) {
    if (kind == IS_F32) return _mm512_loadu_ps((const char *)vector + 4 * i);
    const __m256i half = _mm256_loadu_si256((const __m256i *)((const char *)vector + 2 * i));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

AVX512 INLINE __m512 load512_masked(const void *vector, size_t i, __mmask16 mask, int kind) {
    if (kind == IS_F32) return _mm512_maskz_loadu_ps(mask, (const char *)vector + 4 * i);
    const __m256i half = _mm256_maskz_loadu_epi16(mask, (const char *)vector + 2 * i);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

AVX512 INLINE __m512 step512(__m512 sum, __m512 a, __m512 b, int is_l2) {
    if (is_l2) {
        const __m512 difference = _mm512_sub_ps(a, b);
        return _mm512_fmadd_ps(difference, difference, sum);
    }
    return _mm512_fmadd_ps(a, b, sum);
}

AVX512 INLINE float tail512(
    __m512 sum0, __m512 sum1, const void *a, int a_kind, const void *b, int b_kind, size_t i, size_t n, int is_l2) {
    if (i + 16 <= n) {
        sum0 = step512(sum0, load512(a, i, a_kind), load512(b, i, b_kind), is_l2);
        i += 16;
    }
    if (i < n) {
        const __mmask16 mask = (__mmask16)((1u << (n - i)) - 1);
        sum1 = step512(sum1, load512_masked(a, i, mask, a_kind), load512_masked(b, i, mask, b_kind), is_l2);
    }
    return finish(_mm512_reduce_add_ps(_mm512_add_ps(sum0, sum1)), is_l2);
}

AVX512 INLINE float avx512_one(const void *a, int a_kind, const void *b, int b_kind, size_t n, int is_l2) {
    __m512 sum0 = _mm512_setzero_ps(), sum1 = sum0;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        sum0 = step512(sum0, load512(a, i, a_kind), load512(b, i, b_kind), is_l2);
        sum1 = step512(sum1, load512(a, i + 16, a_kind), load512(b, i + 16, b_kind), is_l2);
    }
    return tail512(sum0, sum1, a, a_kind, b, b_kind, i, n, is_l2);
}

AVX512 INLINE void avx512_gather(
    const float *query, const void *const *codes, size_t count, size_t n, float *out, int kind, int is_l2) {
    const size_t width = kind == IS_F32 ? 4 : 2;
    size_t c = 0;
    for (; c + 4 <= count; c += 4) {
        const size_t ahead = count - c >= 8 ? 4 : 0;
        __m512 sum0[4], sum1[4];
        for (int s = 0; s < 4; s++) sum0[s] = sum1[s] = _mm512_setzero_ps();
        size_t i = 0;
        for (; i + 32 <= n; i += 32) {
            const __m512 q0 = load512(query, i, IS_F32), q1 = load512(query, i + 16, IS_F32);
            for (int s = 0; s < 4; s++) {
                if (ahead) {
                    const char *next = (const char *)codes[c + ahead + s] + i * width;
                    hilum_prefetch(next);
                    if (kind == IS_F32) hilum_prefetch(next + 64);
                }
                sum0[s] = step512(sum0[s], q0, load512(codes[c + s], i, kind), is_l2);
                sum1[s] = step512(sum1[s], q1, load512(codes[c + s], i + 16, kind), is_l2);
            }
        }
        for (int s = 0; s < 4; s++)
            out[c + s] = tail512(sum0[s], sum1[s], query, IS_F32, codes[c + s], kind, i, n, is_l2);
    }
    for (; c < count; c++) out[c] = avx512_one(query, IS_F32, codes[c], kind, n, is_l2);
}

INSTANCES(avx512, AVX512)

static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static int has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

const hilum_kernel_set *hilum_kernels(const char *name) {
    const int any = name == NULL || name[0] == 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if ((any || strcmp(name, "avx512") == 0) && has_avx512()) return &avx512_set;
    if ((any || strcmp(name, "avx2") == 0) && has_avx2()) return &avx2_set;
#endif
    if (any || strcmp(name, "scalar") == 0) return &scalar_set;
    return NULL;
}

void hilum_f32_to_bf16(const float *from, uint16_t *to, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, from + i, 4);
        to[i] = (uint16_t)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}

void hilum_bf16_to_f32(const uint16_t *from, float *to, size_t count) {
    for (size_t i = 0; i < count; i++) to[i] = element(from, i, IS_BF16);
}

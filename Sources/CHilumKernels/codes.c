#include "codes.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

INLINE int32_t square_sum_at(const void *code, size_t width) {
    uint32_t sum;
    memcpy(&sum, (const char *)code + width, 4);
    return (int32_t)sum;
}

INLINE float coarse(const hilum_code_query *query, double norm, double dot) {
    const double distance = query->base + query->norm_factor * norm - query->dot_factor * dot;
    return distance > 0 ? (float)distance : 0;
}

INLINE float fine(const hilum_code_query *query, const void *residual, size_t width, int32_t code_dot, int32_t residual_dot) {
    uint64_t norm;
    memcpy(&norm, (const char *)residual + width, 8);
    const double dot = 256.0 * code_dot + residual_dot;
    const double distance = query->base + query->fine_norm_factor * (double)norm - query->fine_dot_factor * dot;
    return distance > 0 ? (float)distance : 0;
}

// ---------------------------------------------------------------- encoding

// Rounds to the nearest, ties to even, in a form that is compiled to vectors where the target has them.
INLINE int32_t rounded(float value) { return (int32_t)__builtin_rintf(value); }

INLINE void encode_body(const hilum_code_scale *scale, const float *x, size_t dimension, void *code, void *residual) {
    const size_t width = hilum_code_width(dimension);
    const float inverse = 1 / scale->step;
    const float *offset = scale->offset;
    int8_t *restrict codes = code, *restrict residuals = residual;
    uint32_t norm = 0;
    uint64_t fine_norm = 0;
    for (size_t i = 0; i < dimension; i++) {
        float value = (x[i] - offset[i]) * inverse;
        value = value < -32768 ? -32768 : value > 32639 ? 32639 : value;
        const int32_t whole = rounded(value);
        // Half of 256 added and the lower 8 bits dropped: the nearest multiple, -128...127 of them.
        const int32_t high = ((whole + 32768 + 128) >> 8) - 128;
        codes[i] = (int8_t)high;
        norm += (uint32_t)(high * high);
        if (!residuals) continue;
        residuals[i] = (int8_t)(whole - 256 * high);
        fine_norm += (uint32_t)(whole * whole);
    }
    memset(codes + dimension, 0, width - dimension);
    memcpy(codes + width, &norm, 4);
    if (residuals) {
        memset(residuals + dimension, 0, width - dimension);
        memcpy(residuals + width, &fine_norm, 8);
    }
}

void hilum_code_decode(
    const hilum_code_scale *scale, const void *code, const void *residual, size_t dimension, float *restrict x) {
    const int8_t *codes = code, *residuals = residual;
    const float *offset = scale->offset;
    const float step = scale->step;
    if (!residuals) {
        for (size_t i = 0; i < dimension; i++) x[i] = offset[i] + step * (float)(256 * codes[i]);
        return;
    }
    for (size_t i = 0; i < dimension; i++) x[i] = offset[i] + step * (float)(256 * codes[i] + residuals[i]);
}

// A weight is one of 2^16 levels, and no sum of |weight| * 128 leaves 31 bits, whatever part of it is taken.
enum { WEIGHT_LIMIT = 32767, SUM_LIMIT = (1 << 24) - 1 };

INLINE void set_factors(const hilum_code_scale *scale, double weight_step, double square_length, hilum_code_query *query) {
    const double step = scale->step, factor = scale->factor;
    query->base = factor * square_length;
    query->norm_factor = factor * 65536 * step * step;
    query->dot_factor = 2 * factor * 256 * step * weight_step;
    query->fine_norm_factor = factor * step * step;
    query->fine_dot_factor = 2 * factor * step * weight_step;
}

INLINE void prepare_body(const hilum_code_scale *scale, const float *x, size_t dimension, hilum_code_query *query) {
    float largest[8] = {0}, sum[8] = {0}, square[8] = {0};
    size_t i = 0;
    for (; i + 8 <= dimension; i += 8) {
        for (size_t lane = 0; lane < 8; lane++) {
            const float value = x[i + lane] - scale->offset[i + lane];
            const float magnitude = fabsf(value);
            largest[lane] = magnitude > largest[lane] ? magnitude : largest[lane];
            sum[lane] += magnitude;
            square[lane] += value * value;
        }
    }
    for (; i < dimension; i++) {
        const float value = x[i] - scale->offset[i];
        const float magnitude = fabsf(value);
        largest[0] = magnitude > largest[0] ? magnitude : largest[0];
        sum[0] += magnitude;
        square[0] += value * value;
    }
    double maximum = 0, total = 0, square_length = 0;
    for (size_t lane = 0; lane < 8; lane++) {
        maximum = largest[lane] > maximum ? largest[lane] : maximum;
        total += sum[lane];
        square_length += square[lane];
    }
    // Rounding adds up to one half a weight to the sum; float sums are a little off.
    const double room = SUM_LIMIT - (double)dimension - 1e-3 * SUM_LIMIT;
    double weight_step = maximum / WEIGHT_LIMIT;
    if (total / room > weight_step) weight_step = total / room;
    // Where the step is a power of two, as for whole numbers, that of the weights is one too: whole numbers stay what they are.
    int exponent;
    if (weight_step > 0 && frexpf(scale->step, &exponent) == 0.5f)
        weight_step = frexp(weight_step, &exponent) > 0.5 ? ldexp(1, exponent) : ldexp(1, exponent - 1);
    const float inverse = weight_step > 0 ? (float)(1 / weight_step) : 0;
    for (i = 0; i < dimension; i++) {
        float value = (x[i] - scale->offset[i]) * inverse;
        value = value < -WEIGHT_LIMIT ? -WEIGHT_LIMIT : value > WEIGHT_LIMIT ? WEIGHT_LIMIT : value;
        query->weights[i] = (int16_t)rounded(value);
    }
    for (; i < hilum_code_width(dimension); i++) query->weights[i] = 0;
    set_factors(scale, weight_step, square_length, query);
}

INLINE void prepare_stored_body(
    const hilum_code_scale *scale, const void *code, const void *residual, size_t dimension, hilum_code_query *query) {
    const size_t width = hilum_code_width(dimension);
    const int8_t *codes = code, *residuals = residual;
    double square_length;
    if (residuals) {
        uint64_t norm;
        uint32_t total = 0;  // at most 65,536 * 32,768
        memcpy(&norm, residuals + width, 8);
        for (size_t i = 0; i < width; i++) {
            const int32_t whole = 256 * codes[i] + residuals[i];
            total += (uint32_t)(whole < 0 ? -whole : whole);
        }
        int shift = 0;
        while ((total >> shift) + width > SUM_LIMIT) shift++;
        const int32_t half = shift == 0 ? 0 : 1 << (shift - 1);
        for (size_t i = 0; i < width; i++)
            query->weights[i] = (int16_t)((256 * codes[i] + residuals[i] + half) >> shift);
        square_length = (double)norm * scale->step * scale->step;
        set_factors(scale, (double)scale->step * (1 << shift), square_length, query);
    } else {
        for (size_t i = 0; i < width; i++) query->weights[i] = codes[i];
        square_length = (double)(uint32_t)square_sum_at(code, width) * 65536.0 * scale->step * scale->step;
        set_factors(scale, 256.0 * scale->step, square_length, query);
    }
}

// ---------------------------------------------------------------- scalar

static int32_t scalar_dot(const int16_t *weights, const void *code, size_t width) {
    const int8_t *codes = code;
    int32_t sum = 0;
    for (size_t i = 0; i < width; i++) sum += weights[i] * codes[i];
    return sum;
}

static void scalar_gather(const void *query, const void *const *codes, size_t count, size_t dimension, float *out) {
    const hilum_code_query *q = query;
    const size_t width = hilum_code_width(dimension);
    for (size_t c = 0; c < count; c++)
        out[c] = coarse(q, (uint32_t)square_sum_at(codes[c], width), scalar_dot(q->weights, codes[c], width));
}

static void scalar_fine_gather(const void *query, const void *const *codes, const void *const *residuals, size_t count,
                               size_t dimension, float *out) {
    const hilum_code_query *q = query;
    const size_t width = hilum_code_width(dimension);
    for (size_t c = 0; c < count; c++) {
        const int32_t code_dot = scalar_dot(q->weights, codes[c], width);
        out[c] = fine(q, residuals[c], width, code_dot, scalar_dot(q->weights, residuals[c], width));
    }
}

#define CONVERSIONS(SET, TARGET)                                                                                         \
    TARGET static void SET##_encode(                                                                                    \
        const hilum_code_scale *scale, const float *x, size_t dimension, void *code, void *residual) {                  \
        if (residual) encode_body(scale, x, dimension, code, residual);                                                 \
        else encode_body(scale, x, dimension, code, NULL);                                                              \
    }                                                                                                                   \
    TARGET static void SET##_prepare(                                                                                   \
        const hilum_code_scale *scale, const float *x, size_t dimension, hilum_code_query *query) {                     \
        prepare_body(scale, x, dimension, query);                                                                       \
    }                                                                                                                   \
    TARGET static void SET##_prepare_stored(const hilum_code_scale *scale, const void *code, const void *residual,      \
                                            size_t dimension, hilum_code_query *query) {                                \
        if (residual) prepare_stored_body(scale, code, residual, dimension, query);                                     \
        else prepare_stored_body(scale, code, NULL, dimension, query);                                                  \
    }

CONVERSIONS(scalar, )
static const hilum_code_kernel_set scalar_set = {
    "scalar", scalar_encode, scalar_prepare, scalar_prepare_stored, scalar_gather, scalar_fine_gather};

#if defined(__x86_64__)
#include <immintrin.h>

// The gather of each set: four codes side by side share the loads of the query, and lines of the next four are asked for meanwhile.
// DOT4 gives the four sums in one register of 4 x 32 bits.
#define GATHERS(SET, TARGET, CONVERSION)                                                                                            \
    TARGET static void SET##_gather(                                                                                    \
        const void *query, const void *const *codes, size_t count, size_t dimension, float *out) {                      \
        const hilum_code_query *q = query;                                                                              \
        const size_t width = hilum_code_width(dimension);                                                               \
        const __m256d base = _mm256_set1_pd(q->base), norm_factor = _mm256_set1_pd(q->norm_factor);                     \
        const __m256d dot_factor = _mm256_set1_pd(q->dot_factor);                                                       \
        for (size_t c = 0; c < count; c += 4) {                                                                         \
            const size_t last = count - 1;                                                                              \
            const char *code[4], *next[4];                                                                              \
            for (size_t s = 0; s < 4; s++) {                                                                            \
                code[s] = codes[c + s < count ? c + s : last];                                                          \
                next[s] = codes[c + 4 + s < count ? c + 4 + s : last];                                                  \
            }                                                                                                           \
            const __m128i dots = SET##_dot4(q->weights, code, next, width);                                             \
            const __m128i norms = _mm_set_epi32(square_sum_at(code[3], width), square_sum_at(code[2], width),           \
                                                square_sum_at(code[1], width), square_sum_at(code[0], width));          \
            __m256d value = _mm256_fmadd_pd(norm_factor, _mm256_cvtepi32_pd(norms), base);                              \
            value = _mm256_fnmadd_pd(dot_factor, _mm256_cvtepi32_pd(dots), value);                                      \
            const __m128 four = _mm_max_ps(_mm256_cvtpd_ps(value), _mm_setzero_ps());                                   \
            if (c + 4 <= count) {                                                                                       \
                _mm_storeu_ps(out + c, four);                                                                           \
            } else {                                                                                                    \
                float rest[4];                                                                                          \
                _mm_storeu_ps(rest, four);                                                                              \
                memcpy(out + c, rest, 4 * (count - c));                                                                 \
            }                                                                                                           \
        }                                                                                                               \
    }                                                                                                                   \
    TARGET static void SET##_fine_gather(const void *query, const void *const *codes, const void *const *residuals,     \
                                         size_t count, size_t dimension, float *out) {                                  \
        const hilum_code_query *q = query;                                                                              \
        const size_t width = hilum_code_width(dimension);                                                               \
        for (size_t c = 0; c < count; c += 2) {                                                                         \
            const size_t d = c + 1 < count ? c + 1 : c;                                                                 \
            const size_t e = c + 2 < count ? c + 2 : d, f = c + 3 < count ? c + 3 : e;                                  \
            const char *rows[4] = {codes[c], residuals[c], codes[d], residuals[d]};                                     \
            const char *next[4] = {codes[e], residuals[e], codes[f], residuals[f]};                                     \
            int32_t dots[4];                                                                                            \
            _mm_storeu_si128((__m128i *)dots, SET##_dot4(q->weights, rows, next, width));                               \
            out[c] = fine(q, residuals[c], width, dots[0], dots[1]);                                                    \
            out[d] = fine(q, residuals[d], width, dots[2], dots[3]);                                                    \
        }                                                                                                               \
    }                                                                                                                   \
    static const hilum_code_kernel_set SET##_set = {#SET, CONVERSION##_encode, CONVERSION##_prepare,                    \
        CONVERSION##_prepare_stored, SET##_gather, SET##_fine_gather};

// ---------------------------------------------------------------- AVX2

#define AVX2 __attribute__((target("avx2,fma")))

AVX2 INLINE __m256i step256(__m256i sum, __m256i weights, const char *code) {
    const __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)code));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(weights, wide));
}

AVX2 INLINE __m128i sums256(__m256i a, __m256i b, __m256i c, __m256i d) {
    const __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

AVX2 INLINE __m128i avx2_dot4(const int16_t *weights, const char *const *code, const char *const *next, size_t width) {
    const char *c0 = code[0], *c1 = code[1], *c2 = code[2], *c3 = code[3];
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 64 <= width; i += 64) {
        for (size_t n = 0; n < 4; n++) __builtin_prefetch(next[n] + i, 0, 3);
#pragma clang loop unroll(full)
        for (size_t j = i; j < i + 64; j += 16) {
            const __m256i w = _mm256_loadu_si256((const __m256i *)(weights + j));
            s0 = step256(s0, w, c0 + j);
            s1 = step256(s1, w, c1 + j);
            s2 = step256(s2, w, c2 + j);
            s3 = step256(s3, w, c3 + j);
        }
    }
    for (size_t n = 0; n < 4; n++) __builtin_prefetch(next[n] + i, 0, 3);
    for (; i < width; i += 16) {
        const __m256i w = _mm256_loadu_si256((const __m256i *)(weights + i));
        s0 = step256(s0, w, c0 + i);
        s1 = step256(s1, w, c1 + i);
        s2 = step256(s2, w, c2 + i);
        s3 = step256(s3, w, c3 + i);
    }
    return sums256(s0, s1, s2, s3);
}

CONVERSIONS(avx2, AVX2)
GATHERS(avx2, AVX2, avx2)

// ---------------------------------------------------------------- AVX-512, without and with VNNI

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))

AVX512 INLINE __m512i avx512_step(__m512i sum, __m512i weights, __m512i code) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(weights, code));
}

VNNI INLINE __m512i avx512vnni_step(__m512i sum, __m512i weights, __m512i code) {
    return _mm512_dpwssd_epi32(sum, weights, code);
}

#define DOT4_512(SET, TARGET)                                                                                           \
    TARGET INLINE __m128i SET##_dot4(                                                                                   \
        const int16_t *weights, const char *const *code, const char *const *next, size_t width) {                       \
        __m512i sum[4];                                                                                                 \
        for (size_t n = 0; n < 4; n++) sum[n] = _mm512_setzero_si512();                                                 \
        size_t i = 0;                                                                                                   \
        for (; i + 32 <= width; i += 32) {                                                                              \
            const __m512i w = _mm512_loadu_si512(weights + i);                                                          \
            for (size_t n = 0; n < 4; n++) {                                                                            \
                if (i % 64 == 0) __builtin_prefetch(next[n] + i, 0, 3);                                                 \
                const __m256i bytes = _mm256_loadu_si256((const __m256i *)(code[n] + i));                               \
                sum[n] = SET##_step(sum[n], w, _mm512_cvtepi8_epi16(bytes));                                            \
            }                                                                                                           \
        }                                                                                                               \
        __m256i half[4];                                                                                                \
        for (size_t n = 0; n < 4; n++) {                                                                                \
            half[n] = _mm256_add_epi32(_mm512_castsi512_si256(sum[n]), _mm512_extracti64x4_epi64(sum[n], 1));           \
            __builtin_prefetch(next[n] + i, 0, 3);                                                                      \
        }                                                                                                               \
        if (i < width) {                                                                                                \
            const __m256i w = _mm256_loadu_si256((const __m256i *)(weights + i));                                       \
            for (size_t n = 0; n < 4; n++) {                                                                            \
                const __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(code[n] + i)));             \
                half[n] = _mm256_add_epi32(half[n], _mm256_madd_epi16(w, wide));                                        \
            }                                                                                                           \
        }                                                                                                               \
        const __m256i all =                                                                                             \
            _mm256_hadd_epi32(_mm256_hadd_epi32(half[0], half[1]), _mm256_hadd_epi32(half[2], half[3]));                \
        return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));                            \
    }

DOT4_512(avx512, AVX512)
GATHERS(avx512, AVX512, avx2)
DOT4_512(avx512vnni, VNNI)
GATHERS(avx512vnni, VNNI, avx2)

static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static int has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static int has_vnni(void) { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }

// Compares a set with the scalar one on fixed numbers, at a width with a tail of 16.
static int is_right(const hilum_code_kernel_set *set) {
    enum { DIMENSION = 109, WIDTH = 112, COUNT = 6 };
    float offset[DIMENSION], x[DIMENSION], wanted[COUNT], got[COUNT];
    char codes[COUNT][WIDTH + 4], residuals[COUNT][WIDTH + 8];
    const void *code[COUNT], *residual[COUNT];
    union {
        hilum_code_query query;
        char room[sizeof(hilum_code_query) + 2 * WIDTH];
    } made;
    const hilum_code_scale scale = {offset, 1.0f / 1024, 1};
    uint32_t state = 1;
    for (int c = 0; c <= COUNT; c++) {
        for (int i = 0; i < DIMENSION; i++) {
            state = state * 1664525u + 1013904223u;
            x[i] = (float)(int32_t)state / 67108864.0f;
            if (c == 0) offset[i] = x[i] / 16;
        }
        if (c == 0) {
            scalar_prepare(&scale, x, DIMENSION, &made.query);
            continue;
        }
        scalar_encode(&scale, x, DIMENSION, codes[c - 1], residuals[c - 1]);
        code[c - 1] = codes[c - 1];
        residual[c - 1] = residuals[c - 1];
    }
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 0) {
            scalar_gather(&made.query, code, COUNT, DIMENSION, wanted);
            set->gather(&made.query, code, COUNT, DIMENSION, got);
        } else {
            scalar_fine_gather(&made.query, code, residual, COUNT, DIMENSION, wanted);
            set->fine_gather(&made.query, code, residual, COUNT, DIMENSION, got);
        }
        for (int c = 0; c < COUNT; c++) {
            if (!(fabsf(got[c] - wanted[c]) <= 1e-6f * fabsf(wanted[c]))) return 0;
        }
    }
    return 1;
}
#endif

const hilum_code_kernel_set *hilum_code_kernels(const char *name) {
    const int any = name == NULL || name[0] == 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const struct {
        const hilum_code_kernel_set *set;
        int is_there;
    } sets[] = {{&avx512vnni_set, has_vnni()}, {&avx512_set, has_avx512()}, {&avx2_set, has_avx2()}};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        if ((any || strcmp(name, sets[i].set->name) == 0) && sets[i].is_there && is_right(sets[i].set)) return sets[i].set;
    }
#endif
    if (any || strcmp(name, "scalar") == 0) return &scalar_set;
    return NULL;
}

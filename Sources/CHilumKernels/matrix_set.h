// The products and the attention for one instruction set; matrix.c includes this once a set, with
//   SET           its name, pasted to every function
//   TARGET        the attribute of a function
//   LANES         floats of a vector
//   TILE_ROWS     rows of a tile of C in registers
//   TILE_VECTORS  vectors across a tile: one panel of 16 columns, or two where a vector holds 16
//   MULTIPLY_ADD  a * b + c
//   BLOCK_ROWS    rows of a block of A where B is packed
// Vectors are the compiler's own, so all sets are the same text.

typedef float NAME(vec) __attribute__((ext_vector_type(LANES), aligned(4), may_alias));
typedef int32_t NAME(bits) __attribute__((ext_vector_type(LANES), aligned(4), may_alias));
#define VEC NAME(vec)
#define BITS NAME(bits)
#define SPLAT(x) ((VEC)(x))
#define LOAD(p) (*(const VEC *)(p))
#define STORE(p, x) (*(VEC *)(p) = (x))

// The greater and the smaller of a limit and x; NaN stays NaN.
#define AT_LEAST(limit, x) (SPLAT(limit) > (x) ? SPLAT(limit) : (x))
#define AT_MOST(limit, x) (SPLAT(limit) < (x) ? SPLAT(limit) : (x))

// exp(x) of x <= 0 as in network.c: the nearest integer by adding 1.5 * 2^23, whose low bits then hold it.
TARGET ALWAYS VEC NAME(exponential)(VEC x) {
    CONTRACT
    x = AT_LEAST(-87.0f, x);
    const VEC shifted = x * 1.44269504f + 12582912.0f;
    const VEC n = shifted - 12582912.0f;
    VEC r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    VEC p = SPLAT(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    // The exponent of p rises by n, which stands in the low bits of `shifted`.
    return (VEC)((BITS)p + ((BITS)shifted << 23));
}

// x * Phi(x) = x/2 + x/2 * erf(x / sqrt 2), erf by the rational approximation that Eigen and XLA use for floats; the error stays
// below 1e-6, two units in the last place of x.
TARGET ALWAYS VEC NAME(gelu)(VEC x) {
    CONTRACT
    const VEC z = AT_MOST(4.0f, AT_LEAST(-4.0f, x * 0.70710678f));
    const VEC s = z * z;
    VEC p = SPLAT(-2.72614225801306e-10f);
    p = p * s + 2.77068142495902e-08f;
    p = p * s - 2.10102402082508e-06f;
    p = p * s - 5.69250639462346e-05f;
    p = p * s - 7.34990630326855e-04f;
    p = p * s - 2.95459980854025e-03f;
    p = p * s - 1.60960333262415e-02f;
    VEC q = SPLAT(-1.45660718464996e-05f);
    q = q * s - 2.13374055278905e-04f;
    q = q * s - 1.68282697438203e-03f;
    q = q * s - 7.37332916720468e-03f;
    q = q * s - 1.42647390514189e-02f;
    const VEC half = x * 0.5f;
    return half * (z * p / q) + half;
}

// What one tile does after its last block of the sum; the pointers stand at the tile's first element.
typedef struct {
    const float *bias;
    const float *residual;
    float *pre;
    int gelu, relu6;
} NAME(ending);

TARGET ALWAYS void NAME(finish)(
    int rows, int vectors, float *c, size_t c_row, const NAME(ending) *ending) {
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < vectors; v++) {
            const size_t at = (size_t)i * c_row + (size_t)v * LANES;
            VEC x = LOAD(c + at);
            if (ending->bias) x += LOAD(ending->bias + v * LANES);
            if (ending->gelu) {
                if (ending->pre) STORE(ending->pre + at, x);
                x = NAME(gelu)(x);
            }
            if (ending->relu6) x = AT_MOST(6.0f, AT_LEAST(0.0f, x));
            if (ending->residual) x += LOAD(ending->residual + at);
            STORE(c + at, x);
        }
    }
}

#define PART(name) NAME(name)
#define PART_TARGET TARGET
#define TERM(a, b, c) MULTIPLY_ADD(a, b, c)
#include "matrix_tiles.h"
#undef PART
#undef PART_TARGET
#undef TERM

TARGET static void NAME(multiply)(const hilum_product *job) {
    block_pair *const blocks = thread_blocks();
    const int has_ending = job->bias || job->gelu || job->relu6 || job->residual;
    const int is_packed = job->b_operand == hilum_packed;
    const size_t k_block = even_block(job->k, BLOCK_K, 8);
    const size_t m_block = even_block(job->m, is_packed && job->a_step == 1 ? BLOCK_ROWS : BLOCK_M, TILE_ROWS);
    const size_t n_block = is_packed ? job->n : even_block(job->n, BLOCK_N, 2 * PANEL);
    // Long rows lie on a page each and, at powers of two, in the same sets of the cache: a block of them is copied together.
    const int copies = job->a_row >= LONG_ROW && job->n >= 8 * PANEL;
    // A product without terms still has its ending: one round with k = 0.
    size_t p = 0;
    do {
        const size_t k = minimum(k_block, job->k - p);
        const int is_last = p + k == job->k;
        for (size_t j = 0; j < job->n; j += n_block) {
            const size_t n = minimum(n_block, job->n - j);
            const float *panels = blocks->b;
            size_t panel_stride = PANEL * k;
            if (is_packed) {
                panel_stride = PANEL * job->k;
                panels = job->b + j / PANEL * panel_stride + p * PANEL;
            } else {
                const float *from = job->b_operand == hilum_plain ? job->b + p * job->b_row + j : job->b + j * job->b_row + p;
                pack(from, job->b_row, job->b_operand, n, k, panel_stride, blocks->b);
            }
            for (size_t i = 0; i < job->m; i += m_block) {
                const size_t m = minimum(m_block, job->m - i);
                const float *left = job->a + i * job->a_row + p * job->a_step;
                size_t a_step = 1, a_row = job->a_row;
                if (job->a_step != 1) {
                    pack_rows(left, job->a_row, job->a_step, m, k, TILE_ROWS, blocks->a);
                    left = blocks->a;
                    a_step = TILE_ROWS;
                } else if (copies) {
                    a_row = k + ROW_GAP;
                    copy_rows(left, job->a_row, m, k, a_row, blocks->a);
                    left = blocks->a;
                }
                const size_t at = i * job->c_row + j;
                const NAME(ending) ending = {
                    job->bias ? job->bias + j : NULL, job->residual ? job->residual + at : NULL,
                    job->pre ? job->pre + at : NULL, job->gelu, job->relu6};
                NAME(block)(
                    m, n, left, a_row, a_step, panels, panel_stride, k, job->c + at, job->c_row,
                    p > 0 || job->accumulates, is_last && has_ending ? &ending : NULL);
            }
        }
        p += k;
    } while (p < job->k);
}

#define HALF_SET SET
#define HALF_TARGET TARGET
#define HALF_TERM(a, b, c) MULTIPLY_ADD(LOWER(a), LOWER(b), MULTIPLY_ADD(UPPER(a), UPPER(b), c))
#include "matrix_half.h"
#ifdef HAS_PAIR_INSTRUCTION
#define HALF_SET avx512bf16
#define HALF_TARGET AVX512BF16
#define HALF_TERM(a, b, c) ((VEC)_mm512_dpbf16_ps((__m512)(c), (__m512bh)(a), (__m512bh)(b)))
// As bfloat() rounds, but for subnormal numbers, which become 0 here and in the products anyway.
#define HALF_ROUND(a, to) \
    _mm512_storeu_si512((to), (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps((a) + 16), _mm512_loadu_ps(a)))
#include "matrix_half.h"
#endif

// ---------------------------------------------------------------- attention

TARGET ALWAYS float NAME(sum_of)(VEC x) {
    float total = 0;
    for (int l = 0; l < LANES; l++) total += x[l];
    return total;
}

// x[width] becomes exp(scale * (x - max)); returns one over its sum, which makes it softmax(scale * x).
TARGET static float NAME(softmax_row)(float *x, size_t width, float scale) {
    CONTRACT
    VEC top = SPLAT(x[0]);
    size_t j = 0;
    for (; j + LANES <= width; j += LANES) {
        const VEC here = LOAD(x + j);
        top = here > top ? here : top;
    }
    float highest = top[0];
    for (int l = 1; l < LANES; l++) highest = top[l] > highest ? top[l] : highest;
    for (size_t t = j; t < width; t++) highest = x[t] > highest ? x[t] : highest;
    VEC total = SPLAT(0);
    for (j = 0; j + LANES <= width; j += LANES) {
        const VEC e = NAME(exponential)((LOAD(x + j) - highest) * scale);
        STORE(x + j, e);
        total += e;
    }
    const size_t rest = width - j;
    if (rest > 0) {
        // What is no score must weigh nothing: it is left out of the sum and not stored.
        float last[LANES];
        for (size_t t = 0; t < LANES; t++) last[t] = t < rest ? x[j + t] : highest;
        const VEC e = NAME(exponential)((LOAD(last) - highest) * scale);
        for (size_t t = 0; t < rest; t++) {
            x[j + t] = e[t];
            total[t] += e[t];
        }
    }
    return 1.0f / NAME(sum_of)(total);
}

TARGET static void NAME(scale_row)(float *x, size_t width, float factor) {
    size_t j = 0;
    for (; j + LANES <= width; j += LANES) STORE(x + j, LOAD(x + j) * factor);
    for (; j < width; j++) x[j] *= factor;
}

// g[width] becomes scale * p * (g - sum(p * g)).
TARGET static void NAME(softmax_row_backward)(const float *p, float *g, size_t width, float scale) {
    CONTRACT
    VEC total = SPLAT(0);
    size_t j = 0;
    for (; j + LANES <= width; j += LANES) total += LOAD(p + j) * LOAD(g + j);
    float sum = NAME(sum_of)(total);
    for (; j < width; j++) sum += p[j] * g[j];
    for (j = 0; j + LANES <= width; j += LANES) STORE(g + j, LOAD(p + j) * scale * (LOAD(g + j) - sum));
    for (; j < width; j++) g[j] = p[j] * scale * (g[j] - sum);
}

TARGET static void NAME(attend)(
    const float *qkv, size_t length, size_t width, size_t heads, float scale, float *weights, float *out, float *scratch) {
    const size_t head = width / heads, row = 3 * width, padded_length = padded(length);
    float *keys = scratch, *values = keys + padded_length * head, *scores = values + padded(head) * length;
    for (size_t h = 0; h < heads; h++) {
        const float *query = qkv + h * head;
        pack(query + width, row, hilum_transposed, length, head, PANEL * head, keys);
        pack(query + 2 * width, row, hilum_plain, head, length, PANEL * length, values);
        for (size_t i = 0; i < length; i += ATTEND_ROWS) {
            const size_t rows = minimum(ATTEND_ROWS, length - i);
            float *block = weights ? weights + (h * length + i) * length : scores;
            const size_t block_row = weights ? length : padded_length;
            const hilum_product product = {
                .m = rows, .n = weights ? length : padded_length, .k = head, .a = query + i * row, .a_row = row, .a_step = 1,
                .b = keys, .b_operand = hilum_packed, .c = block, .c_row = block_row};
            NAME(multiply)(&product);
            float inverse[ATTEND_ROWS];
            for (size_t r = 0; r < rows; r++) inverse[r] = NAME(softmax_row)(block + r * block_row, length, scale);
            const hilum_product mix = {
                .m = rows, .n = head, .k = length, .a = block, .a_row = block_row, .a_step = 1, .b = values,
                .b_operand = hilum_packed, .c = out + i * width + h * head, .c_row = width};
            NAME(multiply)(&mix);
            // The rows of V are mixed first and scaled then: there are fewer of their floats than of the weights.
            for (size_t r = 0; r < rows; r++) {
                NAME(scale_row)(mix.c + r * width, head, inverse[r]);
                if (weights) NAME(scale_row)(block + r * block_row, length, inverse[r]);
            }
        }
    }
}

// dV = PᵀdO; dP = dO·Vᵀ; dS = P⊙(dP − rowsum(dP⊙P))/√h; dQ = dS·K; dK = dSᵀ·Q.
TARGET static void NAME(attend_backward)(
    const float *qkv, const float *weights, const float *dout, size_t length, size_t width, size_t heads, float scale,
    float *dqkv, float *scratch) {
    const size_t head = width / heads, row = 3 * width;
    float *dscores = scratch;
    for (size_t h = 0; h < heads; h++) {
        const float *query = qkv + h * head, *key = query + width, *value = key + width;
        const float *p = weights + h * length * length, *up = dout + h * head;
        float *dquery = dqkv + h * head;
        hilum_product product = {
            .m = length, .n = head, .k = length, .a = p, .a_row = 1, .a_step = length, .b = up, .b_row = width,
            .b_operand = hilum_plain, .c = dquery + 2 * width, .c_row = row};
        NAME(multiply)(&product);
        const hilum_product scores = {
            .m = length, .n = length, .k = head, .a = up, .a_row = width, .a_step = 1, .b = value, .b_row = row,
            .b_operand = hilum_transposed, .c = dscores, .c_row = length};
        NAME(multiply)(&scores);
        for (size_t i = 0; i < length; i++) {
            NAME(softmax_row_backward)(p + i * length, dscores + i * length, length, scale);
        }
        product.a = dscores;
        product.b = query;
        product.b_row = row;
        product.c = dquery + width;
        NAME(multiply)(&product);
        product.a_row = length;
        product.a_step = 1;
        product.b = key;
        product.c = dquery;
        NAME(multiply)(&product);
    }
}

#undef VEC
#undef BITS
#undef SPLAT
#undef LOAD
#undef STORE
#undef AT_LEAST
#undef AT_MOST
#undef SET
#undef TARGET
#undef LANES
#undef TILE_ROWS
#undef TILE_VECTORS
#undef MULTIPLY_ADD
#undef BLOCK_ROWS

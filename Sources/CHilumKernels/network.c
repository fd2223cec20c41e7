#include "network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "level.h"

// One body, three compilations: the bodies are always inlined into functions that carry a target attribute, so that the
// compiler vectorises the same source for each instruction set. Reassociation lets it vectorise the sums.
#define BODY static inline __attribute__((always_inline))
#define FAST _Pragma("clang fp reassociate(on) contract(fast)")

// exp(x) by range reduction x = n ln 2 + r, |r| <= ln2/2, and a polynomial of degree 6 (relative error about 2e-7); clamped to
// [-87, 88] so that the exponent never leaves the normal range.
BODY float exp_body(float x) {
    // ln 2 is split in two, so that n * 0.693359375 is exact: the subtractions must stay in this order.
    _Pragma("clang fp reassociate(off) contract(fast)")
    x = x < -87.0f ? -87.0f : (x > 88.0f ? 88.0f : x);
    float n = __builtin_floorf(x * 1.44269504f + 0.5f);
    float r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    union {
        int32_t i;
        float f;
    } power;
    power.i = ((int32_t)n + 127) << 23;
    return p * power.f;
}

// Phi(x) = (1 + erf(x/sqrt 2))/2, by Abramowitz and Stegun 7.1.26 (absolute error of erf below 1.5e-7).
// gaussian receives exp(-x*x/2), which the derivative needs too.
BODY float normal_cdf_body(float x, float *gaussian) {
    FAST
    float z = __builtin_fabsf(x) * 0.70710678f;
    float t = 1.0f / (1.0f + 0.3275911f * z);
    float e = exp_body(-z * z);
    float p = 1.061405429f;
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    float tail = 0.5f * p * t * e;
    *gaussian = e;
    return x < 0 ? tail : 1.0f - tail;
}

BODY void bias_add_body(float *y, const float *bias, size_t rows, size_t width) {
    for (size_t r = 0; r < rows; r++) {
        float *row = y + r * width;
        for (size_t j = 0; j < width; j++) row[j] += bias[j];
    }
}

BODY void bias_gelu_body(float *pre, const float *bias, float *y, size_t rows, size_t width) {
    for (size_t r = 0; r < rows; r++) {
        float *in = pre + r * width;
        float *out = y + r * width;
#pragma clang loop vectorize(assume_safety)
        for (size_t j = 0; j < width; j++) {
            float gaussian;
            float x = in[j] + bias[j];
            in[j] = x;
            out[j] = x * normal_cdf_body(x, &gaussian);
        }
    }
}

BODY void gelu_backward_body(const float *pre, float *dy, size_t count) {
#pragma clang loop vectorize(assume_safety)
    for (size_t i = 0; i < count; i++) {
        float gaussian;
        float cdf = normal_cdf_body(pre[i], &gaussian);
        dy[i] *= cdf + pre[i] * gaussian * 0.39894228f;
    }
}

BODY void column_sum_body(float *sum, const float *x, size_t rows, size_t width) {
    for (size_t r = 0; r < rows; r++) {
        const float *row = x + r * width;
        for (size_t j = 0; j < width; j++) sum[j] += row[j];
    }
}

BODY void layer_norm_body(const float *x, const float *gain, const float *bias, float *y, float *mean, float *rstd,
                          size_t rows, size_t width, float epsilon) {
    FAST
    for (size_t r = 0; r < rows; r++) {
        const float *in = x + r * width;
        float *out = y + r * width;
        float sum = 0;
        for (size_t j = 0; j < width; j++) sum += in[j];
        float m = sum / (float)width;
        float square = 0;
        for (size_t j = 0; j < width; j++) square += (in[j] - m) * (in[j] - m);
        float s = 1.0f / __builtin_sqrtf(square / (float)width + epsilon);
        for (size_t j = 0; j < width; j++) out[j] = (in[j] - m) * s * gain[j] + bias[j];
        mean[r] = m;
        rstd[r] = s;
    }
}

BODY void layer_norm_backward_body(const float *x, const float *gain, const float *mean, const float *rstd, const float *dy,
                                   float *dx, float *dgain, float *dbias, size_t rows, size_t width) {
    FAST
    for (size_t r = 0; r < rows; r++) {
        const float *in = x + r * width;
        const float *up = dy + r * width;
        float *down = dx + r * width;
        float m = mean[r], s = rstd[r], first = 0, second = 0;
#pragma clang loop vectorize(assume_safety)
        for (size_t j = 0; j < width; j++) {
            float normal = (in[j] - m) * s;
            float g = up[j] * gain[j];
            first += g;
            second += g * normal;
            dgain[j] += up[j] * normal;
            dbias[j] += up[j];
        }
        first /= (float)width;
        second /= (float)width;
#pragma clang loop vectorize(assume_safety)
        for (size_t j = 0; j < width; j++) {
            float normal = (in[j] - m) * s;
            down[j] += s * (up[j] * gain[j] - first - normal * second);
        }
    }
}

BODY void softmax_body(float *x, size_t rows, size_t width, size_t stride, float scale) {
    FAST
    for (size_t r = 0; r < rows; r++) {
        float *row = x + r * stride;
        // Sixteen running maxima: a single one is not vectorised, since the order of a float maximum matters for NaN.
        float lanes[16];
        for (size_t l = 0; l < 16; l++) lanes[l] = row[0];
        size_t start = 0;
        for (; start + 16 <= width; start += 16) {
            for (size_t l = 0; l < 16; l++) lanes[l] = row[start + l] > lanes[l] ? row[start + l] : lanes[l];
        }
        for (size_t j = start; j < width; j++) lanes[0] = row[j] > lanes[0] ? row[j] : lanes[0];
        float top = lanes[0];
        for (size_t l = 1; l < 16; l++) top = lanes[l] > top ? lanes[l] : top;
        float sum = 0;
#pragma clang loop vectorize(assume_safety)
        for (size_t j = 0; j < width; j++) {
            float e = exp_body((row[j] - top) * scale);
            row[j] = e;
            sum += e;
        }
        float inverse = 1.0f / sum;
        for (size_t j = 0; j < width; j++) row[j] *= inverse;
    }
}

BODY void softmax_backward_body(const float *p, float *dp, size_t rows, size_t width, size_t stride, float scale) {
    FAST
    for (size_t r = 0; r < rows; r++) {
        const float *row = p + r * stride;
        float *grad = dp + r * stride;
        float sum = 0;
        for (size_t j = 0; j < width; j++) sum += row[j] * grad[j];
        for (size_t j = 0; j < width; j++) grad[j] = scale * row[j] * (grad[j] - sum);
    }
}

BODY void add_body(float *y, const float *x, size_t count) {
    for (size_t i = 0; i < count; i++) y[i] += x[i];
}

BODY void axpy_body(float *y, const float *x, float a, size_t count) {
    FAST
    for (size_t i = 0; i < count; i++) y[i] += a * x[i];
}

BODY void affine_body(float *y, const float *x, float scale, float shift, size_t count) {
    FAST
#pragma clang loop vectorize(assume_safety)
    for (size_t i = 0; i < count; i++) y[i] = scale * x[i] + shift;
}

BODY void u16_to_f32_body(float *y, const uint16_t *x, float scale, size_t count) {
    for (size_t i = 0; i < count; i++) y[i] = (float)x[i] * scale;
}

BODY float pixel_loss_body(float *row, const float *truth, size_t count, float scale) {
    FAST
    float sum = 0;
    for (size_t i = 0; i < count; i++) sum += truth[i];
    float mean = sum / (float)count;
    float square = 0;
    for (size_t i = 0; i < count; i++) square += (truth[i] - mean) * (truth[i] - mean);
    float rstd = 1.0f / __builtin_sqrtf(square / (float)count + 1e-4f);
    float loss = 0;
#pragma clang loop vectorize(assume_safety)
    for (size_t i = 0; i < count; i++) {
        float difference = row[i] - (truth[i] - mean) * rstd;
        loss += difference * difference;
        row[i] = difference * scale;
    }
    return loss;
}

BODY float dot_f32_body(const float *a, const float *b, size_t count) {
    FAST
    float sum = 0;
    for (size_t i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

BODY double sum_of_squares_body(const float *x, size_t count) {
    FAST
    double total = 0;
    for (size_t start = 0; start < count; start += 1024) {
        size_t end = start + 1024 < count ? start + 1024 : count;
        float sum = 0;
        for (size_t i = start; i < end; i++) sum += x[i] * x[i];
        total += (double)sum;
    }
    return total;
}

BODY void adamw_body(float *value, const float *gradient, float *moment1, float *moment2, size_t count, float gradient_scale,
                     float rate, float beta1, float beta2, float epsilon, float decay, float correction1, float correction2) {
    float keep = 1.0f - rate * decay;
    float step = rate / correction1;
    float inverse2 = 1.0f / correction2;
    // The root by this name: one that may set errno is not vectorised.
#pragma clang loop vectorize(assume_safety)
    for (size_t i = 0; i < count; i++) {
        float g = gradient[i] * gradient_scale;
        float m = beta1 * moment1[i] + (1.0f - beta1) * g;
        float v = beta2 * moment2[i] + (1.0f - beta2) * g * g;
        moment1[i] = m;
        moment2[i] = v;
        value[i] = value[i] * keep - step * m / (__builtin_elementwise_sqrt(v * inverse2) + epsilon);
    }
}

static enum level best_level(void) {
    enum level best = level_scalar;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) best = level_avx2;
    if (best == level_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        best = level_avx512;
    }
#endif
    return best;
}

static enum level level_named(const char *name) {
    if (!strcmp(name, "scalar")) return level_scalar;
    if (!strcmp(name, "avx2")) return level_avx2;
    if (!strcmp(name, "avx512")) return level_avx512;
    return level_unknown;
}

static enum level detect(void) {
    enum level best = best_level();
    const char *forced = getenv("HILUM_KERNELS");
    enum level wanted = forced ? level_named(forced) : level_unknown;
    return wanted != level_unknown && wanted < best ? wanted : best;
}

static _Atomic int level = level_unknown;
static _Thread_local int level_of_thread = level_unknown;

enum level hilum_level(void) {
    if (level_of_thread != level_unknown) return (enum level)level_of_thread;
    int value = __c11_atomic_load(&level, __ATOMIC_RELAXED);
    if (value == level_unknown) {
        value = (int)detect();
        __c11_atomic_store(&level, value, __ATOMIC_RELAXED);
    }
    return (enum level)value;
}

int hilum_network_use(const char *name) {
    enum level wanted = level_named(name);
    if (wanted > best_level()) return 0;
    level_of_thread = (int)wanted;
    return wanted != level_unknown || !strcmp(name, "");
}

const char *hilum_network_kernels(void) {
    switch (hilum_level()) {
    case level_avx512: return "avx512";
    case level_avx2: return "avx2";
    default: return "scalar";
    }
}

// hilum_NAME(parameters) runs NAME_body(arguments), compiled for the chosen set.
#define KERNEL(result, name, parameters, arguments)                                 \
    AVX2 static result name##_avx2 parameters { return name##_body arguments; }     \
    AVX512 static result name##_avx512 parameters { return name##_body arguments; } \
    result hilum_##name parameters {                                      \
        switch (hilum_level()) {                                               \
        case level_avx512: return name##_avx512 arguments;                \
        case level_avx2: return name##_avx2 arguments;                    \
        default: return name##_body arguments;                            \
        }                                                                 \
    }

KERNEL(void, bias_add, (float *y, const float *bias, size_t rows, size_t width), (y, bias, rows, width))
KERNEL(void, bias_gelu, (float *pre, const float *bias, float *y, size_t rows, size_t width), (pre, bias, y, rows, width))
KERNEL(void, gelu_backward, (const float *pre, float *dy, size_t count), (pre, dy, count))
KERNEL(void, column_sum, (float *sum, const float *x, size_t rows, size_t width), (sum, x, rows, width))
KERNEL(void, layer_norm,
       (const float *x, const float *gain, const float *bias, float *y, float *mean, float *rstd, size_t rows, size_t width,
        float epsilon),
       (x, gain, bias, y, mean, rstd, rows, width, epsilon))
KERNEL(void, layer_norm_backward,
       (const float *x, const float *gain, const float *mean, const float *rstd, const float *dy, float *dx, float *dgain,
        float *dbias, size_t rows, size_t width),
       (x, gain, mean, rstd, dy, dx, dgain, dbias, rows, width))
KERNEL(void, softmax, (float *x, size_t rows, size_t width, size_t stride, float scale), (x, rows, width, stride, scale))
KERNEL(void, softmax_backward, (const float *p, float *dp, size_t rows, size_t width, size_t stride, float scale),
       (p, dp, rows, width, stride, scale))
KERNEL(void, add, (float *y, const float *x, size_t count), (y, x, count))
KERNEL(void, axpy, (float *y, const float *x, float a, size_t count), (y, x, a, count))
KERNEL(void, affine, (float *y, const float *x, float scale, float shift, size_t count), (y, x, scale, shift, count))
KERNEL(void, u16_to_f32, (float *y, const uint16_t *x, float scale, size_t count), (y, x, scale, count))
KERNEL(float, pixel_loss, (float *row, const float *truth, size_t count, float scale), (row, truth, count, scale))
KERNEL(float, dot_f32, (const float *a, const float *b, size_t count), (a, b, count))
KERNEL(double, sum_of_squares, (const float *x, size_t count), (x, count))
KERNEL(void, adamw,
       (float *value, const float *gradient, float *moment1, float *moment2, size_t count, float gradient_scale, float rate,
        float beta1, float beta2, float epsilon, float decay, float correction1, float correction2),
       (value, gradient, moment1, moment2, count, gradient_scale, rate, beta1, beta2, epsilon, decay, correction1, correction2))

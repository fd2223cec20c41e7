// The convolutions for one instruction set; convolution.c includes this once a set, with
//   SET           its name, pasted to every function
//   TARGET        the attribute of a function
//   LANES         floats of a vector
//   MULTIPLY_ADD  a * b + c
// Vectors are the compiler's own, so all sets are the same text.

typedef float NAME(vec) __attribute__((ext_vector_type(LANES), aligned(4), may_alias));
#define VEC NAME(vec)
#define SPLAT(x) ((VEC)(x))
#define LOAD(p) (*(const VEC *)(p))
#define STORE(p, x) (*(VEC *)(p) = (x))
// Of a 16-channel group.
#define GREY_VECTORS (GREY_CHANNELS / LANES)
#define GREY_PIXELS (12 / GREY_VECTORS)

// min(max(x, 0), 6); NaN stays NaN.
TARGET ALWAYS VEC NAME(relu6)(VEC x) {
    x = SPLAT(0.0f) > x ? SPLAT(0.0f) : x;
    return SPLAT(6.0f) < x ? SPLAT(6.0f) : x;
}

// `outputs` pixels of output row y from x on, for the vector of channels from c on.
TARGET ALWAYS void NAME(depthwise_tile)(
    const hilum_convolution *job, const int outputs, const int kernel, const int stride, const int is_border, size_t y, size_t x,
    size_t c) {
    const size_t channels = job->channels;
    const intptr_t first = (intptr_t)(x * (size_t)stride) - (intptr_t)job->before;
    VEC sum[WHOLE];
    const VEC bias = LOAD(job->bias + c);
#pragma clang loop unroll(full)
    for (int o = 0; o < outputs; o++) sum[o] = bias;
    for (int i = 0; i < kernel; i++) {
        const float *row = job->rows[y * (size_t)stride + (size_t)i];
        if (!row) continue;
        row += first * (intptr_t)channels + (intptr_t)c;
        const float *weight = job->weight + (size_t)(i * kernel) * channels + c;
        VEC tap[5];
#pragma clang loop unroll(full)
        for (int j = 0; j < kernel; j++) tap[j] = LOAD(weight + (size_t)j * channels);
#pragma clang loop unroll(full)
        for (int column = 0; column < (outputs - 1) * stride + kernel; column++) {
            if (is_border && (size_t)(first + column) >= job->in_width) continue;
            const VEC in = LOAD(row + (size_t)column * channels);
#pragma clang loop unroll(full)
            for (int j = kernel - 1; j >= 0; j--) {
                if (column < j || (column - j) % stride != 0 || (column - j) / stride >= outputs) continue;
                sum[(column - j) / stride] = MULTIPLY_ADD(in, tap[j], sum[(column - j) / stride]);
            }
        }
    }
    float *out = job->out + (y * job->out_width + x) * channels + c;
#pragma clang loop unroll(full)
    for (int o = 0; o < outputs; o++) STORE(out + (size_t)o * channels, NAME(relu6)(sum[o]));
}

// All tiles of one row for the vector of channels from c on.
#define DEPTHWISE_ROW(kernel, stride)                                                                                       \
    TARGET static void NAME(depthwise_row_##kernel##_##stride)(const hilum_convolution *job, size_t y, size_t c) {          \
        size_t x = 0;                                                                                                       \
        for (; x + WHOLE <= job->out_width; x += WHOLE) {                                                                   \
            const size_t first = x * stride, end = first + (WHOLE - 1) * stride + kernel;                                   \
            if (first >= job->before && end - job->before <= job->in_width) {                                               \
                NAME(depthwise_tile)(job, WHOLE, kernel, stride, 0, y, x, c);                                               \
            } else {                                                                                                        \
                NAME(depthwise_tile)(job, WHOLE, kernel, stride, 1, y, x, c);                                               \
            }                                                                                                               \
        }                                                                                                                   \
        for (; x + 3 <= job->out_width; x += 3) NAME(depthwise_tile)(job, 3, kernel, stride, 1, y, x, c);                   \
        for (; x < job->out_width; x++) NAME(depthwise_tile)(job, 1, kernel, stride, 1, y, x, c);                           \
    }
DEPTHWISE_ROW(3, 1)
DEPTHWISE_ROW(3, 2)
DEPTHWISE_ROW(5, 1)
DEPTHWISE_ROW(5, 2)
#undef DEPTHWISE_ROW

TARGET static void NAME(depthwise)(const hilum_convolution *job) {
    for (size_t c = 0; c < job->channels; c += LANES) {
        for (size_t y = 0; y < job->out_rows; y++) {
            if (job->kernel == 3) {
                if (job->stride == 1) NAME(depthwise_row_3_1)(job, y, c);
                if (job->stride == 2) NAME(depthwise_row_3_2)(job, y, c);
            } else {
                if (job->stride == 1) NAME(depthwise_row_5_1)(job, y, c);
                if (job->stride == 2) NAME(depthwise_row_5_2)(job, y, c);
            }
        }
    }
}

// `outputs` pixels of output row y from x on, for 16 channels from c on.
TARGET ALWAYS void NAME(grey_tile)(
    const hilum_convolution *job, const int outputs, const int is_border, size_t y, size_t x, size_t c) {
    const size_t channels = job->channels, stride = job->stride;
    VEC sum[GREY_PIXELS][GREY_VECTORS];
#pragma clang loop unroll(full)
    for (int v = 0; v < GREY_VECTORS; v++) {
        const VEC bias = LOAD(job->bias + c + v * LANES);
#pragma clang loop unroll(full)
        for (int o = 0; o < outputs; o++) sum[o][v] = bias;
    }
    for (size_t i = 0; i < 3; i++) {
        const float *row = job->rows[y * stride + i];
        if (!row) continue;
        for (size_t j = 0; j < 3; j++) {
            const float *weight = job->weight + (i * 3 + j) * channels + c;
            VEC tap[GREY_VECTORS];
#pragma clang loop unroll(full)
            for (int v = 0; v < GREY_VECTORS; v++) tap[v] = LOAD(weight + v * LANES);
#pragma clang loop unroll(full)
            for (int o = 0; o < outputs; o++) {
                // Left of the image the unsigned column is beyond its width.
                const size_t column = (x + (size_t)o) * stride + j - job->before;
                if (is_border && column >= job->in_width) continue;
                const VEC in = SPLAT(row[column]);
#pragma clang loop unroll(full)
                for (int v = 0; v < GREY_VECTORS; v++) sum[o][v] = MULTIPLY_ADD(in, tap[v], sum[o][v]);
            }
        }
    }
    float *out = job->out + (y * job->out_width + x) * channels + c;
#pragma clang loop unroll(full)
    for (int o = 0; o < outputs; o++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < GREY_VECTORS; v++) STORE(out + (size_t)o * channels + v * LANES, NAME(relu6)(sum[o][v]));
    }
}

TARGET static void NAME(grey)(const hilum_convolution *job) {
    for (size_t c = 0; c < job->channels; c += GREY_CHANNELS) {
        for (size_t y = 0; y < job->out_rows; y++) {
            size_t x = 0;
            for (; x + GREY_PIXELS <= job->out_width; x += GREY_PIXELS) {
                const size_t first = x * job->stride, end = first + (GREY_PIXELS - 1) * job->stride + 3;
                if (first >= job->before && end - job->before <= job->in_width) {
                    NAME(grey_tile)(job, GREY_PIXELS, 0, y, x, c);
                } else {
                    NAME(grey_tile)(job, GREY_PIXELS, 1, y, x, c);
                }
            }
            for (; x < job->out_width; x++) NAME(grey_tile)(job, 1, 1, y, x, c);
        }
    }
}

#undef VEC
#undef SPLAT
#undef LOAD
#undef STORE
#undef GREY_VECTORS
#undef GREY_PIXELS
#undef SET
#undef TARGET
#undef LANES
#undef MULTIPLY_ADD

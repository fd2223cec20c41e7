#include "convolution.h"

#include <stdint.h>

#include "level.h"

// A tile is a few neighbouring outputs of one row, for as many channels as a vector holds (grey: for 16 channels). Their sums stay
// in registers while the rows of the kernel pass by; each input is loaded once a kernel row, and each weight once a tile and row.
// Seven outputs divide the widths of the usual image sizes (112, 56, 28, 14) and leave registers for five weights. A strip is
// worked on one vector of channels after the other, so that its rows are read from the first cache for all but the first tile.
//
// Tiles at the border leave out the taps outside of the image. They ask for each input column, which tiles inside need not.
enum { WHOLE = 7, GREY_CHANNELS = 16 };

#define ALWAYS static inline __attribute__((always_inline))
#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define NAME(name) JOIN(name, SET)

#define SET scalar
#define TARGET
#define LANES 4
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#include "convolution_set.h"

#define SET avx2
#define TARGET AVX2
#define LANES 8
#define MULTIPLY_ADD(a, b, c) __builtin_elementwise_fma(a, b, c)
#include "convolution_set.h"

#define SET avx512
#define TARGET AVX512
#define LANES 16
#define MULTIPLY_ADD(a, b, c) __builtin_elementwise_fma(a, b, c)
#include "convolution_set.h"

#define DISPATCH(name, job)                          \
    switch (hilum_level()) {                         \
    case level_avx512: name##_avx512(job); break;    \
    case level_avx2: name##_avx2(job); break;        \
    default: name##_scalar(job); break;              \
    }

void hilum_convolve_depthwise(const hilum_convolution *job) { DISPATCH(depthwise, job) }

void hilum_convolve_grey(const hilum_convolution *job) { DISPATCH(grey, job) }

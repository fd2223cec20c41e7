#include "checksum.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>

// The instruction takes three cycles and one can begin in each, so three streams run side by side. The state is linear in what came
// before (over GF(2)), so the state of a stream is carried over the bytes of the next one by tables: carry[j][b] is what byte j of
// the state, with value b, becomes over STREAM zero bytes.
enum { STREAM = 4096 };
static uint32_t carry[4][256];

int hilum_crc32c_is_native(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2") != 0;
}

// Before main, so that no thread can see half a table; some ten microseconds.
__attribute__((constructor, target("sse4.2"))) static void fill_tables(void) {
    if (!hilum_crc32c_is_native()) return;
    for (int bit = 0; bit < 32; bit++) {
        uint64_t state = (uint64_t)1 << bit;
        for (int at = 0; at < STREAM; at += 8) state = _mm_crc32_u64(state, 0);
        carry[bit / 8][1 << bit % 8] = (uint32_t)state;
    }
    for (int j = 0; j < 4; j++) {
        for (int b = 1; b < 256; b++) carry[j][b] = carry[j][b & (b - 1)] ^ carry[j][b & -b];
    }
}

static uint64_t carried(uint64_t state) {
    return carry[0][state & 255] ^ carry[1][state >> 8 & 255] ^ carry[2][state >> 16 & 255] ^ carry[3][state >> 24 & 255];
}

static uint64_t word_at(const unsigned char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    return word;
}

__attribute__((target("sse4.2"))) uint32_t hilum_crc32c(uint32_t state, const void *bytes, size_t count) {
    const unsigned char *next = bytes;
    uint64_t wide = state;
    for (; count >= 3 * STREAM; count -= 3 * STREAM, next += 3 * STREAM) {
        uint64_t second = 0, third = 0;
        for (int at = 0; at < STREAM; at += 8) {
            wide = _mm_crc32_u64(wide, word_at(next + at));
            second = _mm_crc32_u64(second, word_at(next + STREAM + at));
            third = _mm_crc32_u64(third, word_at(next + 2 * STREAM + at));
        }
        wide = carried(carried(wide) ^ second) ^ third;
    }
    for (; count >= 8; count -= 8, next += 8) wide = _mm_crc32_u64(wide, word_at(next));
    state = (uint32_t)wide;
    for (; count > 0; count--, next++) state = _mm_crc32_u8(state, *next);
    return state;
}
#else
int hilum_crc32c_is_native(void) { return 0; }

uint32_t hilum_crc32c(uint32_t state, const void *bytes, size_t count) {
    (void)bytes;
    (void)count;
    return state;
}
#endif

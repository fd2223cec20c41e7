#include "checksum.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>

int hilum_crc32c_is_native(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2") != 0;
}

__attribute__((target("sse4.2"))) uint32_t hilum_crc32c(uint32_t state, const void *bytes, size_t count) {
    const unsigned char *next = bytes;
    uint64_t wide = state;
    for (; count >= 8; count -= 8, next += 8) {
        uint64_t word;
        memcpy(&word, next, 8);
        wide = _mm_crc32_u64(wide, word);
    }
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

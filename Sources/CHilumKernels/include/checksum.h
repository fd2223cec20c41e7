#ifndef HILUM_CHECKSUM_H
#define HILUM_CHECKSUM_H
#include <stddef.h>
#include <stdint.h>

// CRC-32C (Castagnoli) by the processor's instruction (SSE 4.2), about 8 bytes a cycle where there are many. Safe from any thread.

// Whether this CPU has the instruction.
int hilum_crc32c_is_native(void);
// The inner state after `count` bytes; the state is inverted before the first and after the last call. Only where it is native.
uint32_t hilum_crc32c(uint32_t state, const void *bytes, size_t count);
#endif

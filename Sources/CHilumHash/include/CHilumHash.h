// The compression function of SHA-256 in the processor's own instructions.
#ifndef HILUM_HASH_H
#define HILUM_HASH_H

#include <stddef.h>
#include <stdint.h>

// 1 when this processor has the instructions that hilum_sha256_blocks needs.
int hilum_sha256_is_available(void);

// Takes `count` blocks of 64 bytes into the state a … h (FIPS 180-4, 6.2.2). Only where it is available.
void hilum_sha256_blocks(uint32_t state[8], const uint8_t *blocks, size_t count);

#endif

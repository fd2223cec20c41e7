#ifndef HILUM_LEVEL_H
#define HILUM_LEVEL_H

// The instruction sets that the network's kernels are compiled for, and the choice among them (network.c).

enum level { level_unknown, level_scalar, level_avx2, level_avx512 };

// The set that the calling thread runs: the one a test asked for, else that of the process.
enum level hilum_level(void);

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,prefer-256-bit")))
#define AVX512BF16 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,prefer-256-bit")))
#else
#define AVX2
#define AVX512
#endif

#endif

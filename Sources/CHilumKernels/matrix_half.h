// Products with a right operand in bfloat16 for one instruction set; matrix_set.h includes this, twice where the processor has
// an instruction of its own for a pair of products, with
//   HALF_SET     its name, pasted to every function
//   HALF_TARGET  the attribute of a function
//   HALF_TERM    c + the two products of the pairs in a and b, in f32, the upper one first
//   HALF_ROUND   rounds 32 floats from a to 16 pairs, or is not defined
// A is rounded a block at a time as it is copied; sums, endings and C are f32.

#define PART(name) JOIN(half_##name, HALF_SET)
#define PART_TARGET HALF_TARGET
#define TERM(a, b, c) HALF_TERM(a, b, c)
// The halves of a pair as floats.
#define UPPER(x) ((VEC)((BITS)(x) & (int32_t)0xFFFF0000))
#define LOWER(x) ((VEC)((BITS)(x) << 16))
#include "matrix_tiles.h"

HALF_TARGET ALWAYS void PART(round_row)(const float *a, size_t k, pair *to) {
    size_t q = 0;
#ifdef HALF_ROUND
    for (; 2 * q + 32 <= k; q += 16) HALF_ROUND(a + 2 * q, to + q);
#endif
    for (; 2 * q + 1 < k; q++) to[q] = bfloat(a[2 * q]) | bfloat(a[2 * q + 1]) << 16;
    if (k & 1) to[q] = bfloat(a[k - 1]);
}

HALF_TARGET static void PART(multiply)(const hilum_product *job) {
    block_pair *const blocks = thread_blocks();
    const int has_ending = job->bias || job->gelu || job->relu6 || job->residual;
    const size_t all = (job->k + 1) / 2;
    const size_t pair_block = even_block(all, BLOCK_K, 8);
    const size_t m_block = even_block(job->m, BLOCK_ROWS, TILE_ROWS);
    size_t q = 0;
    do {
        const size_t pairs = minimum(pair_block, all - q);
        const size_t k = minimum(2 * pairs, job->k - 2 * q), a_row = pairs + ROW_GAP;
        const int is_last = q + pairs == all;
        for (size_t i = 0; i < job->m; i += m_block) {
            const size_t m = minimum(m_block, job->m - i), at = i * job->c_row;
            for (size_t r = 0; r < m; r++) {
                PART(round_row)(job->a + (i + r) * job->a_row + 2 * q, k, (pair *)blocks->a + r * a_row);
            }
            const NAME(ending) ending = {
                job->bias, job->residual ? job->residual + at : NULL, job->pre ? job->pre + at : NULL, job->gelu, job->relu6};
            PART(block)(
                m, job->n, blocks->a, a_row, 1, (const float *)job->pairs + q * PANEL, PANEL * all, pairs, job->c + at,
                job->c_row, q > 0 || job->accumulates, is_last && has_ending ? &ending : NULL);
        }
        q += pairs;
    } while (q < all);
}

#undef PART
#undef PART_TARGET
#undef TERM
#undef UPPER
#undef LOWER
#undef HALF_SET
#undef HALF_TARGET
#undef HALF_TERM
#undef HALF_ROUND

// The tiles of a product for one kind of operand; matrix_set.h includes this for f32 and matrix_half.h for bfloat16, with
//   PART         a name, pasted to that of the set and the kind
//   PART_TARGET  the attribute of a function
//   TERM         c + a * b, where an element of A stands in every lane of a
// In bfloat16 an element of A or B is a pair of neighbours of the sum, which travels as the bits of a float, and k counts pairs.

// Asks for the lines of C and of what is added to it, which the end of a tile needs and which lie in rows far apart. A short sum
// ends before they come, and mostly belongs to an attention, whose rows are near.
PART_TARGET ALWAYS void PART(ask_for_rows)(
    const int rows, const int vectors, float *c, size_t c_row, int loads, const NAME(ending) *ending) {
    for (int i = 0; i < rows; i++) {
        for (int at = 0; at < vectors * LANES; at += LINE) {
            const size_t place = (size_t)i * c_row + (size_t)at;
            if (!loads) __builtin_prefetch(c + place, 1, 2);
            if (ending && ending->residual) __builtin_prefetch(ending->residual + place, 0, 2);
        }
    }
}

// C[rows, vectors * LANES] = (C +) A * B over k; vector v of a row of B lies v * b_next after its first.
PART_TARGET ALWAYS void PART(tile)(
    const int rows, const int vectors, const float *a, size_t a_row, size_t a_step, const float *b, size_t b_next, size_t k,
    float *c, size_t c_row, int loads) {
    VEC sum[TILE_ROWS][TILE_VECTORS];
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) sum[i][v] = loads ? LOAD(c + (size_t)i * c_row + v * LANES) : SPLAT(0);
    }
    for (size_t p = 0; p < k; p++) {
        VEC right[TILE_VECTORS];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) right[v] = LOAD(b + (size_t)v * b_next);
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++) {
            const VEC left = SPLAT(a[(size_t)i * a_row]);
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) sum[i][v] = TERM(left, right[v], sum[i][v]);
        }
        a += a_step;
        b += PANEL;
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) STORE(c + (size_t)i * c_row + v * LANES, sum[i][v]);
    }
}

// A tile with its number of rows made a constant.
#define CASE(count)                                                                                          \
    case count:                                                                                              \
        if (a_step == 1) {                                                                                   \
            PART(tile)(count, vectors, a, a_row, 1, b, b_next, k, c, c_row, loads);                          \
        } else {                                                                                             \
            PART(tile)(count, vectors, a, 1, TILE_ROWS, b, b_next, k, c, c_row, loads);                      \
        }                                                                                                    \
        break;

// a_step is 1 (rows of A as they are) or TILE_ROWS (packed groups of rows).
PART_TARGET ALWAYS void PART(tile_of)(
    size_t rows, const int vectors, const float *a, size_t a_row, size_t a_step, const float *b, size_t b_next, size_t k,
    float *c, size_t c_row, int loads, const NAME(ending) *ending) {
    if (k >= SHORT_SUM) PART(ask_for_rows)((int)rows, vectors, c, c_row, loads, ending);
    switch (rows) {
        CASE(1)
        CASE(2)
#if TILE_ROWS > 2
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
#endif
#if TILE_ROWS > 6
        CASE(7)
        CASE(8)
        CASE(9)
        CASE(10)
        CASE(11)
        CASE(12)
#endif
    default: break;
    }
    if (ending) NAME(finish)((int)rows, vectors, c, c_row, ending);
}

PART_TARGET static void PART(whole_tile)(
    size_t rows, const float *a, size_t a_row, size_t a_step, const float *b, size_t b_next, size_t k, float *c, size_t c_row,
    int loads, const NAME(ending) *ending) {
    PART(tile_of)(rows, TILE_VECTORS, a, a_row, a_step, b, b_next, k, c, c_row, loads, ending);
}

#if TILE_VECTORS * LANES > PANEL
// One panel, where a whole tile has two.
PART_TARGET static void PART(panel_tile)(
    size_t rows, const float *a, size_t a_row, size_t a_step, const float *b, size_t b_next, size_t k, float *c, size_t c_row,
    int loads, const NAME(ending) *ending) {
    PART(tile_of)(rows, TILE_VECTORS / 2, a, a_row, a_step, b, b_next, k, c, c_row, loads, ending);
}
#else
#define PANEL_IS_WHOLE
#endif

// A tile of which only `columns` < PANEL columns exist: by way of whole rows of its own.
PART_TARGET static void PART(edge_tile)(
    size_t rows, size_t columns, const float *a, size_t a_row, size_t a_step, const float *b, size_t b_next, size_t k, float *c,
    size_t c_row, int loads, const NAME(ending) *ending) {
    float own[TILE_ROWS * PANEL], pre[TILE_ROWS * PANEL], residual[TILE_ROWS * PANEL], bias[PANEL];
    const size_t bytes = columns * sizeof(float);
    if (loads) {
        for (size_t i = 0; i < rows; i++) memcpy(own + i * PANEL, c + i * c_row, bytes);
    }
    NAME(ending) whole;
    if (ending) {
        whole = *ending;
        if (ending->bias) whole.bias = memcpy(bias, ending->bias, bytes);
        if (ending->pre) whole.pre = pre;
        if (ending->residual) {
            for (size_t i = 0; i < rows; i++) memcpy(residual + i * PANEL, ending->residual + i * c_row, bytes);
            whole.residual = residual;
        }
    }
#ifdef PANEL_IS_WHOLE
    PART(whole_tile)(rows, a, a_row, a_step, b, b_next, k, own, PANEL, loads, ending ? &whole : NULL);
#else
    PART(panel_tile)(rows, a, a_row, a_step, b, b_next, k, own, PANEL, loads, ending ? &whole : NULL);
#endif
    for (size_t i = 0; i < rows; i++) {
        memcpy(c + i * c_row, own + i * PANEL, bytes);
        if (ending && ending->pre) memcpy(ending->pre + i * c_row, pre + i * PANEL, bytes);
    }
}

// One block of C: `m` rows, `n` columns, `k` of the sum. Rows of A have a step of 1 or lie in packed groups.
PART_TARGET static void PART(block)(
    size_t m, size_t n, const float *a, size_t a_row, size_t a_step, const float *b, size_t panel_stride, size_t k, float *c,
    size_t c_row, int loads, const NAME(ending) *ending) {
    size_t step;
    for (size_t j = 0; j < n; j += step) {
        const float *panel = b + j / PANEL * panel_stride;
#ifdef PANEL_IS_WHOLE
        step = PANEL;
        const size_t next = LANES;
#else
        step = n - j >= 2 * PANEL ? 2 * PANEL : PANEL;
        const size_t next = panel_stride;
#endif
        for (size_t i = 0; i < m; i += TILE_ROWS) {
            const size_t rows = minimum(TILE_ROWS, m - i);
            const float *left = a_step == 1 ? a + i * a_row : a + i * k;
            float *out = c + i * c_row + j;
            NAME(ending) here;
            if (ending) {
                here.bias = ending->bias ? ending->bias + j : NULL;
                here.residual = ending->residual ? ending->residual + i * c_row + j : NULL;
                here.pre = ending->pre ? ending->pre + i * c_row + j : NULL;
                here.gelu = ending->gelu;
                here.relu6 = ending->relu6;
            }
            const NAME(ending) *last = ending ? &here : NULL;
            if (n - j < PANEL) {
                PART(edge_tile)(rows, n - j, left, a_row, a_step, panel, next, k, out, c_row, loads, last);
#ifndef PANEL_IS_WHOLE
            } else if (step == PANEL) {
                PART(panel_tile)(rows, left, a_row, a_step, panel, next, k, out, c_row, loads, last);
#endif
            } else {
                PART(whole_tile)(rows, left, a_row, a_step, panel, next, k, out, c_row, loads, last);
            }
        }
    }
}

// One term; that its vectors are parameters keeps the compiler from halving them where it prefers shorter ones.
PART_TARGET ALWAYS VEC PART(term)(VEC a, VEC b, VEC c) { return TERM(a, b, c); }

// `rounds` times the terms of a whole tile, whose operands stay in registers: C = C + x * x. Returns how many there were and
// changes x by what came out, so that nobody may leave them out.
PART_TARGET static double PART(terms)(float *x, size_t rounds) {
    VEC sum[TILE_ROWS][TILE_VECTORS];
    for (int i = 0; i < TILE_ROWS; i++) {
        for (int v = 0; v < TILE_VECTORS; v++) sum[i][v] = SPLAT(*x);
    }
    const VEC left = SPLAT(*x), right = SPLAT(*x);
    for (size_t round = 0; round < rounds; round++) {
#pragma clang loop unroll(full)
        for (int i = 0; i < TILE_ROWS; i++) {
#pragma clang loop unroll(full)
            for (int v = 0; v < TILE_VECTORS; v++) sum[i][v] = PART(term)(left, right, sum[i][v]);
        }
    }
    VEC total = SPLAT(0);
    for (int i = 0; i < TILE_ROWS; i++) {
        for (int v = 0; v < TILE_VECTORS; v++) total += sum[i][v];
    }
    *x = total[0];
    return (double)rounds * TILE_ROWS * TILE_VECTORS * LANES;
}

#undef CASE
#undef PANEL_IS_WHOLE

#include "matmul.h"

const char *const matmul_library = "plain C";

// A dot product keeps LANES partial sums, which compilers turn into vectors;
// BLOCK rows of x share each row of W while it is in the cache. Less than
// LEAST_WORK is not worth waking threads for.
enum { LANES = 16, BLOCK = 4, LEAST_WORK = 1 << 17 };

// The partial sums added in a fixed order, halves onto halves.
static float sum_lanes(float *lane) {
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t j = 0; j < half; j++)
            lane[j] += lane[j + half];
    return lane[0];
}

// `rows` rows of x against one row w of W. Each result is computed in the same
// order whatever rows is, so that cutting a sequence changes no bit.
static inline void dot_products(float *y, size_t y_stride, const float *x,
                                const float *w, size_t rows, size_t in) {
    float lanes[BLOCK][LANES] = {{0}};
    size_t whole = in / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < LANES; j++)
                lanes[r][j] += x[r * in + i + j] * w[i + j];
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = whole; i < in; i++)
            lanes[r][i - whole] += x[r * in + i] * w[i];
        y[r * y_stride] = sum_lanes(lanes[r]);
    }
}

void matmul(float *restrict y, const float *x, const float *W, size_t rows,
            size_t in, size_t out) {
    size_t blocked = rows / BLOCK * BLOCK;
#pragma omp parallel for schedule(static) if (rows * in * out > LEAST_WORK)
    for (size_t o = 0; o < out; o++) {
        const float *w = W + o * in;
        for (size_t t = 0; t < blocked; t += BLOCK)
            dot_products(y + t * out + o, out, x + t * in, w, BLOCK, in);
        for (size_t t = blocked; t < rows; t++)
            dot_products(y + t * out + o, out, x + t * in, w, 1, in);
    }
}

#include "linear.h"

#include "matmul.h"

// Threads share pieces of the product: TOKENS rows of x with ROWS rows of W, or
// for a few rows of x, ROWS_OF_FEW rows of W. A matrix in fewer bits becomes
// float32 in tiles of ROWS by COLUMNS numbers. Less than LEAST_WORK is not
// worth waking a thread for.
enum {
    TOKENS = 256,
    ROWS = 128,
    COLUMNS = 256,
    FEW = 4,
    ROWS_OF_FEW = 8,
    LEAST_WORK = 1 << 16,
};

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

// How many pieces of at most `size` make n.
static size_t pieces(size_t n, size_t size) {
    return (n + size - 1) / size;
}

static void add_bias(float *y, size_t y_stride, const float *bias, size_t rows,
                     size_t out) {
    for (size_t t = 0; bias && t < rows; t++)
        for (size_t o = 0; o < out; o++)
            y[t * y_stride + o] += bias[o];
}

// y = x W^T for one piece, through tiles of float32 where W has fewer bits.
static void multiply(float *y, size_t y_stride, const float *x, Matrix W,
                     size_t rows) {
    if (W.type == MATRIX_F32) {
        matmul_tile(true, rows, W.in, W.out, 1, x, W.in, W.numbers, W.in, 0, y,
                    y_stride);
        return;
    }
    float tile[ROWS * COLUMNS];
    for (size_t i = 0; i == 0 || i < W.in; i += COLUMNS) {
        size_t columns = least(COLUMNS, W.in - i);
        matrix_columns(tile, W, i, columns);
        matmul_tile(true, rows, columns, W.out, 1, x + i, W.in, tile, columns,
                    i > 0, y, y_stride);
    }
}

// A few rows of x, one after the other while a piece of W is in the cache.
static void linear_of_few(float *restrict y, const float *x, Matrix W,
                          const float *bias, size_t rows) {
#pragma omp parallel for schedule(static) if (rows * W.in * W.out > LEAST_WORK)
    for (size_t o = 0; o < W.out; o += ROWS_OF_FEW) {
        Matrix part = matrix_rows(W, o, least(ROWS_OF_FEW, W.out - o));
        for (size_t t = 0; t < rows; t++) {
            float *piece = y + t * W.out + o;
            matrix_times(piece, part, x + t * W.in);
            add_bias(piece, 0, bias ? bias + o : NULL, 1, part.out);
        }
    }
}

void linear(float *restrict y, const float *x, Matrix W, const float *bias,
            size_t rows) {
    if (rows <= FEW) {
        linear_of_few(y, x, W, bias, rows);
        return;
    }
    // Where W makes one piece only, there are more along the tokens.
    size_t across = pieces(W.out, ROWS);
    size_t height = across > 1 ? TOKENS : TOKENS / 2;
#pragma omp parallel for schedule(dynamic) if (rows * W.in * W.out > LEAST_WORK)
    for (size_t i = 0; i < pieces(rows, height) * across; i++) {
        size_t t = i / across * height, o = i % across * ROWS;
        Matrix part = matrix_rows(W, o, least(ROWS, W.out - o));
        float *piece = y + t * W.out + o;
        size_t tokens = least(height, rows - t);
        multiply(piece, W.out, x + t * W.in, part, tokens);
        add_bias(piece, W.out, bias ? bias + o : NULL, tokens, part.out);
    }
}

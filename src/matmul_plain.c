#include "matmul.h"

const char *const matmul_library = "plain C";

const char *matmul_kernel(void) {
    return matmul_library;
}

// HEIGHT rows of x with WIDTH numbers of y each are computed at once, in sums
// that stay in registers; what they need of W, DEPTH numbers for each, lies
// together in a panel that stays in the nearest cache.
enum { HEIGHT = 8, WIDTH = 32, DEPTH = 256 };

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

// A part of a product: y has `out` columns here, of which there are sums over
// `inner` terms.
typedef struct {
    size_t inner, out;
    float alpha, beta;
} Part;

// Row i of the panel has what the i-th numbers of x are multiplied by; columns
// that W does not have are 0.
static void pack(float panel[DEPTH][WIDTH], bool transpose_W, const float *W,
                 size_t stride, Part part) {
    for (size_t i = 0; i < part.inner; i++)
        for (size_t j = 0; j < WIDTH; j++)
            panel[i][j] = j >= part.out ? 0
                          : transpose_W ? W[j * stride + i]
                                        : W[i * stride + j];
}

// y = beta y + alpha x panel, for `height` rows. Each row is computed in the
// same order whatever stands beside it.
static inline void multiply_rows(size_t height, float *y, size_t y_stride,
                                 const float *x, size_t x_stride,
                                 float panel[DEPTH][WIDTH], Part part) {
    float sums[HEIGHT][WIDTH] = {{0}};
    for (size_t i = 0; i < part.inner; i++)
        for (size_t r = 0; r < height; r++)
#pragma omp simd
            for (size_t j = 0; j < WIDTH; j++)
                sums[r][j] += x[r * x_stride + i] * panel[i][j];
    for (size_t r = 0; r < height; r++)
        for (size_t j = 0; j < part.out; j++) {
            float *to = &y[r * y_stride + j];
            *to = (part.beta == 0 ? 0 : part.beta * *to) +
                  part.alpha * sums[r][j];
        }
}

// All rows with one panel.
static void multiply_panel(size_t rows, float *y, size_t y_stride,
                           const float *x, size_t x_stride,
                           float panel[DEPTH][WIDTH], Part part) {
    size_t t = 0;
    for (; t + HEIGHT <= rows; t += HEIGHT)
        multiply_rows(HEIGHT, y + t * y_stride, y_stride, x + t * x_stride,
                      x_stride, panel, part);
    for (; t < rows; t++)
        multiply_rows(1, y + t * y_stride, y_stride, x + t * x_stride, x_stride,
                      panel, part);
}

void matmul_tile(bool transpose_W, size_t rows, size_t inner, size_t out,
                 float alpha, const float *x, size_t x_stride, const float *W,
                 size_t W_stride, float beta, float *y, size_t y_stride) {
    float panel[DEPTH][WIDTH];
    for (size_t o = 0; o < out; o += WIDTH)
        for (size_t i = 0; i == 0 || i < inner; i += DEPTH) {
            Part part = {.inner = least(DEPTH, inner - i),
                         .out = least(WIDTH, out - o),
                         .alpha = alpha,
                         .beta = i == 0 ? beta : 1};
            size_t o_stride = transpose_W ? W_stride : 1;
            size_t i_stride = transpose_W ? 1 : W_stride;
            pack(panel, transpose_W, W + o * o_stride + i * i_stride, W_stride,
                 part);
            multiply_panel(rows, y + o, y_stride, x + i, x_stride, panel, part);
        }
}

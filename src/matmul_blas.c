#include "matmul.h"

#include <assert.h>
#include <limits.h>

#ifdef __APPLE__
#define ACCELERATE_NEW_LAPACK
#include <Accelerate/Accelerate.h>
const char *const matmul_library = "Accelerate";
#else
#include <cblas.h>
const char *const matmul_library = "OpenBLAS";
#endif

// The product is cut into pieces that threads share: rows of x, or for a single
// row the rows of W. A piece's size does not depend on how many threads.
enum { ROWS_OF_X = 64, ROWS_OF_W = 256, LEAST_WORK = 1 << 17 };

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

// OpenBLAS would bring threads of its own, which fight with OpenMP's for the
// same cores; so it computes each piece with one.
static void use_one_blas_thread(void) {
#ifdef OPENBLAS_VERSION
    openblas_set_num_threads(1);
#endif
}

// y = W x for one row x, at the speed at which W is read.
static void multiply_row(float *y, const float *x, const float *W, size_t in,
                         size_t out) {
#pragma omp parallel for schedule(static) if (in * out > LEAST_WORK)
    for (size_t o = 0; o < out; o += ROWS_OF_W)
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)least(ROWS_OF_W, out - o),
                    (int)in, 1, W + o * in, (int)in, x, 1, 0, y + o, 1);
}

void matmul(float *restrict y, const float *x, const float *W, size_t rows,
            size_t in, size_t out) {
    assert(rows <= INT_MAX && in <= INT_MAX && out <= INT_MAX);
    use_one_blas_thread();
    if (rows == 1) {
        multiply_row(y, x, W, in, out);
        return;
    }
#pragma omp parallel for schedule(static) if (rows * in * out > LEAST_WORK)
    for (size_t t = 0; t < rows; t += ROWS_OF_X)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans,
                    (int)least(ROWS_OF_X, rows - t), (int)out, (int)in, 1,
                    x + t * in, (int)in, W, (int)in, 0, y + t * out, (int)out);
}

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

// OpenBLAS would bring threads of its own, which fight with OpenMP's for the
// same cores; so it computes each product with one.
static void use_one_blas_thread(void) {
#ifdef OPENBLAS_VERSION
    if (openblas_get_num_threads() != 1)
        openblas_set_num_threads(1);
#endif
}

const char *matmul_kernel(void) {
#ifdef OPENBLAS_VERSION
    return openblas_get_corename();
#else
    return matmul_library;
#endif
}

void matmul_tile(bool transpose_W, size_t rows, size_t inner, size_t out,
                 float alpha, const float *x, size_t x_stride, const float *W,
                 size_t W_stride, float beta, float *y, size_t y_stride) {
    assert(rows <= INT_MAX && inner <= INT_MAX && out <= INT_MAX);
    assert(x_stride <= INT_MAX && W_stride <= INT_MAX && y_stride <= INT_MAX);
    if (rows == 0 || out == 0)
        return;
    use_one_blas_thread();
    cblas_sgemm(CblasRowMajor, CblasNoTrans,
                transpose_W ? CblasTrans : CblasNoTrans, (int)rows, (int)out,
                (int)inner, alpha, x, (int)x_stride, W, (int)W_stride, beta, y,
                (int)y_stride);
}

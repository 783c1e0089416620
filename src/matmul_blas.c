#include "matmul.h"

#include <assert.h>
#include <limits.h>

#ifdef __APPLE__
#include <Accelerate/Accelerate.h>
const char *const matmul_library = "Accelerate";
#else
#include <cblas.h>
const char *const matmul_library = "OpenBLAS";
#endif

void matmul(float *restrict y, const float *x, const float *W, size_t rows,
            size_t in, size_t out) {
    assert(rows <= INT_MAX && in <= INT_MAX && out <= INT_MAX);
    int m = (int)rows, n = (int)out, k = (int)in;
    if (m == 0 || n == 0)
        return;
    if (m == 1)  // one token: y = W x, at the speed at which W is read
        cblas_sgemv(CblasRowMajor, CblasNoTrans, n, k, 1, W, k, x, 1, 0, y, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, x, k,
                    W, k, 0, y, n);
}

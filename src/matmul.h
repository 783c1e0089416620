// Chapter 5: the matrix product behind every projection.
#ifndef MATMUL_H
#define MATMUL_H

#include <stdbool.h>
#include <stddef.h>

// A product small enough for one thread, of matrices that may be parts of
// larger ones: row t of x begins at x + t * x_stride, and so on.
//
//     y = beta y + alpha x W^T     W is (out, inner), if transpose_W
//     y = beta y + alpha x W       W is (inner, out), otherwise
//
// With beta 0, y is written and never read. Several threads may compute
// products of their own at once. y overlaps neither x nor W.
//
// matmul_blas.c asks the machine's BLAS (OpenBLAS, or Accelerate on macOS);
// matmul_plain.c does without (make BLAS=none).
void matmul_tile(bool transpose_W, size_t rows, size_t inner, size_t out,
                 float alpha, const float *x, size_t x_stride, const float *W,
                 size_t W_stride, float beta, float *y, size_t y_stride);

// Which of the two this build has: "OpenBLAS", "Accelerate" or "plain C".
extern const char *const matmul_library;

// The processor for which it computes: OpenBLAS has a kernel for each of many,
// and picks one when the program starts ("Cooperlake"; OPENBLAS_CORETYPE in the
// environment picks another). Elsewhere the library's name.
const char *matmul_kernel(void);

#endif

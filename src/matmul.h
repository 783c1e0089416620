// Chapter 5: the matrix product behind every projection.
#ifndef MATMUL_H
#define MATMUL_H

#include <stddef.h>

// y = x W^T, every row of x against every row of W:
//
//     y_{t,o} = sum_i x_{t,i} W_{o,i}
//
// matmul_blas.c asks the machine's BLAS (OpenBLAS, or Accelerate on macOS);
// matmul_plain.c does without (make BLAS=none). y overlaps neither.
void matmul(float *restrict y,  // (rows, out)
            const float *x,     // (rows, in)
            const float *W,     // (out, in)
            size_t rows, size_t in, size_t out);

// Which of the two this build has: "OpenBLAS", "Accelerate" or "plain C".
extern const char *const matmul_library;

#endif

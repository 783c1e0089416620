// Chapter 5: the linear layer, a matrix product and perhaps a bias.
#ifndef LINEAR_H
#define LINEAR_H

#include <stddef.h>

// y = x W^T + bias, for each row of x. y overlaps nothing else.
void linear(float *restrict y,    // (rows, out)
            const float *x,       // (rows, in)
            const float *weight,  // (out, in): W
            const float *bias,    // (out), or NULL for none
            size_t rows, size_t in, size_t out);

#endif

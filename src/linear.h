// Chapter 5: the linear layer, a matrix product and perhaps a bias.
#ifndef LINEAR_H
#define LINEAR_H

#include "matrix.h"

// y = x W^T + bias, for each row of x:
//
//     y_{t,o} = sum_i x_{t,i} W_{o,i} + bias_o
//
// Threads share it in pieces whose sizes depend only on the shape, so that any
// number of threads gives the same bits. y overlaps nothing else.
void linear(float *restrict y,  // (rows, out)
            const float *x,     // (rows, in)
            Matrix W,           // (out, in)
            const float *bias,  // (out), or NULL for none
            size_t rows);

#endif

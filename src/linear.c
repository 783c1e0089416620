#include "linear.h"

#include "matmul.h"

void linear(float *restrict y, const float *x, const float *weight,
            const float *bias, size_t rows, size_t in, size_t out) {
    matmul(y, x, weight, rows, in, out);
    if (bias)
        for (size_t t = 0; t < rows; t++)
            for (size_t o = 0; o < out; o++)
                y[t * out + o] += bias[o];
}

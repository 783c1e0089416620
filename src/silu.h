// Chapter 2: the activation, SiLU(x) = x * sigmoid(x), also called swish.
#ifndef SILU_H
#define SILU_H

#include <math.h>
#include <stddef.h>

// SiLU(x) = x / (1 + exp(-x)). For very negative x the exponential overflows
// to infinity and the quotient to -0, its limit.
static inline float silu(float x) {
    return x / (1.0f + expf(-x));
}

// SiLU of n numbers, each in its place.
void silu_in_place(float *x, size_t n);

#endif

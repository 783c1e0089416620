// Chapter 2: the activation, SiLU(x) = x * sigmoid(x), also called swish.
#ifndef SILU_H
#define SILU_H

#include <math.h>
#include <stddef.h>

#include "exponential.h"

// SiLU(x) = x / (1 + exp(-x)). For very negative x the exponential overflows
// to infinity and the quotient to -0, its limit.
static inline float silu(float x) {
    return x / (1.0f + expf(-x));
}

// The same by exponential(), for many x at once: within 4 units in the last
// place, or 2^-120.
static inline float fast_silu(float x) {
    return x / (1.0f + exponential(-x));
}

// SiLU of n numbers, each in its place, by fast_silu().
void silu_in_place(float *x, size_t n);

#endif

// Chapter 1: root mean square normalisation.
#ifndef RMSNORM_H
#define RMSNORM_H

#include <stddef.h>

// RMSNorm (Zhang and Sennrich 2019), each row by itself:
//
//     y_i = w_i x_i / sqrt(mean(x^2) + eps)
//
// The official model puts it before each block and before the head, with eps
// 1e-5. y may be x.
void rmsnorm(float *y,             // (L, d_model)
             const float *x,       // (L, d_model)
             const float *weight,  // (d_model): w
             size_t length, size_t d_model, float eps);

#endif

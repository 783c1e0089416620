// Exercise 1.4: the gradient of RMSNorm.
#ifndef EXERCISE_H
#define EXERCISE_H

#include <stddef.h>

// Let loss be any number computed from y = rmsnorm(x). Given d_y, its
// derivatives with respect to each number of y, this computes its derivatives
// with respect to each number of x and of the weights:
//
//     d_weight_i = sum over rows of  d_y_i r x_i
//     d_x_i      = for you to work out
//
// where r = 1 / sqrt(mean(x^2) + eps) belongs to the row. Both results are
// written, not added to; d_weight of no rows is zeros. They overlap nothing.
void norm_gradient(float *d_x,           // (L, d_model)
                   float *d_weight,      // (d_model)
                   const float *d_y,     // (L, d_model)
                   const float *x,       // (L, d_model)
                   const float *weight,  // (d_model): w
                   size_t length, size_t d_model, float eps);

#endif

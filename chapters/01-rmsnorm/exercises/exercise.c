// Exercise 1.4: the gradient of RMSNorm. exercise.h says what it must do;
// `make exercise1` tells whether it does.
#include "exercise.h"

#include <math.h>

void norm_gradient(float *d_x, float *d_weight, const float *d_y,
                   const float *x, const float *weight, size_t length,
                   size_t d_model, float eps) {
    for (size_t i = 0; i < d_model; i++)
        d_weight[i] = 0;
    for (size_t t = 0; t < length; t++) {
        // Write here: r of the row; what the row adds to d_weight; and d_x,
        // which has two terms, because x_i reaches the loss both through its
        // own y_i and through the r of the whole row. For now the gradient
        // passes as if there were no norm.
        for (size_t i = 0; i < d_model; i++)
            d_x[t * d_model + i] = d_y[t * d_model + i];
    }
    (void)x, (void)weight, (void)eps;
}

#include "rmsnorm.h"

#include <math.h>

// The sum of x_i^2. `simd` lets the compiler keep several partial sums, which
// is faster than one running sum and loses less to rounding.
static float sum_of_squares(const float *x, size_t n) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sum;
}

void rmsnorm(float *y, const float *x, const float *weight, size_t length,
             size_t d_model, float eps) {
    for (size_t t = 0; t < length; t++, x += d_model, y += d_model) {
        // r = 1 / sqrt(mean(x^2) + eps)
        float mean_square = sum_of_squares(x, d_model) / (float)d_model;
        float r = 1.0f / sqrtf(mean_square + eps);

        // y_i = w_i r x_i
        for (size_t i = 0; i < d_model; i++)
            y[i] = weight[i] * (r * x[i]);
    }
}

#include "exercise.h"

#include <math.h>

// r = 1 / sqrt(mean(x^2) + eps)
static float inverse_root(const float *x, size_t n, float eps) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return 1.0f / sqrtf(sum / (float)n + eps);
}

// How much of the gradient lies along the row: mean(d_y_i w_i r x_i).
static float mean_along(const float *d_y, const float *x, const float *weight,
                        float r, size_t n) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += d_y[i] * weight[i] * (r * x[i]);
    return sum / (float)n;
}

void norm_gradient(float *d_x, float *d_weight, const float *d_y,
                   const float *x, const float *weight, size_t length,
                   size_t d_model, float eps) {
    for (size_t i = 0; i < d_model; i++)
        d_weight[i] = 0;
    for (size_t t = 0; t < length; t++) {
        float r = inverse_root(x, d_model, eps);
        float along = mean_along(d_y, x, weight, r, d_model);
        for (size_t i = 0; i < d_model; i++) {
            float normed = r * x[i];

            // y_i = w_i normed_i, in every row with the same w_i
            d_weight[i] += d_y[i] * normed;

            // through y_i itself, less what a longer row would undo
            d_x[i] = r * (d_y[i] * weight[i] - along * normed);
        }
        d_x += d_model, d_y += d_model, x += d_model;
    }
}

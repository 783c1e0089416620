// Chapter 3: from h' = A h + B x in continuous time to a recurrence in steps
// of Delta (the paper's section 2 and equation 4).
#ifndef DISCRETIZATION_H
#define DISCRETIZATION_H

#include <stddef.h>

// The recurrence h_t = A_bar h_{t-1} + B_bar x_t of one scalar state.
typedef struct {
    double A_bar;
    double B_bar;
} Discretized;

// Zero-order hold, exact where x is constant during a step (equation 4):
//     A_bar = exp(Delta A),  B_bar = (exp(Delta A) - 1) / (Delta A) * Delta B
// With A = 0 it takes the limit, B_bar = Delta B.
Discretized discretize_zoh(double delta, double A, double B);

// Euler: A_bar = 1 + Delta A, B_bar = Delta B. Diverges for Delta A < -2.
Discretized discretize_euler(double delta, double A, double B);

// Bilinear (trapezoidal rule): A_bar = (1 + Delta A/2) / (1 - Delta A/2),
// B_bar = Delta B / (1 - Delta A/2).
Discretized discretize_bilinear(double delta, double A, double B);

// What Mamba's code computes: A_bar by zero-order hold, B_bar by Euler.
Discretized discretize_mamba(double delta, double A, double B);

// softplus(x) = ln(1 + exp(x)): any real number to a positive step Delta.
// Linear above 20, as in the official code; accurate for very negative x, and 0
// only where exp(x) is, below about -104.
float softplus(float x);

// softplus of n numbers, each in its place, by exponential(), for many at once:
// within 4 units in the last place, or 2^-120; 0 below about -87.7.
void softplus_in_place(float *x, size_t n);

// The x > -infinity with softplus(x) = delta: delta + ln(1 - exp(-delta)), the
// initial bias of dt_proj. Requires delta > 0.
double softplus_inverse(double delta);

// A = -exp(A_log): negative whatever A_log was learned. n numbers; A may be
// A_log.
void A_from_A_log(float *A, const float *A_log, size_t n);

#endif

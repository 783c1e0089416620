#include "discretization.h"

#include <math.h>

#include "exponential.h"

Discretized discretize_zoh(double delta, double A, double B) {
    // (exp(x) - 1) / x, without the cancellation near x = 0.
    double x = delta * A;
    double mean_decay = x == 0 ? 1 : expm1(x) / x;
    return (Discretized){.A_bar = exp(x), .B_bar = mean_decay * delta * B};
}

Discretized discretize_euler(double delta, double A, double B) {
    return (Discretized){.A_bar = 1 + delta * A, .B_bar = delta * B};
}

Discretized discretize_bilinear(double delta, double A, double B) {
    double half = delta * A / 2;
    return (Discretized){.A_bar = (1 + half) / (1 - half),
                         .B_bar = delta * B / (1 - half)};
}

Discretized discretize_mamba(double delta, double A, double B) {
    return (Discretized){.A_bar = exp(delta * A), .B_bar = delta * B};
}

float softplus(float x) {
    // Above 20 the two differ by less than half a unit in the last place, and
    // exp would overflow above 88.7.
    return x > 20.0f ? x : log1pf(expf(x));
}

// ln(1 + e) for e from 0 to 1. With s = e / (2 + e) it is 2 artanh(s), and
// artanh(s) = s (1 + s^2/3 + s^4/5 + ...), cut off where the error is least:
// below 5e-9 for s^2 up to 1/9.
static inline float log_of_one_plus(float e) {
    float s = e / (2 + e), s2 = s * s;
    float p = 1.4005996e-1f;
    p = p * s2 + 1.4000902e-1f;
    p = p * s2 + 2.0010763e-1f;
    p = p * s2 + 3.333321e-1f;
    p = p * s2 + 1;
    return 2 * s * p;
}

void softplus_in_place(float *x, size_t n) {
    // max(x, 0) + ln(1 + exp(-|x|)): no exponential that could overflow.
    for (size_t i = 0; i < n; i++)
        x[i] =
            (x[i] > 0 ? x[i] : 0) + log_of_one_plus(exponential(-fabsf(x[i])));
}

double softplus_inverse(double delta) {
    // ln(1 - exp(-delta)), without the cancellation for small delta.
    return delta + log(-expm1(-delta));
}

void A_from_A_log(float *A, const float *A_log, size_t n) {
    for (size_t i = 0; i < n; i++)
        A[i] = -expf(A_log[i]);
}

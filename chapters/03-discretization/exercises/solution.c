// Exercise 3.5, solved: a rule for inputs that move in straight lines.
#include "exercise.h"

#include <math.h>

// Below this |z| the formulas lose digits, and TERMS terms of the series are
// exact to the last one: the next is less than 0.5^16 / 18!.
static const double small_z = 0.5;
enum { TERMS = 16 };

// (exp(z) - 1 - z) / z^2, the weight of x_t.
static double weight_now(double z) {
    if (fabs(z) >= small_z)
        return (expm1(z) - z) / (z * z);
    double sum = 0, term = 0.5;  // z^k / (k + 2)!
    for (int k = 0; k < TERMS; k++) {
        sum += term;
        term *= z / (k + 3);
    }
    return sum;
}

// (z exp(z) - exp(z) + 1) / z^2, the weight of x_{t-1}.
static double weight_before(double z) {
    if (fabs(z) >= small_z)
        return (z * exp(z) - expm1(z)) / (z * z);
    double sum = 0, term = 0.5;  // z^k / (k + 2)!
    for (int k = 0; k < TERMS; k++) {
        sum += (k + 1) * term;
        term *= z / (k + 3);
    }
    return sum;
}

FirstOrderHold hold_first_order(double delta, double A, double B) {
    double z = delta * A;
    return (FirstOrderHold){.A_bar = exp(z),
                            .B_before = delta * B * weight_before(z),
                            .B_now = delta * B * weight_now(z)};
}

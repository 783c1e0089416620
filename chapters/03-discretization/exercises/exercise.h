// Exercise 3.5: a rule for inputs that move in straight lines.
#ifndef EXERCISE_H
#define EXERCISE_H

// The recurrence h_t = A_bar h_{t-1} + B_before x_{t-1} + B_now x_t of one
// scalar state.
typedef struct {
    double A_bar;
    double B_before;
    double B_now;
} FirstOrderHold;

// First-order hold: exact for h' = A h + B x where x goes in a straight line
// from x_{t-1} to x_t during the step. With z = Delta A:
//     A_bar    = exp(z)
//     B_before = Delta B (z exp(z) - exp(z) + 1) / z^2
//     B_now    = Delta B (exp(z) - 1 - z) / z^2
// With z = 0 both weights take their limit, Delta B / 2, and they keep at least
// ten digits however near to 0 z is. Requires delta >= 0 and A <= 0.
FirstOrderHold hold_first_order(double delta, double A, double B);

#endif

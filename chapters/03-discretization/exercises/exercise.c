// Exercise 3.5: a rule for inputs that move in straight lines.
#include "exercise.h"

#include <math.h>

#include "discretization.h"

// First-order hold: exact for h' = A h + B x where x goes in a straight line
// from x_{t-1} to x_t during the step. With z = Delta A:
//     A_bar    = exp(z)
//     B_before = Delta B (z exp(z) - exp(z) + 1) / z^2
//     B_now    = Delta B (exp(z) - 1 - z) / z^2
// With z = 0 both weights take their limit, Delta B / 2, and they keep at least
// ten digits however near to 0 z is. Requires delta >= 0 and A <= 0.
FirstOrderHold hold_first_order(double delta, double A, double B) {
    // To write: the two weights. Until then this is the zero-order hold, which
    // knows nothing of the token before: some tests pass, most do not. For a z
    // near 0 the formulas cancel; there, use the first terms of their series,
    //     (exp(z) - 1 - z) / z^2          = 1/2! +   z/3! +   z^2/4! + ..
    //     (z exp(z) - exp(z) + 1) / z^2   = 1/2! + 2 z/3! + 3 z^2/4! + ..
    Discretized zoh = discretize_zoh(delta, A, B);
    return (FirstOrderHold){
        .A_bar = zoh.A_bar, .B_before = 0, .B_now = zoh.B_bar};
}

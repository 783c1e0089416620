// The tests of exercise 3.5.
#include <criterion/criterion.h>
#include <math.h>

#include "compare.h"
#include "discretization.h"
#include "exercise.h"

// h_t = A_bar h_{t-1} + B_before x_{t-1} + B_now x_t
static double follow(FirstOrderHold rule, double h, double before, double now) {
    return rule.A_bar * h + rule.B_before * before + rule.B_now * now;
}

// The formulas keep ten digits where they are asked to.
static const double digits = 1e-10;

Test(exercise3, by_hand) {
    // z = -1: exp(z) = 1/e, so B_before = (1 - 2/e), B_now = 1/e.
    FirstOrderHold rule = hold_first_order(1, -1, 1);
    compare_number("A_bar", 0, rule.A_bar, exp(-1), 1e-14);
    compare_number("B_before", 0, rule.B_before, 1 - 2 * exp(-1), 1e-14);
    compare_number("B_now", 0, rule.B_now, exp(-1), 1e-14);
    // B multiplies both weights, and nothing else.
    FirstOrderHold thrice = hold_first_order(1, -1, -3);
    compare_number("A_bar", 0, thrice.A_bar, rule.A_bar, 0);
    compare_number("-3 B_before", 0, thrice.B_before, -3 * rule.B_before,
                   1e-14);
    compare_number("-3 B_now", 0, thrice.B_now, -3 * rule.B_now, 1e-14);
}

// An input that stays is a straight line, too: the zero-order hold.
Test(exercise3, held_input_is_zero_order_hold) {
    for (double z = 1e-8; z < 100; z *= 1.5) {
        FirstOrderHold rule = hold_first_order(0.25, -4 * z, 2);
        Discretized zoh = discretize_zoh(0.25, -4 * z, 2);
        compare_number("A_bar", 0, rule.A_bar, zoh.A_bar, 0);
        compare_number(label("z = %g", -z).text, 0, rule.B_before + rule.B_now,
                       zoh.B_bar, digits * zoh.B_bar);
    }
}

// A straight line cut in two is two straight lines.
Test(exercise3, a_step_cut_in_two) {
    for (uint64_t seed = 0; seed < 200; seed++) {
        Random random = random_from_seed(seed);
        double A = -pow(10, random_uniform(&random, -6, 1.5));
        double B = random_uniform(&random, -2, 2);
        double delta = random_uniform(&random, 0.01, 2);
        double h = random_uniform(&random, -1, 1);
        double x0 = random_uniform(&random, -1, 1);
        double x2 = random_uniform(&random, -1, 1), x1 = (x0 + x2) / 2;

        FirstOrderHold half = hold_first_order(delta / 2, A, B);
        double cut = follow(half, follow(half, h, x0, x1), x1, x2);
        double whole = follow(hold_first_order(delta, A, B), h, x0, x2);
        // All terms are of the size of h and Delta B.
        compare_number(label("seed %llu", (unsigned long long)seed).text, 0,
                       whole, cut, digits * (1 + fabs(delta * B)));
    }
}

// The integral of exp(z (1 - u)) w(u) over u from 0 to 1 by Simpson's rule,
// with w(u) = u for x_t and 1 - u for x_{t-1}. For |z| up to 20 its own error
// is below 1e-12.
static double integral(double z, bool now) {
    enum { PIECES = 4000 };
    double sum = 0;
    for (int i = 0; i <= PIECES; i++) {
        double u = (double)i / PIECES, weight = now ? u : 1 - u;
        int times = i == 0 || i == PIECES ? 1 : i % 2 ? 4 : 2;
        sum += times * exp(z * (1 - u)) * weight;
    }
    return sum / (3 * PIECES);
}

Test(exercise3, weights_are_integrals) {
    for (double z = 0.01; z < 20; z *= 1.3) {
        FirstOrderHold rule = hold_first_order(1, -z, 1);
        double before = integral(-z, false), now = integral(-z, true);
        compare_number(label("B_before, z = %g", -z).text, 0, rule.B_before,
                       before, digits * before);
        compare_number(label("B_now, z = %g", -z).text, 0, rule.B_now, now,
                       digits * now);
    }
}

// 1/2 + z/3 and 1/2 + z/6: the next terms are below z^2.
Test(exercise3, no_cancellation_near_zero) {
    for (double z = 1e-20; z < 1e-6; z *= 10) {
        FirstOrderHold rule = hold_first_order(1, -z, 1);
        compare_number(label("B_before, z = %g", -z).text, 0, rule.B_before,
                       0.5 - z / 3, digits);
        compare_number(label("B_now, z = %g", -z).text, 0, rule.B_now,
                       0.5 - z / 6, digits);
    }
}

Test(exercise3, limit_at_zero) {
    FirstOrderHold still = hold_first_order(0.5, 0, 3);
    compare_number("A_bar", 0, still.A_bar, 1, 0);
    compare_number("B_before", 0, still.B_before, 0.75, 1e-14);
    compare_number("B_now", 0, still.B_now, 0.75, 1e-14);
}

// exp(z) is 0 and 1 / z^2 and (-1 - z) / z^2 are left.
Test(exercise3, fast_states) {
    for (double z = 1e3; z < 1e7; z *= 10) {
        FirstOrderHold rule = hold_first_order(1, -z, 1);
        double before = 1 / (z * z), now = (z - 1) / (z * z);
        compare_number("A_bar", 0, rule.A_bar, 0, 1e-300);
        compare_number("B_before", 0, rule.B_before, before, digits * before);
        compare_number("B_now", 0, rule.B_now, now, digits * now);
    }
}

// The largest error on h' = -h + sin t, h(0) = 0, up to t = 16, from samples of
// sin t alone; h(t) = (exp(-t) - cos t + sin t) / 2.
static double error_for_sine(double delta) {
    FirstOrderHold rule = hold_first_order(delta, -1, 1);
    double h = 0, largest = 0;
    size_t steps = (size_t)(16 / delta);
    for (size_t k = 1; k <= steps; k++) {
        double before = (double)(k - 1) * delta, now = (double)k * delta;
        h = follow(rule, h, sin(before), sin(now));
        double wanted = (exp(-now) - cos(now) + sin(now)) / 2;
        if (!(fabs(h - wanted) <= largest))
            largest = fabs(h - wanted);
    }
    return largest;
}

// Between two samples a straight line is at most Delta^2 / 8 off sin t, and the
// state forgets as fast as it hears: no error grows beyond that.
Test(exercise3, second_order_on_a_smooth_input) {
    for (double delta = 0.5; delta > 0.01; delta /= 2) {
        compare_number(label("delta %g", delta).text, 0, error_for_sine(delta),
                       0, delta * delta / 8);
        compare_number("error at twice the step, divided", 0,
                       error_for_sine(delta) / error_for_sine(delta / 2), 4,
                       0.2);
    }
}

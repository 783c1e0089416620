// Chapter 3: from continuous time to steps, and the softplus that makes the
// steps positive.
#include "discretization.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "compare.h"
#include "failing_memory.h"
#include "golden.h"

TestSuite(discretization, .fini = nothing_leaks);

// Double precision against double precision: a few roundings of 1e-16.
static const Tolerance bound = {.relative = 1e-12};

typedef Discretized Rule(double delta, double A, double B);

// --- The official code -------------------------------------------------------

// Applies a rule to all of the file's delta (D), A (D, N) and B (N).
static void apply(Rule *rule, Golden *golden, double *A_bar, double *B_bar) {
    size_t D = golden_size(golden, "A", 0), N = golden_size(golden, "A", 1);
    const double *A = golden_doubles(golden, "A");
    const double *B = golden_doubles(golden, "B");
    const double *delta = golden_doubles(golden, "delta");
    for (size_t i = 0; i < D * N; i++) {
        Discretized step = rule(delta[i / N], A[i], B[i % N]);
        A_bar[i] = step.A_bar;
        B_bar[i] = step.B_bar;
    }
}

Test(discretization, golden) {
    Golden golden;
    golden_open(&golden, "discretization");
    size_t count = golden_size(&golden, "A", 0) * golden_size(&golden, "A", 1);
    double *A_bar = new_doubles(count), *B_bar = new_doubles(count);
    const double *A_zoh = golden_doubles(&golden, "A_bar_zoh");
    const double *B_zoh = golden_doubles(&golden, "B_bar_zoh");
    const double *B_euler = golden_doubles(&golden, "B_bar_euler");
    const double *A_bilinear = golden_doubles(&golden, "A_bar_bilinear");

    apply(discretize_zoh, &golden, A_bar, B_bar);
    compare_doubles("A_bar zoh", A_bar, A_zoh, count, bound);
    compare_doubles("B_bar zoh", B_bar, B_zoh, count, bound);
    apply(discretize_euler, &golden, A_bar, B_bar);
    compare_doubles("B_bar euler", B_bar, B_euler, count, bound);
    apply(discretize_bilinear, &golden, A_bar, B_bar);
    compare_doubles("A_bar bilinear", A_bar, A_bilinear, count, bound);
    apply(discretize_mamba, &golden, A_bar, B_bar);
    compare_doubles("A_bar mamba", A_bar, A_zoh, count, bound);
    compare_doubles("B_bar mamba", B_bar, B_euler, count, bound);
    free(A_bar), free(B_bar);
    golden_close(&golden);
}

// --- Closed forms ------------------------------------------------------------

// One step of each rule: h = A_bar h + B_bar, which is where h' = A h + B goes
// in the time delta.
static double advance(Rule *rule, double delta, double A, double B, double h) {
    Discretized step = rule(delta, A, B);
    return step.A_bar * h + step.B_bar;
}

Test(discretization, by_hand) {
    // A delta = -ln 2 halves the state; B is weighted with its mean decay.
    Discretized zoh = discretize_zoh(log(2), -1, 3);
    compare_number("zoh", 0, zoh.A_bar, 0.5, 1e-15);
    compare_number("zoh", 1, zoh.B_bar, 1.5, 1e-15);

    Discretized euler = discretize_euler(0.25, -2, 3);
    cr_assert_eq(euler.A_bar, 0.5);
    cr_assert_eq(euler.B_bar, 0.75);

    // (1 - 1/4) / (1 + 1/4) and 0.75 / (1 + 1/4).
    Discretized bilinear = discretize_bilinear(0.25, -2, 3);
    compare_number("bilinear", 0, bilinear.A_bar, 0.6, 1e-15);
    compare_number("bilinear", 1, bilinear.B_bar, 0.6, 1e-15);

    Discretized mamba = discretize_mamba(log(2), -1, 3);
    compare_number("mamba", 0, mamba.A_bar, 0.5, 1e-15);
    compare_number("mamba", 1, mamba.B_bar, 3 * log(2), 1e-15);
}

// A constant input makes the zero-order hold exact: any number of small steps
// goes where one large step goes, (exp(t A) - 1) / A * B from h = 0.
Test(discretization, zoh_is_exact_for_constant_input) {
    for (uint64_t seed = 0; seed < 200; seed++) {
        Random random = random_from_seed(seed);
        double A = -pow(10, random_uniform(&random, -3, 1));
        double B = random_uniform(&random, -2, 2);
        double time = random_uniform(&random, 0.01, 3), start = 1, h = start;
        size_t steps = random_count(&random, 1, 100);
        for (size_t i = 0; i < steps; i++)
            h = advance(discretize_zoh, time / (double)steps, A, B, h);
        double wanted = exp(time * A) * start + expm1(time * A) / A * B;
        compare_number(label("seed %llu", (unsigned long long)seed).text, steps,
                       h, wanted, 1e-12 * (1 + fabs(wanted)));
    }
}

Test(discretization, zoh_takes_the_limit_at_zero) {
    Discretized still = discretize_zoh(0.5, 0, 3);
    cr_assert_eq(still.A_bar, 1);
    cr_assert_eq(still.B_bar, 1.5);
    // (exp(x) - 1) / x = 1 + x/2 + ..: continuous, without cancellation.
    for (double x = 1e-20; x < 1e-7; x *= 10)
        compare_number("B_bar near A = 0", 0, discretize_zoh(1, -x, 1).B_bar,
                       1 - x / 2, 1e-15);
}

// The error of one step from h = 1 against the exact solution.
static double error(Rule *rule, double delta) {
    double exact = advance(discretize_zoh, delta, -1, 2, 1);
    return fabs(advance(rule, delta, -1, 2, 1) - exact);
}

// Half the step: a quarter of Euler's error, an eighth of the bilinear rule's.
Test(discretization, errors_have_their_order) {
    for (double delta = 0.02; delta > 0.001; delta /= 2) {
        compare_number("euler", 0,
                       error(discretize_euler, delta) /
                           error(discretize_euler, delta / 2),
                       4, 0.1);
        compare_number("bilinear", 0,
                       error(discretize_bilinear, delta) /
                           error(discretize_bilinear, delta / 2),
                       8, 0.2);
        // The mixture is wrong in B alone, which is Euler's.
        compare_number("mamba", 0,
                       error(discretize_mamba, delta) /
                           error(discretize_mamba, delta / 2),
                       4, 0.1);
    }
}

Test(discretization, euler_alone_diverges) {
    for (double x = 2.5; x < 1000; x *= 2) {
        cr_assert(fabs(discretize_euler(x, -1, 1).A_bar) > 1);
        cr_assert(fabs(discretize_bilinear(x, -1, 1).A_bar) < 1);
        cr_assert(fabs(discretize_zoh(x, -1, 1).A_bar) < 1);
        cr_assert(fabs(discretize_mamba(x, -1, 1).A_bar) < 1);
    }
}

// Theorem 1 of the paper: with N = 1, A = -1, B = 1 and Delta = softplus(x),
// the zero-order hold is the gated leaky integrator h = (1 - g) h + g u with g
// = sigmoid(x).
Test(discretization, theorem_1) {
    for (double x = -30; x <= 30; x += 0.125) {
        double delta = x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
        double gate = 1 / (1 + exp(-x)), rest = 1 / (1 + exp(x));
        Discretized step = discretize_zoh(delta, -1, 1);
        compare_number("1 - g", 0, step.A_bar, rest, 1e-12 * rest);
        compare_number("g", 0, step.B_bar, gate, 1e-12 * gate);
    }
}

// --- softplus ----------------------------------------------------------------

// ln(1 + exp(x)), without its overflow.
static double softplus_in_double(double x) {
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

// exp and log1p, each to a rounding or two of 6e-8; below -87 exp(x) is less
// than the least normal float32, and its steps are 1.4e-45.
static double softplus_bound(double wanted) {
    return fmax(1e-6 * wanted, 1.5e-45);
}

Test(discretization, softplus_golden) {
    Golden golden;
    golden_open(&golden, "discretization");
    const double *x = golden_doubles(&golden, "softplus_x");
    const double *y = golden_doubles(&golden, "softplus_y");
    for (size_t i = 0; i < golden_size(&golden, "softplus_x", 0); i++)
        compare_number(label("softplus(%g)", x[i]).text, i,
                       softplus((float)x[i]), y[i], softplus_bound(y[i]));
    golden_close(&golden);
}

Test(discretization, softplus_everywhere) {
    for (double x = -110; x <= 110; x += 1.0 / 64) {
        double wanted = softplus_in_double(x);
        compare_number("softplus", (size_t)((x + 110) * 64), softplus((float)x),
                       wanted, softplus_bound(wanted));
    }
    Random random = random_from_seed(1);
    for (int power = -35; power <= 35; power++) {
        float *x = random_magnitudes(&random, 50, pow(10, power));
        for (size_t i = 0; i < 50; i++) {
            double wanted = softplus_in_double(x[i]);
            compare_number(label("softplus(%g)", (double)x[i]).text, i,
                           softplus(x[i]), wanted, softplus_bound(wanted));
        }
        free(x);
    }
}

Test(discretization, softplus_extremes) {
    compare_number("softplus", 0, softplus(0), log(2), 1e-7);
    cr_assert_eq(softplus(20), 20);
    cr_assert_eq(softplus(nextafterf(20, 30)), nextafterf(20, 30));
    cr_assert_eq(softplus(89), 89);
    cr_assert_eq(softplus(FLT_MAX), FLT_MAX);
    cr_assert_eq(softplus(INFINITY), INFINITY);
    cr_assert_eq(softplus(-1000), 0);
    cr_assert_eq(softplus(-FLT_MAX), 0);
    cr_assert_eq(softplus(-INFINITY), 0);
    cr_assert(isnan(softplus(NAN)));
}

Test(discretization, softplus_rises_and_is_positive) {
    const double step = 1.0 / 64;
    for (double x = -87; x < 110; x += step) {
        float here = softplus((float)x), next = softplus((float)(x + step));
        if (!(here > 0 && next > here))
            cr_assert_fail("wanted it to rise from %g, found %g and %g", x,
                           (double)here, (double)next);
    }
}

// --- softplus of many --------------------------------------------------------

// What the header states: 4 units in the last place, or 2^-120.
static void check_fast_softplus(size_t i, float got, float x) {
    double wanted = softplus_in_double(x);
    compare_number(label("softplus of %.9g", x).text, i, got, wanted,
                   fmax(4 * last_place(wanted), 0x1p-120));
}

Test(discretization, softplus_in_place_at_all_sizes) {
    size_t n;
    float *x = floats_of_all_sizes(&n), *y = copy_floats(x, n);
    softplus_in_place(y, n);
    for (size_t i = 0; i < n; i++)
        check_fast_softplus(i, y[i], x[i]);
    free(x), free(y);
}

// The official values, all in one array.
Test(discretization, softplus_in_place_golden) {
    Golden golden;
    golden_open(&golden, "discretization");
    size_t n = golden_size(&golden, "softplus_x", 0);
    const double *x = golden_doubles(&golden, "softplus_x");
    const double *wanted = golden_doubles(&golden, "softplus_y");
    float *y = new_floats(n);
    for (size_t i = 0; i < n; i++)
        y[i] = (float)x[i];
    softplus_in_place(y, n);
    for (size_t i = 0; i < n; i++)
        compare_number(label("softplus(%g)", x[i]).text, i, y[i], wanted[i],
                       fmax(1e-6 * wanted[i], 0x1p-120));
    free(y);
    golden_close(&golden);
}

Test(discretization, softplus_in_place_extremes) {
    float x[] = {0,   89,  1000,  FLT_MAX,  INFINITY,
                 NAN, -88, -1000, -FLT_MAX, -INFINITY};
    softplus_in_place(x, sizeof x / sizeof *x);
    compare_number("softplus(0)", 0, x[0], log(2), 1.5e-7);
    const float large[] = {89, 1000, FLT_MAX, INFINITY}, none[4] = {0};
    compare_bits("large", &x[1], large, 4);
    cr_assert(isnan(x[5]));
    compare_bits("small", &x[6], none, 4);
}

// The same value in a vector and among what is left over, and nothing behind
// the n numbers is touched.
Test(discretization, softplus_in_place_is_the_same_for_each) {
    Random random = random_from_seed(8);
    for (size_t n = 0; n <= 70; n++) {
        float *x = random_floats(&random, n + 1, -30, 30);
        float *before = copy_floats(x, n + 1);
        softplus_in_place(x, n);
        for (size_t i = 0; i < n; i++) {
            check_fast_softplus(i, x[i], before[i]);
            softplus_in_place(&before[i], 1);
        }
        compare_bits(label("each alone of %zu", n).text, x, before, n + 1);
        free(x), free(before);
    }
}

// softplus(x) - softplus(-x) = x.
Test(discretization, softplus_in_place_mirrored) {
    for (float x = 0; x < 100; x += 0.0625f) {
        float both[] = {x, -x};
        softplus_in_place(both, 2);
        compare_number(label("x = %g", x).text, 0, (double)both[0] - both[1], x,
                       6e-7 * fmax(1, x));
    }
}

// --- Its inverse -------------------------------------------------------------

Test(discretization, softplus_inverse_is_the_inverse) {
    for (double power = -300; power < 2.5; power += 0.25) {
        double delta = pow(10, power), x = softplus_inverse(delta);
        // An error of 1e-16 |x| in x is one as large in ln(delta).
        compare_number(label("delta %g", delta).text, 0, softplus_in_double(x),
                       delta, 1e-15 * delta * (10 + fabs(x)));
    }
}

// The bias of dt_proj is stored as float32: for the deltas of the official
// initialisation, 1e-4 to 0.1, |x| is up to 9.2, and half a unit in its last
// place, 5e-7, is as much in the relative error of delta.
Test(discretization, softplus_inverse_survives_float32) {
    for (double delta = 1e-4; delta <= 0.1; delta *= 1.01)
        compare_number("delta", 0, softplus((float)softplus_inverse(delta)),
                       delta, 1e-6 * delta);
}

Test(discretization, softplus_inverse_by_hand) {
    // ln(exp(ln 2) - 1) = ln 1.
    compare_number("inverse of ln 2", 0, softplus_inverse(log(2)), 0, 1e-15);
    compare_number("inverse of 50", 0, softplus_inverse(50), 50, 1e-13);
    compare_number("inverse of 1e-3", 0, softplus_inverse(1e-3),
                   -6.907255237315471, 1e-12);
}

// --- A -----------------------------------------------------------------------

Test(discretization, A_is_minus_exp_A_log) {
    Random random = random_from_seed(6);
    enum { N = 1000 };
    float *A_log = random_floats(&random, N, -80, 80), *A = new_floats(N);
    A_from_A_log(A, A_log, N);
    for (size_t i = 0; i < N; i++) {
        double wanted = -exp(A_log[i]);
        compare_number("A", i, A[i], wanted, 3e-7 * -wanted);
    }
    A_from_A_log(A_log, A_log, N);
    compare_bits("in place", A_log, A, N);
    free(A_log), free(A);
}

// The official initialisation: ln(1) .. ln(16) give -1 .. -16.
Test(discretization, A_of_logarithms_counts_down) {
    float A[17];
    for (size_t n = 0; n < 16; n++)
        A[n] = (float)log((double)n + 1);
    A[16] = 5;
    A_from_A_log(A, A, 16);
    for (size_t n = 0; n < 16; n++)
        compare_number("A", n, A[n], -(double)n - 1, 3e-7 * (double)(n + 1));
    cr_assert_eq(A[16], 5);
}

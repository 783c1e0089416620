// Chapter 2: the activation.
#include "silu.h"

#include <criterion/criterion.h>
#include <float.h>
#include <stdlib.h>

#include "compare.h"
#include "failing_memory.h"

TestSuite(silu, .fini = nothing_leaks);

static double silu_in_double(double x) {
    return x / (1 + exp(-x));
}

// exp, a sum and a quotient: a few roundings of 6e-8. Below -88 exp(-x)
// overflows and SiLU is -0 instead of -88 exp(-88) = -5e-37.
static const Tolerance bound = {.absolute = 1e-36, .relative = 5e-7};

Test(silu, is_x_times_sigmoid) {
    for (double x = -110; x <= 110; x += 1.0 / 64)
        compare_number(
            "silu", (size_t)((x + 110) * 64), silu((float)x), silu_in_double(x),
            fmax(bound.absolute, bound.relative * fabs(silu_in_double(x))));
}

Test(silu, of_any_magnitude) {
    Random random = random_from_seed(1);
    for (int power = -35; power <= 35; power++) {
        float *x = random_magnitudes(&random, 50, pow(10, power));
        for (size_t i = 0; i < 50; i++) {
            double wanted = silu_in_double(x[i]);
            compare_number("silu", i, silu(x[i]), wanted,
                           fmax(bound.absolute, bound.relative * fabs(wanted)));
        }
        free(x);
    }
}

Test(silu, extremes) {
    cr_assert_eq(silu(0), 0);
    cr_assert_eq(silu(50), 50);
    cr_assert_eq(silu(FLT_MAX), FLT_MAX);
    cr_assert_eq(silu(-FLT_MAX), 0);
    cr_assert_eq(silu(-1000), 0);
    cr_assert_eq(silu(INFINITY), INFINITY);
    cr_assert(isnan(silu(NAN)));
}

// It falls to its minimum, -0.2784645 at x = -1.2784645, and rises from there.
// The minimum is flat: within 1/32 of it float32 sees no slope.
Test(silu, falls_and_then_rises) {
    const double lowest = -1.2784645, step = 1.0 / 32;
    for (double x = -80; x < 80; x += step) {
        double slope = (double)silu((float)(x + step)) - (double)silu((float)x);
        if (x + step < lowest - step && !(slope < 0))
            cr_assert_fail("wanted it to fall at %g, found %g", x, slope);
        if (x > lowest + step && !(slope > 0))
            cr_assert_fail("wanted it to rise at %g, found %g", x, slope);
    }
    compare_number("minimum", 0, silu((float)lowest), -0.2784645428, 1e-7);
}

// x sigmoid(x) - (-x) sigmoid(-x) = x, because the sigmoids add up to one.
Test(silu, minus_its_mirror_image_is_x) {
    for (float x = 0; x < 30; x += 0.125f)
        compare_number("silu(x) - silu(-x)", (size_t)(x * 8),
                       (double)silu(x) - (double)silu(-x), x, 1e-6 * x);
}

// --- Many at once ------------------------------------------------------------

// What the header states: 4 units in the last place, or 2^-120.
static void check_fast(const char *what, size_t i, float got, float x) {
    double wanted = silu_in_double(x);
    compare_number(label("%s of %.9g", what, x).text, i, got, wanted,
                   fmax(4 * last_place(wanted), 0x1p-120));
}

// In an array and alone.
Test(silu, fast_at_all_sizes) {
    size_t n;
    float *x = floats_of_all_sizes(&n), *y = copy_floats(x, n);
    silu_in_place(y, n);
    for (size_t i = 0; i < n; i++) {
        check_fast("in place", i, y[i], x[i]);
        check_fast("fast_silu", i, fast_silu(x[i]), x[i]);
    }
    free(x), free(y);
}

Test(silu, fast_extremes) {
    float x[] = {0,        -0.0f, 50,    FLT_MAX,   -FLT_MAX,
                 INFINITY, NAN,   -1000, -INFINITY, -NAN};
    const float wanted[] = {0, -0.0f, 50, FLT_MAX, -0.0f, INFINITY};
    silu_in_place(x, sizeof x / sizeof *x);
    compare_bits("extremes", x, wanted, 6);
    cr_assert_eq(x[7], 0);
    // Infinity by infinity: NaN, as silu() has it.
    cr_assert(isnan(x[6]) && isnan(x[8]) && isnan(x[9]));
    cr_assert(isnan(silu(-INFINITY)));
}

// Vectors of any width take some of the numbers, the rest go one by one: the
// value must not show which. Nothing behind the n numbers is touched.
Test(silu, in_place_is_the_same_for_each) {
    Random random = random_from_seed(2);
    for (size_t n = 0; n <= 70; n++) {
        float *x = random_floats(&random, n + 1, -20, 20);
        float *before = copy_floats(x, n + 1);
        silu_in_place(x, n);
        for (size_t i = 0; i < n; i++) {
            check_fast("in place", i, x[i], before[i]);
            silu_in_place(&before[i], 1);
        }
        compare_bits(label("each alone of %zu", n).text, x, before, n + 1);
        free(x), free(before);
    }
}

// A NaN leaves its neighbours alone.
Test(silu, nan_stays_in_its_place) {
    enum { N = 37 };
    for (size_t place = 0; place < N; place++) {
        float x[N], clean[N];
        for (size_t i = 0; i < N; i++)
            x[i] = clean[i] = (float)i / 4 - 5;
        x[place] = NAN;
        silu_in_place(x, N), silu_in_place(clean, N);
        cr_assert(isnan(x[place]), "wanted NaN at %zu", place);
        x[place] = clean[place];
        compare_bits(label("beside NaN at %zu", place).text, x, clean, N);
    }
}

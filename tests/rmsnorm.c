// Chapter 1: RMSNorm against the official code and against its formula in
// double precision.
#include "rmsnorm.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "compare.h"
#include "failing_memory.h"
#include "golden.h"

TestSuite(rmsnorm, .fini = nothing_leaks);

// The squares are positive, so nothing cancels and the bound is relative. Where
// the compiler keeps one running sum of 3000 squares, 1.4e-6 was measured; with
// several partial sums it is less.
static const double bound = 4e-6;

Test(rmsnorm, golden) {
    static const char *const names[] = {"rmsnorm_small", "rmsnorm_tiny_values",
                                        "rmsnorm_wide"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Golden golden;
        golden_open(&golden, names[i]);
        size_t L = golden_size(&golden, "x", 0);
        size_t D = golden_size(&golden, "x", 1);
        float *y = new_floats(L * D);
        rmsnorm(y, golden_floats(&golden, "x"),
                golden_floats(&golden, "weight"), L, D,
                (float)golden_metadata(&golden, "eps"));
        compare(names[i], y, golden_floats(&golden, "y"), L * D,
                (Tolerance){.relative = bound});
        free(y);
        golden_close(&golden);
    }
}

// y_i = w_i x_i / sqrt(mean(x^2) + eps), as it is written.
static void rmsnorm_in_double(double *y, const float *x, const float *weight,
                              size_t length, size_t d_model, float eps) {
    for (size_t t = 0; t < length; t++, x += d_model, y += d_model) {
        double sum = 0;
        for (size_t i = 0; i < d_model; i++)
            sum += (double)x[i] * x[i];
        for (size_t i = 0; i < d_model; i++)
            y[i] = weight[i] * x[i] / sqrt(sum / (double)d_model + (double)eps);
    }
}

// Rows of any size: from those that eps swallows to those that dwarf it.
Test(rmsnorm, any_shape_and_magnitude) {
    for (uint64_t seed = 0; seed < 300; seed++) {
        Random random = random_from_seed(seed);
        size_t L = random_count(&random, 0, 5);
        size_t D = random_count(&random, 1, seed % 10 ? 40 : 3000);
        double scale = pow(10, random_uniform(&random, -10, 14));
        float eps = seed % 3 ? 1e-5f : 0.25f;
        float *x = random_magnitudes(&random, L * D, scale);
        float *weight = random_magnitudes(&random, D, 1);
        float *x_before = copy_floats(x, L * D), *y = new_floats(L * D);
        double *wanted = new_doubles(L * D);

        rmsnorm(y, x, weight, L, D, eps);
        rmsnorm_in_double(wanted, x, weight, L, D, eps);
        Label what = label("seed %llu: (%zu, %zu) of about %.0e",
                           (unsigned long long)seed, L, D, scale);
        // Below 1e-37 a float32 has fewer digits.
        compare_to_double(what.text, y, wanted, L * D,
                          (Tolerance){.absolute = 1e-42, .relative = bound});
        compare_bits("x", x, x_before, L * D);

        // In place.
        rmsnorm(x, x, weight, L, D, eps);
        compare_bits("in place", x, y, L * D);
        free(x), free(weight), free(x_before), free(y), free(wanted);
    }
}

Test(rmsnorm, by_hand) {
    // mean(x^2) = (9 + 16 + 0 + 0) / 4 = 6.25, its root 2.5.
    const float x[] = {3, -4, 0, 0}, weight[] = {1, 1, 1, 10};
    const float wanted[] = {1.2f, -1.6f, 0, 0};
    float y[4];
    rmsnorm(y, x, weight, 1, 4, 0);
    compare("3 -4 0 0", y, wanted, 4, (Tolerance){.relative = 1e-7});
}

Test(rmsnorm, of_zeros_is_zeros) {
    float x[3] = {0}, y[3], zeros[3] = {0};
    const float weight[] = {1, -2, 3};
    rmsnorm(y, x, weight, 1, 3, 1e-5f);
    compare("zeros", y, zeros, 3, (Tolerance){0});
}

// With unit weights and no eps each row has mean square 1, whatever its size.
Test(rmsnorm, leaves_a_mean_square_of_one) {
    Random random = random_from_seed(2);
    enum { D = 333 };
    float *x = random_magnitudes(&random, D, 1e-3), weight[D], y[D];
    for (size_t i = 0; i < D; i++)
        weight[i] = 1;
    rmsnorm(y, x, weight, 1, D, 0);
    double sum = 0;
    for (size_t i = 0; i < D; i++)
        sum += (double)y[i] * y[i];
    compare_number("mean square", 0, sum / D, 1, 2 * bound);
    free(x);
}

// A power of two changes no digit, so without eps the scale drops out exactly.
Test(rmsnorm, does_not_see_the_scale) {
    Random random = random_from_seed(3);
    enum { D = 100 };
    float *x = random_floats(&random, D, -1, 1);
    float *weight = random_floats(&random, D, -1, 1);
    float y[D], scaled[D];
    rmsnorm(y, x, weight, 1, D, 0);
    for (size_t i = 0; i < D; i++)
        x[i] *= 1024;
    rmsnorm(scaled, x, weight, 1, D, 0);
    compare_bits("1024 x", scaled, y, D);
    free(x), free(weight);
}

Test(rmsnorm, a_row_minds_only_itself) {
    Random random = random_from_seed(4);
    enum { L = 4, D = 37 };
    float *x = random_floats(&random, L * D, -1, 1);
    float *weight = random_floats(&random, D, -1, 1);
    float whole[L * D], row[D];
    x[1 * D + 5] = NAN;
    rmsnorm(whole, x, weight, L, D, 1e-5f);
    for (size_t t = 0; t < L; t++) {
        rmsnorm(row, x + t * D, weight, 1, D, 1e-5f);
        for (size_t i = 0; i < D && t == 1; i++)
            cr_assert(isnan(whole[t * D + i]));
        if (t != 1)
            compare_bits("a row by itself", whole + t * D, row, D);
    }
    free(x), free(weight);
}

// Exercise 1.4: the norm's gradient against the official code, and against
// differences of the formula in double precision.
#include "exercise.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "compare.h"
#include "golden.h"

// Both terms of d_x may cancel, and so may the rows of d_weight: a result may
// be off by so much of the sum of its terms' absolute values. In float32 a term
// is a handful of roundings, 6e-8 each, and the sums in it lose 1e-6 at most.
static const double bound = 4e-6;

// --- The truth in double ----------------------------------------------------

// A case, and the size of each result's terms.
typedef struct {
    size_t L, D;
    float *d_y, *x, *weight;
    float eps;
} Case;

static Case random_case(Random *random, double scale, float eps) {
    Case c = {.L = random_count(random, 0, 4),
              .D = random_count(random, 1, 40),
              .eps = eps};
    c.d_y = random_floats(random, c.L * c.D, -1, 1);
    c.x = random_floats(random, c.L * c.D, -scale, scale);
    c.weight = random_floats(random, c.D, -2, 2);
    return c;
}

static void free_case(Case *c) {
    free(c->d_y), free(c->x), free(c->weight);
}

static double inverse_root(const Case *c, const double *row) {
    double sum = 0;
    for (size_t i = 0; i < c->D; i++)
        sum += row[i] * row[i];
    return 1 / sqrt(sum / (double)c->D + (double)c->eps);
}

// The loss of row t, sum(d_y_i y_i), where the row is this one.
static double loss(const Case *c, size_t t, const double *row) {
    double r = inverse_root(c, row), sum = 0;
    for (size_t i = 0; i < c->D; i++)
        sum += (double)c->d_y[t * c->D + i] * c->weight[i] * r * row[i];
    return sum;
}

// d loss / d x_i by a small step to either side, and the size of its terms.
static void differences(const Case *c, size_t t, double *d_x, double *size) {
    double *row = new_doubles(c->D);
    for (size_t i = 0; i < c->D; i++)
        row[i] = c->x[t * c->D + i];
    double r = inverse_root(c, row), along = 0;
    for (size_t i = 0; i < c->D; i++)
        along += fabs((double)c->d_y[t * c->D + i] * c->weight[i] * r * row[i]);
    for (size_t i = 0; i < c->D; i++) {
        double x = row[i], step = 1e-4 / r;
        row[i] = x + step;
        double above = loss(c, t, row);
        row[i] = x - step;
        double below = loss(c, t, row);
        row[i] = x;
        d_x[i] = (above - below) / (2 * step);
        size[i] = r * (fabs((double)c->d_y[t * c->D + i] * c->weight[i]) +
                       along / (double)c->D);
    }
    free(row);
}

// d_weight_i = sum over rows of d_y_i r x_i, as it is written.
static void weights_in_double(const Case *c, double *d_weight, double *size) {
    double *row = new_doubles(c->D);
    for (size_t t = 0; t < c->L; t++) {
        for (size_t i = 0; i < c->D; i++)
            row[i] = c->x[t * c->D + i];
        double r = inverse_root(c, row);
        for (size_t i = 0; i < c->D; i++) {
            double term = c->d_y[t * c->D + i] * r * row[i];
            d_weight[i] += term;
            size[i] += fabs(term);
        }
    }
    free(row);
}

// --- Tests ------------------------------------------------------------------

// mean(x^2) = (1 + 1 + 25 + 9) / 4 = 9, so r = 1 / 3.
Test(norm_gradient, by_hand) {
    const float x[] = {1, -1, 5, 3}, d_y[] = {1, 0, 0, 0};
    const float weight[] = {1, 1, 1, 1};
    const float wanted_x[] = {35.0f / 108, 1.0f / 108, -5.0f / 108,
                              -3.0f / 108};
    const float wanted_weight[] = {1.0f / 3, 0, 0, 0};
    float d_x[4], d_weight[4];
    norm_gradient(d_x, d_weight, d_y, x, weight, 1, 4, 0);
    compare("d_weight", d_weight, wanted_weight, 4,
            (Tolerance){.relative = bound});
    compare("d_x", d_x, wanted_x, 4,
            (Tolerance){.absolute = bound, .relative = bound});
}

Test(norm_gradient, of_the_weights) {
    for (uint64_t seed = 0; seed < 100; seed++) {
        Random random = random_from_seed(seed);
        Case c = random_case(&random, pow(10, random_uniform(&random, -6, 6)),
                             1e-5f);
        float *d_x = new_floats(c.L * c.D), *d_weight = new_floats(c.D);
        double *wanted = new_doubles(c.D), *size = new_doubles(c.D);
        norm_gradient(d_x, d_weight, c.d_y, c.x, c.weight, c.L, c.D, c.eps);
        weights_in_double(&c, wanted, size);
        Label what = label("seed %llu: d_weight of (%zu, %zu)",
                           (unsigned long long)seed, c.L, c.D);
        compare_scaled(what.text, d_weight, wanted, size, c.D,
                       (Tolerance){.relative = bound});
        free(d_x), free(d_weight), free(wanted), free(size);
        free_case(&c);
    }
}

// Rows that eps swallows, rows that dwarf it, and all between.
Test(norm_gradient, of_the_rows) {
    for (uint64_t seed = 0; seed < 100; seed++) {
        Random random = random_from_seed(seed);
        double scale = pow(10, random_uniform(&random, -6, 6));
        Case c = random_case(&random, scale, seed % 2 ? 1e-5f : 0.25f);
        float *d_x = new_floats(c.L * c.D), *d_weight = new_floats(c.D);
        double *wanted = new_doubles(c.D), *size = new_doubles(c.D);
        norm_gradient(d_x, d_weight, c.d_y, c.x, c.weight, c.L, c.D, c.eps);
        for (size_t t = 0; t < c.L; t++) {
            differences(&c, t, wanted, size);
            Label what = label("seed %llu: d_x of row %zu of (%zu, %zu), about "
                               "%.0e",
                               (unsigned long long)seed, t, c.L, c.D, scale);
            // The differences themselves are off by 1e-8 of the whole row.
            compare_scaled(what.text, d_x + t * c.D, wanted, size, c.D,
                           (Tolerance){.relative = bound + 1e-8 * 40});
        }
        free(d_x), free(d_weight), free(wanted), free(size);
        free_case(&c);
    }
}

// What the official code's automatic differentiation says.
Test(norm_gradient, golden) {
    static const char *const names[] = {"rmsnorm_small", "rmsnorm_tiny_values",
                                        "rmsnorm_wide"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        Golden golden;
        golden_open(&golden, names[k]);
        size_t L = golden_size(&golden, "x", 0);
        size_t D = golden_size(&golden, "x", 1);
        float *d_x = new_floats(L * D), *d_weight = new_floats(D);
        norm_gradient(d_x, d_weight, golden_floats(&golden, "d_y"),
                      golden_floats(&golden, "x"),
                      golden_floats(&golden, "weight"), L, D,
                      (float)golden_metadata(&golden, "eps"));
        // Its numbers are of the size of 1 / RMS(x), and it rounds, too.
        double size = 0;
        const float *wanted = golden_floats(&golden, "d_x");
        for (size_t i = 0; i < L * D; i++)
            size = fmax(size, fabs(wanted[i]));
        compare("d_x", d_x, wanted, L * D,
                (Tolerance){.absolute = bound * size});
        compare("d_weight", d_weight, golden_floats(&golden, "d_weight"), D,
                (Tolerance){.absolute = 2 * bound * (double)L});
        free(d_x), free(d_weight);
        golden_close(&golden);
    }
}

// Without eps a longer row has the same norm, so nothing is gained along x.
Test(norm_gradient, has_nothing_along_the_row) {
    for (uint64_t seed = 0; seed < 20; seed++) {
        Random random = random_from_seed(seed);
        Case c = random_case(&random, 3, 0);
        float *d_x = new_floats(c.L * c.D), *d_weight = new_floats(c.D);
        norm_gradient(d_x, d_weight, c.d_y, c.x, c.weight, c.L, c.D, 0);
        for (size_t t = 0; t < c.L; t++) {
            double along = 0, size = 0;
            for (size_t i = t * c.D; i < (t + 1) * c.D; i++) {
                along += (double)d_x[i] * c.x[i];
                size += fabs((double)d_x[i] * c.x[i]);
            }
            // A row of one number has no other direction: all of it cancels.
            compare_number("d_x . x", t, along, 0, bound * (size + 10));
        }
        free(d_x), free(d_weight);
        free_case(&c);
    }
}

// Where x is zero, the norm only multiplies by w / sqrt(eps).
Test(norm_gradient, of_zeros) {
    const float x[3] = {0}, d_y[] = {1, -2, 3}, weight[] = {2, 1, -1};
    const float wanted_x[] = {4, -4, -6}, zeros[3] = {0};
    float d_x[3], d_weight[3];
    norm_gradient(d_x, d_weight, d_y, x, weight, 1, 3, 0.25f);
    compare("d_x", d_x, wanted_x, 3, (Tolerance){.relative = bound});
    compare("d_weight", d_weight, zeros, 3, (Tolerance){0});
}

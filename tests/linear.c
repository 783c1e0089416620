// Chapter 5: the matrix product of this build, and the linear layer on it.
#include "linear.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "failing_memory.h"
#include "matmul.h"

TestSuite(linear, .fini = nothing_leaks);

// A sum of `in` products in float32, relative to the sizes of its terms: at
// worst `in` roundings of 6e-8, but most of them cancel. 1e-6 was measured.
static const Tolerance bound = {.relative = 4e-6};

// y = x W^T + bias, and the sum of the terms' sizes.
static void linear_in_double(double *y, double *scale, const float *x,
                             const float *W, const float *bias, size_t rows,
                             size_t in, size_t out) {
    for (size_t t = 0; t < rows; t++)
        for (size_t o = 0; o < out; o++) {
            double sum = bias ? bias[o] : 0, size = fabs(sum);
            for (size_t i = 0; i < in; i++) {
                double term = (double)x[t * in + i] * W[o * in + i];
                sum += term;
                size += fabs(term);
            }
            y[t * out + o] = sum;
            scale[t * out + o] = size;
        }
}

// One shape, against double precision; y holds NaN before.
static void check_shape(uint64_t seed, size_t rows, size_t in, size_t out,
                        bool has_bias) {
    Random random = random_from_seed(seed);
    float *x = random_magnitudes(&random, rows * in, 1);
    float *W = random_magnitudes(&random, out * in, 1);
    float *bias = has_bias ? random_magnitudes(&random, out, 1) : NULL;
    float *x_before = copy_floats(x, rows * in);
    float *W_before = copy_floats(W, out * in), *y = new_floats(rows * out);
    double *wanted = new_doubles(rows * out), *scale = new_doubles(rows * out);

    linear(y, x, W, bias, rows, in, out);
    linear_in_double(wanted, scale, x, W, bias, rows, in, out);
    Label what = label("seed %llu, %s: %zu rows, %zu in, %zu out, bias %d",
                       (unsigned long long)seed, matmul_library, rows, in, out,
                       has_bias);
    compare_scaled(what.text, y, wanted, scale, rows * out, bound);
    compare_bits("x", x, x_before, rows * in);
    compare_bits("W", W, W_before, out * in);
    free(x), free(W), free(bias), free(x_before), free(W_before);
    free(y), free(wanted), free(scale);
}

// Around blocks of 4 rows and vectors of 16 numbers.
Test(linear, shapes_around_the_blocks) {
    static const size_t rows[] = {0, 1, 2, 3, 4, 5, 8, 9};
    static const size_t sizes[] = {1, 3, 15, 16, 17, 33};
    for (size_t r = 0; r < 8; r++)
        for (size_t i = 0; i < 6; i++)
            for (size_t o = 0; o < 6; o++)
                check_shape(r, rows[r], sizes[i], sizes[o], (i + o) % 2);
}

Test(linear, any_shape) {
    for (uint64_t seed = 0; seed < 100; seed++) {
        Random random = random_from_seed(~seed);
        size_t rows = random_count(&random, 0, 20);
        size_t in = random_count(&random, 1, 300);
        check_shape(seed, rows, in, random_count(&random, 1, 70), seed % 2);
    }
}

// Large enough that the threads share it.
Test(linear, a_large_one) {
    check_shape(1, 65, 257, 131, true);
    check_shape(2, 1, 1025, 513, false);
    check_shape(3, 7, 3001, 5, true);
}

Test(linear, by_hand) {
    const float x[] = {1, 2, 3, 4, 5, 6}, W[] = {1, 0, -1, 2, 2, 2};
    const float bias[] = {10, 100};
    float y[4];
    linear(y, x, W, NULL, 2, 3, 2);
    compare_bits("x W^T", y, (float[]){-2, 12, -2, 30}, 4);
    linear(y, x, W, bias, 2, 3, 2);
    compare_bits("x W^T + bias", y, (float[]){8, 112, 8, 130}, 4);
}

Test(linear, nan_stays_in_its_row) {
    Random random = random_from_seed(4);
    enum { ROWS = 6, IN = 37, OUT = 9, AT = 2 };
    float *x = random_floats(&random, ROWS * IN, -1, 1);
    float *W = random_floats(&random, OUT * IN, -1, 1);
    float clean[ROWS * OUT], y[ROWS * OUT];
    matmul(clean, x, W, ROWS, IN, OUT);
    x[AT * IN + 20] = NAN;
    matmul(y, x, W, ROWS, IN, OUT);
    for (size_t i = 0; i < ROWS * OUT; i++)
        if (i / OUT == AT)
            cr_assert(isnan(y[i]), "row %d: wanted NaN", AT);
        else
            compare_number("another row", i, y[i], clean[i], 1e-6);
    free(x), free(W);
}

Test(linear, no_rows_write_nothing) {
    float y[] = {7, 7};
    const float W[] = {1, 2};
    linear(y, NULL, W, NULL, 0, 1, 2);
    linear(y, NULL, W, W, 0, 1, 2);
    compare_bits("y", y, (float[]){7, 7}, 2);
}

// A BLAS may round otherwise for one row than for many; the plain product
// promises the same bits, whatever stands beside a row and whoever computes it.
Test(linear, plain_c_gives_each_row_the_same_bits) {
    if (strcmp(matmul_library, "plain C") != 0)
        cr_skip_test("built with %s", matmul_library);
    Random random = random_from_seed(5);
    enum { ROWS = 11, IN = 301, OUT = 67 };
    float *x = random_floats(&random, ROWS * IN, -1, 1);
    float *W = random_floats(&random, OUT * IN, -1, 1);
    float *whole = new_floats(ROWS * OUT), *part = new_floats(ROWS * OUT);
    use_threads(1);
    matmul(whole, x, W, ROWS, IN, OUT);
    for (int threads = 1; threads <= 5; threads++)
        for (size_t rows = 1; rows <= ROWS; rows++) {
            size_t first = ROWS - rows;
            use_threads(threads);
            matmul(part, x + first * IN, W, rows, IN, OUT);
            compare_bits(label("%zu rows, %d threads", rows, threads).text,
                         part, whole + first * OUT, rows * OUT);
        }
    free(x), free(W), free(whole), free(part);
}

// Threads share pieces of the product whose sizes do not depend on how many
// they are: rows of x, or for a single row the rows of W.
static void check_threads(size_t rows, size_t in, size_t out) {
    Random random = random_from_seed(6);
    float *x = random_floats(&random, rows * in, -1, 1);
    float *W = random_floats(&random, out * in, -1, 1);
    float *y = new_floats(rows * out);
    use_threads(1);
    matmul(y, x, W, rows, in, out);
    float *one = copy_floats(y, rows * out);
    for (int threads = 2; threads <= 5; threads++) {
        use_threads(threads);
        matmul(y, x, W, rows, in, out);
        compare_bits(label("%zu rows, %d threads", rows, threads).text, y, one,
                     rows * out);
    }
    free(x), free(W), free(y), free(one);
}

Test(linear, any_number_of_threads_gives_the_same_bits) {
    if (strcmp(matmul_library, "Accelerate") == 0)
        cr_skip_test("Accelerate has threads of its own");
    check_threads(200, 131, 37);
    check_threads(1, 257, 1025);
}

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

// A matrix of random numbers, kept as this type, in memory that is freed by
// free(*memory).
static Matrix random_matrix(Random *random, MatrixType type, size_t out,
                            size_t in, void **memory) {
    float *numbers = random_magnitudes(random, out * in, 1);
    *memory = malloc(matrix_bytes(type, out, in) + 1);
    cr_assert(*memory);
    for (size_t o = 0; o < out; o++)
        cr_assert(
            matrix_write_row(type, *memory, out, in, o, numbers + o * in));
    free(numbers);
    return matrix_at(type, *memory, out, in);
}

// One shape, against double precision with the numbers that the matrix keeps; y
// holds NaN before.
static void check_shape(uint64_t seed, MatrixType type, size_t rows, size_t in,
                        size_t out, bool has_bias) {
    Random random = random_from_seed(seed);
    void *memory;
    Matrix W = random_matrix(&random, type, out, in, &memory);
    float *x = random_magnitudes(&random, rows * in, 1);
    float *bias = has_bias ? random_magnitudes(&random, out, 1) : NULL;
    float *x_before = copy_floats(x, rows * in), *y = new_floats(rows * out);
    float *kept = new_floats(out * in), *kept_after = new_floats(out * in);
    double *wanted = new_doubles(rows * out), *scale = new_doubles(rows * out);

    matrix_columns(kept, W, 0, in);
    linear(y, x, W, bias, rows);
    linear_in_double(wanted, scale, x, kept, bias, rows, in, out);
    Label what = label("seed %llu, %s, %s: %zu rows, %zu in, %zu out, bias %d",
                       (unsigned long long)seed, matmul_library,
                       matrix_type_name(type), rows, in, out, has_bias);
    compare_scaled(what.text, y, wanted, scale, rows * out, bound);
    matrix_columns(kept_after, W, 0, in);
    compare_bits("x", x, x_before, rows * in);
    compare_bits("W", kept_after, kept, out * in);
    free(x), free(memory), free(bias), free(x_before), free(kept);
    free(kept_after), free(y), free(wanted), free(scale);
}

static void check_types(uint64_t seed, size_t rows, size_t in, size_t out,
                        bool has_bias) {
    check_shape(seed, MATRIX_F32, rows, in, out, has_bias);
    check_shape(seed, MATRIX_BF16, rows, in, out, has_bias);
    check_shape(seed, MATRIX_INT8, rows, in, out, has_bias);
}

// Around the few rows that are taken one by one, and blocks of 8 rows and 32
// numbers.
Test(linear, shapes_around_the_blocks) {
    static const size_t rows[] = {0, 1, 2, 4, 5, 7, 8, 9, 17};
    static const size_t sizes[] = {1, 3, 31, 32, 33, 65};
    for (size_t r = 0; r < 9; r++)
        for (size_t i = 0; i < 6; i++)
            for (size_t o = 0; o < 6; o++)
                check_types(r, rows[r], sizes[i], sizes[o], (i + o) % 2);
}

Test(linear, any_shape) {
    for (uint64_t seed = 0; seed < 100; seed++) {
        Random random = random_from_seed(~seed);
        size_t rows = random_count(&random, 0, 20);
        size_t in = random_count(&random, 1, 300);
        check_types(seed, rows, in, random_count(&random, 1, 70), seed % 2);
    }
}

// Large enough that threads share it, and that it makes several pieces: of 128
// or 256 rows of x, of 64 or 128 rows of W, and of 256 columns of W.
Test(linear, large_ones) {
    check_types(1, 300, 257, 131, true);
    check_types(2, 1, 1025, 513, false);
    check_types(3, 7, 3001, 5, true);
    check_types(4, 129, 513, 128, true);
    check_types(5, 4, 100, 1000, true);
    check_types(6, 257, 256, 129, false);
}

Test(linear, by_hand) {
    const float x[] = {1, 2, 3, 4, 5, 6}, W[] = {1, 0, -1, 2, 2, 2};
    const float bias[] = {10, 100};
    float y[4];
    linear(y, x, matrix_f32(W, 2, 3), NULL, 2);
    compare_bits("x W^T", y, (float[]){-2, 12, -2, 30}, 4);
    linear(y, x, matrix_f32(W, 2, 3), bias, 2);
    compare_bits("x W^T + bias", y, (float[]){8, 112, 8, 130}, 4);
}

Test(linear, nan_stays_in_its_row) {
    Random random = random_from_seed(4);
    enum { ROWS = 6, IN = 37, OUT = 9, AT = 2 };
    float *x = random_floats(&random, ROWS * IN, -1, 1);
    float *W = random_floats(&random, OUT * IN, -1, 1);
    float clean[ROWS * OUT], y[ROWS * OUT];
    linear(clean, x, matrix_f32(W, OUT, IN), NULL, ROWS);
    x[AT * IN + 20] = NAN;
    linear(y, x, matrix_f32(W, OUT, IN), NULL, ROWS);
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
    linear(y, NULL, matrix_f32(W, 2, 1), NULL, 0);
    linear(y, NULL, matrix_f32(W, 2, 1), W, 0);
    compare_bits("y", y, (float[]){7, 7}, 2);
}

// A sum of no terms is 0, for as many rows as there are.
Test(linear, of_nothing_is_the_bias) {
    enum { ROWS = 9, OUT = 3 };
    const float bias[OUT] = {1, 2, 3}, scales[OUT] = {1, 1, 1};
    for (int type = MATRIX_F32; type <= MATRIX_INT8; type++) {
        float y[ROWS * OUT];
        for (size_t i = 0; i < ROWS * OUT; i++)
            y[i] = NAN;
        linear(y, scales, matrix_at((MatrixType)type, scales, OUT, 0), bias,
               ROWS);
        for (size_t i = 0; i < ROWS * OUT; i++)
            compare_number(matrix_type_name((MatrixType)type), i, y[i],
                           bias[i % OUT], 0);
    }
}

// Threads share pieces of the product whose sizes do not depend on how many
// they are.
static void check_threads(MatrixType type, size_t rows, size_t in, size_t out) {
    Random random = random_from_seed(6);
    void *memory;
    Matrix W = random_matrix(&random, type, out, in, &memory);
    float *x = random_floats(&random, rows * in, -1, 1);
    float *bias = random_floats(&random, out, -1, 1);
    float *y = new_floats(rows * out);
    use_threads(1);
    linear(y, x, W, bias, rows);
    float *one = copy_floats(y, rows * out);
    for (int threads = 2; threads <= 5; threads++) {
        use_threads(threads);
        linear(y, x, W, bias, rows);
        compare_bits(label("%s, %zu rows, %d threads", matrix_type_name(type),
                           rows, threads)
                         .text,
                     y, one, rows * out);
    }
    free(memory), free(x), free(bias), free(y), free(one);
}

Test(linear, any_number_of_threads_gives_the_same_bits) {
    if (strcmp(matmul_library, "Accelerate") == 0)
        cr_skip_test("Accelerate has threads of its own");
    for (int type = MATRIX_F32; type <= MATRIX_INT8; type++) {
        check_threads((MatrixType)type, 300, 131, 37);
        check_threads((MatrixType)type, 300, 67, 300);
        check_threads((MatrixType)type, 1, 257, 1025);
        check_threads((MatrixType)type, 3, 257, 1025);
    }
}

// --- The tile below ----------------------------------------------------------

// Parts of larger matrices: what lies between the rows is NaN where it is read
// from, and must stay as it was where it is written to.
typedef struct {
    size_t rows, inner, out, x_stride, W_stride, y_stride;
    bool transpose_W;
    float alpha, beta;
} Tile;

static Tile random_tile(uint64_t seed) {
    Random random = random_from_seed(~seed);
    Tile tile = {.rows = random_count(&random, 0, 40),
                 .inner = random_count(&random, 1, 600),
                 .out = random_count(&random, 1, 80),
                 .transpose_W = seed % 2,
                 .alpha = (float)random_uniform(&random, -2, 2),
                 .beta = seed % 3 == 0   ? 0
                         : seed % 3 == 1 ? 1
                                         : -0.5f};
    size_t width = tile.transpose_W ? tile.inner : tile.out;
    tile.x_stride = tile.inner + random_count(&random, 0, 3);
    tile.W_stride = width + random_count(&random, 0, 3);
    tile.y_stride = tile.out + random_count(&random, 0, 3);
    return tile;
}

// A matrix of random numbers with NaN between its rows.
static float *random_part(Random *random, size_t rows, size_t columns,
                          size_t stride) {
    float *part = new_floats(rows * stride);
    for (size_t i = 0; i < rows * stride; i++)
        if (i % stride < columns)
            part[i] = (float)random_uniform(random, -1, 1);
    return part;
}

static void check_tile(uint64_t seed) {
    Tile c = random_tile(seed);
    Random random = random_from_seed(seed);
    float *x = random_part(&random, c.rows, c.inner, c.x_stride);
    float *W = c.transpose_W ? random_part(&random, c.out, c.inner, c.W_stride)
                             : random_part(&random, c.inner, c.out, c.W_stride);
    float *y = random_part(&random, c.rows, c.out, c.y_stride);
    if (c.beta == 0)  // what is not read may be anything
        for (size_t i = 0; i < c.rows * c.y_stride; i++)
            y[i] = NAN;
    float *before = copy_floats(y, c.rows * c.y_stride);
    matmul_tile(c.transpose_W, c.rows, c.inner, c.out, c.alpha, x, c.x_stride,
                W, c.W_stride, c.beta, y, c.y_stride);
    for (size_t i = 0; i < c.rows * c.y_stride; i++) {
        size_t t = i / c.y_stride, o = i % c.y_stride;
        Label what = label("seed %llu, %s: row %zu, column %zu",
                           (unsigned long long)seed, matmul_library, t, o);
        if (o >= c.out) {
            compare_bits(what.text, &y[i], &before[i], 1);
            continue;
        }
        double sum = c.beta == 0 ? 0 : (double)c.beta * before[i];
        double size = fabs(sum);
        for (size_t k = 0; k < c.inner; k++) {
            float w =
                c.transpose_W ? W[o * c.W_stride + k] : W[k * c.W_stride + o];
            double term = (double)c.alpha * x[t * c.x_stride + k] * w;
            sum += term, size += fabs(term);
        }
        compare_scaled(what.text, &y[i], &sum, &size, 1, bound);
    }
    free(x), free(W), free(y), free(before);
}

Test(linear, a_tile_is_its_formula) {
    for (uint64_t seed = 0; seed < 200; seed++)
        check_tile(seed);
}

// No terms: what was there, times beta.
Test(linear, a_tile_without_terms) {
    float y[] = {NAN, NAN, 3, 4};
    matmul_tile(true, 1, 0, 2, 1, y, 1, y, 1, 0, y, 2);
    matmul_tile(true, 1, 0, 2, 1, y, 1, y, 1, 0.5f, y + 2, 2);
    compare("y", y, (float[]){0, 0, 1.5f, 2}, 4, (Tolerance){0});
}

// A BLAS may round otherwise for one row than for many; the plain product
// promises the same bits, whatever stands beside a row.
Test(linear, plain_c_gives_each_row_the_same_bits) {
    if (strcmp(matmul_library, "plain C") != 0)
        cr_skip_test("built with %s", matmul_library);
    Random random = random_from_seed(5);
    enum { ROWS = 19, IN = 301, OUT = 67 };
    float *x = random_floats(&random, ROWS * IN, -1, 1);
    float *W = random_floats(&random, OUT * IN, -1, 1);
    float *whole = new_floats(ROWS * OUT), *part = new_floats(ROWS * OUT);
    matmul_tile(true, ROWS, IN, OUT, 1, x, IN, W, IN, 0, whole, OUT);
    for (size_t rows = 1; rows <= ROWS; rows++) {
        size_t first = ROWS - rows;
        matmul_tile(true, rows, IN, OUT, 1, x + first * IN, IN, W, IN, 0, part,
                    OUT);
        compare_bits(label("%zu rows", rows).text, part, whole + first * OUT,
                     rows * OUT);
    }
    free(x), free(W), free(whole), free(part);
}

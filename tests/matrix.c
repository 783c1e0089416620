// Chapter 5: weights in 32, 16 and 8 bits, and a matrix times a vector.
#include "matrix.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "failing_memory.h"

TestSuite(matrix, .fini = nothing_leaks);

static const MatrixType all_types[] = {MATRIX_F32, MATRIX_BF16, MATRIX_INT8};
enum { N_TYPES = 3 };

// The numbers (out, in) written into memory as this type. The memory is filled
// with NaN and watched: free_matrix() fails where too much was written.
static Matrix new_matrix(MatrixType type, const float *numbers, size_t out,
                         size_t in) {
    void *memory = new_workspace(matrix_bytes(type, out, in));
    for (size_t o = 0; o < out; o++)
        cr_assert(matrix_write_row(type, memory, out, in, o, numbers + o * in));
    return matrix_at(type, memory, out, in);
}

static void free_matrix(Matrix W) {
    const void *memory = W.scales ? (const void *)W.scales : W.numbers;
    check_workspace(matrix_type_name(W.type), (void *)(uintptr_t)memory,
                    matrix_bytes(W.type, W.out, W.in));
}

// --- Types
// --------------------------------------------------------------------

Test(matrix, types_have_names) {
    for (size_t i = 0; i < N_TYPES; i++) {
        MatrixType type = MATRIX_F32;
        cr_assert(matrix_type_find(&type, matrix_type_name(all_types[i])));
        cr_assert_eq(type, all_types[i]);
    }
    MatrixType type = MATRIX_BF16;
    static const char *const none[] = {"", "f", "F32", "f32 ", "int", "fp16"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        cr_assert_not(matrix_type_find(&type, none[i]), "'%s'", none[i]);
    cr_assert_eq(type, MATRIX_BF16);
}

Test(matrix, bytes_are_numbers_and_scales) {
    cr_assert_eq(matrix_bytes(MATRIX_F32, 3, 5), 60);
    cr_assert_eq(matrix_bytes(MATRIX_BF16, 3, 5), 30);
    cr_assert_eq(matrix_bytes(MATRIX_INT8, 3, 5), 3 * 4 + 15);
    cr_assert_eq(matrix_bytes(MATRIX_INT8, 0, 5), 0);
}

// --- float32 -----------------------------------------------------------------

Test(matrix, f32_keeps_every_bit) {
    const float row[] = {1, -0.0f, NAN, -INFINITY, FLT_MIN / 8, FLT_MAX, 0};
    Matrix W = new_matrix(MATRIX_F32, row, 1, 7);
    float back[7];
    matrix_columns(back, W, 0, 7);
    compare_bits("f32", back, row, 7);
    free_matrix(W);
}

// --- bf16 --------------------------------------------------------------------

static float through(MatrixType type, float number) {
    Matrix W = new_matrix(type, &number, 1, 1);
    float back;
    matrix_columns(&back, W, 0, 1);
    free_matrix(W);
    return back;
}

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// A number that bf16 has stays as it is: all 65536 of them, but for what a NaN
// carries.
Test(matrix, bf16_keeps_what_it_has) {
    enum { HALVES = 1 << 16 };
    float *all = new_floats(HALVES), *back = new_floats(HALVES);
    for (uint32_t half = 0; half < HALVES; half++)
        all[half] = from_bits(half << 16);
    Matrix W = new_matrix(MATRIX_BF16, all, 1, HALVES);
    matrix_columns(back, W, 0, HALVES);
    for (size_t i = 0; i < HALVES; i++)
        if (isnan(all[i]))
            cr_assert(isnan(back[i]), "NaN %zx became %g", i, (double)back[i]);
        else
            compare_bits(label("half %zx", i).text, &back[i], &all[i], 1);
    free_matrix(W);
    free(all), free(back);
}

// Around the middle between two neighbours; 1.0078125 is the next after 1.
Test(matrix, bf16_rounds_to_the_nearest_even) {
    static const struct {
        float number, wanted;
    } cases[] = {{0x1.00fffep0f, 1},
                 {0x1.01p0f, 1},
                 {0x1.010002p0f, 0x1.02p0f},
                 {0x1.02fffep0f, 0x1.02p0f},
                 {0x1.03p0f, 0x1.04p0f},
                 {-0x1.03p0f, -0x1.04p0f},
                 {-0x1.01p0f, -1},
                 {0x1.fefffep0f, 0x1.fep0f},
                 {0x1.ffp0f, 2},
                 {FLT_MAX, INFINITY},
                 {-FLT_MAX, -INFINITY},
                 {0x1.fefffep127f, 0x1.fep127f},
                 {0x1p-149f, 0},
                 {0x1p-134f, 0},
                 {0x1.0002p-134f, 0x1p-133f}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float found = through(MATRIX_BF16, cases[i].number);
        compare_bits(label("%a", (double)cases[i].number).text, &found,
                     &cases[i].wanted, 1);
    }
}

// A NaN whose payload lies in the lower half must not become infinity, nor one
// of all bits overflow to zero.
Test(matrix, bf16_keeps_nan) {
    static const uint32_t bits[] = {0x7f800001, 0xff800001, 0x7fffffff,
                                    0xffffffff, 0x7fc00000};
    for (size_t i = 0; i < 5; i++)
        cr_assert(isnan(through(MATRIX_BF16, from_bits(bits[i]))), "%x",
                  (unsigned)bits[i]);
}

// Any finite number: no bf16 number is nearer. Its neighbours are one unit of
// the upper half away.
Test(matrix, bf16_is_the_nearest) {
    Random random = random_from_seed(1);
    for (size_t i = 0; i < 20000; i++) {
        uint32_t bits = (uint32_t)random_uniform(&random, 0, 0x7f7f0000) |
                        (uint32_t)random_count(&random, 0, 1) << 31;
        float x = from_bits(bits), found = through(MATRIX_BF16, x);
        for (uint32_t step = 0; step < 2; step++) {
            float other = from_bits(((bits >> 16) + step) << 16);
            double error = fabs((double)found - x);
            cr_assert(error <= fabs((double)other - x),
                      "seed 1, number %zu: %a became %a, further than %a", i,
                      (double)x, (double)found, (double)other);
        }
    }
}

// --- int8 --------------------------------------------------------------------

// Half a scale, and a little for the float operations.
static void check_int8_row(const char *what, const float *row, size_t in) {
    Matrix W = new_matrix(MATRIX_INT8, row, 1, in);
    float *back = new_floats(in);
    matrix_columns(back, W, 0, in);
    double largest = 0;
    for (size_t i = 0; i < in; i++)
        largest = fmax(largest, fabs(row[i]));
    compare_number(label("%s: scale", what).text, 0, W.scales[0], largest / 127,
                   1e-7 * largest);
    const int8_t *numbers = W.numbers;
    for (size_t i = 0; i < in; i++) {
        compare_number(what, i, back[i], row[i], largest / 254 * (1 + 1e-5));
        cr_assert(numbers[i] >= -127, "%s: found %d", what, numbers[i]);
        if (fabs(row[i]) == largest)
            cr_assert_eq(numbers[i], row[i] < 0 ? -127 : 127,
                         "%s: the largest is %d", what, numbers[i]);
    }
    free_matrix(W);
    free(back);
}

Test(matrix, int8_is_within_half_a_scale) {
    for (uint64_t seed = 0; seed < 200; seed++) {
        Random random = random_from_seed(seed);
        size_t in = random_count(&random, 1, 100);
        double size = pow(10, random_uniform(&random, -30, 30));
        float *row = random_magnitudes(&random, in, size);
        check_int8_row(label("seed %llu", (unsigned long long)seed).text, row,
                       in);
        free(row);
    }
}

Test(matrix, int8_by_hand) {
    // The largest is 1.27, so the scale is 0.01.
    const float row[] = {0.5f, -1.27f, 0.024f, 0, -0.0051f};
    const int8_t wanted[] = {50, -127, 2, 0, -1};
    Matrix W = new_matrix(MATRIX_INT8, row, 1, 5);
    for (size_t i = 0; i < 5; i++)
        cr_assert_eq(((const int8_t *)W.numbers)[i], wanted[i], "number %zu",
                     i);
    free_matrix(W);
}

// Each row has a scale of its own.
Test(matrix, int8_scales_by_row) {
    const float rows[] = {1, -0.5f, 1000, 10, 0, 0};
    Matrix W = new_matrix(MATRIX_INT8, rows, 3, 2);
    compare("scales", W.scales, (float[]){1 / 127.0f, 1000 / 127.0f, 0}, 3,
            (Tolerance){.relative = 1e-6});
    float back[6];
    matrix_columns(back, W, 0, 2);
    compare("a row of zeros", back + 4, (float[]){0, 0}, 2, (Tolerance){0});
    free_matrix(W);
}

// Where the scale would not be a normal float, 127 of it could be another
// number than the largest: such rows are zeros.
Test(matrix, int8_rows_too_small_are_zeros) {
    const float rows[] = {0x1p-149f, -0x1p-149f,    100 * FLT_MIN,
                          FLT_MIN,   128 * FLT_MIN, FLT_MIN};
    Matrix W = new_matrix(MATRIX_INT8, rows, 3, 2);
    float back[6];
    matrix_columns(back, W, 0, 2);
    compare("tiny", back, (float[]){0, 0, 0, 0}, 4, (Tolerance){0});
    compare("small", back + 4, rows + 4, 1, (Tolerance){.relative = 1e-6});
    free_matrix(W);
}

Test(matrix, int8_refuses_what_it_cannot_hold) {
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++)
        for (size_t at = 0; at < 3; at++) {
            float row[] = {1, 2, 3};
            row[at] = odd[i];
            void *memory = new_workspace(matrix_bytes(MATRIX_INT8, 1, 3));
            void *before = new_workspace(matrix_bytes(MATRIX_INT8, 1, 3));
            cr_assert_not(matrix_write_row(MATRIX_INT8, memory, 1, 3, 0, row));
            cr_assert(memcmp(memory, before, 7) == 0, "wanted it untouched");
            check_workspace("int8", memory, 7);
            check_workspace("int8", before, 7);
        }
}

// --- Parts
// --------------------------------------------------------------------

Test(matrix, parts_are_parts_of_the_whole) {
    for (uint64_t seed = 0; seed < 60; seed++) {
        Random random = random_from_seed(seed);
        size_t out = random_count(&random, 1, 9);
        size_t in = random_count(&random, 1, 40);
        float *numbers = random_magnitudes(&random, out * in, 1);
        Matrix W = new_matrix(all_types[seed % 3], numbers, out, in);
        float *whole = new_floats(out * in);
        matrix_columns(whole, W, 0, in);

        size_t o = random_count(&random, 0, out),
               i = random_count(&random, 0, in);
        size_t rows = random_count(&random, 0, out - o);
        size_t columns = random_count(&random, 0, in - i);
        Matrix some = matrix_rows(W, o, rows);
        cr_assert(some.out == rows && some.in == in);
        float *part = new_floats(rows * columns);
        matrix_columns(part, some, i, columns);
        for (size_t r = 0; r < rows; r++)
            compare_bits(
                label("seed %llu, row %zu", (unsigned long long)seed, o + r)
                    .text,
                part + r * columns, whole + (o + r) * in + i, columns);
        free(numbers), free(whole), free(part);
        free_matrix(W);
    }
}

// --- Matrix times vector
// ------------------------------------------------------

// W x with the numbers that the matrix keeps, and the sizes of its terms.
static void times_in_double(double *y, double *scale, Matrix W,
                            const float *x) {
    float *numbers = new_floats(W.out * W.in);
    matrix_columns(numbers, W, 0, W.in);
    for (size_t o = 0; o < W.out; o++) {
        y[o] = scale[o] = 0;
        for (size_t i = 0; i < W.in; i++) {
            y[o] += (double)numbers[o * W.in + i] * x[i];
            scale[o] += fabs((double)numbers[o * W.in + i] * x[i]);
        }
    }
    free(numbers);
}

// A sum of up to 400 products in 64 partial sums: at worst about 7 + 6 + 2
// roundings of 6e-8 in a row, relative to the sizes of the terms.
static void check_times(uint64_t seed, MatrixType type, size_t out, size_t in) {
    Random random = random_from_seed(seed);
    float *numbers = random_magnitudes(&random, out * in, 1);
    float *x = random_magnitudes(&random, in, 1), *y = new_floats(out);
    double *wanted = new_doubles(out), *scale = new_doubles(out);
    Matrix W = new_matrix(type, numbers, out, in);
    times_in_double(wanted, scale, W, x);
    matrix_times(y, W, x);
    Label what =
        label("seed %llu, %s, %zu out, %zu in", (unsigned long long)seed,
              matrix_type_name(type), out, in);
    compare_scaled(what.text, y, wanted, scale, out,
                   (Tolerance){.relative = 1e-6});
    free(numbers), free(x), free(y), free(wanted), free(scale);
    free_matrix(W);
}

// Around the 64 partial sums.
Test(matrix, times_a_vector) {
    static const size_t sizes[] = {1, 2, 63, 64, 65, 127, 128, 129, 400};
    for (size_t t = 0; t < N_TYPES; t++)
        for (size_t i = 0; i < 9; i++)
            for (size_t out = 0; out < 4; out++)
                check_times(i, all_types[t], out, sizes[i]);
    for (uint64_t seed = 0; seed < 100; seed++) {
        Random random = random_from_seed(~seed);
        size_t out = random_count(&random, 1, 30);
        check_times(seed, all_types[seed % 3], out,
                    random_count(&random, 1, 300));
    }
}

Test(matrix, times_by_hand) {
    const float numbers[] = {1, 0, -1, 2, 2, 2}, x[] = {1, 2, 3};
    for (size_t t = 0; t < 2; t++) {
        Matrix W = new_matrix(all_types[t], numbers, 2, 3);
        float y[2];
        matrix_times(y, W, x);
        compare_bits(matrix_type_name(all_types[t]), y, (float[]){-2, 12}, 2);
        free_matrix(W);
    }
}

Test(matrix, nan_in_a_row_stays_there) {
    enum { OUT = 3, IN = 70 };
    for (size_t t = 0; t < 2; t++)
        for (size_t at = 0; at < IN; at += 23) {
            Random random = random_from_seed(at);
            float *numbers = random_floats(&random, OUT * IN, -1, 1);
            float *x = random_floats(&random, IN, -1, 1), y[OUT];
            numbers[IN + at] = NAN;
            Matrix W = new_matrix(all_types[t], numbers, OUT, IN);
            matrix_times(y, W, x);
            cr_assert(!isnan(y[0]) && isnan(y[1]) && !isnan(y[2]));
            free(numbers), free(x);
            free_matrix(W);
        }
}

#include "matrix.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

static const struct {
    const char *name;
    size_t bytes;  // of one number
} types[] = {[MATRIX_F32] = {"f32", 4},
             [MATRIX_BF16] = {"bf16", 2},
             [MATRIX_INT8] = {"int8", 1}};

const char *matrix_type_name(MatrixType type) {
    return types[type].name;
}

bool matrix_type_find(MatrixType *type, const char *name) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0) {
            *type = (MatrixType)i;
            return true;
        }
    return false;
}

// --- One number
// ---------------------------------------------------------------

// The upper half of a float's bits, rounded to the nearest, ties to even.
static uint16_t bf16_from_float(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (isnan(x))
        return (uint16_t)(bits >> 16 | 0x40);  // quiet, and no infinity
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float float_from_bf16(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// Number i as float32, without an int8 row's scale. Where the type is a
// constant, the compiler leaves one of the three.
static inline float widen(MatrixType type, const void *numbers, size_t i) {
    switch (type) {
    case MATRIX_F32:
        return ((const float *)numbers)[i];
    case MATRIX_BF16:
        return float_from_bf16(((const uint16_t *)numbers)[i]);
    case MATRIX_INT8:
        return ((const int8_t *)numbers)[i];
    }
    return 0;
}

// --- Memory
// -------------------------------------------------------------------

Matrix matrix_f32(const float *numbers, size_t out, size_t in) {
    return matrix_at(MATRIX_F32, numbers, out, in);
}

size_t matrix_bytes(MatrixType type, size_t out, size_t in) {
    size_t scales = type == MATRIX_INT8 ? out * sizeof(float) : 0;
    return scales + out * in * types[type].bytes;
}

// The scales stand before the numbers, where both are aligned.
Matrix matrix_at(MatrixType type, const void *memory, size_t out, size_t in) {
    Matrix W = {.type = type, .out = out, .in = in, .numbers = memory};
    if (type == MATRIX_INT8) {
        W.scales = memory;
        W.numbers = W.scales + out;
    }
    return W;
}

// w_i = scale * number_i, with the numbers within 127.
static bool write_int8(int8_t *numbers, float *scale, const float *row,
                       size_t in) {
    float largest = 0;
    for (size_t i = 0; i < in; i++) {
        if (!isfinite(row[i]))
            return false;
        largest = fmaxf(largest, fabsf(row[i]));
    }
    *scale = largest / 127;
    bool zero = *scale < FLT_MIN;
    for (size_t i = 0; i < in; i++)
        numbers[i] = zero ? 0 : (int8_t)rintf(row[i] / *scale);
    return true;
}

bool matrix_write_row(MatrixType type, void *memory, size_t out, size_t in,
                      size_t o, const float *row) {
    switch (type) {
    case MATRIX_F32:
        memcpy((float *)memory + o * in, row, in * sizeof *row);
        return true;
    case MATRIX_BF16:
        for (size_t i = 0; i < in; i++)
            ((uint16_t *)memory)[o * in + i] = bf16_from_float(row[i]);
        return true;
    case MATRIX_INT8: {
        float *scales = memory;
        return write_int8((int8_t *)(scales + out) + o * in, &scales[o], row,
                          in);
    }
    }
    return false;
}

Matrix matrix_rows(Matrix W, size_t first, size_t count) {
    W.numbers = (const char *)W.numbers + first * W.in * types[W.type].bytes;
    if (W.scales)
        W.scales += first;
    W.out = count;
    return W;
}

// --- Back to float32
// ----------------------------------------------------------

static inline void widen_columns(MatrixType type, float *columns, Matrix W,
                                 size_t first, size_t count) {
    for (size_t o = 0; o < W.out; o++) {
        float scale = W.scales ? W.scales[o] : 1;
        for (size_t i = 0; i < count; i++)
            columns[o * count + i] =
                scale * widen(type, W.numbers, o * W.in + first + i);
    }
}

void matrix_columns(float *columns, Matrix W, size_t first, size_t count) {
    switch (W.type) {
    case MATRIX_F32:
        widen_columns(MATRIX_F32, columns, W, first, count);
        return;
    case MATRIX_BF16:
        widen_columns(MATRIX_BF16, columns, W, first, count);
        return;
    case MATRIX_INT8:
        widen_columns(MATRIX_INT8, columns, W, first, count);
        return;
    }
}

// --- Matrix times vector
// ------------------------------------------------------

// A dot product keeps LANES partial sums, which compilers turn into vectors
// enough to keep the processor's adders busy; what is left of a row goes in
// steps of FEW_LANES. The memory is asked for a row AHEAD bytes before it is
// needed: by itself it stops at every page.
enum { LANES = 64, FEW_LANES = 16, AHEAD = 6144, CACHE_LINE = 64 };

// sum_i numbers_i x_i
static inline float dot_product(MatrixType type, const void *numbers,
                                const float *x, size_t in) {
    float lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= in; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] += widen(type, numbers, i + j) * x[i + j];
    for (; i + FEW_LANES <= in; i += FEW_LANES)
        for (size_t j = 0; j < FEW_LANES; j++)
            lanes[j] += widen(type, numbers, i + j) * x[i + j];
    for (size_t j = 0; i + j < in; j++)
        lanes[j] += widen(type, numbers, i + j) * x[i + j];
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < LANES; j++)
        sum += lanes[j];
    return sum;
}

// y_o = scale_o sum_i number_{o,i} x_i
static inline void times(MatrixType type, float *restrict y, Matrix W,
                         const float *x) {
    size_t row_bytes = W.in * types[type].bytes;
    const char *row = W.numbers;
    for (size_t o = 0; o < W.out; o++, row += row_bytes) {
        for (size_t k = 0; k < row_bytes; k += CACHE_LINE)
            __builtin_prefetch(row + AHEAD + k);
        y[o] = dot_product(type, row, x, W.in);
        if (type == MATRIX_INT8)
            y[o] *= W.scales[o];
    }
}

void matrix_times(float *restrict y, Matrix W, const float *x) {
    switch (W.type) {
    case MATRIX_F32:
        times(MATRIX_F32, y, W, x);
        return;
    case MATRIX_BF16:
        times(MATRIX_BF16, y, W, x);
        return;
    case MATRIX_INT8:
        times(MATRIX_INT8, y, W, x);
        return;
    }
}

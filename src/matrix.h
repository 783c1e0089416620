// Chapter 5: a weight matrix as it is kept in memory, in 32, 16 or 8 bits.
#ifndef MATRIX_H
#define MATRIX_H

#include <stdbool.h>
#include <stddef.h>

// What the numbers of a matrix are kept as.
typedef enum {
    MATRIX_F32,   // float
    MATRIX_BF16,  // a float's upper half: sign, exponent, 7 bits of fraction
    MATRIX_INT8,  // whole numbers from -127 to 127, times the row's scale
} MatrixType;

// A matrix of weights, or some rows of one; what it points to is only read.
typedef struct {
    MatrixType type;
    size_t out, in;
    const void *numbers;  // (out, in), of this type
    const float *scales;  // (out), for int8; else NULL
} Matrix;

// "f32", "bf16" or "int8".
const char *matrix_type_name(MatrixType type);

// The type of this name; false where there is none.
bool matrix_type_find(MatrixType *type, const char *name);

// Numbers that are float32 already.
Matrix matrix_f32(const float *numbers, size_t out, size_t in);

// Bytes of memory for a matrix of this type, scales included.
size_t matrix_bytes(MatrixType type, size_t out, size_t in);

// The matrix that is kept in such memory, which is aligned to a float; bf16
// wants no more than its own two bytes.
Matrix matrix_at(MatrixType type, const void *memory, size_t out, size_t in);

// Writes row o of a matrix kept in memory, as near to the given numbers as its
// type comes: bf16 to the nearest number it has, the even one of two, NaN to
// NaN; int8 to the nearest multiple of scale = max |w| / 127, where a row
// smaller than 127 times the smallest normal float becomes zeros. int8 has
// nothing for NaN and infinity: where the row holds one, false, and the row is
// not written.
bool matrix_write_row(MatrixType type, void *memory, size_t out, size_t in,
                      size_t o, const float *row);  // (in)

// Rows [first, first + count) of W.
Matrix matrix_rows(Matrix W, size_t first, size_t count);

// The columns [first, first + count) of all rows of W as float32.
void matrix_columns(float *columns,  // (out, count)
                    Matrix W, size_t first, size_t count);

// y = W x, in one thread, at the speed at which W comes from memory.
void matrix_times(float *restrict y,  // (out)
                  Matrix W,
                  const float *x);  // (in)

#endif

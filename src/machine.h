// Chapter 5: what the machine can do at most, for whoever wants to know how
// much of it is used: how fast it reads memory, and how fast it multiplies
// matrices.
#ifndef MACHINE_H
#define MACHINE_H

#include "measure.h"

// Reading: the sum of more numbers than any cache holds, by all threads.
typedef struct {
    float *numbers;  // (count)
    size_t count;
    float sum;  // the result, which nobody needs
} Reading;

bool reading_new(Reading *reading, size_t bytes, Error *err);
void reading_free(Reading *reading);
bool reading_run(void *reading, Error *err);  // the work

// Bytes that one run reads.
double reading_bytes(const Reading *reading);

// A matrix product y = x W^T, by linear().
typedef struct {
    size_t rows, in, out;
    float *y;  // (rows, out)
    float *x;  // (rows, in)
    float *W;  // (out, in)
} Product;

bool product_new(Product *product, size_t rows, size_t in, size_t out,
                 Error *err);
void product_free(Product *product);
bool product_run(void *product, Error *err);  // the work

// Multiplications and additions of one run: 2 rows in out.
double product_flops(const Product *product);

#endif

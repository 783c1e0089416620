// How the tests compare numbers, make up cases and listen to what a function
// prints. Every comparison is written as !(difference <= bound), so that NaN
// fails.
#ifndef COMPARE_H
#define COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "random.h"

// --- Numbers -----------------------------------------------------------------

// A number may lie as far from the wanted one as the larger of the two bounds:
// absolute, and relative * |wanted|.
typedef struct {
    double absolute, relative;
} Tolerance;

// One number; i is its index, for the message.
void compare_number(const char *what, size_t i, double got, double wanted,
                    double bound);

// The distance between neighbouring float32 numbers where x is: the unit in its
// last place.
double last_place(double x);

// count numbers. On failure the test ends, and the message has what, the index,
// both numbers and the bound.
void compare(const char *what, const float *got, const float *wanted,
             size_t count, Tolerance tolerance);
void compare_to_double(const char *what, const float *got, const double *wanted,
                       size_t count, Tolerance tolerance);
void compare_doubles(const char *what, const double *got, const double *wanted,
                     size_t count, Tolerance tolerance);

// The same for sums: their rounding errors are relative to the sizes of the
// terms, which the result may be far below where they cancel. scale (count) is
// the sum of the terms' absolute values, and stands in the place of |wanted|.
void compare_scaled(const char *what, const float *got, const double *wanted,
                    const double *scale, size_t count, Tolerance tolerance);

// The same bits: NaN equals itself, 0 does not equal -0.
void compare_bits(const char *what, const float *got, const float *wanted,
                  size_t count);

// --- Cases -------------------------------------------------------------------

// A made-up name for a case, with the seed that makes it again.
typedef struct {
    char text[200];
} Label;
Label label(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Numbers in memory of just their size, so that an address sanitizer sees every
// step beyond them; freed with free(). new_floats() fills with NaN: a result
// that is read must have been written.
float *new_floats(size_t count);
double *new_doubles(size_t count);  // zeros
float *copy_floats(const float *numbers, size_t count);
float *random_floats(Random *random, size_t count, double low, double high);
// Either sign, and any size from 1e-3 to 1e3 times the scale.
float *random_magnitudes(Random *random, size_t count, double scale);

// Floats of all sizes, one of 9973 by their bits, without infinity and NaN.
float *floats_of_all_sizes(size_t *count);

// A whole number, uniform from least to most.
size_t random_count(Random *random, size_t least, size_t most);

// Workspace of so many bytes, aligned to 64, filled with NaN and followed by
// room that nobody may use; check_workspace() fails where that was written to,
// and frees it. The room is wide, so that a workspace too small is a failed
// test, and no broken heap.
void *new_workspace(size_t bytes);
void check_workspace(const char *what, void *workspace, size_t bytes);

// From now on parallel loops run in so many threads, where the build has any.
void use_threads(int threads);

// --- What a function prints --------------------------------------------------

// Standard output and standard error between capture_begin() and capture_end(),
// each cut off at its size.
typedef struct {
    char out[8192], err[2048];
    int saved_out, saved_err;
} Captured;
void capture_begin(Captured *captured);
void capture_end(Captured *captured);

#endif

// Golden files: tensors that the official code computed, in tests/golden. Where
// something is missing or of another kind, the test fails and says what.
#ifndef GOLDEN_H
#define GOLDEN_H

#include <stdint.h>

#include "safetensors.h"

enum { GOLDEN_MOST_COPIES = 64 };

// An open golden file, and the copies that were handed out of it.
typedef struct {
    Safetensors file;
    char path[128];
    void *copies[GOLDEN_MOST_COPIES];
    size_t n_copies;
} Golden;

// Opens tests/golden/NAME.safetensors. Tests run in the repository's root.
void golden_open(Golden *golden, const char *name);

// Closes the file and frees all copies.
void golden_close(Golden *golden);

// Is there a tensor of this name?
bool golden_has(const Golden *golden, const char *tensor);

// The size of one dimension of a tensor.
size_t golden_size(const Golden *golden, const char *tensor, size_t dimension);

// A tensor's numbers, in memory of just their size, so that an address
// sanitizer sees every step beyond them. They live until golden_close().
const float *golden_floats(Golden *golden, const char *tensor);
const double *golden_doubles(Golden *golden, const char *tensor);
const int64_t *golden_integers(Golden *golden, const char *tensor);

// A number from the file's metadata.
double golden_metadata(const Golden *golden, const char *key);

#endif

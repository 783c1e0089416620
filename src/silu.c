#include "silu.h"

void silu_in_place(float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] = fast_silu(x[i]);
}

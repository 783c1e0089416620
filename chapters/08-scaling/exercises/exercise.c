// Exercise 8.5: your file. `make exercise8` builds and tests it.
#include "exercise.h"

#include <string.h>

// Attention with a window, one token at a time: see exercise.h.
//
// What stands here is right for a window of one token: it looks at the new one
// alone. Instead:
//
//   1. put k and v into their row of the ring, and count the token;
//   2. for each head, find the scores of the rows that are in use, and the
//      largest of them;
//   3. turn them into weights, exp(score - largest) over the sum of these;
//   4. add up the values with these weights.
//
// Does it matter in which order the rows are looked at?
void window_step(WindowCache *cache, const float *q, const float *k,
                 const float *v, float *y, float *score) {
    (void)q, (void)k, (void)score;
    cache->position++;
    memcpy(y, v, cache->n_heads * cache->d_head * sizeof *y);
}

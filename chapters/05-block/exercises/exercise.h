// Exercise 5.5: a block that reads its sequence in both directions.
#ifndef EXERCISE_H
#define EXERCISE_H

#include "block.h"

// Bytes of workspace that both_ways_forward() wants for one sequence of up to
// length tokens: everything it needs besides its arguments.
size_t both_ways_workspace_bytes(const BlockShape *shape, size_t length,
                                 const ScanBackend *backend);

// Two blocks of one shape read the same residual stream, one from the first
// token to the last, one from the last to the first. With f(r) for what the
// first adds to r, and g for the second:
//
//     r_t = r_t + f(r)_t + g(reversed r)_{L-1-t}
//
// Both start with empty states and see r as it came. The workspace is aligned
// to 64, and what it holds before does not matter. No memory is allocated.
// Returns false only where the scan's backend does; r is then unfinished.
bool both_ways_forward(const BlockShape *shape, const BlockWeights *forwards,
                       const BlockWeights *backwards,
                       float *r,  // (L, d_model): the residual stream
                       size_t length, const ScanBackend *backend,
                       void *workspace, Error *err);

#endif

// Exercise 2.5: a causal convolution whose taps stand apart.
#ifndef EXERCISE_H
#define EXERCISE_H

#include <stddef.h>

// How many input rows a sequence must carry across a cut, so that every later
// output can still be computed: as few as will do. d_conv and dilation are at
// least 1.
size_t dilated_state_rows(size_t d_conv, size_t dilation);

// Like conv1d(), but from one tap to the next it goes `dilation` tokens back:
//
//     y_{t,d} = bias_d + sum_{k=0}^{K-1} weight_{d,k} x_{t-(K-1-k) s, d}
//
// with s = dilation. With s = 1 it is conv1d(). The terms are added in the
// order in which they stand, the bias first.
//
// The state holds the last dilated_state_rows() raw inputs, oldest first, zero
// at the beginning of a sequence; on return those including this call's.
// Cutting a sequence anywhere changes nothing. Where no rows are needed, state
// may be NULL. y must not overlap x; the length may be 0.
void dilated_conv1d(float *restrict y,    // (L, D)
                    const float *x,       // (L, D)
                    const float *weight,  // (D, K)
                    const float *bias,    // (D), or NULL for none
                    float *state,         // (dilated_state_rows(), D)
                    size_t length, size_t channels, size_t d_conv,
                    size_t dilation);

#endif

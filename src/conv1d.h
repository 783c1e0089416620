// Chapter 2: the causal depthwise convolution along time.
#ifndef CONV1D_H
#define CONV1D_H

#include <stddef.h>

// Each channel d is filtered by its own K taps, and sees only the past:
//
//     y_{t,d} = bias_d + sum_{k=0}^{K-1} weight_{d,k} x_{t-(K-1)+k, d}
//
// so that tap K-1 multiplies the current input. What stands before t = 0 is in
// the state: the last K-1 raw inputs, oldest first, zero at the beginning of a
// sequence. On return it holds the last K-1 inputs including this call's, so
// the next call goes on where this one stopped: cutting a sequence anywhere,
// even into pieces shorter than K, changes nothing.
//
// y must not overlap x. K = d_conv is at least 1; the length may be 0.
void conv1d(float *restrict y,    // (L, D)
            const float *x,       // (L, D)
            const float *weight,  // (D, K), the official (D, 1, K)
            const float *bias,    // (D), or NULL for none
            float *state,         // (K-1, D)
            size_t length, size_t channels, size_t d_conv);

#endif

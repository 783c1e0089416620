#include "conv1d.h"

#include <string.h>

// The input row `back` steps before row t, which may lie in the state.
static const float *input_row(const float *x, const float *state, size_t t,
                              size_t back, size_t channels, size_t d_conv) {
    if (t >= back)
        return x + (t - back) * channels;
    return state + (d_conv - 1 - (back - t)) * channels;
}

// state_j = the input K-1-j steps before the end. Ascending j reads only rows
// that are not yet overwritten, because every source is j or later.
static void keep_last_inputs(float *state, const float *x, size_t length,
                             size_t channels, size_t d_conv) {
    for (size_t j = 0; j + 1 < d_conv; j++) {
        const float *row =
            input_row(x, state, length, d_conv - 1 - j, channels, d_conv);
        memmove(state + j * channels, row, channels * sizeof *row);
    }
}

void conv1d(float *restrict y, const float *x, const float *weight,
            const float *bias, float *state, size_t length, size_t channels,
            size_t d_conv) {
    for (size_t t = 0; t < length; t++) {
        float *out = y + t * channels;
        for (size_t d = 0; d < channels; d++)
            out[d] = bias ? bias[d] : 0.0f;

        // y_{t,d} += weight_{d,k} x_{t-(K-1)+k, d}
        for (size_t k = 0; k < d_conv; k++) {
            const float *in =
                input_row(x, state, t, d_conv - 1 - k, channels, d_conv);
            for (size_t d = 0; d < channels; d++)
                out[d] += weight[d * d_conv + k] * in[d];
        }
    }
    keep_last_inputs(state, x, length, channels, d_conv);
}

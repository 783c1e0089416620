// A solution of exercise 2.5.
#include "exercise.h"

#include <string.h>

// The oldest input that any later output needs is tap 0's of the first one:
// (K-1) s tokens before it. The newer ones are needed too, by outputs after it.
size_t dilated_state_rows(size_t d_conv, size_t dilation) {
    return (d_conv - 1) * dilation;
}

// The state and the inputs are one line of rows, the state's first. Row i of
// that line: of `kept` rows in the state, then of x.
static const float *row_of(const float *state, const float *x, size_t i,
                           size_t kept, size_t channels) {
    return i < kept ? state + i * channels : x + (i - kept) * channels;
}

void dilated_conv1d(float *restrict y, const float *x, const float *weight,
                    const float *bias, float *state, size_t length,
                    size_t channels, size_t d_conv, size_t dilation) {
    size_t kept = dilated_state_rows(d_conv, dilation);
    for (size_t t = 0; t < length; t++) {
        float *out = y + t * channels;
        for (size_t d = 0; d < channels; d++)
            out[d] = bias ? bias[d] : 0.0f;

        // In the line x_t is row kept + t, and (K-1-k) s rows before that is
        // row t + k s: the window begins at row t.
        for (size_t k = 0; k < d_conv; k++) {
            const float *in =
                row_of(state, x, t + k * dilation, kept, channels);
            for (size_t d = 0; d < channels; d++)
                out[d] += weight[d * d_conv + k] * in[d];
        }
    }

    // The line's last `kept` rows become the state. Each comes from further
    // right, or stays, so that in this order none is overwritten too early.
    for (size_t j = 0; j < kept; j++)
        memmove(state + j * channels,
                row_of(state, x, length + j, kept, channels),
                channels * sizeof *state);
}

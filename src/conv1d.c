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

// The taps that models have, for which the compiler gets a loop of its own. So
// many products are worth waking threads for.
enum { TAPS = 4, LARGE = 1 << 17 };

// One call of conv1d().
typedef struct {
    float *y;
    const float *x, *weight, *bias, *state;
    size_t channels;
} Filter;

// y_{t,d} += sum_k weight_{d,k} x_{t-(K-1)+k, d} over n_taps taps, at most
// TAPS, from `first` on; tap 0 is added to the bias.
static inline void add_taps(const Filter *f, size_t t, size_t first,
                            size_t n_taps, size_t d_conv) {
    const float *in[TAPS], *weight = f->weight + first;
    for (size_t k = 0; k < n_taps; k++)
        in[k] = input_row(f->x, f->state, t, d_conv - 1 - first - k,
                          f->channels, d_conv);
    float *restrict y = f->y + t * f->channels;
    for (size_t d = 0; d < f->channels; d++) {
        float sum = first > 0 ? y[d] : f->bias ? f->bias[d] : 0.0f;
        for (size_t k = 0; k < n_taps; k++)
            sum += weight[d * d_conv + k] * in[k][d];
        y[d] = sum;
    }
}

void conv1d(float *restrict y, const float *x, const float *weight,
            const float *bias, float *state, size_t length, size_t channels,
            size_t d_conv) {
    const Filter filter = {.y = y,
                           .x = x,
                           .weight = weight,
                           .bias = bias,
                           .state = state,
                           .channels = channels};
#pragma omp parallel for schedule(static) if (length * channels * d_conv >     \
                                              LARGE)
    for (size_t t = 0; t < length; t++)
        if (d_conv == TAPS)
            add_taps(&filter, t, 0, TAPS, TAPS);
        else
            for (size_t k = 0; k < d_conv; k++)
                add_taps(&filter, t, k, 1, d_conv);
    keep_last_inputs(state, x, length, channels, d_conv);
}

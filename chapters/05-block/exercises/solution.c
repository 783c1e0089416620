// Exercise 5.5, a solution: two calls of block_forward(), the second on a
// reversed copy that was taken before the first changed anything.
#include "exercise.h"

#include <string.h>

// What lies in the workspace before the block's own: the states of one
// sequence, and the reversed stream. All sizes in numbers.
static size_t state_count(const BlockShape *shape) {
    return (shape->d_conv - 1 + shape->d_state) * shape->d_inner;
}

static size_t stream_count(const BlockShape *shape, size_t length) {
    return length * shape->d_model;
}

// Both, in bytes, rounded up so that the block's workspace is aligned.
static size_t own_bytes(const BlockShape *shape, size_t length) {
    size_t count = state_count(shape) + stream_count(shape, length);
    return (count * sizeof(float) + 63) / 64 * 64;
}

size_t both_ways_workspace_bytes(const BlockShape *shape, size_t length,
                                 const ScanBackend *backend) {
    return own_bytes(shape, length) +
           block_workspace_bytes(shape, 1, length, backend);
}

// One block over r, from empty states.
static bool read_through(const BlockShape *shape, const BlockWeights *weights,
                         float *r, float *states, size_t length,
                         const ScanBackend *backend,
                         const BlockActivations *act, Error *err) {
    BlockState state = {.conv_state = states,
                        .ssm_state =
                            states + (shape->d_conv - 1) * shape->d_inner};
    memset(states, 0, state_count(shape) * sizeof *states);
    return block_forward(shape, weights, r, state, 1, length, backend, act,
                         err);
}

bool both_ways_forward(const BlockShape *shape, const BlockWeights *forwards,
                       const BlockWeights *backwards, float *r, size_t length,
                       const ScanBackend *backend, void *workspace,
                       Error *err) {
    size_t d_model = shape->d_model;
    float *states = workspace;
    float *reversed = states + state_count(shape);
    BlockActivations act = block_activations(
        shape, 1, length, (char *)workspace + own_bytes(shape, length));

    // Before r changes: the second block must not see what the first adds.
    for (size_t t = 0; t < length; t++)
        memcpy(reversed + (length - 1 - t) * d_model, r + t * d_model,
               d_model * sizeof *r);

    if (!read_through(shape, forwards, r, states, length, backend, &act, err) ||
        !read_through(shape, backwards, reversed, states, length, backend, &act,
                      err))
        return false;

    // r has f already; g lies in act.out, last token first.
    for (size_t t = 0; t < length; t++)
        for (size_t i = 0; i < d_model; i++)
            r[t * d_model + i] += act.out[(length - 1 - t) * d_model + i];
    return true;
}

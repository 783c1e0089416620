#include "block.h"

#include "conv1d.h"
#include "discretization.h"
#include "linear.h"
#include "rmsnorm.h"
#include "silu.h"

// Threads share the rows of what is done to each by itself; fewer numbers than
// LARGE are not worth waking one for.
enum { ALIGNMENT = 64, LARGE = 1 << 15 };

// Takes count numbers from the workspace at *used, which goes on to the next
// aligned place. With no workspace it only counts.
static float *take(void *workspace, size_t *used, size_t count) {
    size_t begin = *used;
    *used += (count * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return workspace ? (float *)((char *)workspace + begin) : NULL;
}

// The layout of the workspace, and in *used its size without the scan's share.
// One statement for each: inside one initializer C would leave their order
// open.
static BlockActivations lay_out(const BlockShape *shape, size_t rows,
                                void *workspace, size_t *used) {
    size_t d_inner = shape->d_inner, d_model = shape->d_model;
    BlockActivations act;
    *used = 0;
    act.u = take(workspace, used, rows * d_model);
    act.x_raw = take(workspace, used, rows * d_inner);
    act.x = take(workspace, used, rows * d_inner);
    act.z = take(workspace, used, rows * d_inner);
    act.dt = take(workspace, used, rows * shape->dt_rank);
    act.B = take(workspace, used, rows * shape->d_state);
    act.C = take(workspace, used, rows * shape->d_state);
    act.delta = take(workspace, used, rows * d_inner);
    act.y = take(workspace, used, rows * d_inner);
    act.out = take(workspace, used, rows * d_model);
    act.scan_scratch = take(workspace, used, 0);
    return act;
}

size_t block_workspace_bytes(const BlockShape *shape, size_t batch,
                             size_t length, const ScanBackend *backend) {
    size_t used;
    lay_out(shape, batch * length, NULL, &used);
    Scan scan = {.batch = batch,
                 .length = length,
                 .d_inner = shape->d_inner,
                 .d_state = shape->d_state};
    return used + backend->workspace_bytes(&scan);
}

BlockActivations block_activations(const BlockShape *shape, size_t batch,
                                   size_t length, void *workspace) {
    size_t used;
    return lay_out(shape, batch * length, workspace, &used);
}

// Step 0: each token's numbers normalised.
static void normalise(const BlockShape *shape, const BlockWeights *weights,
                      const float *r, const BlockActivations *act,
                      size_t rows) {
    size_t d_model = shape->d_model;
#pragma omp parallel for schedule(static) if (rows * d_model > LARGE)
    for (size_t t = 0; t < rows; t++)
        rmsnorm(act->u + t * d_model, r + t * d_model, weights->norm_weight, 1,
                d_model, shape->norm_eps);
}

// Step 1: the two halves of in_proj, x to be convolved and z to gate with.
static void project_in(const BlockShape *shape, const BlockWeights *weights,
                       const BlockActivations *act, size_t rows) {
    size_t d_inner = shape->d_inner;
    Matrix W = weights->in_proj_weight;
    const float *bias = weights->in_proj_bias;
    linear(act->x_raw, act->u, matrix_rows(W, 0, d_inner), bias, rows);
    linear(act->z, act->u, matrix_rows(W, d_inner, d_inner),
           bias ? bias + d_inner : NULL, rows);
}

// Step 2: x = SiLU(conv1d(x)), each sequence with its own past.
static void convolve(const BlockShape *shape, const BlockWeights *weights,
                     const BlockActivations *act, BlockState state,
                     size_t batch, size_t length) {
    size_t d_inner = shape->d_inner;
    for (size_t b = 0; b < batch; b++)
        conv1d(act->x + b * length * d_inner, act->x_raw + b * length * d_inner,
               weights->conv1d_weight, weights->conv1d_bias,
               state.conv_state + b * (shape->d_conv - 1) * d_inner, length,
               d_inner, shape->d_conv);
    size_t rows = batch * length;
#pragma omp parallel for schedule(static) if (rows * d_inner > LARGE)
    for (size_t t = 0; t < rows; t++)
        silu_in_place(act->x + t * d_inner, d_inner);
}

// Steps 3 and 4, the selection: Delta, B and C depend on the input.
static void select_parameters(const BlockShape *shape,
                              const BlockWeights *weights,
                              const BlockActivations *act, size_t rows) {
    size_t d_inner = shape->d_inner, N = shape->d_state, R = shape->dt_rank;
    Matrix W = weights->x_proj_weight;
    linear(act->dt, act->x, matrix_rows(W, 0, R), NULL, rows);
    linear(act->B, act->x, matrix_rows(W, R, N), NULL, rows);
    linear(act->C, act->x, matrix_rows(W, R + N, N), NULL, rows);

    // Delta = softplus(dt_proj.weight dt + dt_proj.bias): the bias once.
    linear(act->delta, act->dt, weights->dt_proj_weight, weights->dt_proj_bias,
           rows);
#pragma omp parallel for schedule(static) if (rows * d_inner > LARGE)
    for (size_t t = 0; t < rows; t++)
        softplus_in_place(act->delta + t * d_inner, d_inner);
}

// Steps 5 and 6: the scan, with the skip connection D and the gate SiLU(z).
static bool scan_gated(const BlockShape *shape, const BlockWeights *weights,
                       const BlockActivations *act, BlockState state,
                       size_t batch, size_t length, const ScanBackend *backend,
                       Error *err) {
    Scan scan = {.batch = batch,
                 .length = length,
                 .d_inner = shape->d_inner,
                 .d_state = shape->d_state,
                 .u = act->x,
                 .delta = act->delta,
                 .A = weights->A,
                 .B = act->B,
                 .C = act->C,
                 .D = weights->D,
                 .z = act->z,
                 .h = state.ssm_state,
                 .y = act->y};
    return backend->run(&scan, act->scan_scratch, err);
}

// Step 7: back to the residual stream, r = r + out_proj(y).
static void project_out(const BlockShape *shape, const BlockWeights *weights,
                        float *r, const BlockActivations *act, size_t rows) {
    size_t d_model = shape->d_model;
    linear(act->out, act->y, weights->out_proj_weight, weights->out_proj_bias,
           rows);
#pragma omp parallel for schedule(static) if (rows * d_model > LARGE)
    for (size_t t = 0; t < rows; t++)
        for (size_t i = 0; i < d_model; i++)
            r[t * d_model + i] += act->out[t * d_model + i];
}

bool block_forward(const BlockShape *shape, const BlockWeights *weights,
                   float *r, BlockState state, size_t batch, size_t length,
                   const ScanBackend *backend, const BlockActivations *act,
                   Error *err) {
    size_t rows = batch * length;
    normalise(shape, weights, r, act, rows);
    project_in(shape, weights, act, rows);
    convolve(shape, weights, act, state, batch, length);
    select_parameters(shape, weights, act, rows);
    if (!scan_gated(shape, weights, act, state, batch, length, backend, err))
        return false;
    project_out(shape, weights, r, act, rows);
    return true;
}

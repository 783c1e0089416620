#include "block.h"

#include "conv1d.h"
#include "discretization.h"
#include "linear.h"
#include "rmsnorm.h"
#include "silu.h"

enum { ALIGNMENT = 64 };

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

// Step 1: the two halves of in_proj, x to be convolved and z to gate with.
static void project_in(const BlockShape *shape, const BlockWeights *weights,
                       const BlockActivations *act, size_t rows) {
    size_t d_model = shape->d_model, d_inner = shape->d_inner;
    const float *W = weights->in_proj_weight, *bias = weights->in_proj_bias;
    linear(act->x_raw, act->u, W, bias, rows, d_model, d_inner);
    linear(act->z, act->u, W + d_inner * d_model, bias ? bias + d_inner : NULL,
           rows, d_model, d_inner);
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
    silu_in_place(act->x, batch * length * d_inner);
}

// Steps 3 and 4, the selection: Delta, B and C depend on the input.
static void select_parameters(const BlockShape *shape,
                              const BlockWeights *weights,
                              const BlockActivations *act, size_t rows) {
    size_t d_inner = shape->d_inner, N = shape->d_state, R = shape->dt_rank;
    const float *dt_rows = weights->x_proj_weight;
    const float *B_rows = dt_rows + R * d_inner;
    const float *C_rows = B_rows + N * d_inner;
    linear(act->dt, act->x, dt_rows, NULL, rows, d_inner, R);
    linear(act->B, act->x, B_rows, NULL, rows, d_inner, N);
    linear(act->C, act->x, C_rows, NULL, rows, d_inner, N);

    // Delta = softplus(dt_proj.weight dt + dt_proj.bias): the bias once.
    linear(act->delta, act->dt, weights->dt_proj_weight, weights->dt_proj_bias,
           rows, R, d_inner);
    for (size_t i = 0; i < rows * d_inner; i++)
        act->delta[i] = softplus(act->delta[i]);
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

bool block_forward(const BlockShape *shape, const BlockWeights *weights,
                   float *r, BlockState state, size_t batch, size_t length,
                   const ScanBackend *backend, const BlockActivations *act,
                   Error *err) {
    size_t rows = batch * length, d_model = shape->d_model;

    // From the residual stream to what the scan wants.
    rmsnorm(act->u, r, weights->norm_weight, rows, d_model, shape->norm_eps);
    project_in(shape, weights, act, rows);
    convolve(shape, weights, act, state, batch, length);
    select_parameters(shape, weights, act, rows);
    if (!scan_gated(shape, weights, act, state, batch, length, backend, err))
        return false;

    // And back: r = r + out_proj(y).
    linear(act->out, act->y, weights->out_proj_weight, weights->out_proj_bias,
           rows, shape->d_inner, d_model);
    for (size_t i = 0; i < rows * d_model; i++)
        r[i] += act->out[i];
    return true;
}

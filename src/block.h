// Chapter 5: the Mamba block (the paper's section 3.4 and figure 3).
#ifndef BLOCK_H
#define BLOCK_H

#include "matrix.h"
#include "scan.h"

// The sizes of a block. d_inner = expand * d_model.
typedef struct {
    size_t d_model, d_inner, d_state, d_conv, dt_rank;
    float norm_eps;
} BlockShape;

// What a block knows, under the official names; nothing here is written.
typedef struct {
    const float *norm_weight;    // (d_model)
    Matrix in_proj_weight;       // (2 d_inner, d_model): x, then z
    const float *in_proj_bias;   // (2 d_inner), or NULL
    const float *conv1d_weight;  // (d_inner, 1, K)
    const float *conv1d_bias;    // (d_inner), or NULL
    Matrix x_proj_weight;        // (dt_rank + 2 N, d_inner): dt, B, C
    Matrix dt_proj_weight;       // (d_inner, dt_rank)
    const float *dt_proj_bias;   // (d_inner)
    const float *A;              // (d_inner, N): -exp(A_log)
    const float *D;              // (d_inner)
    Matrix out_proj_weight;      // (d_model, d_inner)
    const float *out_proj_bias;  // (d_model), or NULL
} BlockWeights;

// What a block remembers of each sequence of a batch; zero at its beginning.
typedef struct {
    float *conv_state;  // (batch, K-1, d_inner): raw inputs, oldest first
    float *ssm_state;   // (batch, d_inner, N): h
} BlockState;

// The block's intermediate results; x_raw is what conv1d reads, the others have
// their names in the official code or in the scan's interface.
typedef struct {
    float *u;            // (rows, d_model): the normalised input
    float *x_raw;        // (rows, d_inner): x before the convolution
    float *x;            // (rows, d_inner): x after convolution and SiLU
    float *z;            // (rows, d_inner): the gate, before its SiLU
    float *dt;           // (rows, dt_rank)
    float *B, *C;        // (rows, N)
    float *delta;        // (rows, d_inner): the steps, after softplus
    float *y;            // (rows, d_inner): what the scan returns, gated
    float *out;          // (rows, d_model): what out_proj returns
    void *scan_scratch;  // the scan backend's workspace
} BlockActivations;

// Bytes of workspace for batch sequences of up to length tokens; the backend's
// share is included.
size_t block_workspace_bytes(const BlockShape *shape, size_t batch,
                             size_t length, const ScanBackend *backend);

// Lays the activations out in a workspace of that size, aligned to 64.
BlockActivations block_activations(const BlockShape *shape, size_t batch,
                                   size_t length, void *workspace);

// r = r + mixer(norm(r)) for `length` tokens of each sequence, and the states
// go on by as many. The activations keep the intermediate results. Returns
// false only where the scan's backend does.
bool block_forward(const BlockShape *shape, const BlockWeights *weights,
                   float *r,  // (batch, length, d_model): the residual stream
                   BlockState state, size_t batch, size_t length,
                   const ScanBackend *backend,
                   const BlockActivations *activations, Error *err);

#endif

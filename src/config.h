// Chapter 6: the configuration, all that is decided before training.
#ifndef CONFIG_H
#define CONFIG_H

#include <stdint.h>

#include "block.h"
#include "error.h"

// How dt_proj.weight is initialised.
typedef enum {
    DT_INIT_RANDOM,    // U(-s, s) with s = dt_rank^-0.5 * dt_scale
    DT_INIT_CONSTANT,  // s itself
} DtInit;

// The official names, and behind each its default.
typedef struct {
    size_t d_model;                  // 512: width of the residual stream
    size_t n_layer;                  // 6: number of blocks
    size_t vocab_size;               // 10000: token ids that mean something
    size_t d_state;                  // 16: N, states of a channel
    size_t d_conv;                   // 4: K, taps of the convolution
    size_t expand;                   // 2: d_inner = expand * d_model
    size_t dt_rank;                  // 0 for "auto": ceil(d_model / 16)
    double dt_min, dt_max;           // 1e-3, 0.1: range of the first steps
    DtInit dt_init;                  // random
    double dt_scale;                 // 1
    double dt_init_floor;            // 1e-4: no first step is shorter
    bool conv_bias, bias;            // yes; no, for in_proj and out_proj
    bool rms_norm;                   // yes; LayerNorm is not supported
    double norm_eps;                 // 1e-5
    size_t pad_vocab_size_multiple;  // 8
    bool tie_embeddings;             // yes: the head is the embedding
    int64_t eos_token_id;            // 0: ends a text; -1 for none
} Config;

// The defaults above.
Config config_default(void);

// Every size within its range, dt_min <= dt_max, and so on. The name (a file,
// a command line) stands in the message.
bool config_check(const Config *config, const char *name, Error *err);

// Sizes that follow from others.
size_t config_d_inner(const Config *config);
size_t config_dt_rank(const Config *config);
size_t config_padded_vocab_size(const Config *config);
BlockShape config_block_shape(const Config *config);

#endif

// Chapter 6: the language model: embedding, blocks, norm_f, lm_head.
#ifndef MODEL_H
#define MODEL_H

#include "parameters.h"
#include "safetensors.h"

// A model: read-only once it is loaded, and shared by any number of sessions.
typedef struct {
    Config config;
    BlockShape shape;

    // Every tensor, in the order of parameter_list(), and its numbers: float32,
    // but those of matrices are kept as `weights` says.
    size_t n_parameters;
    Parameter *parameters;  // (n_parameters)
    const float **numbers;  // (n_parameters); NULL where they are not float32
    Matrix *matrices;       // (n_parameters); where the numbers are NULL
    MatrixType weights;

    // The same numbers by their use.
    Matrix embedding;      // (V, d_model)
    BlockWeights *layers;  // (n_layer)
    const float *norm_f;   // (d_model)
    Matrix lm_head;        // (V, d_model); the embedding where it is tied

    // What they point into.
    float *A;             // (n_layer, d_inner, N): -exp(A_log)
    float *storage;       // memory of our own: initialised, or converted
    Safetensors file;     // a mapped checkpoint; else empty
    char *name;           // for messages: the file of the weights
    bool tokenizer_file;  // the checkpoint has a tokenizer.json
} Model;

// A model of this configuration with its lists made and no numbers yet. The
// name stands in messages.
bool model_new(Model *model, const Config *config, const char *name,
               Error *err);

// Once every entry of model->numbers or model->matrices is set: by use, and A
// from A_log.
void model_bind(Model *model);

void model_free(Model *model);

// The weights are finite; otherwise err names the tensor, the place and what
// was found there. Reads every number, so it is asked when something went
// wrong, not at each start.
bool model_check_finite(const Model *model, Error *err);

// Logits of the next token after `rows` positions of the residual stream:
// lm_head(norm_f(r)).
void model_head(const Model *model, float *logits,  // (rows, V)
                const float *r,                     // (rows, d_model)
                float *u,  // (rows, d_model): workspace
                size_t rows);

// The residual stream's beginning: each token's row of the embedding.
void model_embed(const Model *model, float *r,  // (rows, d_model)
                 const int32_t *tokens,         // (rows), each below V
                 size_t rows);

#endif

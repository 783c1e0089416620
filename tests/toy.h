// Small models with made-up weights, and the truth about them: the whole model
// in double precision, written as the formula. For the tests from chapter 6 on.
#ifndef TOY_H
#define TOY_H

#include "random.h"
#include "session.h"

// --- Models ------------------------------------------------------------------

// Two layers of d_model 12, and every size another number; a padded vocabulary,
// all biases and a head of its own.
Config toy_config(void);

// Sizes and switches drawn at random, odd ones and ones among them.
Config random_config(Random *random);

// A model of this configuration in which every number counts: no bias is 0, no
// norm is 1, steps are long enough for the states to change. model_free().
void toy_model(Model *model, const Config *config, uint64_t seed);

// One tensor of a model that owns its numbers, to be changed; call model_bind()
// afterwards. Fails where there is no such tensor.
float *toy_tensor(Model *model, const char *name, size_t *count);

// The model's tensors as a checkpoint has them, n_parameters of them; free().
Tensor *toy_tensors(const Model *model);

// A directory of this name in the test's own, with config.json for this
// configuration and model.safetensors of these tensors. Its path.
const char *toy_checkpoint(const char *name, const Config *config,
                           const Tensor *tensors, size_t count);

// The default model's directory in the repository.
extern const char kjv_directory[];

// Token ids of this vocabulary; free().
int32_t *random_tokens(Random *random, const Config *config, size_t count);

// --- Sessions ----------------------------------------------------------------

// The backend of this name, which must be usable.
const ScanBackend *toy_backend(const char *name);

// A session with the backend "cpu".
void toy_session(Session *session, const Model *model, size_t batch,
                 size_t chunk);

// session_feed() that must succeed.
void feed(Session *session, const int32_t *tokens, size_t length, float *logits,
          size_t n_logits);

// A sequence alone, from its beginning, in one call: the logits of all of its
// positions (length, V) and, where state is not NULL, the session's state.
void feed_alone(const Model *model, const int32_t *tokens, size_t length,
                float *logits, float *state);

// --- The truth ---------------------------------------------------------------

typedef struct {
    double *logits;      // (length, V)
    double *conv_state;  // (n_layer, K-1, d_inner)
    double *ssm_state;   // (n_layer, d_inner, N)
} Truth;

// What the model says after each token of one sequence, and what it remembers
// at the end. The numbers are found by their official names; nothing of the
// library's arithmetic is used.
void truth_find(Truth *truth, const Model *model, const int32_t *tokens,
                size_t length);
void truth_free(Truth *truth);

#endif

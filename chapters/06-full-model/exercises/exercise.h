// Exercise 6.5: the logit lens. What would the model say if it had fewer
// blocks?
#ifndef EXERCISE_H
#define EXERCISE_H

#include "session.h"

// Reads the tokens once, from states of zero, and puts the residual stream
// after 0, 1 .. n_layer blocks through the model's own norm_f and lm_head.
// nats[i] becomes the mean cross entropy of tokens 2..length, each predicted
// from the stream after i blocks; NaN where length is less than 2. Returns
// false where memory or the backend fails; the model is not written to.
bool lens(const Model *model, const ScanBackend *backend,
          const int32_t *tokens,  // (length), each below vocab_size
          size_t length,
          double *nats,  // (n_layer + 1)
          Error *err);

#endif

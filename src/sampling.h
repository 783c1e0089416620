// Chapter 7: from logits to the next token.
#ifndef SAMPLING_H
#define SAMPLING_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "random.h"

// How to choose. In this order: the logits are divided by the temperature; the
// top_k best stay; of these the best stay until their probabilities add up to
// top_p; one of them is drawn.
typedef struct {
    double temperature;  // 0: always the best (greedy)
    size_t top_k;        // 0: all
    double top_p;        // 1: all
    uint64_t seed;       // the same seed draws the same tokens
} SamplingOptions;

// A candidate for the next token.
typedef struct {
    float logit;
    int32_t token;
    double weight;  // its probability, not yet divided by the sum of all
} Candidate;

typedef struct {
    SamplingOptions options;
    Random random;
    size_t vocab_size;      // ids from here on (padding) are never drawn
    Candidate *candidates;  // (vocab_size): workspace
} Sampler;

bool sampler_new(Sampler *sampler, SamplingOptions options, size_t vocab_size,
                 Error *err);
void sampler_free(Sampler *sampler);

// The next token for finite logits (at least vocab_size). Of equal logits the
// lower id is the better one.
int32_t sample(Sampler *sampler, const float *logits);

// The id of the largest of n logits.
int32_t best_token(const float *logits, size_t n);

#endif

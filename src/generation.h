// Chapter 7: text, one token after the other.
#ifndef GENERATION_H
#define GENERATION_H

#include "sampling.h"
#include "session.h"

// A text being written: the session remembers what stands, the sampler chooses
// what comes, the logits are the model's opinion of it.
typedef struct {
    Session *session;  // of one sequence
    Sampler *sampler;
    float *logits;  // (V)
} Generation;

bool generation_new(Generation *generation, Session *session, Sampler *sampler,
                    Error *err);
void generation_free(Generation *generation);

// Reads a prompt, or more of one: at least one token.
bool generation_read(Generation *generation, const int32_t *tokens, size_t n,
                     Error *err);

// Chooses the next token and reads it. Requires that something has been read.
bool generation_next(Generation *generation, int32_t *token, Error *err);

#endif

// Chapter 6: how well a model predicts a text, in nats and in bits.
#ifndef LOSS_H
#define LOSS_H

#include "session.h"

// The cross entropy of one prediction, -ln softmax(logits)[target], in nats.
// Never overflows; 0 for certainty.
double cross_entropy(const float *logits,  // (V)
                     size_t V, int32_t target);

// Nats to bits: one bit is ln 2 nats.
double bits_from_nats(double nats);

// The running evaluation of a text of any length, each token predicted from all
// before it.
typedef struct {
    Session *session;  // of one sequence, at position 0
    float *logits;     // (chunk, V)
    float *next;       // (V): what the last token so far predicts
    size_t tokens;     // tokens so far
    double nats;       // their sum from the second token on
} Evaluation;

bool evaluation_new(Evaluation *evaluation, Session *session, Error *err);
void evaluation_free(Evaluation *evaluation);

// Goes on by n tokens. Where nats is not NULL it gets each token's nats (n),
// 0 for the text's first token, which nothing predicts.
bool evaluation_feed(Evaluation *evaluation, const int32_t *tokens, size_t n,
                     double *nats, Error *err);

// The mean nats per token over tokens 2..n; NaN where there is no second.
double evaluation_mean(const Evaluation *evaluation);

#endif

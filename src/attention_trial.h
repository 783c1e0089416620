// Chapter 8: attention with made-up inputs, for whoever wants to time it.
#ifndef ATTENTION_TRIAL_H
#define ATTENTION_TRIAL_H

#include "attention.h"
#include "measure.h"

// Numbers in a head.
enum { TRIAL_HEAD = 64 };

// Random queries, keys and values, between -1 and 1.
typedef struct {
    Attention attention;
    float *numbers;   // q, k, v and y
    void *workspace;  // of attention_textbook(), or NULL
} AttentionTrial;

// The workspace is there only where the textbook's attention is to be run.
bool attention_trial_new(AttentionTrial *trial, size_t length, size_t n_heads,
                         bool textbook, Error *err);
void attention_trial_free(AttentionTrial *trial);

// The works, of an AttentionTrial.
bool attention_textbook_run(void *trial, Error *err);
bool attention_blocked_run(void *trial, Error *err);

// --- Step by step ------------------------------------------------------------

// The step that makes a text `length` tokens long, of one layer after the
// other. A model has many layers, and before one of them comes up again the
// others have used the processor's caches; so there are as many here as make
// more than `cold` bytes of keys and values, though at least one.
typedef struct {
    size_t length, n_heads, layers, layer;
    float *memory;  // (layers, 2, length, n_heads, d_head): keys, values
    float *row;     // (4, n_heads, d_head): q, k, v, y
    void *workspace;
} AttentionSteps;

bool attention_steps_new(AttentionSteps *steps, size_t length, size_t n_heads,
                         size_t cold, Error *err);
void attention_steps_free(AttentionSteps *steps);
bool attention_steps_run(void *steps, Error *err);  // the work

// Bytes of keys and values that one step reads.
double attention_steps_bytes(const AttentionSteps *steps);

#endif

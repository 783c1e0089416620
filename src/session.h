// Chapter 6: a session, what a model is doing: states and workspace.
#ifndef SESSION_H
#define SESSION_H

#include "model.h"

// A batch of sequences on their way through a model. It belongs to one caller;
// the model may be shared. Everything is allocated here, once: the size does
// not depend on how long the sequences become.
typedef struct {
    const Model *model;
    const ScanBackend *backend;
    size_t batch;     // sequences, all of the same length
    size_t chunk;     // most tokens of each sequence at once
    size_t position;  // tokens of each sequence so far

    BlockState *layers;  // (n_layer): each layer's states, within `state`
    float *state;        // (state_count)
    size_t state_count;

    // Workspace.
    float *r;                      // (batch, chunk, d_model): residual stream
    int32_t *tokens;               // (batch, chunk)
    void *block_scratch;           // for the activations
    BlockActivations activations;  // of the block that is being computed
} Session;

// A new session at position 0 with states of zero. chunk and batch are at
// least 1.
bool session_new(Session *session, const Model *model, size_t batch,
                 size_t chunk, const ScanBackend *backend, Error *err);

void session_free(Session *session);

// Back to position 0.
void session_reset(Session *session);

// How many numbers of state one sequence has: n_layer d_inner (N + K-1).
size_t session_state_count(const Config *config);

// Bytes that a session of this shape allocates, without the lists.
size_t session_bytes(const Model *model, size_t batch, size_t chunk,
                     const ScanBackend *backend);

// Goes on by `length` tokens of each sequence, in chunks, and writes the logits
// of the last n_logits of them (0 for none, at most length). Cutting a sequence
// into several calls changes nothing. An id outside the vocabulary is an error,
// and nothing has been fed. Logits that are not finite are an error that names
// the weight to blame; the states are lost then.
bool session_feed(Session *session,
                  const int32_t *tokens,  // (batch, length)
                  size_t length,
                  float *logits,  // (batch, n_logits, V), or NULL
                  size_t n_logits, Error *err);

#endif

// Chapter 7: what a model remembers of a text, kept, restored and forked.
#ifndef CACHE_H
#define CACHE_H

#include "session.h"

// Bytes of state for one sequence, however long it is:
// n_layer d_inner (N + K-1) * 4.
size_t cache_bytes(const Config *config);

// Writes a session's states and position to a safetensors file: for each layer
// layers.i.conv_state (batch, K-1, d_inner) and layers.i.ssm_state (batch,
// d_inner, N), and position (1). The file is whole or not there.
bool cache_save(const Session *session, const char *path, Error *err);

// Reads them back into a session of the same shape. On failure the session is
// as it was.
bool cache_restore(Session *session, const char *path, Error *err);

// Copies the state of one sequence over another's, so that one prompt can go on
// in several ways. Both sessions are of the same model; the second takes the
// first one's position, which its other sequences must share.
void cache_fork(Session *to, size_t to_sequence, const Session *from,
                size_t from_sequence);

#endif

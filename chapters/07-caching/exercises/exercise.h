// Exercise 7.5: text by guess and check.
#ifndef EXERCISE_H
#define EXERCISE_H

#include "session.h"

// One round of greedy writing with the help of a draft.
//
// The session, of one sequence, has read a text up to but without its last
// token, `last`. The draft is somebody's guess at the tokens that follow it.
// Reads `last` and the draft in a single call, and writes to tokens what the
// model alone would have written behind `last`: the draft as far as it is
// right, and one token more. *count says how many that are, 1 to n + 1.
//
// Afterwards the session has read `last` and all written tokens but the last
// one, and nothing else: the next round goes on with tokens[*count - 1].
//
// A draft with an id outside the vocabulary is an error; then nothing has been
// read. Padded ids are never written.
bool guess_and_check(Session *session,
                     Session *spare,  // of the same model and one sequence:
                                      // its state may be overwritten
                     int32_t last,
                     const int32_t *draft,  // (n)
                     size_t n,
                     float *logits,    // (n + 1, V padded): workspace
                     int32_t *tokens,  // (n + 1)
                     size_t *count, Error *err);

#endif

// Exercise 8.5: attention that remembers a window.
#ifndef EXERCISE_H
#define EXERCISE_H

#include <stddef.h>

// What attention with a window remembers of a text: the keys and values of its
// last `window` tokens, in a ring. Token t (0 is the first) is in row
// t % window, where it takes the place of token t - window.
typedef struct {
    size_t n_heads, d_head;
    size_t window;    // tokens for which there is room, at least 1
    size_t position;  // tokens so far, however many
    float *keys;      // (window, n_heads, d_head)
    float *values;    // (window, n_heads, d_head)
} WindowCache;

// One new token: puts its key and value into the cache, and looks at the last
// `window` tokens, itself among them, or at all where there are fewer. For each
// head
//
//     score_s = q . k_s / sqrt(d_head)
//     p_s     = exp(score_s) / sum_r exp(score_r)
//     y       = sum_s p_s v_s
//
// over these tokens s. Scores may be of any size: nothing may overflow. Rows of
// the cache that no token has reached yet hold anything, NaN as well.
void window_step(WindowCache *cache,
                 const float *q,  // (n_heads, d_head)
                 const float *k,  // (n_heads, d_head)
                 const float *v,  // (n_heads, d_head)
                 float *y,        // (n_heads, d_head): the result
                 float *score);   // (window): workspace

#endif

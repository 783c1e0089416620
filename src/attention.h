// Chapter 8: causal self-attention, to compare the scan with.
#ifndef ATTENTION_H
#define ATTENTION_H

#include <stddef.h>

// One causal multi-head self-attention (Vaswani and others, 2017, section
// 3.2), without the projections around it. Every head is by itself; token t
// looks at the keys of the tokens s <= t:
//
//     score_{t,s} = q_t . k_s / sqrt(d_head)
//     p_{t,s}     = exp(score_{t,s}) / sum_{r <= t} exp(score_{t,r})
//     y_t         = sum_{s <= t} p_{t,s} v_s
//
// The rows are as projections leave them, one head beside the other. y overlaps
// nothing else; what is const is never written. length may be 0.
typedef struct {
    size_t length, n_heads, d_head;
    const float *q;  // (L, n_heads, d_head): what each token asks
    const float *k;  // (L, n_heads, d_head): what each token answers to
    const float *v;  // (L, n_heads, d_head): what it then says
    float *y;        // (L, n_heads, d_head): the result
} Attention;

// Multiplications and additions of the two products, as they are counted
// everywhere: 4 d_head for every head and every pair s <= t, of which there are
// L (L + 1) / 2. The softmax is not counted.
double attention_flops(const Attention *attention);

// As textbooks write it: all scores of a head, (L, L), then all their softmax,
// then all products with the values. The workspace holds the scores of one
// head; it is aligned for any number, and what it holds before does not matter.
size_t attention_textbook_workspace(const Attention *attention);
void attention_textbook(const Attention *attention, void *workspace);

// The same in tiles of queries and keys, of which only those that the causal
// mask leaves are computed. Each tile corrects the softmax of the tiles before
// it, so that no more than one tile of scores is ever stored: of
// attention_tile_bytes for each thread, on its stack, whatever the length.
// Milakov and Gimelshein (2018); Rabe and Staats (2021); Dao and others (2022).
void attention_blocked(const Attention *attention);
extern const size_t attention_tile_bytes;

// The formula in double precision, for y (L, n_heads, d_head).
void attention_in_double(const Attention *attention, double *y);

// What attention must remember of a text: the key and the value of every token
// so far. Its room is the caller's.
typedef struct {
    size_t n_heads, d_head;
    size_t capacity, length;  // tokens: for how many there is room, and so far
    float *keys;              // (capacity, n_heads, d_head)
    float *values;            // (capacity, n_heads, d_head)
} AttentionCache;

// Bytes of the keys and values of so many tokens, of one layer.
size_t attention_cache_bytes(size_t n_heads, size_t d_head, size_t tokens);

// One new token: appends its key and value to the cache, which must have room,
// and lets it look at all tokens so far, itself included. q, k, v and y are one
// row each, (n_heads, d_head). The workspace is for any length, and aligned for
// any number.
size_t attention_step_workspace(size_t n_heads, size_t d_head);
void attention_step(AttentionCache *cache, const float *q, const float *k,
                    const float *v, float *y, void *workspace);

#endif

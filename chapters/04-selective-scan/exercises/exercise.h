// Exercise 4.5: the selective scan, transposed.
#ifndef EXERCISE_H
#define EXERCISE_H

#include "scan.h"

// Without a gate, and with Delta, A, B, C and D fixed, the results y and h_L of
// a scan are sums of its inputs u and h_0, each with some weight: double the
// inputs, and the results double. So is any weighted sum of the results,
//
//     S = sum of w_t y_t over all steps t  +  g . h_L
//
// with weights w for the outputs and g for the last state. How much does S grow
// when one u_t, or one number of h_0, grows by 1? That is what this computes.
//
// The state is where one step acts on all later ones. Let g_t be how much S
// grows with h_t. Then h_t counts in two places: y_t reads it by C_t, and the
// next step keeps exp(Delta_{t+1} A) of it. So time runs backwards:
//
//     g_t = w_t C_t + exp(Delta_{t+1} A) g_{t+1}       (after the last step: g)
//
// and u_t counts by way of h_t, into which it comes with Delta_t B_t, and by
// way of the skip connection D. What h_0 counts, you will find.
//
// Reads the shapes, delta, A, B, C, and D where it is not NULL. The scan's u,
// z, h and y are neither read nor written; they may be NULL.
//     w   (batch, L, d_inner): the weight of each output
//     g   (batch, d_inner, N): in, the weight of the last state; out, how much
//                              S grows with each number of the first one
//     du  (batch, L, d_inner): how much S grows with each u
void scan_transposed(const Scan *scan, const float *w, float *g, float *du);

#endif
